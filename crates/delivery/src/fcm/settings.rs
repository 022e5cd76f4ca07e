use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::Secret;
use forecall_types::seconds;
use openssl::pkey::{PKey, Private};
use serde::{Deserialize, Serialize};

use crate::chat::base_mistake;
use crate::webhook::window_mistake;

/// Pushes to apps through Firebase Cloud Messaging (HTTP v1). Where to stands in the directory: the app's registration token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcmSettings {
    /// The service account's key, the whole JSON file that the console gives: `${file:/run/secrets/fcm.json}`.
    pub credentials: Secret,
    /// Where the interface is.
    #[serde(default = "google")]
    pub base_url: String,
    /// Everything is done but that anybody is told: FCM checks each message and forgets it.
    #[serde(default)]
    pub validate_only: bool,
    /// How long a message without an end of its own is kept for an app that is away, in seconds. What has one is kept until then.
    #[serde(default = "ttl", with = "seconds")]
    pub ttl: Duration,
    /// Messages at once, 1 to 64.
    #[serde(default = "window")]
    pub window: usize,
    /// Plain HTTP to another machine than this one, for messages and for the login.
    #[serde(default)]
    pub insecure: bool,
    /// A certificate to trust besides the system's, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// After a refusal for speed that names no time, in seconds: FCM wants at least 60.
    #[serde(default = "pause", with = "seconds")]
    pub pause: Duration,
    /// Longest wait for an answer, in seconds; a connection is waited for as long, at most 5 s.
    #[serde(default = "timeout", with = "seconds")]
    pub timeout: Duration,
}

fn google() -> String {
    "https://fcm.googleapis.com".to_owned()
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

/// A service account, as far as it is needed.
#[derive(Deserialize)]
pub(super) struct Account {
    pub(super) project_id: String,
    pub(super) client_email: String,
    pub(super) token_uri: String,
    private_key: String,
}

impl Account {
    pub(super) fn key(&self) -> Option<PKey<Private>> {
        let key = PKey::private_key_from_pem(self.private_key.as_bytes()).ok()?;
        key.rsa().is_ok().then_some(key)
    }
}

impl FcmSettings {
    pub(super) fn account(&self) -> Option<Account> {
        serde_json::from_str(self.credentials.expose()).ok()
    }

    /// What can't be used, as sentences that begin with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        found.extend(base_mistake("base_url", &self.base_url, self.insecure));
        match self.account() {
            None => found.push(
                "credentials is not the JSON of a service account (`project_id`, `client_email`, `token_uri`, `private_key`)"
                    .to_owned(),
            ),
            Some(account) => {
                if account.key().is_none() {
                    found.push("credentials holds no RSA key as `private_key`".to_owned());
                }
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
                if account.project_id.is_empty() || !account.project_id.chars().all(is_name) {
                    found.push("credentials holds no `project_id`".to_owned());
                }
                found.extend(base_mistake("credentials", &account.token_uri, self.insecure));
            }
        }
        found.extend(window_mistake(self.window));
        if self.timeout.is_zero() {
            found.push("timeout is at least a second".to_owned());
        }
        found
    }
}
