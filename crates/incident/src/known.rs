//! What was said of services beside the settings: declared on a topic, or seen in traces.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{
    EventTime, NEEDS_MAX, RejectReason, Responsibility, ServiceName, ServiceRecord, SourcePartition,
    TRACED_KEPT,
};
use serde::{Deserialize, Serialize};

use crate::cause::CALLS_MAX;
use crate::moves::Moves;
use crate::settings::CorrelateSettings;
use crate::topology::{SERVICES_MAX, Topology};
use crate::topology_file::ServiceResponsibility;

/// Who said what a service needs.
type Origin = Option<SourcePartition>;

/// What one origin said last of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) at: EventTime,
    pub(crate) customer_facing: Option<bool>,
    pub(crate) responsibility: ServiceResponsibility,
    pub(crate) depends_on: Vec<ServiceName>,
}

/// What is known of services beside the settings, and which move together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    said: BTreeMap<(ServiceName, Origin), Said>,
    needs: usize,
    /// When the oldest of what traces show was said: nothing is forgotten before.
    oldest: Option<EventTime>,
    /// The settings' topology with all that; made anew from both, `None` where nothing was said.
    #[serde(skip)]
    merged: Option<Arc<Topology>>,
    pub(crate) moves: Moves,
}

impl Known {
    /// The settings' topology, and what was said beside it.
    pub(crate) fn topology<'a>(&'a self, settings: &'a CorrelateSettings) -> &'a Topology {
        self.merged.as_deref().unwrap_or(&settings.topology)
    }

    /// Takes what somebody says of a service.
    ///
    /// # Errors
    /// Why it isn't taken: there is no room, or only people may say that, and of an incident.
    pub(crate) fn take(
        &mut self,
        record: &ServiceRecord,
        settings: &CorrelateSettings,
    ) -> Result<(), (RejectReason, String)> {
        let service = &record.service;
        let refused = |reason, why: String| Err((reason, format!("service {service}: {why}")));
        let responsibility = match record.responsibility {
            Responsibility::Unknown => ServiceResponsibility::Unknown,
            Responsibility::Own => ServiceResponsibility::Own,
            Responsibility::Supplier => ServiceResponsibility::Supplier,
            Responsibility::Power => ServiceResponsibility::Power,
            Responsibility::Planned | Responsibility::ExternalOrder => {
                let why = format!(
                    "responsibility {}: only people can say that, and of an incident",
                    record.responsibility.as_str()
                );
                return refused(RejectReason::NotAllowed, why);
            }
        };
        if record.depends_on.len() > NEEDS_MAX {
            let why = format!("it needs {}, at most {NEEDS_MAX}", record.depends_on.len());
            return refused(RejectReason::TooLarge, why);
        }
        let key = (service.clone(), record.traced_by.clone());
        let before = self.said.get(&key);
        if before.is_some_and(|said| said.at > record.at) {
            let why = "something newer was said of it by the same origin".to_owned();
            return refused(RejectReason::Late, why);
        }
        let needed_before = before.map_or(0, |said| said.depends_on.len());
        if record.removed {
            if before.is_some() {
                self.said.remove(&key);
                self.needs -= needed_before;
                self.merge(settings);
            }
            return Ok(());
        }
        let needs = self.needs - needed_before + record.depends_on.len();
        if before.is_none() && self.said.len() >= SERVICES_MAX {
            return refused(RejectReason::SeriesLimit, format!("{SERVICES_MAX} are known"));
        }
        if needs > CALLS_MAX {
            return refused(
                RejectReason::SeriesLimit,
                format!("{CALLS_MAX} dependencies are known"),
            );
        }
        let said = Said {
            at: record.at,
            customer_facing: record.customer_facing,
            responsibility,
            depends_on: record.depends_on.iter().cloned().collect(),
        };
        let is_news = before.is_none_or(|before| {
            Said {
                at: said.at,
                ..before.clone()
            } != said
        });
        self.needs = needs;
        if record.traced_by.is_some() {
            self.oldest = Some(self.oldest.map_or(record.at, |oldest| oldest.min(record.at)));
        }
        self.said.insert(key, said);
        if is_news {
            self.merge(settings);
        }
        Ok(())
    }

    /// Forgets what traces don't show any more.
    pub(crate) fn expire(&mut self, at: EventTime, settings: &CorrelateSettings) {
        if self.oldest.is_none_or(|oldest| at.since(oldest) <= TRACED_KEPT) {
            return;
        }
        let before = self.said.len();
        self.said
            .retain(|(_, origin), said| origin.is_none() || at.since(said.at) <= TRACED_KEPT);
        let traced = self.said.iter().filter(|((_, origin), _)| origin.is_some());
        self.oldest = traced.map(|(_, said)| said.at).min();
        self.needs = self.said.values().map(|said| said.depends_on.len()).sum();
        if self.said.len() != before {
            self.merge(settings);
        }
    }

    /// Makes the topology anew: after a change, and under other settings.
    pub(crate) fn merge(&mut self, settings: &CorrelateSettings) {
        let said = || self.said.iter().map(|((service, _), said)| (service, said));
        self.merged = (!self.said.is_empty()).then(|| Arc::new(settings.topology.with(said)));
    }
}
