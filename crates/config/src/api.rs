//! Who may speak to forecall over HTTP.

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

/// A token that is known, by its hash: the token itself stands nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiToken {
    /// What its bearer may do.
    pub role: ApiRole,
    /// SHA-256 of the token, 64 hex digits, as `forecall api-token` shows it.
    pub sha256: String,
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
