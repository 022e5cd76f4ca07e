use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use forecall_ledger::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes a key may have, as Standard Webhooks says.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a text is no key. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret is not `whsec_` and base64 of 24 to 64 bytes")]
pub struct SigningKeyError;

/// The shared secret of Standard Webhooks (symmetric signatures, `v1`).
#[derive(Clone)]
pub struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SigningKey {
    /// Reads `whsec_…`.
    ///
    /// # Errors
    /// Another beginning, no base64, or too few or too many bytes.
    pub fn read(secret: &Secret) -> Result<Self, SigningKeyError> {
        let text = secret.expose().trim();
        let bytes = text
            .strip_prefix("whsec_")
            .and_then(|text| BASE64.decode(text).ok())
            .filter(|bytes| KEY_BYTES.contains(&bytes.len()))
            .ok_or(SigningKeyError)?;
        Ok(Self(bytes))
    }

    /// The value of `webhook-signature` for a message of this id, posted at this second.
    pub fn sign(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        // HMAC takes a key of any length (RFC 2104, section 2).
        #[allow(
            clippy::expect_used,
            reason = "the only error is a key length, which HMAC doesn't have"
        )]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_gives_its_signature() {
        let key = SigningKey::read(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        assert_eq!(
            key.sign(
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                br#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{key:?}"), "***");
    }

    #[test]
    fn anything_else_is_no_key() {
        for bad in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ",
            "whsec_not base64 at all but long enough",
        ] {
            assert_eq!(
                SigningKey::read(&Secret::new(bad)).unwrap_err(),
                SigningKeyError,
                "{bad}"
            );
        }
    }
}
