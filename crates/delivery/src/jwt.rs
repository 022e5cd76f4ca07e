//! What we show to push services: a signed statement who we are (RFC 7519, RFC 7515 in its compact form).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use openssl::ec::EcKey;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// Bytes of each half of an ES256 signature (RFC 7518, section 3.4).
const HALF_BYTES: i32 = 32;

fn unsigned(algorithm: &str, claims: &Value) -> String {
    let head = json!({"alg": algorithm, "typ": "JWT"});
    let part = |value: &Value| BASE64URL.encode(value.to_string());
    format!("{}.{}", part(&head), part(claims))
}

/// Signed with a key of P-256.
pub(crate) fn es256(key: &EcKey<Private>, claims: &Value) -> Result<String, ErrorStack> {
    let text = unsigned("ES256", claims);
    let signature = EcdsaSig::sign(&sha256(text.as_bytes()), key)?;
    let halves = [signature.r(), signature.s()].map(|half| half.to_vec_padded(HALF_BYTES));
    let bytes = halves.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    Ok(format!("{text}.{}", BASE64URL.encode(bytes)))
}

/// Signed with an RSA key.
pub(crate) fn rs256(key: &PKey<Private>, claims: &Value) -> Result<String, ErrorStack> {
    let text = unsigned("RS256", claims);
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    signer.update(text.as_bytes())?;
    Ok(format!("{text}.{}", BASE64URL.encode(signer.sign_to_vec()?)))
}
