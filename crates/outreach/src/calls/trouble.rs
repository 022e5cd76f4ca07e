//! What the calls need to know of an incident.

use forecall_types::{DomainName, EventTime, Incident, IncidentState, Scope, Severity};
use serde::{Deserialize, Serialize};

use super::surge::{BIN, Cohort, Drive};

/// Steps in which an audience may grow; further growth is added to the last one. Revisions grow it a few times at most.
const AFFECTED_MAX: usize = 16;
/// Five-minute steps in which notices are remembered: five hours of sending, then they are added to the last one.
const TOLD_MAX: usize = 64;

/// One incident as the call model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) domain: DomainName,
    pub(super) scope: Scope,
    pub(super) severity: Severity,
    pub(super) revision: u32,
    /// Customers may be hit already: the ordinary model must not learn from their calls.
    pub(super) confirmed: bool,
    pub(super) drive: Drive,
    /// One more each time the *past* of the drive changes: what was learned under another edition is learned anew.
    pub(super) edition: u32,
}

impl Trouble {
    pub(super) fn new(incident: &Incident, affected: u64) -> Self {
        let mut trouble = Self {
            domain: incident.domain.clone(),
            scope: incident.scope.clone(),
            severity: incident.severity,
            revision: 0,
            confirmed: false,
            drive: Drive {
                affected: Vec::new(),
                told: Vec::new(),
                ended: None,
                eta: None,
                probability: 1.0,
            },
            edition: 0,
        };
        trouble.update(incident, affected);
        trouble
    }

    /// Takes in a newer revision.
    pub(super) fn update(&mut self, incident: &Incident, affected: u64) {
        self.revision = incident.revision;
        self.scope = incident.scope.clone();
        self.severity = incident.severity;
        self.drive.eta = incident.eta;
        match incident.state {
            IncidentState::Predicted => {
                self.drive.probability = incident.probability.get();
                self.drive.ended = None;
            }
            IncidentState::Confirmed => {
                self.drive.probability = 1.0;
                self.drive.ended = None;
                self.confirmed = true;
            }
            // What is merged is over here; its customers are counted with the other incident.
            IncidentState::Resolved | IncidentState::Reviewed | IncidentState::Merged => {
                self.drive.ended = self.drive.ended.or(incident.resolved_at).or(Some(incident.at));
                self.drive.probability = if self.confirmed || incident.onset_observed.is_some() {
                    1.0
                } else {
                    self.drive.probability
                };
            }
            IncidentState::Averted | IncidentState::Retracted | IncidentState::Expired => {
                // Nobody is hit, but those told in vain may still call: the drive stays with no chance of being real.
                self.drive.ended = self.drive.ended.or(Some(incident.at));
                self.drive.probability = 0.0;
            }
        }
        let onset = incident
            .onset_observed
            .or(incident.onset_predicted)
            .unwrap_or(incident.opened_at);
        self.set_affected(onset, incident.at, affected);
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers of customers")]
    fn set_affected(&mut self, onset: EventTime, at: EventTime, affected: u64) {
        let affected = affected as f64;
        let known = self.customers();
        if let Some(first) = self.drive.affected.first_mut() {
            if first.at != onset {
                first.at = onset;
                for later in &mut self.drive.affected {
                    later.at = later.at.max(onset);
                }
                self.edition = self.edition.wrapping_add(1);
            }
        } else {
            if affected > 0.0 {
                self.drive.affected.push(Cohort {
                    at: onset,
                    customers: affected,
                });
            }
            return;
        }
        let grown = affected - known;
        if grown > 0.5 {
            if self.drive.affected.len() < AFFECTED_MAX {
                self.drive.affected.push(Cohort {
                    at: at.max(onset),
                    customers: grown,
                });
            } else if let Some(last) = self.drive.affected.last_mut() {
                last.customers += grown;
            }
        } else if grown < -0.5 && affected > 0.0 {
            // Fewer than thought were hit, and that from the beginning.
            for cohort in &mut self.drive.affected {
                cohort.customers *= affected / known;
            }
            self.edition = self.edition.wrapping_add(1);
        }
    }

    /// Customers affected so far.
    pub(super) fn customers(&self) -> f64 {
        self.drive.affected.iter().map(|c| c.customers).sum()
    }

    /// From the onset to the end; 0 while one of them isn't known.
    pub(super) fn lasted_seconds(&self) -> f64 {
        let onset = self.drive.affected.first().map(|c| c.at);
        match (onset, self.drive.ended) {
            (Some(onset), Some(ended)) => ended.seconds_from(onset).max(0.0),
            _ => 0.0,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "numbers of customers")]
    pub(super) fn tell(&mut self, at: EventTime, customers: u64) {
        let customers = customers as f64;
        let full = self.drive.told.len() >= TOLD_MAX;
        match self.drive.told.last_mut() {
            Some(last) if full || at.since(last.at) < BIN => last.customers += customers,
            _ => self.drive.told.push(Cohort { at, customers }),
        }
    }

    /// Start of its first bin.
    pub(super) fn first_bin(&self) -> Option<EventTime> {
        self.drive.affected.first().map(|c| c.at.floor(BIN))
    }

    /// Whether customers can be hit at some time in `[from, to)`.
    pub(super) fn covers(&self, from: EventTime, to: EventTime) -> bool {
        self.first_bin().is_none_or(|first| first < to) && self.drive.ended.is_none_or(|ended| ended > from)
    }
}
