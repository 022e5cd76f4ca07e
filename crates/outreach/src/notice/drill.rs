//! A dress rehearsal: a simulated incident goes the way of a real one, and reaches test people only.
//!
//! Policy, approval, hold, send, take back, receipts and replies are the real ones, and every text says that it is an exercise. The
//! audience is counted from the real directory; whoever isn't named in `outreach.drill_people` is withheld as `simulated`.

use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Command, DomainName, EventTime, Fingerprint, Incident, IncidentId, IncidentKind, IncidentState, Lineage,
    Probability, RejectReason, Responsibility, Scope, Severity,
};

use super::domain::{Desk, Domain, Office, THREADS_MAX, forget_oldest};
use super::plan::on_news;
use super::record::Thread;
use super::steer::{Refused, no};
use super::thread::News;

/// The longest rehearsal, in minutes: four hours.
pub const DRILL_MINUTES_MAX: u32 = 240;

/// The incident of the rehearsal that a command begins.
pub fn drill_incident(domain: &DomainName, command: &str) -> IncidentId {
    let parts: [&[u8]; 3] = [b"drill", domain.as_str().as_bytes(), command.as_bytes()];
    IncidentId::derived(Fingerprint::of_parts(&parts))
}

impl Domain {
    pub(super) fn drill(
        &mut self,
        command: &Command,
        (scope, severity): (&Scope, Severity),
        minutes: u32,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let at = command.at;
        if !(1..=DRILL_MINUTES_MAX).contains(&minutes) {
            return no(format!("a rehearsal lasts 1 to {DRILL_MINUTES_MAX} minutes"));
        }
        if scope.services.is_empty() || scope.regions.is_empty() {
            return no("a rehearsal names services and regions");
        }
        let goes_on = |thread: &Thread| thread.drill_until.is_some() && thread.closed_at.is_none();
        if self.threads.values().any(goes_on) {
            return no("a rehearsal goes on already: end it first");
        }
        let id = drill_incident(&command.domain, &command.id);
        if self.threads.contains_key(&id) {
            return no("this rehearsal was held");
        }
        let (mut desk, threads) = self.open(office);
        if threads.len() >= THREADS_MAX && !forget_oldest(threads, desk.notices) {
            return Err((
                RejectReason::TooLarge,
                "too many incidents are open in the domain".into(),
            ));
        }
        let incident = rehearsed(id.clone(), command, scope.clone(), severity);
        let thread = threads.entry(id).or_insert_with(|| Thread {
            drill_until: Some(at.plus(Duration::from_secs(u64::from(minutes) * 60))),
            ..Thread::new(incident)
        });
        on_news(&mut desk, thread, News::Confirmed, at);
        Ok(())
    }

    pub(super) fn end_drill(
        &mut self,
        incident: &IncidentId,
        at: EventTime,
        office: &mut Office<'_>,
    ) -> Result<(), Refused> {
        let (mut desk, threads) = self.open(office);
        let Some(thread) = threads.get_mut(incident).filter(|t| t.drill_until.is_some()) else {
            return no("no rehearsal is known under this id");
        };
        if thread.closed_at.is_some() {
            return no("the rehearsal is over already");
        }
        end(&mut desk, thread, at);
        Ok(())
    }
}

/// It works again.
pub(super) fn end(desk: &mut Desk<'_>, thread: &mut Thread, at: EventTime) {
    let incident = &mut thread.incident;
    incident.state = IncidentState::Resolved;
    incident.resolved_at = Some(at);
    incident.revision = incident.revision.saturating_add(1);
    incident.at = at;
    thread.closed_at = Some(at);
    on_news(desk, thread, News::Resolved, at);
}

fn rehearsed(id: IncidentId, command: &Command, scope: Scope, severity: Severity) -> Incident {
    let at = command.at;
    Incident {
        id,
        revision: 1,
        domain: command.domain.clone(),
        state: IncidentState::Confirmed,
        reopened: 0,
        phase: None,
        severity,
        kind: IncidentKind::Degradation,
        scope,
        probability: Probability::ONE,
        opened_at: at,
        at,
        onset_predicted: None,
        onset_interval: None,
        onset_observed: Some(at),
        resolved_at: None,
        evidence: Vec::new(),
        contributions: Vec::new(),
        dimensions: Vec::new(),
        causes: Vec::new(),
        paging: Vec::new(),
        silenced: None,
        storm: false,
        parent: None,
        merged_into: None,
        split_from: None,
        adjustment: None,
        remedies: Vec::new(),
        work: None,
        responsibility: Responsibility::Own,
        acknowledged: None,
        eta: None,
        steps: Vec::new(),
        problem: None,
        reason: format!("a rehearsal, said by {}", command.by),
        version: Arc::from(env!("CARGO_PKG_VERSION")),
        settings: Arc::from(""),
        lineage: Lineage::default(),
        simulated: true,
    }
}
