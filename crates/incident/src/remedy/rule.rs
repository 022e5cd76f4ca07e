//! Rules of remedies: for which incidents what is proposed, and how far it may go.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    IncidentKind, IncidentState, NAME_BYTES_MAX, Probability, Remark, RemedyMode, RemedyName, Scope,
    Severity, fits, seconds,
};
use serde::{Deserialize, Serialize};

use crate::reason::number;
use crate::silence::PATTERNS_MAX;

/// Rules of one configuration: each is a consumer group, a thread and a set of labels of its metrics, and each incident may carry
/// all of them, some 400 bytes each.
pub const REMEDIES_MAX: usize = 16;
/// Calls of one rule that a limit may allow: more is no limit, and their times are remembered.
pub const REMEDY_CALLS_MAX: u32 = 100;
/// Longest span of a limit, and longest time that a proposal may wait.
pub const REMEDY_SPAN_MAX: Duration = Duration::from_secs(7 * 86_400);

/// For which incidents a remedy is. All that is given must fit; planned work never does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemedyWhen {
    /// Patterns (`*` is any run of characters): every service of the incident must fit one of them. Empty: any.
    pub services: Vec<String>,
    /// Patterns: every region of the incident must fit one of them. Empty: any; `services` or `regions` must be given.
    pub regions: Vec<String>,
    /// Kinds; empty: both.
    pub kinds: BTreeSet<RemedyKind>,
    /// Only incidents at least so bad; left out: any.
    pub severity_min: Option<RemedySeverity>,
    /// Only incidents at least so probable, 0 to 1. One that is confirmed has 1.
    pub probability_min: f64,
    /// States; empty: `confirmed` alone.
    pub states: BTreeSet<RemedyState>,
    /// Of `mode: unattended` alone: also where only a person's word says that customers are hit, or that it is so bad. Else such a
    /// rule waits for what is measured.
    pub declared: bool,
}

/// An incident as it is now, which may be otherwise than it was published last.
#[derive(Debug, Clone)]
pub(crate) struct Stand {
    pub(crate) state: IncidentState,
    pub(crate) kind: IncidentKind,
    pub(crate) severity: Severity,
    pub(crate) probability: Probability,
    pub(crate) scope: Scope,
    pub(crate) is_planned: bool,
    /// A person has declared it.
    pub(crate) is_declared: bool,
    /// What is measured says that customers are hit.
    pub(crate) is_hit: bool,
    /// How bad it is by what is measured, whatever people said.
    pub(crate) severity_measured: Severity,
}

/// Which condition an incident doesn't meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Misfit {
    Planned,
    State(IncidentState),
    Kind(IncidentKind),
    Severity(Severity),
    Probability(f64),
    Services,
    Regions,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Planned => f.write_str("it is planned work"),
            Self::State(state) => write!(f, "it is {}", state.as_str()),
            Self::Kind(kind) => write!(f, "its kind is {}", kind.as_str()),
            Self::Severity(severity) => write!(f, "its severity is {}", severity.as_str()),
            Self::Probability(probability) => write!(f, "its probability is {}", number(*probability)),
            Self::Services => f.write_str("it has other services"),
            Self::Regions => f.write_str("it has other regions"),
        }
    }
}

/// Kinds of incidents that a remedy can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyKind {
    /// Works, but badly.
    Degradation,
    /// Doesn't work.
    Outage,
}

/// How bad an incident must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedySeverity {
    /// Hardly felt, and worse.
    Minor,
    /// Felt, and worse.
    Moderate,
    /// The service can't be used, and worse.
    Severe,
    /// Emergency calls, health or many regions.
    Extreme,
}

/// States of incidents that a remedy can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyState {
    /// Trouble for customers is expected.
    Predicted,
    /// Customers are hit.
    Confirmed,
}

/// How often a rule may be called, in event time, within one domain. Besides it is called once at most for each incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemedyLimit {
    /// Calls approved within the span.
    pub calls: u32,
    /// The span, in seconds.
    #[serde(rename = "within_seconds", with = "seconds")]
    pub within: Duration,
}

impl Default for RemedyLimit {
    fn default() -> Self {
        Self {
            calls: 3,
            within: Duration::from_secs(3_600),
        }
    }
}

impl RemedySeverity {
    const fn least(self) -> Severity {
        match self {
            Self::Minor => Severity::Minor,
            Self::Moderate => Severity::Moderate,
            Self::Severe => Severity::Severe,
            Self::Extreme => Severity::Extreme,
        }
    }
}

impl RemedyWhen {
    fn check(&self) -> Result<(), &'static str> {
        let mut patterns = self.services.iter().chain(&self.regions);
        if self.services.is_empty() && self.regions.is_empty() {
            return Err("`when` needs `services` or `regions`; `*` is any");
        }
        if self.services.len() + self.regions.len() > PATTERNS_MAX {
            return Err("`when` has more than 64 patterns");
        }
        if patterns.any(|p| p.is_empty() || p.len() > NAME_BYTES_MAX) {
            return Err("a pattern of `when` is 1 to 128 bytes");
        }
        if !(0.0..=1.0).contains(&self.probability_min) {
            return Err("`when.probability_min` must be 0 to 1");
        }
        Ok(())
    }

    /// Why it isn't for an incident as it is now; `None`: it is.
    fn misfit(&self, now: &Stand) -> Option<Misfit> {
        let any = |patterns: &[String], name: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, name))
        };
        let kind = match now.kind {
            IncidentKind::Degradation => RemedyKind::Degradation,
            IncidentKind::Outage => RemedyKind::Outage,
            IncidentKind::Planned => return Some(Misfit::Planned),
        };
        if now.is_planned {
            return Some(Misfit::Planned);
        }
        let state = match now.state {
            IncidentState::Predicted => RemedyState::Predicted,
            IncidentState::Confirmed => RemedyState::Confirmed,
            IncidentState::Averted
            | IncidentState::Retracted
            | IncidentState::Expired
            | IncidentState::Resolved
            | IncidentState::Reviewed
            | IncidentState::Merged => return Some(Misfit::State(now.state)),
        };
        let states_fit = if self.states.is_empty() {
            state == RemedyState::Confirmed
        } else {
            self.states.contains(&state)
        };
        let scope = &now.scope;
        if !states_fit {
            Some(Misfit::State(now.state))
        } else if !(self.kinds.is_empty() || self.kinds.contains(&kind)) {
            Some(Misfit::Kind(now.kind))
        } else if self
            .severity_min
            .is_some_and(|least| now.severity < least.least())
        {
            Some(Misfit::Severity(now.severity))
        } else if now.probability.get() < self.probability_min {
            Some(Misfit::Probability(now.probability.get()))
        } else if scope.services.is_empty() || !scope.services.iter().all(|s| any(&self.services, s.as_str()))
        {
            // An unknown scope is nobody's, never everybody's.
            Some(Misfit::Services)
        } else if scope.regions.is_empty() || !scope.regions.iter().all(|r| any(&self.regions, r.as_str())) {
            Some(Misfit::Regions)
        } else {
            None
        }
    }

    /// Whether what is measured is enough for it, without what a person has declared.
    fn fits_measured(&self, now: &Stand) -> bool {
        let measured = Stand {
            severity: now.severity_measured,
            ..now.clone()
        };
        now.is_hit && self.misfit(&measured).is_none()
    }
}

/// The parts of a [`RemedyRule`].
#[derive(Debug, Clone, PartialEq)]
pub struct RemedyParts {
    /// Its name.
    pub name: RemedyName,
    /// What it does.
    pub label: Remark,
    /// For which incidents.
    pub when: RemedyWhen,
    /// How far it may go.
    pub mode: RemedyMode,
    /// Nobody is called.
    pub dry_run: bool,
    /// How often it may be called.
    pub limit: RemedyLimit,
    /// How long a proposal, and then an approval, stands.
    pub expires_after: Duration,
    /// Digest of the whole rule, its address included.
    pub digest: Arc<str>,
}

/// A rule, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RemedyRule(RemedyParts);

impl RemedyRule {
    /// Checks the parts.
    ///
    /// # Errors
    /// What is wrong with them, naming the key.
    pub fn new(parts: RemedyParts) -> Result<Self, &'static str> {
        parts.when.check()?;
        if !(1..=REMEDY_CALLS_MAX).contains(&parts.limit.calls) {
            return Err("`limit.calls` must be 1 to 100");
        }
        let span = Duration::from_secs(60)..=REMEDY_SPAN_MAX;
        if !span.contains(&parts.limit.within) {
            return Err("`limit.within_seconds` must be 60 to 604800");
        }
        if !span.contains(&parts.expires_after) {
            return Err("`expires_seconds` must be 60 to 604800");
        }
        Ok(Self(parts))
    }

    /// Its name.
    pub const fn name(&self) -> &RemedyName {
        &self.0.name
    }

    /// Digest of the whole rule.
    pub const fn digest(&self) -> &Arc<str> {
        &self.0.digest
    }

    pub(super) const fn parts(&self) -> &RemedyParts {
        &self.0
    }

    /// Why it isn't for an incident as it is now; `None`: it is.
    pub(super) fn misfit(&self, now: &Stand) -> Option<Misfit> {
        self.0.when.misfit(now)
    }

    /// Whether it asks nobody, and nothing but a person's word would have it called.
    pub(super) fn is_by_word_alone(&self, now: &Stand) -> bool {
        let when = &self.0.when;
        match self.0.mode {
            RemedyMode::Propose | RemedyMode::Run => false,
            RemedyMode::Unattended => now.is_declared && !when.declared && !when.fits_measured(now),
        }
    }

    /// A person's word that it may be called; `None`: it only proposes, or asks nobody.
    pub(super) fn word_of(&self, by: &Arc<str>) -> Option<Consent> {
        match self.0.mode {
            RemedyMode::Run => Some(Consent(Arc::clone(by))),
            RemedyMode::Propose | RemedyMode::Unattended => None,
        }
    }

    /// That it may be called without anybody being asked; `None`: it may not.
    pub(super) fn standing_word(&self) -> Option<Consent> {
        match self.0.mode {
            RemedyMode::Unattended => Some(Consent(Arc::from(BY_RULE))),
            RemedyMode::Propose | RemedyMode::Run => None,
        }
    }
}

/// Who brought a remedy somewhere where nobody did.
pub(super) const BY_RULE: &str = "rule";
/// Who tells what came of a remedy.
pub const BY_REMEDY_RUNNER: &str = "remedy runner";

/// Whether forecall goes by this name itself: no person or team may.
pub fn is_reserved_name(by: &str) -> bool {
    let by = by.trim();
    [BY_RULE, BY_REMEDY_RUNNER]
        .iter()
        .any(|own| by.eq_ignore_ascii_case(own))
}

/// That a remedy may be called. Only its rule gives it: of a person, or standing.
#[derive(Debug)]
pub(super) struct Consent(Arc<str>);

impl Consent {
    pub(super) const fn by(&self) -> &Arc<str> {
        &self.0
    }
}
