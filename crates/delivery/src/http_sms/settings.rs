use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use forecall_ledger::Secret;
use forecall_types::seconds;
use serde::{Deserialize, Serialize};

use super::callback_settings::CallbackSettings;
use super::template::{Template, is_pointer};

/// What an answer of the gateway means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It has it.
    Accepted,
    /// This message never.
    Permanent,
    /// The number is blocked for this sender; that is no opt-out.
    Blocked,
    /// Not now.
    Temporary,
    /// Too fast.
    Throttled,
    /// No message now: login, credit, maintenance.
    Down,
    /// Nobody knows.
    Unknown,
}

/// The method of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpMethod {
    /// With a body.
    #[default]
    Post,
    /// Without one: everything stands in `query`. Addresses that hold texts tend to be logged on their way.
    Get,
}

/// A gateway for text messages behind HTTP, described. In `url`, `headers`, `query`, `form` and `json` these stand for what is sent:
/// `{to}` (+989…), `{to_digits}` (989…), `{to_national}` (09…), `{text}`, `{from}`, `{reference}` (the message's id, the same at each
/// attempt), `{reference_number}` (the same as a number of at most 15 digits), `{secret}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSmsSettings {
    /// Address of the request.
    pub url: String,
    /// Its method.
    #[serde(default)]
    pub method: HttpMethod,
    /// Sender.
    #[serde(default)]
    pub from: String,
    /// What `{secret}` stands for: a key, a token.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// User name of HTTP's basic login, with a password.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Headers beside those of the body.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Parameters in the address.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The body as a form.
    #[serde(default)]
    pub form: BTreeMap<String, String>,
    /// The body as JSON, written as text; placeholders stand inside strings.
    #[serde(default)]
    pub json: Option<String>,
    /// Where in a JSON answer the gateway's name for the message stands: `/entries/0/messageid`.
    #[serde(default)]
    pub id: Option<String>,
    /// Where in a JSON answer a code stands that says more than HTTP's status: `/return/status`.
    #[serde(default)]
    pub code: Option<String>,
    /// What codes mean; one that isn't named means what the status means, but that a good status doesn't make the message taken. Nor does
    /// a good status without any code, unless the message's name (`id`) stands there.
    #[serde(default)]
    pub codes: BTreeMap<String, Meaning>,
    /// What statuses mean where it isn't the usual: 2xx accepted; 429 throttled; 401, 402, 403, 404, 405 and 503 down; other 4xx permanent;
    /// others unknown.
    #[serde(default)]
    pub statuses: BTreeMap<u16, Meaning>,
    /// It takes the same `{reference}` once only, however often it is sent: after a lost answer the message is sent again.
    #[serde(default)]
    pub knows_repeats: bool,
    /// Receipts and replies, as requests of the gateway.
    #[serde(default)]
    pub callbacks: Option<CallbackSettings>,
    /// Country code for `{to_national}`, without plus.
    #[serde(default = "iran")]
    pub country_code: String,
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

fn iran() -> String {
    "98".to_owned()
}

const fn pause() -> Duration {
    Duration::from_secs(5)
}

const fn timeout() -> Duration {
    Duration::from_secs(15)
}

impl HttpSmsSettings {
    /// All texts with placeholders, by the setting's name.
    fn templates(&self) -> impl Iterator<Item = (String, &str)> {
        let named = [
            ("headers", &self.headers),
            ("query", &self.query),
            ("form", &self.form),
        ];
        std::iter::once(("url".to_owned(), self.url.as_str()))
            .chain(named.into_iter().flat_map(|(name, map)| {
                map.iter()
                    .map(move |(key, text)| (format!("{name}.{key}"), text.as_str()))
            }))
            .chain(self.json.iter().map(|text| ("json".to_owned(), text.as_str())))
    }

    /// What can't be used, as sentences that begin with the setting's name.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let host = self.url.split_once("://").map(|(scheme, rest)| {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            (scheme, authority)
        });
        match host {
            Some(("https", authority)) if !authority.is_empty() => {}
            Some(("http", authority)) if self.insecure || is_loopback(authority) => {}
            Some(("http", _)) => found.push(
                "url is plain HTTP to another machine: write `https://`, or `insecure: true` for a network of your own"
                    .to_owned(),
            ),
            _ => found.push("url is no `https://…`".to_owned()),
        }
        if host.is_some_and(|(_, authority)| authority.contains(['{', '@'])) {
            found.push("url has a placeholder or a login where its host stands".to_owned());
        }
        let mut all = String::new();
        for (name, text) in self.templates() {
            if let Err(unknown) = Template::read(text) {
                found.push(format!("{name} holds `{{{unknown}}}`, which stands for nothing"));
            }
            all.push_str(text);
        }
        if !all.contains("{text}") {
            found.push("form holds no `{text}`, nor do json and query".to_owned());
        }
        if !["{to}", "{to_digits}", "{to_national}"]
            .iter()
            .any(|to| all.contains(to))
        {
            found.push(
                "form holds none of `{to}`, `{to_digits}`, `{to_national}`, nor do json and query".to_owned(),
            );
        }
        if all.contains("{secret}") != self.secret.is_some() {
            found.push("secret and `{secret}` go together".to_owned());
        }
        if all.contains("{from}") && self.from.is_empty() {
            found.push("from is missing, and `{from}` stands for it".to_owned());
        }
        if self.username.is_some() != self.password.is_some() {
            found.push("username and password go together".to_owned());
        }
        if self.json.is_some() && !self.form.is_empty() {
            found.push("json and form are two bodies".to_owned());
        }
        if self.method == HttpMethod::Get && (self.json.is_some() || !self.form.is_empty()) {
            found.push("method is `get`: it has no body".to_owned());
        }
        if let Some(json) = &self.json
            && serde_json::from_str::<serde_json::Value>(json).is_err()
        {
            found.push("json is no JSON: placeholders stand inside its strings".to_owned());
        }
        for (name, pointer) in [("id", &self.id), ("code", &self.code)] {
            if pointer.as_ref().is_some_and(|pointer| !is_pointer(pointer)) {
                found.push(format!("{name} is no JSON pointer (`/a/0/b`)"));
            }
        }
        if !self.codes.is_empty() && self.code.is_none() {
            found.push("codes has no `code`: where does it stand?".to_owned());
        }
        if self.knows_repeats && !all.contains("{reference") {
            found
                .push("knows_repeats needs `{reference}` or `{reference_number}` in what is sent".to_owned());
        }
        if self.timeout.is_zero() {
            found.push("timeout is at least a second".to_owned());
        }
        found.extend(self.callbacks.iter().flat_map(CallbackSettings::mistakes));
        found
    }
}

/// Whether `host:port` is this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
