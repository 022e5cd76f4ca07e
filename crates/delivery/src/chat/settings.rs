use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::Secret;
use forecall_types::seconds;
use serde::{Deserialize, Serialize};

use crate::http_sms::is_loopback;
use crate::webhook::window_mistake;

/// Shorter ones are none: a bot's token is its number, a colon and some 35 characters.
const TOKEN_MIN: usize = 16;

/// A bot that speaks to people by `sendMessage`, as Telegram's and Bale's do. Only people who have once written to the bot can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatSettings {
    /// Where the bots' interface is: `https://api.telegram.org`, `https://tapi.bale.ai`.
    pub base_url: String,
    /// The bot's token; it stands in the address of each request.
    pub token: Secret,
    /// Messages at once, 1 to 64.
    #[serde(default = "window")]
    pub window: usize,
    /// Plain HTTP to another machine than this one.
    #[serde(default)]
    pub insecure: bool,
    /// A certificate to trust besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// After a refusal for speed that names no time, in seconds.
    #[serde(default = "pause", with = "seconds")]
    pub pause: Duration,
    /// Longest wait for an answer, in seconds; a connection is waited for as long, at most 5 s.
    #[serde(default = "timeout", with = "seconds")]
    pub timeout: Duration,
}

const fn window() -> usize {
    // Some 30 a second, what such interfaces take, where an answer takes a quarter of one.
    8
}

const fn pause() -> Duration {
    Duration::from_secs(5)
}

const fn timeout() -> Duration {
    Duration::from_secs(15)
}

impl ChatSettings {
    /// What can't be used, as sentences that begin with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(base_mistake("base_url", &self.base_url, self.insecure));
        let token = self.token.expose().trim();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        if token.len() < TOKEN_MIN || !token.chars().all(is_plain) {
            found.push("token is no token of a bot (`123456:ABC-…`)".to_owned());
        }
        found.extend(window_mistake(self.window));
        if self.timeout.is_zero() {
            found.push("timeout is at least a second".to_owned());
        }
        found
    }
}

/// An address that isn't the private beginning of others.
pub(crate) fn base_mistake(name: &str, url: &str, insecure: bool) -> Option<String> {
    let rest = url.split_once("://");
    let authority = rest.map(|(scheme, rest)| (scheme, rest.split('/').next().unwrap_or_default()));
    match authority {
        _ if url.contains(['?', '#', '@']) || url.chars().any(char::is_whitespace) => {
            Some(format!("{name} has a login or parameters, which no place is for"))
        }
        Some(("https", host)) if !host.is_empty() => None,
        Some(("http", host)) if insecure || is_loopback(host) => None,
        Some(("http", _)) => Some(format!(
            "{name} is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own"
        )),
        Some(_) | None => Some(format!("{name} is no `https://…`")),
    }
}
