use std::collections::BTreeMap;
use std::net::SocketAddr;

use forecall_ledger::{Fate, Secret};
use serde::{Deserialize, Serialize};

/// Shorter tokens can be tried.
const TOKEN_MIN: usize = 16;

/// Requests by which the gateway says later what became of a message (`/receipts`) and what people have written (`/replies`). It must show the
/// token: as `?token=…`, or as a bearer of it (`authorization`). Fields are those of the address, of a form, or JSON pointers (`/a/0/b`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSettings {
    /// Where it listens: on this machine only. A proxy that speaks TLS stands before it.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// What the gateway must know, at least 16 characters.
    pub token: Secret,
    /// Where in a receipt what stands; without it none is taken.
    #[serde(default)]
    pub receipt: Option<ReceiptFields>,
    /// Where in a reply what stands; without it none is taken.
    #[serde(default)]
    pub reply: Option<ReplyFields>,
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptFields {
    /// The gateway's name for the message, as in the answer to it.
    pub id: String,
    /// To whom it went; a name that the gateway uses again is then told apart.
    #[serde(default)]
    pub to: Option<String>,
    /// What became of it.
    pub status: String,
    /// What its values mean; one that isn't named is not the end.
    pub statuses: BTreeMap<String, LaterMeaning>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyFields {
    /// Who has written.
    pub from: String,
    /// The words.
    pub text: String,
    /// The gateway's name for the message: one that is brought twice is known by it.
    #[serde(default)]
    pub id: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LaterMeaning {
    /// It has arrived.
    Delivered,
    /// It will not arrive.
    Undeliverable,
    /// It was tried for too long.
    Expired,
    /// The network refused it.
    Rejected,
    /// The number is blocked for this sender; that is no opt-out.
    Blocked,
    /// Nothing is settled yet.
    Pending,
}

impl LaterMeaning {
    pub(super) const fn fate(self) -> Fate {
        match self {
            Self::Delivered => Fate::Delivered,
            Self::Undeliverable => Fate::Failed("undeliverable"),
            Self::Expired => Fate::Failed("expired_in_network"),
            Self::Rejected => Fate::Failed("rejected_by_network"),
            Self::Blocked => Fate::Failed("blocked_by_network"),
            Self::Pending => Fate::Taken,
        }
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8094))
}

impl CallbackSettings {
    /// What can't be used, as sentences that begin with the setting's name.
    pub(super) fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.listen.ip().is_loopback() {
            found.push(
                "callbacks.listen is no address of this machine alone: let a proxy that speaks TLS stand before it"
                    .to_owned(),
            );
        }
        if self.token.expose().trim().len() < TOKEN_MIN {
            found.push(format!("callbacks.token has fewer than {TOKEN_MIN} characters"));
        }
        if self.receipt.is_none() && self.reply.is_none() {
            found.push("callbacks takes neither `receipt` nor `reply`".to_owned());
        }
        let receipt = self.receipt.iter().flat_map(|fields| {
            let all = [
                ("id", Some(&fields.id)),
                ("to", fields.to.as_ref()),
                ("status", Some(&fields.status)),
            ];
            all.map(|(key, field)| ("receipt", key, field))
        });
        let reply = self.reply.iter().flat_map(|fields| {
            let all = [
                ("from", Some(&fields.from)),
                ("text", Some(&fields.text)),
                ("id", fields.id.as_ref()),
            ];
            all.map(|(key, field)| ("reply", key, field))
        });
        for (of, key, field) in receipt.chain(reply) {
            if field.is_some_and(String::is_empty) {
                found.push(format!("callbacks.{of}.{key} is empty"));
            }
        }
        found
    }
}
