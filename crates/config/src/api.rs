//! Who may speak to forecall over HTTP, and what everybody may read of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::check::Findings;
use crate::raw::File;

/// One for each team and program that speaks; of more nobody knows whose they are.
const TOKENS_MAX: usize = 64;
/// A name stands in records as the one who said it.
const NAME_BYTES_MAX: usize = 64;
/// Hex digits of a SHA-256.
const DIGITS: usize = 64;

/// What a token's bearer may do; each may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiRole {
    /// Ask who it is. Nothing is written.
    Viewer,
    /// Steer incidents, give verdicts, and stop all messages to customers.
    Operator,
    /// Approve what goes out to customers.
    Approver,
    /// Let messages go again after a stop.
    Admin,
}

impl ApiRole {
    /// All, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// As it is written in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// What a token's bearer may see beside what its role lets it say. Nobody sees it without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiScope {
    /// What one customer was told, not told and answered; each look is in the audit chain.
    Customers,
    /// What the telephone says of a place, or to one caller.
    Ivr,
}

impl ApiScope {
    /// All.
    pub const ALL: [Self; 2] = [Self::Customers, Self::Ivr];

    /// As it is written in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Ivr => "ivr",
        }
    }
}

/// A token that is known, by its hash: the token itself stands nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiToken {
    /// What its bearer may do.
    pub role: ApiRole,
    /// SHA-256 of the token, 64 hex digits, as `forecall api-token` shows it.
    pub sha256: String,
    /// What of customers its bearer may see.
    #[serde(default)]
    pub scopes: BTreeSet<ApiScope>,
}

/// Commands and verdicts over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSettings {
    /// Where it listens: an address of this machine itself.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Name of a team or program → its token. The name is who said it, in records; never a person's.
    pub tokens: BTreeMap<String, ApiToken>,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9465))
}

/// Notices that have gone out, for everybody: an Atom feed, and each as a CAP 1.2 alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    /// Where it listens: an address of this machine itself.
    #[serde(default = "default_feeds")]
    pub listen: SocketAddr,
    /// Address under which the world reaches it, `https://…` without a slash at the end: it stands in the feed.
    pub url: String,
    /// Who alerts, as CAP names them: a domain name, or a role's e-mail address. Never changes: it is part of every reference.
    pub sender: String,
    /// Everything here is a drill: alerts say `Exercise`.
    #[serde(default)]
    pub exercise: bool,
}

fn default_feeds() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9466))
}

/// Whether the feeds stay on this machine, and what stands in them can be told apart for ever.
pub(crate) fn feeds(file: &File, found: &mut Findings<'_>) {
    let Some(feeds) = &file.feeds else {
        return;
    };
    if !feeds.listen.ip().is_loopback() {
        found.wrong(
            "feeds.listen",
            format!(
                "feeds.listen: {} is reachable from other machines, and the feeds are served as plain HTTP: listen on 127.0.0.1 and let a proxy with TLS on this machine stand before it",
                feeds.listen
            ),
        );
    }
    let others = [Some(file.http.listen), file.api.as_ref().map(|api| api.listen)];
    if feeds.listen.port() != 0 && others.contains(&Some(feeds.listen)) {
        found.wrong(
            "feeds.listen",
            format!(
                "feeds.listen: {} is that of `http.listen` or `api.listen` too",
                feeds.listen
            ),
        );
    }
    let plain = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_graphic() && !b"<>&\"'`\\^{|}".contains(&b))
    };
    let rest = feeds.url.strip_prefix("https://").unwrap_or_default();
    if rest.is_empty() || rest.ends_with('/') || rest.contains(['?', '#', '@']) || !plain(rest) {
        found.wrong(
            "feeds.url",
            "feeds.url: an address `https://…` without a slash at its end, `?`, `#` and `@`",
        );
    }
    // CAP 1.2, 3.2.1: no spaces, commas or restricted characters (< and &).
    let sender = &feeds.sender;
    if sender.is_empty() || sender.len() > NAME_BYTES_MAX || sender.contains(',') || !plain(sender) {
        found.wrong(
            "feeds.sender",
            format!("feeds.sender: 1 to {NAME_BYTES_MAX} characters without spaces, commas, `<` and `&`: a domain name or a role's e-mail address"),
        );
    }
}

/// Whether the interface stays on this machine and every token can be told from the others.
pub(crate) fn access(file: &File, found: &mut Findings<'_>) {
    let Some(api) = &file.api else {
        return;
    };
    if !api.listen.ip().is_loopback() {
        found.wrong(
            "api.listen",
            format!(
                "api.listen: {} is reachable from other machines, and the interface speaks plain HTTP: listen on 127.0.0.1 and let a proxy with TLS on this machine stand before it",
                api.listen
            ),
        );
    }
    if api.listen == file.http.listen && api.listen.port() != 0 {
        found.wrong(
            "api.listen",
            format!("api.listen: {} is that of `http.listen` too", api.listen),
        );
    }
    let count = api.tokens.len();
    if count == 0 || count > TOKENS_MAX {
        found.wrong(
            "api.tokens",
            format!(
                "api.tokens: there are {count}; 1 to {TOKENS_MAX} may be: `forecall api-token` makes one"
            ),
        );
    }
    let mut hashes = BTreeSet::new();
    for (name, token) in &api.tokens {
        let path = format!("api.tokens.{name}");
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(plain) {
            found.wrong(
                &path,
                format!("api.tokens: a name is 1 to {NAME_BYTES_MAX} of a-z, 0-9, `-` and `_`"),
            );
        }
        if name == "rule" {
            found.wrong(
                &path,
                "api.tokens: `rule` is what records call a remedy's rule that asks nobody: take another name",
            );
        }
        if token.sha256.len() != DIGITS || !token.sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            // Not at its own place: the line may hold the token itself.
            found.wrong(
                "api.tokens",
                format!("{path}.sha256 must be {DIGITS} hex digits: the hash that `forecall api-token` shows, never the token"),
            );
        }
        if !hashes.insert(token.sha256.to_ascii_lowercase()) {
            found.wrong(
                &format!("{path}.sha256"),
                format!("{path}.sha256 is another name's too: each needs a token of its own"),
            );
        }
    }
}
