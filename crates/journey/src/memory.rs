use forecall_types::{CustomerEventKind, JourneyName, JourneyWave, ServiceName, WaveState};
use forecall_types::{Fingerprint, WaveId};
use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use crate::settings::JourneySettings;
use crate::stage::State;
use crate::table::{Journey, Loaded, Table};
use crate::wave::Told;

/// What numbers stood for when a memory was written: a file with other rules gives them other numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Names {
    rules: Vec<NamedRule>,
    kinds: Vec<CustomerEventKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NamedRule {
    name: JourneyName,
    service: ServiceName,
    /// Length of a part of the waves' window, by step.
    parts: Vec<i64>,
}

impl Names {
    pub(crate) fn of(settings: &JourneySettings) -> Self {
        let rules = settings.rules.iter().map(|rule| NamedRule {
            name: rule.name.clone(),
            service: rule.service.clone(),
            parts: rule.steps.iter().map(|step| step.part).collect(),
        });
        Self {
            rules: rules.collect(),
            kinds: settings.kinds.keys().cloned().collect(),
        }
    }

    /// The number that a rule has now.
    fn rule(&self, settings: &JourneySettings, old: u16) -> Option<u16> {
        let named = self.rules.get(usize::from(old))?;
        let now = settings.rules.iter().position(|rule| rule.name == named.name)?;
        u16::try_from(now).ok()
    }

    /// The memory as the rules of now have it. A journey goes on to the deadline it has; one whose rule or step is gone is left
    /// out and counted, and a wave whose place is gone is closed.
    pub(crate) fn adopt(&self, settings: &JourneySettings, state: &mut State, loaded: Loaded) -> Table {
        let rules: Vec<Option<u16>> = (0_u16..)
            .zip(&self.rules)
            .map(|(old, _)| self.rule(settings, old))
            .collect();
        let rule = |old: u16| rules.get(usize::from(old)).copied().flatten();
        let mut dropped = 0;
        let table = Table::restored(loaded, |journey: &mut Journey| {
            let now = rule(journey.rule).filter(|now| {
                settings.step(*now, journey.step).is_some() && state.scopes.get(journey.scope).is_some()
            });
            journey.rule = now.unwrap_or(journey.rule);
            dropped += u64::from(now.is_none());
            now.is_some()
        });
        state.dropped += dropped;
        state.order.restore(|event| {
            let kind = self.kinds.get(usize::from(event.kind));
            let now = kind.and_then(|kind| settings.kinds.get(kind));
            event.kind = now.copied().unwrap_or(event.kind);
            now.is_some()
        });
        let mut days = vec![crate::day::RuleDay::default(); settings.rules.len()];
        for (old, day) in (0_u16..).zip(std::mem::take(&mut state.days)) {
            if let Some(place) = rule(old).and_then(|now| days.get_mut(usize::from(now))) {
                *place = day;
            }
        }
        state.days = days;
        let ended = state.waves.restore(|(old, step, scope)| {
            let now = rule(old)?;
            let part = self.rules.get(usize::from(old))?.parts.get(usize::from(step))?;
            let same = settings.step(now, step).is_some_and(|step| step.part == *part);
            same.then_some((now, step, scope))
        });
        for told in ended {
            let (rule, _, scope) = told.place;
            if let (Some(rule), Some(scope)) = (self.rules.get(usize::from(rule)), state.scopes.get(scope)) {
                let wave = wave_of(&told, (&rule.name, &rule.service), scope, settings.simulated);
                state.owed.push(wave);
            }
        }
        table
    }
}

/// A wave with its names.
pub(crate) fn wave_of(
    told: &Told,
    (rule, service): (&JourneyName, &ServiceName),
    scope: &Scope,
    simulated: bool,
) -> JourneyWave {
    let (_, step, _) = told.place;
    let service = scope.service.as_ref().unwrap_or(service);
    let region = scope.region.as_ref().map_or("", |region| region.as_str());
    let id = Fingerprint::of_parts(&[
        rule.as_str().as_bytes(),
        &[step],
        scope.domain.as_str().as_bytes(),
        service.as_str().as_bytes(),
        region.as_bytes(),
        &told.opened.to_le_bytes(),
    ]);
    let time = forecall_types::EventTime::from_nanos;
    JourneyWave {
        id: WaveId::derived(id),
        revision: told.revision,
        state: told.state,
        domain: scope.domain.clone(),
        rule: rule.clone(),
        step,
        service: service.clone(),
        region: scope.region.clone(),
        from: time(told.from),
        at: time(told.at),
        due: told.due,
        failed: told.failed,
        usual: told.usual,
        score: told.score,
        withheld: told.withheld,
        simulated,
    }
}

impl Told {
    /// As told when nothing can be said of it any more.
    pub(crate) fn closed(mut self) -> Self {
        self.state = WaveState::Closed;
        self.revision += 1;
        self
    }
}
