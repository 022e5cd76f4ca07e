//! Remedies: what is proposed for which incidents, and where it may be called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_bridge::{BridgeSettings, BridgeTarget, LeastSeverity, RetrySettings, WebhookSettings};
use forecall_incident::{RemedyLimit, RemedyParts, RemedyRule, RemedyWhen};
use forecall_ledger::Secret;
use forecall_types::{Fingerprint, Remark, RemedyMode, RemedyName, seconds};
use serde::{Deserialize, Serialize};

use crate::bridge::{address, is_name, secrets_fit, tries};
use crate::check::Findings;
use crate::raw::File;

/// One remedy, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemedyEntry {
    /// What it does, in one sentence; it stands in events, and nothing of a person may stand in it.
    pub(crate) label: String,
    /// For which incidents it is proposed: once for each.
    pub(crate) when: RemedyWhen,
    /// How far it may go. Nothing is called but by `run`, after a person's word, and by `unattended`.
    #[serde(default)]
    pub(crate) mode: RemedyMode,
    /// Nobody is called, even where it is approved: what would be is told. `false` must be written to have it called.
    #[serde(default = "yes")]
    pub(crate) dry_run: bool,
    /// How often it may be called.
    #[serde(default)]
    pub(crate) limit: RemedyLimit,
    /// Seconds after which a proposal that nobody approved lapses; after an approval it may be called for as long again.
    #[serde(rename = "expires_seconds", default = "half_an_hour", with = "seconds")]
    pub(crate) expires_after: Duration,
    /// The receiver that is called, by a signed webhook. Needed where `mode` is `run` or `unattended`.
    #[serde(default)]
    pub(crate) to: Option<WebhookSettings>,
    /// How often and how long one call is tried.
    #[serde(default)]
    pub(crate) retry: RetrySettings,
}

const fn yes() -> bool {
    true
}

const fn half_an_hour() -> Duration {
    Duration::from_secs(1_800)
}

/// A remedy that may be called, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct RemedyTarget {
    /// Digest of its rule, as proposals name it.
    pub digest: Arc<str>,
    /// The receiver, and how it is tried; `dry_run`: nobody is called.
    pub to: BridgeSettings,
}

impl RemedyEntry {
    /// All of it but the secret: another address is another rule.
    fn digest(&self) -> Arc<str> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Arc::from(Fingerprint::of(&text).base32(16))
    }

    fn target(&self) -> Option<RemedyTarget> {
        let to = match self.mode {
            RemedyMode::Propose => return None,
            RemedyMode::Run | RemedyMode::Unattended => self.to.clone()?,
        };
        Some(RemedyTarget {
            digest: self.digest(),
            to: BridgeSettings {
                to: BridgeTarget::Webhook(to),
                dry_run: self.dry_run,
                domains: BTreeSet::new(),
                services: BTreeSet::new(),
                severity_min: LeastSeverity::Minor,
                predictions: true,
                link: None,
                retry: self.retry.clone(),
            },
        })
    }
}

/// The secrets of all remedies, each with its path.
pub(crate) fn secrets(file: &File) -> impl Iterator<Item = (String, &Secret)> {
    file.remedies.iter().filter_map(|(name, remedy)| {
        let to = remedy.to.as_ref()?;
        Some((format!("remedies.{name}.to.secret"), &to.secret))
    })
}

/// The rules, checked, and where those that may be called lead.
pub(crate) fn settings(
    file: &File,
    found: &mut Findings<'_>,
) -> (Vec<RemedyRule>, BTreeMap<RemedyName, RemedyTarget>) {
    let (mut rules, mut targets) = (Vec::new(), BTreeMap::new());
    for (name, entry) in &file.remedies {
        let path = format!("remedies.{name}");
        if !is_name(name) {
            found.wrong(
                &path,
                "remedies: a name is 1 to 32 ASCII letters, digits, `-` and `_`",
            );
            continue;
        }
        let Ok(named) = RemedyName::new(name) else {
            continue;
        };
        receiver(&path, entry, found);
        let label = match Remark::new(&entry.label) {
            Ok(label) => label,
            Err(refused) => {
                let key = format!("{path}.label");
                found.wrong(&key, format!("{key}: {}", refused.why));
                continue;
            }
        };
        let rule = RemedyRule::new(RemedyParts {
            name: named.clone(),
            label,
            when: entry.when.clone(),
            mode: entry.mode,
            dry_run: entry.dry_run,
            limit: entry.limit,
            expires_after: entry.expires_after,
            digest: entry.digest(),
        });
        match rule {
            Ok(rule) => rules.push(rule),
            Err(why) => found.wrong(&path, format!("{path}: {why}")),
        }
        targets.extend(entry.target().map(|target| (named, target)));
    }
    (rules, targets)
}

fn receiver(path: &str, entry: &RemedyEntry, found: &mut Findings<'_>) {
    tries(path, &entry.retry, found);
    let Some(to) = &entry.to else {
        if entry.mode != RemedyMode::Propose {
            let mode = entry.mode.as_str();
            found.wrong(
                path,
                format!("{path}: `mode: {mode}` needs `to`, the receiver that is called"),
            );
        }
        return;
    };
    let at = format!("{path}.to");
    if to.insecure {
        let key = format!("{at}.insecure");
        found.wrong(
            &key,
            format!("{key}: a remedy acts, so plain HTTP to another machine is not taken"),
        );
    }
    let target = BridgeTarget::Webhook(to.clone());
    address(&at, &target, "", found);
    secrets_fit(&at, &target, found);
    if entry.mode == RemedyMode::Unattended && !entry.dry_run {
        found.warn(
            path,
            format!("{path} is `unattended` and no dry run: it is called without anybody being asked"),
        );
    }
}
