use std::sync::Arc;

use forecall_stage::Effects;
use forecall_types::{
    CustomerId, EventTime, FailedJourney, Fingerprint, JourneyFailure, JourneyId, JourneyOutput, RejectReason,
};

use super::JourneyStage;
use crate::day::{Ended, RuleDay};
use crate::order::Waiting;
use crate::settings::{JourneySettings, Role};
use crate::table::Journey;
use crate::wave::Failure;

/// What ends, and how.
pub(super) struct End {
    pub(super) place: u32,
    /// The event or the deadline.
    pub(super) at: EventTime,
    pub(super) failure: JourneyFailure,
}

impl JourneyStage {
    pub(super) fn take(&mut self, at: EventTime, event: Waiting, effects: &mut Effects<JourneyOutput>) {
        let settings = Arc::clone(&self.settings);
        let mut found = std::mem::take(&mut self.found);
        self.table.of_customer(event.customer, &mut found);
        let mut is_keyless = false;
        for (rule, role) in settings.roles_of(event.kind) {
            let Some(key) = key_for(&settings, *rule, event.key) else {
                is_keyless = true;
                continue;
            };
            let place = self.find(&found, event.customer, *rule, key);
            match (role, place) {
                (Role::Start, None) => self.start(at, (*rule, key), event, effects),
                (Role::Start, Some(_)) | (_, None) => {}
                (role, Some(place)) => {
                    self.end(*role, place, at, effects);
                }
            }
        }
        self.found = found;
        if is_keyless {
            effects.reject(
                RejectReason::MissingField,
                "an event of journeys with keys has no `key`",
            );
        }
    }

    /// An event behind the watermark begins nothing and excuses nobody who was told of already, but what it ends, it ends.
    pub(super) fn end_late(
        &mut self,
        at: EventTime,
        event: Waiting,
        effects: &mut Effects<JourneyOutput>,
    ) -> bool {
        let settings = Arc::clone(&self.settings);
        let mut found = std::mem::take(&mut self.found);
        self.table.of_customer(event.customer, &mut found);
        let mut is_taken = false;
        for (rule, role) in settings.roles_of(event.kind) {
            let key = key_for(&settings, *rule, event.key);
            let place = key.and_then(|key| self.find(&found, event.customer, *rule, key));
            let Some((place, journey)) = place.and_then(|place| Some((place, *self.table.get(place)?)))
            else {
                continue;
            };
            let within = settings.step(*rule, journey.step).map_or(0, |step| step.within);
            if *role != Role::Start && at.nanos() > journey.deadline.saturating_sub(within) {
                is_taken |= self.end(*role, place, at, effects);
            }
        }
        self.found = found;
        is_taken
    }

    fn find(&self, found: &[u32], customer: u128, rule: u16, key: u64) -> Option<u32> {
        found.iter().copied().find(|place| {
            self.table
                .get(*place)
                .is_some_and(|j| j.rule == rule && j.key == key && j.customer() == customer)
        })
    }

    fn start(
        &mut self,
        at: EventTime,
        (rule, key): (u16, u64),
        event: Waiting,
        effects: &mut Effects<JourneyOutput>,
    ) {
        let settings = Arc::clone(&self.settings);
        let Some(step) = settings.step(rule, 0) else {
            return;
        };
        let is_full = len(self.table.len()) >= settings.tunables.open_max;
        self.table.of_customer(event.customer, &mut self.counted);
        if is_full || len(self.counted.len()) >= settings.tunables.open_customer_max {
            self.day(rule, RuleDay::refuse);
            let what = if is_full {
                "open journeys"
            } else {
                "open journeys of one customer"
            };
            effects.reject(
                RejectReason::SeriesLimit,
                format!("a journey isn't followed: too many {what}"),
            );
            return;
        }
        self.day(rule, |day| {
            day.start();
            day.reach(0);
        });
        let deadline = at.nanos().saturating_add(step.within);
        self.table.open(Journey::new(
            event.customer,
            rule,
            key,
            event.scope,
            at.nanos(),
            deadline,
        ));
    }

    /// An event that isn't the journey's begin has come; whether it meant anything to it.
    fn end(&mut self, role: Role, place: u32, at: EventTime, effects: &mut Effects<JourneyOutput>) -> bool {
        let settings = Arc::clone(&self.settings);
        let Some(journey) = self.table.get(place).copied() else {
            return false;
        };
        match role {
            Role::Start => return false,
            Role::Unless => {
                self.day(journey.rule, |day| day.end(journey.step, Ended::Excused, None));
                self.table.close(place);
            }
            Role::FailsOn => {
                let failure = JourneyFailure::Struck;
                self.fail(&End { place, at, failure }, effects);
            }
            Role::Expect(step) if step < journey.step => return false,
            Role::Expect(step) => {
                self.pass_step(&journey, at, Some(at));
                self.day(journey.rule, |day| {
                    for skipped in journey.step + 1..=step {
                        day.reach(skipped);
                        day.end(skipped, Ended::Passed(None), None);
                    }
                });
                match settings.step(journey.rule, step + 1) {
                    Some(next) => {
                        self.day(journey.rule, |day| day.reach(step + 1));
                        self.table
                            .go_on(place, step + 1, at.nanos().saturating_add(next.within));
                    }
                    None => {
                        self.table.close(place);
                    }
                }
            }
        }
        true
    }

    /// Counts a step as passed, with the time it took if an event passed it.
    pub(super) fn pass_step(&mut self, journey: &Journey, at: EventTime, event: Option<EventTime>) {
        let settings = Arc::clone(&self.settings);
        let Some(step) = settings.step(journey.rule, journey.step) else {
            return;
        };
        let now = at.max(self.state.order.passed()).nanos();
        let place = (journey.rule, journey.step, journey.scope);
        self.state
            .waves
            .pass(place, now, journey.deadline, step, &settings.tunables.waves);
        let reached = journey.deadline.saturating_sub(step.within);
        let took = event.map(|at| at.nanos().saturating_sub(reached).max(0));
        self.day(journey.rule, |day| {
            day.end(journey.step, Ended::Passed(took), Some(step))
        });
    }

    pub(super) fn fail(&mut self, end: &End, effects: &mut Effects<JourneyOutput>) {
        let settings = Arc::clone(&self.settings);
        let Some(journey) = self.table.close(end.place) else {
            return;
        };
        let (Some(rule), Some(step)) = (
            settings.rule(journey.rule),
            settings.step(journey.rule, journey.step),
        ) else {
            return;
        };
        let ended = match end.failure {
            JourneyFailure::Absent => Ended::Absent,
            JourneyFailure::Struck => Ended::Struck,
        };
        self.day(journey.rule, |day| day.end(journey.step, ended, None));
        let now = end.at.max(self.state.order.passed()).nanos();
        let place = (journey.rule, journey.step, journey.scope);
        let waves = &mut self.state.waves;
        let judged = waves.fail(
            place,
            now,
            journey.customer(),
            (step, rule.usual_share),
            &settings.tunables.waves,
        );
        match judged {
            Failure::InWave(told) => {
                if let Some(wave) = told.and_then(|told| self.wave(&told)) {
                    effects.emit(JourneyOutput::Wave(wave));
                }
                return;
            }
            Failure::Unwatched => effects.reject(
                RejectReason::SeriesLimit,
                format!("a failure of `{}` counts for no wave: too many scopes", rule.name),
            ),
            Failure::Alone => {}
        }
        if let Some(failed) = self.failed(&journey, end) {
            effects.emit(JourneyOutput::Failed(failed));
        }
    }

    fn failed(&self, journey: &Journey, end: &End) -> Option<FailedJourney> {
        let rule = self.settings.rule(journey.rule)?;
        let scope = self.state.scopes.get(journey.scope)?;
        let id = Fingerprint::of_parts(&[
            rule.name.as_str().as_bytes(),
            &journey.customer().to_le_bytes(),
            &journey.key.to_le_bytes(),
            &journey.started.to_le_bytes(),
        ]);
        Some(FailedJourney {
            id: JourneyId::derived(id),
            domain: scope.domain.clone(),
            rule: rule.name.clone(),
            customer: CustomerId::of_number(journey.customer()),
            key: std::num::NonZeroU64::new(journey.key),
            step: journey.step,
            failure: end.failure,
            service: scope.service.clone().unwrap_or_else(|| rule.service.clone()),
            region: scope.region.clone(),
            started_at: EventTime::from_nanos(journey.started),
            failed_at: end.at,
            simulated: self.settings.simulated,
        })
    }
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// What a rule tells journeys of one customer apart by; `None` where the event lacks it.
fn key_for(settings: &JourneySettings, rule: u16, key: u64) -> Option<u64> {
    match settings.rule(rule).is_some_and(|rule| rule.by_key) {
        true => (key != 0).then_some(key),
        false => Some(0),
    }
}
