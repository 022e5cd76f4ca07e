use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{Anomaly, Channel, RegionCode, ServiceName, fits};
use serde::{Deserialize, Serialize};

use crate::Topology;
use crate::group::OPEN_MAX;
use crate::paging::{TEAMS_MAX, TeamEntry};
use crate::remedy::{REMEDIES_MAX, RemedyRule};

/// Objectives in one configuration; each anomaly is tried against them in order.
pub const OBJECTIVES_MAX: usize = 256;

/// Two incidents are no storm: each of them is to be heard.
const STORM_INCIDENTS_MIN: usize = 3;

/// Customers by region and service, from the directory.
pub type CustomerTable = BTreeMap<RegionCode, BTreeMap<ServiceName, u64>>;

/// The numbers that steer incidents, as written in the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentTunables {
    /// Steps of event time in which incidents are judged.
    pub evaluate_every_seconds: u64,
    /// How far ahead a prediction reaches.
    pub horizon_seconds: u64,
    /// Probability from which an incident is predicted.
    pub predict_threshold: f64,
    /// How long the probability must have stood there.
    pub predict_for_seconds: u64,
    /// Probability under which a prediction fades.
    pub retract_threshold: f64,
    /// How long it must have faded before it is withdrawn.
    pub retract_after_seconds: u64,
    /// Score at which an anomaly alone confirms, where it lasts and its metric has no objective: one that has hits customers beyond it.
    pub confirm_score: f64,
    /// How long that score must have stood.
    pub confirm_for_seconds: u64,
    /// Only metrics that customers feel (errors, loss, latency, availability) confirm by their score.
    pub confirm_on_symptoms_only: bool,
    /// How long all evidence must be gone before a confirmed incident is over.
    pub resolve_after_seconds: u64,
    /// An incident whose signs come back this soon after its end is re-opened.
    pub reopen_within_seconds: u64,
    /// News of an open incident at least this often, as long as there is evidence.
    pub update_every_seconds: u64,
    /// A source without a heartbeat for this long (by ticks) holds nobody up.
    pub heartbeat_missing_seconds: u64,
    /// Evidence without news for this long counts as over.
    pub evidence_stale_seconds: u64,
    /// From this many customers on, a degradation is severe.
    pub severe_customers: u64,
    /// From this many customers on, an outage is extreme.
    pub extreme_customers: u64,
    /// From this many regions on, an outage is extreme.
    pub extreme_regions: u64,
    /// So many incidents at once are a storm: one speaks for all, the others page nobody.
    pub storm_incidents: usize,
    /// Incidents that begin this soon after each other may be one storm.
    pub storm_within_seconds: u64,
    /// So do those that share a region or a suspect, within this time.
    pub storm_shared_seconds: u64,
    /// Probabilities are told by what came of earlier predictions. Outcomes are counted and learnt from either way; without it
    /// only nothing is done with what they taught.
    pub learn: bool,
}

impl Default for IncidentTunables {
    fn default() -> Self {
        Self {
            evaluate_every_seconds: 10,
            horizon_seconds: 3_600,
            predict_threshold: 0.6,
            predict_for_seconds: 60,
            retract_threshold: 0.3,
            retract_after_seconds: 300,
            confirm_score: 12.0,
            confirm_for_seconds: 600,
            confirm_on_symptoms_only: true,
            resolve_after_seconds: 600,
            reopen_within_seconds: 1_800,
            update_every_seconds: 300,
            heartbeat_missing_seconds: 120,
            evidence_stale_seconds: 86_400,
            severe_customers: 100_000,
            extreme_customers: 1_000_000,
            extreme_regions: 5,
            storm_incidents: 5,
            storm_within_seconds: 300,
            storm_shared_seconds: 3_600,
            learn: true,
        }
    }
}

/// An objective as written: the limit at which customers are hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectiveEntry {
    /// Metric name, in which `*` stands for any run of characters.
    pub metric: String,
    /// Customers are hit above this value.
    #[serde(default)]
    pub above: Option<f64>,
    /// Customers are hit below this value.
    #[serde(default)]
    pub below: Option<f64>,
    /// How long it must last.
    #[serde(default)]
    pub for_seconds: u64,
    /// From here on the service doesn't work at all; on the same side as the limit.
    #[serde(default)]
    pub outage: Option<f64>,
}

/// An objective, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objective {
    pub(crate) metric: String,
    /// 1 when customers are hit above the limit, −1 below.
    pub(crate) sign: f64,
    pub(crate) limit: f64,
    pub(crate) lasting: Duration,
    pub(crate) outage: Option<f64>,
}

impl Objective {
    /// How far `value` is from the limit; zero or less: customers are hit.
    pub(crate) fn gap(&self, value: f64) -> f64 {
        (self.limit - value) * self.sign
    }

    pub(crate) fn is_beyond(&self, value: f64) -> bool {
        self.gap(value) < 0.0
    }

    pub(crate) fn is_outage(&self, value: f64) -> bool {
        self.outage
            .is_some_and(|limit| (limit - value) * self.sign <= 0.0)
    }
}

/// What is wrong with the settings; each names the field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A number out of its range.
    #[error("{field} is {value}: it must be {must}")]
    Range {
        /// Which field.
        field: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        must: &'static str,
    },
    /// An objective that says nothing.
    #[error("objective {number} ({metric}): {why}")]
    Objective {
        /// Counting from 1.
        number: usize,
        /// Its pattern.
        metric: String,
        /// What is wrong.
        why: &'static str,
    },
    /// More objectives than [`OBJECTIVES_MAX`].
    #[error("{0} objectives, at most {OBJECTIVES_MAX}")]
    TooMany(usize),
    /// A team that can't be paged so.
    #[error("team {number} ({name}): {why}")]
    Team {
        /// Counting from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// More teams than [`TEAMS_MAX`].
    #[error("{0} teams, at most {TEAMS_MAX}")]
    TooManyTeams(usize),
    /// More remedies than [`REMEDIES_MAX`].
    #[error("{0} remedies, at most {REMEDIES_MAX}")]
    TooManyRemedies(usize),
    /// Two remedies of one name.
    #[error("two remedies are named {0}")]
    RemedyTwice(forecall_types::RemedyName),
}

/// What `correlate` runs under, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelateSettings {
    pub(crate) topology: Topology,
    pub(crate) tunables: IncidentTunables,
    pub(crate) objectives: Vec<Objective>,
    pub(crate) customers: CustomerTable,
    pub(crate) version: Arc<str>,
    pub(crate) settings_digest: Arc<str>,
    pub(crate) simulated: bool,
    pub(crate) emit_peers: bool,
    pub(crate) teams: Vec<TeamEntry>,
    pub(crate) remedies: Vec<RemedyRule>,
}

/// The parts of [`CorrelateSettings`].
#[derive(Debug, Clone, Default)]
pub struct CorrelateParts {
    /// Services, regions, rules.
    pub topology: Topology,
    /// The numbers.
    pub tunables: IncidentTunables,
    /// The limits at which customers are hit; the first whose pattern fits holds.
    pub objectives: Vec<ObjectiveEntry>,
    /// Teams with an alert budget; whoever isn't answered for by any is nobody's page.
    pub teams: Vec<TeamEntry>,
    /// What is proposed for which incidents.
    pub remedies: Vec<RemedyRule>,
    /// Customers by region and service; empty where no directory is known.
    pub customers: CustomerTable,
    /// Version of the code, as events name it.
    pub version: Arc<str>,
    /// Digest of the settings, as events name it.
    pub settings_digest: Arc<str>,
    /// A replay or simulation: nothing of it goes to customers.
    pub simulated: bool,
}

impl CorrelateSettings {
    /// Checks the parts.
    ///
    /// # Errors
    /// [`SettingsError`], naming the field.
    pub fn new(parts: CorrelateParts) -> Result<Self, SettingsError> {
        check_tunables(&parts.tunables)?;
        if parts.objectives.len() > OBJECTIVES_MAX {
            return Err(SettingsError::TooMany(parts.objectives.len()));
        }
        let objectives = parts
            .objectives
            .iter()
            .enumerate()
            .map(|(i, entry)| {
                check_objective(entry).map_err(|why| SettingsError::Objective {
                    number: i + 1,
                    metric: entry.metric.clone(),
                    why,
                })
            })
            .collect::<Result<_, _>>()?;
        check_teams(&parts.teams)?;
        check_remedies(&parts.remedies)?;
        Ok(Self {
            topology: parts.topology,
            tunables: parts.tunables,
            objectives,
            customers: parts.customers,
            version: parts.version,
            settings_digest: parts.settings_digest,
            simulated: parts.simulated,
            emit_peers: false,
            teams: parts.teams,
            remedies: parts.remedies,
        })
    }

    /// Keeps what each member of a peer group was at each step, until
    /// [it is asked for](crate::CorrelateStage::take_peer_scores): for a replay.
    #[must_use]
    pub fn with_peer_scores(mut self) -> Self {
        self.emit_peers = true;
        self
    }

    /// The topology.
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The limit of what an anomaly tells. A silence has none: it tells seconds of nothing, not values of the metric.
    pub(crate) fn objective(&self, anomaly: &Anomaly) -> Option<&Objective> {
        self.objective_of(anomaly.channel, &anomaly.series.metric)
    }

    pub(crate) fn objective_of(&self, channel: Channel, metric: &str) -> Option<&Objective> {
        let mut objectives = self.objectives.iter();
        objectives.find(|o| channel != Channel::Silence && fits(&o.metric, metric))
    }

    pub(crate) const fn step(&self) -> Duration {
        Duration::from_secs(self.tunables.evaluate_every_seconds)
    }

    pub(crate) const fn horizon(&self) -> Duration {
        Duration::from_secs(self.tunables.horizon_seconds)
    }
}

fn check_tunables(t: &IncidentTunables) -> Result<(), SettingsError> {
    // Spans beyond a week would keep evidence longer than any snapshot is meant to hold it.
    const WEEK: u64 = 7 * 86_400;
    let spans = [
        ("evaluate_every_seconds", t.evaluate_every_seconds),
        ("horizon_seconds", t.horizon_seconds),
        ("predict_for_seconds", t.predict_for_seconds),
        ("retract_after_seconds", t.retract_after_seconds),
        ("confirm_for_seconds", t.confirm_for_seconds),
        ("resolve_after_seconds", t.resolve_after_seconds),
        ("reopen_within_seconds", t.reopen_within_seconds),
        ("update_every_seconds", t.update_every_seconds),
        ("heartbeat_missing_seconds", t.heartbeat_missing_seconds),
        ("evidence_stale_seconds", t.evidence_stale_seconds),
        ("storm_within_seconds", t.storm_within_seconds),
        ("storm_shared_seconds", t.storm_shared_seconds),
    ];
    let range = |field, value, must| Err(SettingsError::Range { field, value, must });
    for (field, seconds) in spans {
        if seconds == 0 || seconds > WEEK {
            return range(field, Duration::from_secs(seconds).as_secs_f64(), "1 to 604800");
        }
    }
    if !(t.predict_threshold > 0.0 && t.predict_threshold <= 1.0) {
        return range("predict_threshold", t.predict_threshold, "above 0, at most 1");
    }
    if !(t.retract_threshold >= 0.0 && t.retract_threshold < t.predict_threshold) {
        return range(
            "retract_threshold",
            t.retract_threshold,
            "at least 0, under predict_threshold",
        );
    }
    if !(STORM_INCIDENTS_MIN..=OPEN_MAX).contains(&t.storm_incidents) {
        let value = t.storm_incidents;
        #[allow(clippy::cast_precision_loss, reason = "only to be shown")]
        return range("storm_incidents", value as f64, "3 to 1024");
    }
    if !(t.confirm_score > 0.0 && t.confirm_score <= 20.0) {
        return range("confirm_score", t.confirm_score, "above 0, at most 20");
    }
    Ok(())
}

fn check_teams(teams: &[TeamEntry]) -> Result<(), SettingsError> {
    if teams.len() > TEAMS_MAX {
        return Err(SettingsError::TooManyTeams(teams.len()));
    }
    for (i, team) in teams.iter().enumerate() {
        let is_twice = teams.iter().take(i).any(|other| other.name == team.name);
        let twice = if is_twice {
            Err("its name is taken")
        } else {
            Ok(())
        };
        twice.and(team.check()).map_err(|why| SettingsError::Team {
            number: i + 1,
            name: team.name.clone(),
            why,
        })?;
    }
    Ok(())
}

fn check_remedies(remedies: &[RemedyRule]) -> Result<(), SettingsError> {
    if remedies.len() > REMEDIES_MAX {
        return Err(SettingsError::TooManyRemedies(remedies.len()));
    }
    let mut names = std::collections::BTreeSet::new();
    match remedies.iter().find(|rule| !names.insert(rule.name())) {
        Some(rule) => Err(SettingsError::RemedyTwice(rule.name().clone())),
        None => Ok(()),
    }
}

fn check_objective(entry: &ObjectiveEntry) -> Result<Objective, &'static str> {
    let (sign, limit) = match (entry.above, entry.below) {
        (Some(limit), None) => (1.0, limit),
        (None, Some(limit)) => (-1.0, limit),
        (None, None) => return Err("it needs `above` or `below`"),
        (Some(_), Some(_)) => return Err("it has both `above` and `below`: write two objectives"),
    };
    if entry.metric.is_empty() {
        return Err("`metric` is empty");
    }
    if !limit.is_finite() || entry.outage.is_some_and(|o| !o.is_finite()) {
        return Err("its limits must be finite numbers");
    }
    if entry.outage.is_some_and(|o| (o - limit) * sign < 0.0) {
        return Err("`outage` lies on the harmless side of the limit");
    }
    Ok(Objective {
        metric: entry.metric.clone(),
        sign,
        limit,
        lasting: Duration::from_secs(entry.for_seconds),
        outage: entry.outage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        let wrong = |change: &dyn Fn(&mut CorrelateParts)| {
            let mut parts = CorrelateParts::default();
            change(&mut parts);
            CorrelateSettings::new(parts).unwrap_err().to_string()
        };
        let objective = |above, below, outage| ObjectiveEntry {
            metric: "loss".into(),
            above,
            below,
            for_seconds: 60,
            outage,
        };
        assert_eq!(
            wrong(&|p| p.tunables.horizon_seconds = 0),
            "horizon_seconds is 0: it must be 1 to 604800"
        );
        assert_eq!(
            wrong(&|p| p.tunables.predict_threshold = f64::NAN),
            "predict_threshold is NaN: it must be above 0, at most 1"
        );
        assert_eq!(
            wrong(&|p| p.objectives.push(objective(None, None, None))),
            "objective 1 (loss): it needs `above` or `below`"
        );
        assert_eq!(
            wrong(&|p| p.objectives.push(objective(None, Some(0.9), Some(0.95)))),
            "objective 1 (loss): `outage` lies on the harmless side of the limit"
        );
        assert!(CorrelateSettings::new(CorrelateParts::default()).is_ok());
    }

    #[test]
    fn the_gap_shrinks_towards_the_limit_on_either_side() {
        for (sign, limit, near, beyond) in [(1.0, 5.0, 4.0, 6.0), (-1.0, 0.9, 0.95, 0.8)] {
            let o = Objective {
                metric: "*".into(),
                sign,
                limit,
                lasting: Duration::ZERO,
                outage: None,
            };
            assert!(o.gap(near) > 0.0 && o.is_beyond(beyond) && !o.is_beyond(near));
        }
    }
}
