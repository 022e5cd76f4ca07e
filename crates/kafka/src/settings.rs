use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How to reach a Kafka cluster, and how to behave there. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaSettings {
    /// Brokers to begin with: `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// How this program calls itself in the brokers' logs and quotas.
    pub client_id: String,
    /// Encryption and login. `plaintext` and `sasl_plaintext` only where they are declared here; there is no fallback.
    pub security_protocol: SecurityProtocol,
    /// Certificates of the authorities that are trusted (PEM); the system's where absent.
    pub ssl_ca_file: Option<PathBuf>,
    /// This client's certificate (PEM), where the brokers ask for one.
    pub ssl_certificate_file: Option<PathBuf>,
    /// The key of that certificate (PEM).
    pub ssl_key_file: Option<PathBuf>,
    /// The password of that key.
    pub ssl_key_password: Option<Secret>,
    /// How to log in with a user name; needed by `sasl_ssl` and `sasl_plaintext`.
    pub sasl_mechanism: Option<SaslMechanism>,
    /// User name.
    pub sasl_username: Option<String>,
    /// Password.
    pub sasl_password: Option<Secret>,
    /// How long to try to reach a broker at the start.
    pub connect_timeout_ms: u32,
    /// After this long without a sign of life a member's partitions go to others.
    pub session_timeout_ms: u32,
    /// How often a member gives a sign of life; at most a third of `session_timeout_ms`.
    pub heartbeat_interval_ms: u32,
    /// After this long the broker aborts an open transaction: the longest that a dead writer can hold up readers.
    pub transaction_timeout_ms: u32,
    /// `static`: a restart within the session keeps its partitions. `dynamic`: a stop hands them over at once; for autoscaling.
    pub membership: MembershipKind,
    /// How batches are compressed.
    pub compression: Compression,
    /// How long a batch of records to be published may wait for more; a commit doesn't wait for it.
    pub linger_ms: u32,
    /// How long a partition whose local queue is full waits before it fetches again. The client library's own 1000 holds a
    /// fast reader at a fifth of its speed.
    pub fetch_queue_backoff_ms: u32,
    /// Memory for records fetched ahead by one member, in KiB.
    pub queued_max_kbytes: u32,
    /// A partition with unread records that gives none for this long makes the member join anew. 0: never.
    pub watchdog_ms: u32,
    /// Further properties of the client library (librdkafka). Those that correctness hangs on are refused.
    pub extra: BTreeMap<String, String>,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "localhost:9092".to_owned(),
            client_id: "forecall".to_owned(),
            security_protocol: SecurityProtocol::Ssl,
            ssl_ca_file: None,
            ssl_certificate_file: None,
            ssl_key_file: None,
            ssl_key_password: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            connect_timeout_ms: 10_000,
            session_timeout_ms: 10_000,
            heartbeat_interval_ms: 3_000,
            transaction_timeout_ms: 10_000,
            membership: MembershipKind::Static,
            compression: Compression::Lz4,
            linger_ms: 5,
            fetch_queue_backoff_ms: 10,
            queued_max_kbytes: 65_536,
            watchdog_ms: 30_000,
            extra: BTreeMap::new(),
        }
    }
}

impl KafkaSettings {
    /// For a broker without encryption and login, such as one on this machine.
    pub fn plaintext(bootstrap_servers: &str) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            ..Self::default()
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.into())
    }

    pub(crate) fn transaction_timeout(&self) -> Duration {
        Duration::from_millis(self.transaction_timeout_ms.into())
    }

    pub(crate) fn watchdog(&self) -> Option<Duration> {
        (self.watchdog_ms > 0).then(|| Duration::from_millis(self.watchdog_ms.into()))
    }
}

/// Something that must not be seen: neither `Debug` nor a log shows it.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be given to the client library and nowhere else.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Encryption and login on the way to the brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityProtocol {
    /// Neither.
    Plaintext,
    /// Encrypted; the brokers' certificates and host names are checked.
    Ssl,
    /// Login over an open line.
    SaslPlaintext,
    /// Login over an encrypted line.
    SaslSsl,
}

impl SecurityProtocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }

    pub(crate) fn is_encrypted(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    pub(crate) fn has_login(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// How a user name and password are proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// The password itself is sent.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Challenge and response.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Challenge and response.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// Whether a member's claim outlives its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MembershipKind {
    /// It does, for the session time-out.
    Static,
    /// It doesn't.
    Dynamic,
}

/// How batches are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Not.
    None,
    /// LZ4: fast.
    Lz4,
    /// Zstandard: small.
    Zstd,
    /// Snappy.
    Snappy,
    /// Gzip.
    Gzip,
}

impl Compression {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::Gzip => "gzip",
        }
    }
}
