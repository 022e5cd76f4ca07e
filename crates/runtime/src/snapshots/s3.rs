//! An S3-compatible store: how it is spoken to.

use std::sync::Arc;
use std::time::Duration;

use forecall_config::S3Settings;
use hmac::{Hmac, KeyInit as _, Mac as _};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, HttpClient, HttpConnector, Signer,
    SigningAlgorithm,
};
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use reqwest::redirect::Policy;
use reqwest::tls::{Certificate, Version};
use sha2::{Digest as _, Sha256};

use crate::host::HostError;

/// Within a data centre a connection stands in milliseconds; three losses of its first packet fit in.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Stores drop idle connections after 20 s to a minute; a request on one of those fails once for nothing.
const IDLE_FOR: Duration = Duration::from_secs(15);
/// A request is tried again so often, and begun again no later than this: a restart waits, but not for ever.
const RETRIES_MAX: usize = 4;
const RETRY_WITHIN: Duration = Duration::from_secs(20);

fn failed(what: String, source: impl std::error::Error + Send + Sync + 'static) -> HostError {
    HostError::Snapshot {
        what,
        source: Box::new(source),
    }
}

/// What a person calls it.
pub(super) fn name(settings: &S3Settings) -> String {
    let host = settings.endpoint.as_deref().unwrap_or_default();
    let host = host.split_once("://").map_or("", |(_, host)| host);
    let rest = format!("{}/{}", settings.bucket, settings.prefix);
    let rest = rest.trim_end_matches('/');
    if host.is_empty() {
        format!("s3://{rest}")
    } else {
        format!("s3://{rest} at {}", host.trim_end_matches('/'))
    }
}

/// The store; nothing is asked of it yet.
pub(super) fn open(settings: &S3Settings) -> Result<Arc<dyn ObjectStore>, HostError> {
    let is_plain = settings.is_plain();
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_access_key_id(&settings.access_key_id)
        .with_secret_access_key(settings.secret_access_key.expose().trim())
        .with_allow_http(is_plain)
        // One by one: we remove one at a time, and many compatible stores know no other way.
        .with_disable_bulk_delete(true)
        .with_crypto_provider(Arc::new(Crypto))
        .with_http_connector(Connector {
            is_plain,
            trusted: trusted(settings)?,
        })
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_WITHIN,
        })
        .with_conditional_put(if settings.create_only {
            S3ConditionalPut::ETagMatch
        } else {
            S3ConditionalPut::Disabled
        });
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    let store = builder
        .build()
        .map_err(|e| failed(format!("failed to set up the client of {}", name(settings)), e))?;
    Ok(if settings.prefix.is_empty() {
        Arc::new(store)
    } else {
        Arc::new(PrefixStore::new(
            store,
            ObjectPath::from(settings.prefix.as_str()),
        ))
    })
}

fn trusted(settings: &S3Settings) -> Result<Vec<Certificate>, HostError> {
    let Some(path) = &settings.ca_file else {
        return Ok(Vec::new());
    };
    let what = || format!("failed to read the certificates in {}", path.display());
    let pem = std::fs::read(path).map_err(|e| failed(what(), e))?;
    Certificate::from_pem_bundle(&pem).map_err(|e| failed(what(), e))
}

/// Makes the HTTP client: TLS 1.2 or better everywhere but on a loopback address, nobody between us and the store there, and
/// no redirect followed, because one could lead to another host.
#[derive(Debug)]
struct Connector {
    is_plain: bool,
    trusted: Vec<Certificate>,
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("forecall/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .https_only(!self.is_plain)
            .tls_version_min(Version::TLS_1_2)
            .tls_certs_merge(self.trusted.clone());
        if self.is_plain {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|e| object_store::Error::Generic {
            store: "S3",
            source: Box::new(e),
        })?;
        Ok(HttpClient::new(client))
    }
}

/// Requests are signed with the hashes the house has already.
#[derive(Debug)]
struct Crypto;

impl CryptoProvider for Crypto {
    fn digest(&self, algorithm: DigestAlgorithm) -> object_store::Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Sum(Sha256::new(), [0; 32]))),
            other => Err(unknown(format!("{other:?}"))),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> object_store::Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|e| unknown(e.to_string()))?;
                Ok(Box::new(Keyed(mac, [0; 32])))
            }
            other => Err(unknown(format!("{other:?}"))),
        }
    }

    fn sign(&self, algorithm: SigningAlgorithm, _: &[u8]) -> object_store::Result<Box<dyn Signer>> {
        // Other clouds sign so.
        Err(unknown(format!("{algorithm:?}")))
    }
}

fn unknown(what: String) -> object_store::Error {
    object_store::Error::NotSupported { source: what.into() }
}

struct Sum(Sha256, [u8; 32]);

impl DigestContext for Sum {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.1 = self.0.finalize_reset().into();
        Ok(&self.1)
    }
}

struct Keyed(Hmac<Sha256>, [u8; 32]);

impl HmacContext for Keyed {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finish(&mut self) -> object_store::Result<&[u8]> {
        self.1 = self.0.clone().finalize().into_bytes().into();
        Ok(&self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn hashes_are_those_of_the_standards() {
        // FIPS 180-2, appendix B.1; RFC 4231, test case 2.
        let mut sum = Crypto.digest(DigestAlgorithm::Sha256).unwrap();
        sum.update(b"a");
        sum.update(b"bc");
        assert_eq!(
            hex(sum.finish().unwrap()),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let mut keyed = Crypto.hmac(DigestAlgorithm::Sha256, b"Jefe").unwrap();
        keyed.update(b"what do ya want for nothing?");
        assert_eq!(
            hex(keyed.finish().unwrap()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
