mod follow;

use std::sync::Arc;
use std::time::Duration;

use forecall_stage::{Effects, Image, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::{
    CustomerEvent, EventTime, JourneyEntry, JourneyFailure, JourneyOutput, JourneyWave, RejectReason, Tick,
};
use serde::{Deserialize, Serialize};

use self::follow::End;
use crate::day::RuleDay;
use crate::memory::{Names, wave_of};
use crate::order::{Offered, Order, Waiting};
use crate::scope::{Place, Scope, Scopes};
use crate::settings::JourneySettings;
use crate::table::{Loaded, Table};
use crate::wave::{Told, Waves};

/// A tick this far behind the last one is refused; within it, time stands still.
const TICK_BACK_MAX: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// How the stage is, for metrics and alarms; decisions never hang on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JourneyHealth {
    /// Open journeys.
    pub open: usize,
    /// Bytes of their places and index.
    pub bytes: usize,
    /// Events waiting for earlier ones.
    pub waiting: usize,
    /// Domains, services and regions told apart.
    pub scopes: usize,
    /// Open waves.
    pub waves: usize,
    /// Source partitions that nothing was heard of yet: time stands still until then.
    pub unheard: usize,
    /// Nothing before this is expected.
    pub passed: EventTime,
}

/// The `journeys` stage over one partition of its log, which must be keyed by customer.
#[derive(Debug, Clone)]
pub struct JourneyStage {
    settings: Arc<JourneySettings>,
    state: State,
    table: Table,
    /// Places of the customer at hand, kept for their memory.
    found: Vec<u32>,
    counted: Vec<u32>,
}

/// All but the open journeys.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) order: Order,
    pub(crate) scopes: Scopes,
    pub(crate) waves: Waves,
    /// By the rule's number: the day at hand …
    pub(crate) days: Vec<RuleDay>,
    /// … which began then.
    pub(crate) day: Option<EventTime>,
    /// Waves whose rule is gone, to be told as closed.
    pub(crate) owed: Vec<JourneyWave>,
    /// Journeys and events of rules that are gone, to be told.
    pub(crate) dropped: u64,
}

impl JourneyStage {
    /// Without memory.
    pub fn new(settings: Arc<JourneySettings>) -> Self {
        let days = vec![RuleDay::default(); settings.rules.len()];
        Self {
            settings,
            state: State {
                days,
                ..State::default()
            },
            table: Table::default(),
            found: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// How it is.
    pub fn health(&self) -> JourneyHealth {
        JourneyHealth {
            open: self.table.len(),
            bytes: self.table.bytes(),
            waiting: self.state.order.len(),
            scopes: self.state.scopes.len(),
            waves: self.state.waves.open(),
            unheard: self.state.order.unheard(),
            passed: self.state.order.passed(),
        }
    }

    fn tick(&mut self, tick: Tick, effects: &mut Effects<JourneyOutput>) {
        let last = self.state.order.tick;
        if last.is_some_and(|last| last.since(tick.at) > TICK_BACK_MAX) {
            effects.reject(RejectReason::Late, "a tick more than 60 s behind the last one");
            return;
        }
        self.state.order.tick = last.max(Some(tick.at));
    }

    fn offer(&mut self, event: &CustomerEvent, effects: &mut Effects<JourneyOutput>) {
        // Of no rule: nothing is lost with it.
        let Some(kind) = self.settings.kinds.get(&event.kind).copied() else {
            return;
        };
        let Some(customer) = event.customer.number() else {
            effects.reject(RejectReason::BadValue, "`customer` is no pseudonym of this house");
            return;
        };
        // Nothing is ever before the end of time: it would wait for ever.
        if event.at == EventTime::MAX {
            effects.reject(RejectReason::BadTime, format!("an event `{}`", event.kind));
            return;
        }
        let future = Duration::from_secs(self.settings.tunables.future_seconds);
        if self
            .state
            .order
            .tick
            .is_some_and(|tick| event.at > tick.plus(future))
        {
            effects.reject(RejectReason::Future, format!("an event `{}`", event.kind));
            return;
        }
        let scope = Scope {
            domain: event.domain.clone(),
            service: event.service.clone(),
            region: event.region.clone(),
        };
        let scope = match self.state.scopes.place(scope) {
            Place::Known(scope) => scope,
            Place::DomainAlone(scope) => {
                effects.reject(
                    RejectReason::SeriesLimit,
                    format!(
                        "service and region of an event `{}`: too many are known",
                        event.kind
                    ),
                );
                scope
            }
            Place::Full => {
                effects.reject(
                    RejectReason::SeriesLimit,
                    format!("an event `{}` of one domain too many", event.kind),
                );
                return;
            }
        };
        let waiting = Waiting {
            customer,
            key: event.key.map_or(0, std::num::NonZeroU64::get),
            kind,
            scope,
        };
        match self.state.order.offer(event.at, event.id, waiting) {
            Offered::Waits => {}
            Offered::Twice => effects.reject(RejectReason::Duplicate, format!("an event `{}`", event.kind)),
            Offered::Late => {
                if !self.end_late(event.at, waiting, effects) {
                    effects.reject(RejectReason::Late, format!("an event `{}`", event.kind));
                }
            }
        }
    }

    /// Takes all that is before the frontier, in order.
    fn advance(&mut self, effects: &mut Effects<JourneyOutput>) {
        let tunables = self.settings.tunables;
        let frontier = self.state.order.frontier(
            Duration::from_secs(tunables.lateness_seconds),
            Duration::from_secs(tunables.silence_seconds),
        );
        self.run_to(frontier, effects);
        let max = usize::try_from(tunables.waiting_max).unwrap_or(usize::MAX);
        while let Some(forced) = self.state.order.forced(max) {
            effects.reject(
                RejectReason::SeriesLimit,
                "too many events wait for earlier ones: the oldest goes before its time",
            );
            self.run_to(forced, effects);
        }
    }

    fn run_to(&mut self, frontier: EventTime, effects: &mut Effects<JourneyOutput>) {
        while let Some(at) = self.state.order.first_before(frontier) {
            self.pass_time(at, effects);
            if let Some((at, event)) = self.state.order.take_first() {
                self.take(at, event, effects);
            }
        }
        self.pass_time(frontier, effects);
        self.state.order.advance(frontier);
    }

    /// Does all that is due before `limit`: days end, waves are looked at, journeys fail. What begins at the same moment comes
    /// after what ends at it.
    fn pass_time(&mut self, limit: EventTime, effects: &mut Effects<JourneyOutput>) {
        loop {
            let due = self.table.first_before(limit.nanos());
            let until = due.map_or(limit, |(_, deadline)| EventTime::from_nanos(deadline));
            self.end_day(until, effects);
            if let Some(look) = self
                .state
                .waves
                .next_look()
                .filter(|(at, _)| *at <= until.nanos())
            {
                self.look_at_wave(look, effects);
                continue;
            }
            let Some((place, deadline)) = due else {
                return;
            };
            self.is_over(place, EventTime::from_nanos(deadline), effects);
        }
    }

    /// The time allowed is over.
    fn is_over(&mut self, place: u32, at: EventTime, effects: &mut Effects<JourneyOutput>) {
        let Some(journey) = self.table.get(place).copied() else {
            return;
        };
        let settings = Arc::clone(&self.settings);
        if settings
            .rule(journey.rule)
            .is_some_and(|rule| rule.passes_in_silence)
        {
            self.pass_step(&journey, at, None);
            self.table.close(place);
        } else {
            let failure = JourneyFailure::Absent;
            self.fail(&End { place, at, failure }, effects);
        }
    }

    fn look_at_wave(&mut self, look: (i64, crate::wave::Place), effects: &mut Effects<JourneyOutput>) {
        let settings = Arc::clone(&self.settings);
        let (rule, step, _) = look.1;
        let told = settings
            .step(rule, step)
            .and_then(|step| self.state.waves.look(look, step, &settings.tunables.waves));
        if let Some(wave) = told.and_then(|told| self.wave(&told)) {
            effects.emit(JourneyOutput::Wave(wave));
        }
    }

    fn wave(&self, told: &Told) -> Option<JourneyWave> {
        let (rule, _, scope) = told.place;
        let rule = self.settings.rule(rule)?;
        let scope = self.state.scopes.get(scope)?;
        Some(wave_of(
            told,
            (&rule.name, &rule.service),
            scope,
            self.settings.simulated,
        ))
    }

    fn day(&mut self, rule: u16, change: impl FnOnce(&mut RuleDay)) {
        if let Some(day) = self.state.days.get_mut(usize::from(rule)) {
            change(day);
        }
    }

    /// Tells the days that are over by then.
    fn end_day(&mut self, at: EventTime, effects: &mut Effects<JourneyOutput>) {
        let from = at.floor(DAY);
        let Some(day) = self.state.day else {
            // Time itself hasn't begun before the first event or tick.
            self.state.day = (at > EventTime::MIN).then_some(from);
            return;
        };
        if from <= day {
            return;
        }
        self.state.day = Some(from);
        let simulated = self.settings.simulated;
        for (rule, of_rule) in self.settings.rules.iter().zip(&mut self.state.days) {
            if let Some(map) = std::mem::take(of_rule).map(rule, (day, day.plus(DAY)), simulated) {
                effects.emit(JourneyOutput::Map(map));
            }
        }
    }
}

impl Stage for JourneyStage {
    type Settings = Arc<JourneySettings>;
    type Input = JourneyEntry;
    type Output = JourneyOutput;

    const NAME: &'static str = "journeys";
    const VERSION: u32 = 2;

    fn step(&mut self, input: &JourneyEntry, effects: &mut Effects<JourneyOutput>) {
        for wave in std::mem::take(&mut self.state.owed) {
            effects.emit(JourneyOutput::Wave(wave));
        }
        let dropped = std::mem::take(&mut self.state.dropped);
        if dropped > 0 {
            effects.reject(
                RejectReason::NotAllowed,
                format!(
                    "{dropped} open journeys are of rules or steps that are gone: nothing is told of them"
                ),
            );
        }
        match input {
            JourneyEntry::Event(event) => self.offer(event, effects),
            JourneyEntry::Mark(mark) => {
                if !self.state.order.mark(mark) {
                    effects.reject(RejectReason::SeriesLimit, "a source partition too many");
                }
            }
            JourneyEntry::Tick(tick) => self.tick(*tick, effects),
        }
        self.advance(effects);
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&(Names::of(&self.settings), &self.state, &self.table))
    }

    fn image(&mut self) -> Result<Image, SnapshotError> {
        // Ten million journeys are half a gigabyte: they are shared. The rest is copied.
        let table = self.table.share();
        let (names, state) = (Names::of(&self.settings), self.state.clone());
        Ok(Image::new(move || encode_state(&(names, state, table))))
    }

    fn load(settings: Arc<JourneySettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let (names, mut state, loaded): (Names, State, Loaded) = decode_state(bytes)?;
        if !loaded.fits() {
            return Err(SnapshotError::Damaged("it has more journeys than can be open"));
        }
        let table = names.adopt(&settings, &mut state, loaded);
        Ok(Self {
            settings,
            state,
            table,
            found: Vec::new(),
            counted: Vec::new(),
        })
    }
}
