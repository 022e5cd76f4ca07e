use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::{Secret, StaleRules};
use forecall_types::{ContactChannel, seconds};
use serde::{Deserialize, Serialize};

use crate::{BreakerSettings, RateLimit};

/// How the deliver worker works. Spans are whole seconds in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliverSettings {
    /// Its name in the audit.
    pub worker: String,
    /// Intents leased at once of a channel.
    pub batch: usize,
    /// Answers written down in one transaction. A crash between leaves at most so many in doubt (`unknown`, or sent
    /// twice); 1 is the safest, more is faster where a disk is slow.
    pub record_group: usize,
    /// After so long without an answer the worker is taken for dead. Longer than a batch takes.
    #[serde(with = "seconds")]
    pub lease_for: Duration,
    /// Attempts of an intent, the first among them.
    pub attempts_max: u32,
    /// The shortest wait before another attempt.
    #[serde(with = "seconds")]
    pub backoff_min: Duration,
    /// The longest.
    #[serde(with = "seconds")]
    pub backoff_max: Duration,
    /// Where a gateway says that nobody is at an address (a subscription given up, a chat that has blocked the bot), nothing goes there
    /// for so long, in seconds; 0: it is tried each time.
    #[serde(with = "seconds")]
    pub address_gone_for: Duration,
    /// How fast each channel may be used; one that isn't named has the default.
    pub rates: BTreeMap<ContactChannel, RateLimit>,
    /// When a failing gateway is left alone.
    pub breaker: BreakerSettings,
    /// What to do where it isn't known whether a message has left.
    pub in_doubt: StaleRules,
}

impl Default for DeliverSettings {
    fn default() -> Self {
        Self {
            worker: "deliver-0".into(),
            batch: 200,
            record_group: 1,
            // 200 messages at a second each take 200 s; three time-outs of 30 s open the breaker long before.
            lease_for: Duration::from_secs(900),
            attempts_max: 6,
            backoff_min: Duration::from_secs(5),
            backoff_max: Duration::from_secs(600),
            // A month: who unblocks or comes back is found again, and a dead address costs twelve tries a year.
            address_gone_for: Duration::from_secs(30 * 86_400),
            rates: BTreeMap::new(),
            breaker: BreakerSettings::default(),
            in_doubt: StaleRules::default(),
        }
    }
}

/// How the way to the mail server is kept private. There is no falling back from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// Plain first, then STARTTLS; a server without it is refused.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None: only to this machine itself.
    None,
}

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Name or address of the server.
    pub host: String,
    /// Port; 587 for STARTTLS, 465 for implicit TLS, 25 for none, if it isn't given.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it is kept private.
    #[serde(default)]
    pub tls: SmtpTls,
    /// A certificate to trust besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// User name, with a password.
    #[serde(default)]
    pub username: Option<String>,
    /// Password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Sender: `support@example.ir` or `Example <support@example.ir>`.
    pub from: String,
    /// Value of List-Unsubscribe: `<mailto:stop@example.ir>` or `<https://…>`.
    #[serde(default)]
    pub list_unsubscribe: Option<String>,
    /// Longest wait for one answer of the server, in seconds.
    #[serde(default = "timeout", with = "seconds")]
    pub timeout: Duration,
}

const fn timeout() -> Duration {
    Duration::from_secs(30)
}

impl SmtpSettings {
    /// A server on this machine, without TLS: for tests and for a relay beside us.
    pub fn loopback(port: u16, from: &str) -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: Some(port),
            tls: SmtpTls::None,
            ca_file: None,
            username: None,
            password: None,
            from: from.into(),
            list_unsubscribe: None,
            timeout: timeout(),
        }
    }

    /// The port, given or usual.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::Starttls => 587,
            SmtpTls::Implicit => 465,
            SmtpTls::None => 25,
        })
    }

    /// Whether the host is this machine by its very name. (Where a name leads is looked at again at each connection.)
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}
