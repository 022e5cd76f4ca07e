use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use forecall_types::{ContactChannel, CustomerId, DomainName, Fingerprint};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{LedgerError, Secret};

/// 256 bits, as XChaCha20-Poly1305 and HMAC-SHA256 take them.
const KEY_BYTES: usize = 32;
/// The extended nonce may be drawn at random without counting: a collision in 2⁸⁰ messages has a chance of 2⁻³².
const NONCE_BYTES: usize = 24;

/// The key that wraps every person's key and signs the audit's head. It comes from outside and never enters the file.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits; white space at the ends is dropped.
    ///
    /// # Errors
    /// [`LedgerError::NotAKey`].
    pub fn from_hex(text: &str) -> Result<Self, LedgerError> {
        key_from_hex(text).map(Self)
    }

    /// A fresh one from the system's random numbers: for a ledger that lives as long as the process.
    ///
    /// # Errors
    /// The system has none.
    pub fn generate() -> Result<Self, LedgerError> {
        random().map(Self)
    }

    /// A key for one purpose.
    fn derived(&self, purpose: &[u8]) -> [u8; KEY_BYTES] {
        hmac(&self.0, &[purpose])
    }
}

/// The key that makes pseudonyms. Another key makes other pseudonyms: keep it as long as the ledger.
#[derive(Clone)]
pub struct PseudonymKey([u8; KEY_BYTES]);

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(***)")
    }
}

impl PseudonymKey {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`LedgerError::NotAKey`].
    pub fn from_hex(text: &str) -> Result<Self, LedgerError> {
        key_from_hex(text).map(Self)
    }

    /// The pseudonym of a raw id in a domain: the first 128 bits of HMAC-SHA256(key, domain ‖ 0 ‖ id).
    pub fn customer(&self, domain: &DomainName, id: &str) -> CustomerId {
        let mac = hmac(&self.0, &[domain.as_str().as_bytes(), &[0], id.as_bytes()]);
        let mut half = [0; 16];
        half.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        CustomerId::derived(Fingerprint::from_u128(u128::from_be_bytes(half)))
    }
}

fn key_from_hex(text: &str) -> Result<[u8; KEY_BYTES], LedgerError> {
    let text = text.trim();
    let mut key = [0; KEY_BYTES];
    if text.len() != 2 * KEY_BYTES {
        return Err(LedgerError::NotAKey);
    }
    for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = pair
            .iter()
            .try_fold(0_u8, |sum, digit| {
                let digit = char::from(*digit).to_digit(16)?;
                Some((sum << 4) | u8::try_from(digit).ok()?)
            })
            .ok_or(LedgerError::NotAKey)?;
    }
    Ok(key)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], LedgerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| LedgerError::Random(e.to_string()))?;
    Ok(bytes)
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// What is stored of a person: neither part tells anything without the master key.
pub(crate) struct Sealed {
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

/// Seals and opens personal data.
pub(crate) struct Vault {
    wrap: XChaCha20Poly1305,
    audit: [u8; KEY_BYTES],
    check: [u8; KEY_BYTES],
    address: [u8; KEY_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(***)")
    }
}

impl Vault {
    pub(crate) fn new(master: &MasterKey) -> Self {
        Self {
            wrap: XChaCha20Poly1305::new(&Key::from(master.derived(b"forecall wrap v1"))),
            audit: master.derived(b"forecall audit v1"),
            check: master.derived(b"forecall check v1"),
            address: master.derived(b"forecall address mark v1"),
        }
    }

    /// Stored in the file, so that a wrong key is found at the start and not at the first message.
    pub(crate) const fn key_check(&self) -> &[u8; KEY_BYTES] {
        &self.check
    }

    /// The signature of the audit's head.
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; KEY_BYTES] {
        hmac(&self.audit, &[bytes])
    }

    /// By what an address is found again without being stored: a hash that nobody makes without the master key.
    pub(crate) fn address_mark(&self, channel: ContactChannel, address: &Secret) -> [u8; KEY_BYTES] {
        hmac(
            &self.address,
            &[channel.as_str().as_bytes(), &[0], address.expose().as_bytes()],
        )
    }

    /// What tells one answer of a person from another, from a hash of number and words that mustn't be found again.
    pub(crate) fn reply_mark(&self, customer: &CustomerId, mark: u128) -> [u8; KEY_BYTES] {
        hmac(
            &self.address,
            &[
                b"reply",
                &[0],
                customer.as_str().as_bytes(),
                &[0],
                &mark.to_le_bytes(),
            ],
        )
    }

    /// By what the audit names whose record was looked at: who asks about a person finds it, and it outlives them as a bare number.
    pub(crate) fn view_mark(&self, customer: &CustomerId) -> [u8; KEY_BYTES] {
        hmac(&self.address, &[b"view", &[0], customer.as_str().as_bytes()])
    }

    /// By what words are known that were brought before: nobody makes it from a number and a guess.
    pub(crate) fn words_mark(&self, address: &[u8; KEY_BYTES], mark: u128) -> [u8; KEY_BYTES] {
        hmac(&self.address, &[b"words", &[0], address, &mark.to_le_bytes()])
    }

    /// Seals under a fresh key of this person's own, wrapped. The pseudonym is authenticated with both, so that two
    /// people's rows can't be swapped.
    pub(crate) fn seal(&self, customer: &CustomerId, plain: &[u8]) -> Result<Sealed, LedgerError> {
        let data_key: [u8; KEY_BYTES] = random()?;
        let own = XChaCha20Poly1305::new(&Key::from(data_key));
        Ok(Sealed {
            wrapped_key: encrypt(&self.wrap, customer.as_str(), &data_key)?,
            ciphertext: encrypt(&own, customer.as_str(), plain)?,
        })
    }

    /// Opens what [`Vault::seal`] has sealed.
    pub(crate) fn open(
        &self,
        customer: &CustomerId,
        wrapped_key: &[u8],
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, LedgerError> {
        let open = |cipher: &XChaCha20Poly1305, sealed| decrypt(cipher, customer.as_str(), sealed);
        open(&self.wrap, wrapped_key)
            .and_then(|key| <[u8; KEY_BYTES]>::try_from(key).ok())
            .and_then(|key| open(&XChaCha20Poly1305::new(&Key::from(key)), ciphertext))
            .ok_or_else(|| LedgerError::Sealed {
                customer: customer.clone(),
            })
    }
}

/// Seals the addresses of a directory topic: whoever reads the topic without the master key learns nothing. Customer and
/// channel are authenticated with each, so that no two can be swapped.
#[derive(Clone)]
pub struct AddressSeal(XChaCha20Poly1305);

impl fmt::Debug for AddressSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressSeal(***)")
    }
}

impl AddressSeal {
    /// Under a key of its own, derived from the master key.
    pub fn new(master: &MasterKey) -> Self {
        let key = master.derived(b"forecall directory topic v1");
        Self(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// Seals an address.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn seal(
        &self,
        customer: &CustomerId,
        channel: ContactChannel,
        address: &Secret,
    ) -> Result<Vec<u8>, LedgerError> {
        encrypt(&self.0, &bound_to(customer, channel), address.expose().as_bytes())
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    /// [`LedgerError::Sealed`]: another key, another person, another channel, or a changed byte.
    pub fn open(
        &self,
        customer: &CustomerId,
        channel: ContactChannel,
        sealed: &[u8],
    ) -> Result<Secret, LedgerError> {
        decrypt(&self.0, &bound_to(customer, channel), sealed)
            .and_then(|plain| String::from_utf8(plain).ok())
            .map(Secret::new)
            .ok_or_else(|| LedgerError::Sealed {
                customer: customer.clone(),
            })
    }
}

fn bound_to(customer: &CustomerId, channel: ContactChannel) -> String {
    format!("{customer} {}", channel.as_str())
}

fn encrypt(cipher: &XChaCha20Poly1305, bound_to: &str, plain: &[u8]) -> Result<Vec<u8>, LedgerError> {
    let nonce: [u8; NONCE_BYTES] = random()?;
    let payload = Payload {
        msg: plain,
        aad: bound_to.as_bytes(),
    };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| LedgerError::Corrupt {
            what: "personal data (too long to seal)",
        })?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn decrypt(cipher: &XChaCha20Poly1305, bound_to: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg,
        aad: bound_to.as_bytes(),
    };
    cipher.decrypt(&XNonce::from(*nonce), payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> CustomerId {
        CustomerId::new(text).unwrap()
    }

    #[test]
    fn sealed_opens_only_for_its_person_and_key() {
        let vault = Vault::new(&MasterKey::from_bytes([7; 32]));
        let sealed = vault.seal(&id("cus_a"), b"+989123456789").unwrap();
        let open = |vault: &Vault, who: &str| vault.open(&id(who), &sealed.wrapped_key, &sealed.ciphertext);
        assert_eq!(open(&vault, "cus_a").unwrap(), b"+989123456789");
        assert!(open(&vault, "cus_b").is_err());
        assert!(open(&Vault::new(&MasterKey::from_bytes([8; 32])), "cus_a").is_err());
        let again = vault.seal(&id("cus_a"), b"+989123456789").unwrap();
        assert_ne!(again.ciphertext, sealed.ciphertext);
    }

    #[test]
    fn an_address_opens_only_for_its_person_channel_and_key() {
        let seal = AddressSeal::new(&MasterKey::from_bytes([7; 32]));
        let address = Secret::new("ali@example.ir");
        let sealed = seal.seal(&id("cus_a"), ContactChannel::Email, &address).unwrap();
        let opened = |seal: &AddressSeal, who, channel| seal.open(&id(who), channel, &sealed).ok();
        assert_eq!(opened(&seal, "cus_a", ContactChannel::Email), Some(address));
        assert_eq!(opened(&seal, "cus_b", ContactChannel::Email), None);
        assert_eq!(opened(&seal, "cus_a", ContactChannel::Sms), None);
        let other = AddressSeal::new(&MasterKey::from_bytes([8; 32]));
        assert_eq!(opened(&other, "cus_a", ContactChannel::Email), None);
        assert_eq!(format!("{seal:?}"), "AddressSeal(***)");
    }

    #[test]
    fn keys_are_read_from_hex() {
        let key = MasterKey::from_hex(&format!(" {}\n", "0a".repeat(32))).unwrap();
        assert_eq!(key.0, [10; 32]);
        for bad in ["", "0a", &"0g".repeat(32), &"+1".repeat(32), &"٣".repeat(32)] {
            assert!(MasterKey::from_hex(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{key:?}"), "MasterKey(***)");
    }

    #[test]
    fn pseudonyms_hang_on_key_domain_and_id() {
        let d = |text: &str| DomainName::new(text).unwrap();
        let key = PseudonymKey::from_bytes([1; 32]);
        let first = key.customer(&d("acme"), "4711");
        assert_eq!(first, key.customer(&d("acme"), "4711"));
        assert!(!first.as_str().contains("4711"));
        for other in [
            key.customer(&d("acme"), "4712"),
            key.customer(&d("bcme"), "4711"),
            PseudonymKey::from_bytes([2; 32]).customer(&d("acme"), "4711"),
        ] {
            assert_ne!(first, other);
        }
    }
}
