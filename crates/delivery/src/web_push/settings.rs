use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use forecall_ledger::Secret;
use forecall_types::seconds;
use openssl::ec::EcKey;
use openssl::pkey::Private;
use serde::{Deserialize, Serialize};

use super::encrypt::private_key;
use crate::webhook::{network_mistakes, window_mistake};

/// How urgent a push is (RFC 8030, section 5.3): what a phone that saves its battery lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// On power and at a network without a meter.
    VeryLow,
    /// On one of them.
    Low,
    /// Where neither is, too.
    Normal,
    /// Even with little battery left: what can't wait.
    #[default]
    High,
}

impl Urgency {
    /// The header's value.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// Pushes to browsers, by whatever push service they have chosen (Web Push with VAPID). Where to stands in the directory: the subscription
/// that the browser gave, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebPushSettings {
    /// The private key of VAPID: 32 bytes as base64url, as `web-push generate-vapid-keys` prints them. Browsers subscribed with its
    /// public one: another key reaches none of them.
    pub private_key: Secret,
    /// Whom push services may turn to: `mailto:…` or `https://…`.
    pub subject: String,
    /// How urgent notices are.
    #[serde(default)]
    pub urgency: Urgency,
    /// How long services keep what has no end of its own for a browser that is away, in seconds. What has one is kept until then.
    #[serde(default = "ttl", with = "seconds")]
    pub ttl: Duration,
    /// Networks or addresses of push services that aren't of the public net: `10.20.0.0/16`.
    #[serde(default)]
    pub allow_addresses: Vec<String>,
    /// Pushes at once, 1 to 64.
    #[serde(default = "window")]
    pub window: usize,
    /// After a service has failed, and where its "too fast" names no time: so long nothing goes there, in seconds.
    #[serde(default = "pause", with = "seconds")]
    pub pause: Duration,
    /// A certificate to trust besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer, in seconds; a connection is waited for as long, at most 5 s.
    #[serde(default = "timeout", with = "seconds")]
    pub timeout: Duration,
}

const fn ttl() -> Duration {
    Duration::from_secs(4 * 3_600)
}

const fn window() -> usize {
    16
}

const fn pause() -> Duration {
    Duration::from_secs(60)
}

const fn timeout() -> Duration {
    Duration::from_secs(10)
}

impl WebPushSettings {
    /// The key, if it is one.
    pub(super) fn key(&self) -> Option<EcKey<Private>> {
        let text = self.private_key.expose().trim().trim_end_matches('=');
        let bytes = BASE64URL.decode(text).ok().filter(|bytes| bytes.len() == 32)?;
        private_key(&bytes).ok()
    }

    /// What can't be used, as sentences that begin with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.key().is_none() {
            found.push("private_key is not base64url of a private key of P-256 (32 bytes)".to_owned());
        }
        let is_contact = ["mailto:", "https://"].iter().any(|start| {
            self.subject
                .strip_prefix(start)
                .is_some_and(|rest| !rest.is_empty())
        });
        if !is_contact {
            found.push("subject is neither `mailto:…` nor `https://…`".to_owned());
        }
        found.extend(network_mistakes(&self.allow_addresses));
        found.extend(window_mistake(self.window));
        if self.timeout.is_zero() {
            found.push("timeout is at least a second".to_owned());
        }
        if self.pause.is_zero() {
            found.push("pause is at least a second".to_owned());
        }
        found
    }
}
