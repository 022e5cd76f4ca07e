use std::path::PathBuf;
use std::time::Duration;

use forecall_http::{Network, SigningKey};
use forecall_ledger::Secret;
use forecall_types::seconds;
use serde::{Deserialize, Serialize};

/// Requests at once: what is in doubt after a crash, and what goes after the kill switch was turned.
const WINDOW_MAX: usize = 64;

/// Notices as signed calls to customers' own systems (Standard Webhooks). Where to stands in the directory; only `https://`, and only
/// addresses of the public net.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookGatewaySettings {
    /// Signs calls to receivers that have no secret of their own in the directory: `whsec_` and base64 of 24 to 64 bytes. Whoever has it can
    /// speak as forecall to all of them.
    pub secret: Option<Secret>,
    /// The secret before it: while it stands here, calls are signed by both.
    pub previous_secret: Option<Secret>,
    /// Networks or addresses that may be called although they aren't of the public net: `10.20.0.0/16`.
    pub allow_addresses: Vec<String>,
    /// Calls at once, 1 to 64.
    pub window: usize,
    /// After a receiver has failed, and where its "too fast" names no time: so long nothing goes there, in seconds.
    #[serde(with = "seconds")]
    pub pause: Duration,
    /// A certificate to trust besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Longest wait for an answer, in seconds; a connection is waited for as long, at most 5 s.
    #[serde(with = "seconds")]
    pub timeout: Duration,
}

impl Default for WebhookGatewaySettings {
    fn default() -> Self {
        Self {
            secret: None,
            previous_secret: None,
            allow_addresses: Vec::new(),
            // A batch of 200 to receivers that all hang is over in 200 s: shorter than its lease.
            window: 16,
            pause: Duration::from_secs(60),
            ca_file: None,
            timeout: Duration::from_secs(10),
        }
    }
}

impl WebhookGatewaySettings {
    /// What can't be used, as sentences that begin with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, secret) in [
            ("secret", &self.secret),
            ("previous_secret", &self.previous_secret),
        ] {
            if secret
                .as_ref()
                .is_some_and(|secret| SigningKey::read(secret).is_err())
            {
                found.push(format!("{name} is not `whsec_` and base64 of 24 to 64 bytes"));
            }
        }
        if self.previous_secret.is_some() && self.secret.is_none() {
            found.push("previous_secret needs a `secret` after it".to_owned());
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

/// Texts of `allow_addresses` that are no network.
pub(crate) fn network_mistakes(networks: &[String]) -> Option<String> {
    let bad = networks.iter().find_map(|text| text.parse::<Network>().err())?;
    Some(format!("allow_addresses: {bad}"))
}

/// A window that can't be.
pub(crate) fn window_mistake(window: usize) -> Option<String> {
    let is_bad = !(1..=WINDOW_MAX).contains(&window);
    is_bad.then(|| format!("window is not between 1 and {WINDOW_MAX}"))
}
