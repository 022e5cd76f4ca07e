use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{EventTime, Incident, IncidentEvent, IncidentId, WorkStage};

use crate::{Alert, BridgeSettings, Phase};

/// Open incidents remembered of a partition: 16 domains with as many as `correlate` keeps open. Each takes some 3 KB.
pub const OPEN_MAX: usize = 16_384;
/// An open incident of which nothing has been heard for so long is forgotten: its end is not to come any more.
const SILENT_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Whether a target is told of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is.
    Tell(Box<Alert>),
    /// Of a simulation: never.
    Simulated,
    /// Of the canary: never.
    Canary,
    /// Not one of those that are wanted.
    Filtered,
    /// There is no place for a further open incident.
    Full,
}

struct Told {
    /// Where on the topic it was first told.
    first: i64,
    alert: Alert,
}

/// The open incidents a target was told of, of one partition. It is made anew by stepping the same events again, from
/// [`from`](Self::from) on.
#[derive(Default)]
pub struct Memory {
    open: BTreeMap<IncidentId, Told>,
}

impl Memory {
    /// Takes the event at `offset` and says whether the target is told.
    ///
    /// What was told is told to its end, whatever the filters say by then; of what was not told the end isn't told either.
    pub fn step(&mut self, offset: i64, event: &IncidentEvent, settings: &BridgeSettings) -> Verdict {
        let incident = &event.incident;
        if incident.domain.is_canary() {
            return Verdict::Canary;
        }
        if incident.simulated {
            return Verdict::Simulated;
        }
        let told = self.open.get(&incident.id);
        if told.is_none() && !is_wanted(event, settings) {
            return Verdict::Filtered;
        }
        if told.is_none() && self.open.len() >= OPEN_MAX {
            return Verdict::Full;
        }
        let labels = told.map(|told| &told.alert.labels);
        let alert = Alert::of(incident, labels, settings.link.as_deref());
        let first = told.map_or(offset, |told| told.first);
        match alert.phase {
            Phase::Over => {
                self.open.remove(&incident.id);
            }
            Phase::Open | Phase::Acknowledged => {
                let told = Told {
                    first,
                    alert: alert.clone(),
                };
                self.open.insert(incident.id.clone(), told);
            }
        }
        Verdict::Tell(Box::new(alert))
    }

    /// The open ones, as they were told last, by id.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values().map(|told| &told.alert)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// From where on events must be stepped again, so that the memory is as it is now before `next`.
    pub fn from(&self, next: i64) -> i64 {
        self.open
            .values()
            .map(|told| told.first)
            .min()
            .map_or(next, |first| first.min(next))
    }

    /// Forgets what nothing has been heard of for 30 days, and gives it back.
    pub fn forget(&mut self, now: EventTime) -> Vec<IncidentId> {
        let silent = self
            .open
            .iter()
            .filter(|(_, told)| now.since(told.alert.at) > SILENT_MAX);
        let silent: Vec<IncidentId> = silent.map(|(id, _)| id.clone()).collect();
        for id in &silent {
            self.open.remove(id);
        }
        silent
    }
}

/// Planned work calls nobody while it goes as it was announced.
fn is_surprising(incident: &Incident) -> bool {
    match incident.work.as_ref().map(|work| work.stage) {
        None | Some(WorkStage::Overrun) => true,
        Some(WorkStage::Announced | WorkStage::Started | WorkStage::Ended | WorkStage::Cancelled) => false,
    }
}

fn is_wanted(event: &IncidentEvent, settings: &BridgeSettings) -> bool {
    let incident = &event.incident;
    let services = &settings.services;
    incident.state.is_open()
        && incident.silenced.is_none()
        && incident.parent.is_none()
        && is_surprising(incident)
        && (settings.predictions || incident.state == forecall_types::IncidentState::Confirmed)
        && settings.severity_min.admits(incident.severity)
        && (settings.domains.is_empty() || settings.domains.contains(&incident.domain))
        && (services.is_empty() || incident.scope.services.iter().any(|s| services.contains(s)))
}
