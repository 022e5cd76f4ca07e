//! Why an incident stands as it does: each piece of evidence with what it adds, and what would have made it not fire.
//!
//! It reads published revisions alone, so that anybody who has the events and the settings comes to the same answer. The
//! probability is a logistic sum: a bias, the pieces of evidence in falling order of weight, each counting half as much as it
//! would in the place before, and something for every further distinct metric; upon it lies the line that was learnt of how such
//! sums come true. All figures here are log-odds unless they are called probabilities.
//!
//! ```
//! use std::collections::BTreeSet;
//! use forecall_incident::CorrelateSettings;
//! use forecall_incident::explain::{Without, explain};
//! use forecall_types::{AnomalyId, Incident};
//!
//! /// The evidence without which it would not have been predicted.
//! fn needed(incident: &Incident, settings: &CorrelateSettings) -> Vec<AnomalyId> {
//!     let told = explain(incident, &BTreeSet::new(), settings);
//!     match told.weighing.map(|w| w.without) {
//!         Some(Without::These { anomalies, .. }) => anomalies,
//!         Some(Without::Under | Without::Nothing) | None => Vec::new(),
//!     }
//! }
//! ```

mod opened;
mod pieces;
mod without;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{AnomalyId, Evidence, Incident, IncidentState, Probability};

use crate::scope::{Pair, pairs_of};
use crate::settings::CorrelateSettings;

pub use opened::Ground;

/// Why one revision stands as it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// How it came.
    pub ground: Ground,
    /// Probability from which an incident is predicted, by the settings given.
    pub threshold: f64,
    /// How long it must have stood there, by them.
    pub lasting: Duration,
    /// The sum; `None`: a fact or a word has set the probability, not the sum.
    pub weighing: Option<Weighing>,
}

/// The sum behind a probability.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighing {
    /// Log-odds without evidence.
    pub bias: f64,
    /// Distinct metrics among the evidence that counts.
    pub metrics: usize,
    /// Log-odds that all but the first of them add.
    pub breadth: f64,
    /// What was learnt of how such sums come true; 0 where nothing is, or where the event doesn't tell it.
    pub calibration: f64,
    /// What verdicts on earlier incidents of the scope add.
    pub verdicts: f64,
    /// Bias, breadth, calibration, verdicts and all evidence.
    pub log_odds: f64,
    /// One for each piece of the incident's evidence, in its order.
    pub evidence: Vec<Weight>,
    /// What would have made it not fire.
    pub without: Without,
}

/// What a piece of evidence does.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The anomaly.
    pub anomaly: AnomalyId,
    /// Whether it counts.
    pub counts: Counts,
    /// Log-odds it adds, damped by those before it; 0 where it doesn't count.
    pub log_odds: f64,
    /// Its share of all that is added to the bias, 0 to 1.
    pub share: f64,
    /// The probability without this piece alone.
    pub probability_without: Probability,
    /// Whether that is under the threshold, and the probability isn't.
    pub decides: bool,
}

/// Whether a piece of evidence counts towards the probability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// It does.
    Yes,
    /// It is no longer abnormal.
    Over,
    /// A prediction that stood on it has ended: it may only confirm.
    Heard,
    /// By a person's verdict on an incident before.
    Muted,
}

/// What would have made it not fire.
#[derive(Debug, Clone, PartialEq)]
pub enum Without {
    /// Nothing need be absent: the probability is under the threshold.
    Under,
    /// These pieces of evidence.
    These {
        /// Strongest first.
        anomalies: Vec<AnomalyId>,
        /// The probability without them.
        probability: Probability,
        /// No smaller set would do.
        fewest: bool,
    },
    /// No evidence at all would be enough: the threshold lies below the bias.
    Nothing,
}

/// Explains a revision by the settings it was made with. `heard` is evidence that predictions have stood on which ended
/// before; see [`Heard`].
pub fn explain(
    incident: &Incident,
    heard: &BTreeSet<AnomalyId>,
    settings: &CorrelateSettings,
) -> Explanation {
    let threshold = settings.tunables.predict_threshold;
    Explanation {
        ground: opened::ground(incident, settings),
        threshold,
        lasting: Duration::from_secs(settings.tunables.predict_for_seconds),
        weighing: weigh(incident, heard, threshold),
    }
}

fn weigh(incident: &Incident, heard: &BTreeSet<AnomalyId>, threshold: f64) -> Option<Weighing> {
    let (base, parts) = pieces::split(incident, heard)?;
    let whole = pieces::sum(&base, parts.iter());
    // A threshold of 1 is never reached by a sum.
    let limit = pieces::log_odds(Probability::clamped(threshold)).unwrap_or(f64::INFINITY);
    let fires = incident.probability.get() >= threshold;
    let lifted = whole.log_odds - base.bias;
    let weight = |(place, evidence): (usize, &Evidence)| {
        let number = parts.iter().position(|p| p.place == place);
        let counts = match number {
            Some(_) => Counts::Yes,
            None if evidence.active && evidence.muted_by.is_some() => Counts::Muted,
            None if evidence.active => Counts::Heard,
            None => Counts::Over,
        };
        let log_odds = number.and_then(|n| whole.added.get(n).copied()).unwrap_or(0.0);
        let rest = number.map_or(whole.log_odds, |n| without::without(&base, &parts, &[n]));
        Weight {
            anomaly: evidence.anomaly.clone(),
            counts,
            log_odds,
            share: if lifted > 0.0 { log_odds / lifted } else { 0.0 },
            probability_without: pieces::probability(rest),
            decides: fires && number.is_some() && rest < limit,
        }
    };
    let id = |n: &usize| Some(incident.evidence.get(parts.get(*n)?.place)?.anomaly.clone());
    let without = match without::enough(&base, &parts, limit) {
        _ if !fires => Without::Under,
        Some(enough) => Without::These {
            anomalies: enough.pieces.iter().filter_map(id).collect(),
            probability: pieces::probability(enough.log_odds),
            fewest: enough.fewest,
        },
        None => Without::Nothing,
    };
    Some(Weighing {
        bias: base.bias,
        metrics: whole.metrics,
        breadth: whole.breadth,
        calibration: whole.calibration,
        verdicts: whole.verdicts,
        log_odds: whole.log_odds,
        evidence: incident.evidence.iter().enumerate().map(weight).collect(),
        without,
    })
}

/// Gathers, from the ends of other incidents, what doesn't count towards a prediction any more.
///
/// When a prediction ends by itself, what it stood on may confirm a later incident of its scope, but not predict it. Evidence
/// beyond the [`EVIDENCE_MAX`](forecall_types::EVIDENCE_MAX) an event holds isn't known to it.
#[derive(Debug, Clone, Default)]
pub struct Heard(BTreeMap<AnomalyId, BTreeSet<Pair>>);

impl Heard {
    /// Takes the last revision of an incident that ended no later than the one to be explained was made; what hasn't ended is
    /// passed over.
    pub fn end(&mut self, incident: &Incident) {
        match incident.state {
            IncidentState::Averted | IncidentState::Expired | IncidentState::Resolved => {}
            // Evidence judged by a person says nothing more at all: later incidents don't name it.
            IncidentState::Predicted
            | IncidentState::Confirmed
            | IncidentState::Retracted
            | IncidentState::Reviewed
            // What is merged speaks on for the other one.
            | IncidentState::Merged => return,
        }
        for evidence in &incident.evidence {
            let pairs = self.0.entry(evidence.anomaly.clone()).or_default();
            pairs.extend(pairs_of(&incident.scope));
        }
    }

    /// The evidence that doesn't count for this incident: heard in all of its scope.
    pub fn of(&self, incident: &Incident) -> BTreeSet<AnomalyId> {
        let own = pairs_of(&incident.scope);
        let heard = self.0.iter().filter(|(_, pairs)| own.is_subset(pairs));
        heard.map(|(id, _)| id.clone()).collect()
    }
}
