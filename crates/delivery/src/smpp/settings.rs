use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::Secret;
use forecall_types::seconds;
use serde::{Deserialize, Serialize};

/// How the way to the message centre is kept private. There is no falling back from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmppTls {
    /// TLS from the first byte.
    #[default]
    Implicit,
    /// None: to this machine itself; to another one only with `private_network`.
    None,
}

/// How the parts of one message are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joining {
    /// A header in the text itself, with an 8-bit reference; every centre knows it.
    #[default]
    Udh,
    /// Parameters beside the text (`sar_msg_ref_num` …), for centres that make the header themselves.
    Sar,
}

/// A message centre that speaks SMPP 3.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppSettings {
    /// Name or address of the centre.
    pub host: String,
    /// Port; 3550 with TLS, 2775 without, if it isn't given.
    #[serde(default)]
    pub port: Option<u16>,
    /// How it is kept private.
    #[serde(default)]
    pub tls: SmppTls,
    /// With `tls: none`: the way to the centre is a private network (a leased line, a tunnel). Numbers and texts travel as they are.
    #[serde(default)]
    pub private_network: bool,
    /// A certificate to trust besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Our name there, at most 15 characters.
    pub system_id: String,
    /// Password, at most 8 characters: the protocol has no room for more.
    pub password: Secret,
    /// The kind of system, where the centre asks for one.
    #[serde(default)]
    pub system_type: String,
    /// Sender: a number, a short number or a name of at most 11 characters.
    pub from: String,
    /// Country code of numbers that the centre writes without one, without plus.
    #[serde(default = "iran")]
    pub country_code: String,
    /// Parts under way without an answer at once, 1 to 1,000. After a crash at most so many are in doubt.
    #[serde(default = "window")]
    pub window: u16,
    /// How parts of one message are joined.
    #[serde(default)]
    pub joining: Joining,
    /// Command statuses (decimal) with which this centre says that the subscriber's number is blocked for us.
    #[serde(default)]
    pub blocked_statuses: Vec<u32>,
    /// After so long without a word the line is tried, in seconds.
    #[serde(default = "enquire_every", with = "seconds")]
    pub enquire_every: Duration,
    /// Longest wait for a connection and for an answer, in seconds.
    #[serde(default = "timeout", with = "seconds")]
    pub timeout: Duration,
}

fn iran() -> String {
    "98".to_owned()
}

const fn window() -> u16 {
    10
}

const fn enquire_every() -> Duration {
    Duration::from_secs(30)
}

const fn timeout() -> Duration {
    Duration::from_secs(10)
}

impl SmppSettings {
    /// Most parts under way at once: what a crash may double stays a number that an operator can look through.
    pub const WINDOW_MAX: u16 = 1_000;

    /// A centre on this machine, without TLS: for tests and for a tunnel's end beside us.
    pub fn loopback(port: u16, system_id: &str, password: &str, from: &str) -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: Some(port),
            tls: SmppTls::None,
            private_network: false,
            ca_file: None,
            system_id: system_id.into(),
            password: Secret::new(password),
            system_type: String::new(),
            from: from.into(),
            country_code: iran(),
            window: window(),
            joining: Joining::Udh,
            blocked_statuses: Vec::new(),
            enquire_every: enquire_every(),
            timeout: timeout(),
        }
    }

    /// The port, given or usual.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmppTls::Implicit => 3550,
            SmppTls::None => 2775,
        })
    }

    /// Whether only this machine may be on the other end: no TLS, and no private network was stated.
    pub(crate) const fn is_confined(&self) -> bool {
        matches!(self.tls, SmppTls::None) && !self.private_network
    }

    /// What can't be used, as a sentence that begins with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let is_loopback =
            self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if self.is_confined() && !is_loopback {
            found.push(
                "tls is `none`: that is for this machine itself; another one needs `implicit`, or `private_network: true` for a \
                 line of your own"
                    .to_owned(),
            );
        }
        if self.system_id.len() > 15 || !self.system_id.is_ascii() || self.system_id.is_empty() {
            found.push("system_id is not 1 to 15 ASCII characters".to_owned());
        }
        let password = self.password.expose().trim();
        if password.len() > 8 || !password.is_ascii() {
            found.push("password is not at most 8 ASCII characters".to_owned());
        }
        if self.system_type.len() > 12 || !self.system_type.is_ascii() {
            found.push("system_type is not at most 12 ASCII characters".to_owned());
        }
        let is_number = self
            .from
            .trim_start_matches('+')
            .bytes()
            .all(|b| b.is_ascii_digit());
        let longest = if is_number { 16 } else { 11 };
        if self.from.is_empty() || self.from.len() > longest || !self.from.is_ascii() {
            found.push("from is neither a number nor a name of at most 11 ASCII characters".to_owned());
        }
        if !(1..=Self::WINDOW_MAX).contains(&self.window) {
            found.push(format!("window is not between 1 and {}", Self::WINDOW_MAX));
        }
        if self.timeout.is_zero() || self.enquire_every.is_zero() {
            found.push("timeout and enquire_every are at least a second".to_owned());
        }
        found
    }
}
