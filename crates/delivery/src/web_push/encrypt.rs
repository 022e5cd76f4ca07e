//! Messages that only one browser can read: RFC 8291 (keys) over RFC 8188 (`aes128gcm`), with OpenSSL's ciphers.

use openssl::bn::{BigNum, BigNumContext};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcKey, EcPoint, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::md::Md;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, Private, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::symm::{Cipher, encrypt_aead};

pub(super) const SALT_BYTES: usize = 16;
pub(super) const AUTH_BYTES: usize = 16;
/// An uncompressed point of P-256.
const POINT_BYTES: usize = 65;
const POINT_BYTES_SENT: u8 = 65;
/// Of the only record; push services take bodies of 4,096 bytes, its header among them (RFC 8291, section 4).
const RECORD_BYTES: u32 = 4_096;
/// salt, record size, length of the key's name, the key.
const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
const TAG_BYTES: usize = 16;
/// What fits: a record ends with a delimiter and its tag.
pub(super) const PLAIN_BYTES_MAX: usize = 4_096 - HEADER_BYTES - TAG_BYTES - 1;
/// Messages are as long as the next multiple: their length tells little of what they say.
const PADDED_TO: usize = 256;

pub(super) fn p256() -> Result<EcGroup, ErrorStack> {
    EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
}

/// A point as it is sent.
pub(super) fn point_bytes<T: HasPublic>(key: &EcKey<T>) -> Result<Vec<u8>, ErrorStack> {
    let mut context = BigNumContext::new()?;
    key.public_key()
        .to_bytes(key.group(), PointConversionForm::UNCOMPRESSED, &mut context)
}

/// A private key of 32 bytes, with the public one that follows from it.
pub(super) fn private_key(bytes: &[u8]) -> Result<EcKey<Private>, ErrorStack> {
    let group = p256()?;
    let number = BigNum::from_slice(bytes)?;
    let mut point = EcPoint::new(&group)?;
    let mut context = BigNumContext::new_secure()?;
    point.mul_generator2(&group, &number, &mut context)?;
    let key = EcKey::from_private_components(&group, &number, &point)?;
    key.check_key()?;
    Ok(key)
}

/// A browser's public key: an uncompressed point that is on the curve. `None`: it is none.
pub(super) fn public_key(bytes: &[u8]) -> Option<EcKey<Public>> {
    if bytes.len() != POINT_BYTES {
        return None;
    }
    let group = p256().ok()?;
    let mut context = BigNumContext::new().ok()?;
    let point = EcPoint::from_bytes(&group, bytes, &mut context).ok()?;
    let key = EcKey::from_public_key(&group, &point).ok()?;
    key.check_key().ok()?;
    Some(key)
}

/// HKDF (RFC 5869) with SHA-256.
fn hkdf(salt: &[u8], key: &[u8], info: &[u8], out: &mut [u8]) -> Result<(), ErrorStack> {
    let mut context = PkeyCtx::new_id(Id::HKDF)?;
    context.derive_init()?;
    context.set_hkdf_md(Md::sha256())?;
    context.set_hkdf_salt(salt)?;
    context.set_hkdf_key(key)?;
    context.add_hkdf_info(info)?;
    context.derive(Some(out))?;
    Ok(())
}

/// Zeros behind a message, so that its length is a multiple, as far as there is room.
pub(super) fn padding(plain: usize) -> usize {
    let padded = plain.next_multiple_of(PADDED_TO).min(PLAIN_BYTES_MAX);
    padded.saturating_sub(plain)
}

/// One message for the browser with these keys. `sender` and `salt` serve this message alone.
pub(super) fn encrypt(
    receiver: &EcKey<Public>,
    auth: &[u8; AUTH_BYTES],
    sender: &EcKey<Private>,
    salt: &[u8; SALT_BYTES],
    (plain, padding): (&[u8], usize),
) -> Result<Vec<u8>, ErrorStack> {
    let theirs = point_bytes(receiver)?;
    let ours = point_bytes(sender)?;
    let (secret_key, peer) = (
        PKey::from_ec_key(sender.clone())?,
        PKey::from_ec_key(receiver.clone())?,
    );
    let mut deriver = Deriver::new(&secret_key)?;
    deriver.set_peer(&peer)?;
    let shared = deriver.derive_to_vec()?;
    let info = [b"WebPush: info\0".as_slice(), &theirs, &ours].concat();
    let mut material = [0; 32];
    hkdf(auth, &shared, &info, &mut material)?;
    let (mut key, mut nonce) = ([0; 16], [0; 12]);
    hkdf(salt, &material, b"Content-Encoding: aes128gcm\0", &mut key)?;
    hkdf(salt, &material, b"Content-Encoding: nonce\0", &mut nonce)?;
    // The delimiter of the last record, and what hides the length.
    let mut record = plain.to_vec();
    record.push(2);
    record.resize(plain.len() + 1 + padding, 0);
    let mut tag = [0; TAG_BYTES];
    let sealed = encrypt_aead(Cipher::aes_128_gcm(), &key, Some(&nonce), &[], &record, &mut tag)?;
    let mut body = salt.to_vec();
    body.extend_from_slice(&RECORD_BYTES.to_be_bytes());
    body.push(POINT_BYTES_SENT);
    body.extend_from_slice(&ours);
    body.extend_from_slice(&sealed);
    body.extend_from_slice(&tag);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64URL.decode(text).unwrap()
    }

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_standard_gives_its_bytes() {
        let receiver = public_key(&bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        ))
        .unwrap();
        let sender = private_key(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap();
        assert_eq!(
            BASE64URL.encode(point_bytes(&sender).unwrap()),
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
        );
        let auth = bytes("BTBZMqHH6r4Tts7J_aSIgg").try_into().unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let plain = b"When I grow up, I want to be a watermelon";
        let body = encrypt(&receiver, &auth, &sender, &salt, (plain, 0)).unwrap();
        assert_eq!(
            BASE64URL.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml\
             mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT\
             pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn the_longest_message_fills_what_services_take_and_short_ones_look_alike() {
        let receiver = public_key(&bytes(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        ))
        .unwrap();
        let sender = EcKey::generate(&p256().unwrap()).unwrap();
        let long = |n: usize| {
            let plain = vec![b'x'; n];
            let padded = (plain.as_slice(), padding(n));
            encrypt(&receiver, &[1; 16], &sender, &[2; 16], padded)
                .unwrap()
                .len()
        };
        assert_eq!(long(PLAIN_BYTES_MAX), 4_096);
        assert_eq!(long(PLAIN_BYTES_MAX - 1), 4_096);
        assert_eq!(long(300), long(512));
        assert!(long(513) > long(512));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(private_key(&[0; 32]).is_err());
        assert!(private_key(&[0xff; 32]).is_err());
        for bad in [vec![], vec![4; 65], vec![0], vec![2; 33]] {
            assert!(public_key(&bad).is_none(), "{bad:?}");
        }
    }
}
