//! Who speaks, and what they may say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use forecall_config::{ApiRole, ApiScope, ApiToken};
use forecall_types::Action;
use sha2::{Digest as _, Sha256};

/// Random bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// Who has shown a token that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The team or program, as records name it.
    pub name: String,
    /// What it may do.
    pub role: ApiRole,
    /// What of customers it may see.
    pub scopes: BTreeSet<ApiScope>,
}

/// The tokens that are known, by hash.
#[derive(Debug, Clone)]
pub(crate) struct Tokens(Vec<(String, Bearer)>);

impl Tokens {
    pub(crate) fn new(tokens: &BTreeMap<String, ApiToken>) -> Self {
        let of = |(name, token): (&String, &ApiToken)| {
            let bearer = Bearer {
                name: name.clone(),
                role: token.role,
                scopes: token.scopes.clone(),
            };
            (token.sha256.to_ascii_lowercase(), bearer)
        };
        Self(tokens.iter().map(of).collect())
    }

    /// Who bears it. Every hash is looked at whole, so that the time taken says nothing.
    pub(crate) fn bearer(&self, token: &str) -> Option<&Bearer> {
        let shown = hash(token);
        let mut found = None;
        for (known, bearer) in &self.0 {
            let differs = known.bytes().zip(shown.bytes()).fold(0, |d, (a, b)| d | (a ^ b));
            if differs == 0 && known.len() == shown.len() {
                found = Some(bearer);
            }
        }
        found
    }
}

/// The least role that may say it.
pub const fn needed(action: &Action) -> ApiRole {
    match action {
        Action::Declare { .. }
        | Action::Acknowledge { .. }
        | Action::Eta { .. }
        | Action::Step { .. }
        | Action::Attribute { .. }
        | Action::Retract { .. }
        | Action::Close { .. }
        | Action::Review { .. }
        | Action::Merge { .. }
        | Action::Split { .. }
        | Action::Plan { .. }
        | Action::Silence { .. }
        | Action::Unsilence { .. }
        // Whoever sees that something wrong goes out stops it, and whoever sees a wrong proposal rejects it.
        | Action::Remedy { approve: false, .. }
        | Action::Remedies { on: false }
        | Action::Hold { .. }
        | Action::TakeBack { .. }
        // Words go only once an approver has read them, and a rehearsal reaches no customer.
        | Action::Say { .. }
        | Action::Drill { .. }
        | Action::EndDrill { .. }
        | Action::Kill { on: true } => ApiRole::Operator,
        Action::Approve { .. }
        | Action::Send { .. }
        | Action::Compensate { .. }
        | Action::Remedy { approve: true, .. } => ApiRole::Approver,
        // What became of a remedy is its runner's to say.
        Action::RemedyResult { .. } | Action::Remedies { on: true } | Action::Kill { on: false } => ApiRole::Admin,
    }
}

/// A token made anew: shown once, kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What its bearer shows.
    pub token: String,
    /// What stands in the configuration.
    pub sha256: String,
}

impl NewToken {
    /// From 32 random bytes.
    pub fn from_random(random: [u8; TOKEN_BYTES]) -> Self {
        let token = format!("fc_{}", hex(&random));
        let sha256 = hash(&token);
        Self { token, sha256 }
    }
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
