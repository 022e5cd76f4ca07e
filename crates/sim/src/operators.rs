//! The people in the operations centre: they take a confirmed incident on, promise an end, and report what they did.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{Action, Command, DomainName, EventTime, IncidentChange, IncidentEvent, IncidentId};

/// Minutes after the confirmation, and what they do then.
enum Deed {
    Acknowledge,
    Eta,
    Step(&'static str),
}

const PLAN: [(u64, Deed); 4] = [
    (2, Deed::Acknowledge),
    (4, Deed::Eta),
    (25, Deed::Step("team_on_site")),
    (45, Deed::Step("cause_found")),
];

/// What is still to be done about the incidents seen.
#[derive(Debug, Clone)]
pub(crate) struct Operators {
    domain: DomainName,
    /// What they think the end will be: they are asked for it once and keep to it.
    eta: EventTime,
    known: BTreeSet<IncidentId>,
    due: BTreeMap<(EventTime, u64), Command>,
    count: u64,
}

impl Operators {
    pub(crate) const fn new(domain: DomainName, eta: EventTime) -> Self {
        Self {
            domain,
            eta,
            known: BTreeSet::new(),
            due: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn saw(&mut self, event: &IncidentEvent) {
        let incident = &event.incident;
        if event.change != IncidentChange::Confirmed || !self.known.insert(incident.id.clone()) {
            return;
        }
        for (minutes, deed) in &PLAN {
            let at = incident.at.plus(Duration::from_secs(minutes * 60));
            let action = match deed {
                Deed::Acknowledge => Action::Acknowledge {
                    incident: incident.id.clone(),
                },
                // Nobody promises an end that has passed.
                Deed::Eta if self.eta > at => Action::Eta {
                    incident: incident.id.clone(),
                    eta: self.eta,
                },
                Deed::Eta => continue,
                Deed::Step(code) => Action::Step {
                    incident: incident.id.clone(),
                    code: Arc::from(*code),
                },
            };
            self.count += 1;
            let command = Command {
                id: Arc::from(format!("demo-{}", self.count)),
                domain: self.domain.clone(),
                at,
                by: Arc::from("noc-shift"),
                action,
            };
            self.due.insert((at, self.count), command);
        }
    }

    /// What is due before `to`.
    pub(crate) fn drain(&mut self, to: EventTime) -> impl Iterator<Item = Command> + use<> {
        let later = self.due.split_off(&(to, 0));
        std::mem::replace(&mut self.due, later).into_values()
    }
}
