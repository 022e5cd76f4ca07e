mod ahead;
mod context;
mod events;
mod health;
mod once;
mod peers;
mod receive;
mod release;
mod shown;
mod siblings;
mod silence;
mod split;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_stage::{Effects, Image, Pulse, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::invariant::InvariantId;
use forecall_types::{
    Anomaly, DomainName, EventTime, Fingerprint, Heartbeat, Position, RejectReason, SamplesRecord, Score,
    ScoredSample, SeriesKey, SourcePartition, Summary, check_invariant,
};
use serde::{Deserialize, Serialize};
pub use shown::{SHOWN_MAX, Shown, ShownSeries};
pub use split::Divided;
pub use words::{LINE_LABEL, LINE_METRIC};

use crate::buffer::{AHEAD, Buffer, Pending};
use crate::context::Contexts;
use crate::disorder::Sources;
use crate::gates::Gates;
use crate::peers::Peers;
use crate::policy::{Change, Origin};
use crate::rate::{Derived, Owned, Part, Spare, derive};
use crate::registry::{Census, Counters, Registry};
use crate::silence::Silences;
use crate::{DetectSettings, Judgement};

/// What `detect` says.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectOutput {
    /// An anomaly was opened, updated or closed.
    Anomaly(Box<Anomaly>),
    /// An entity of a peer group, over one step.
    Summary(Box<Summary>),
    /// Score of one gauge sample; only with [`DetectSettings::emit_scores`].
    Scored(ScoredSample),
    /// How far the partition has come; only from a pulse.
    Heartbeat(Heartbeat),
}

type Out = Effects<DetectOutput>;

/// The detector of one partition.
#[derive(Debug, Clone)]
pub struct DetectStage {
    settings: Arc<DetectSettings>,
    gates: Arc<Gates>,
    state: State,
    /// Memory used again from record to record; no part of the state.
    spare: Spare,
    derived: Vec<Derived>,
    /// The last record's domain and source: runs of records share them.
    last: Option<Last>,
    /// Keys of scored series, for a replay: made once, not for each line.
    keys: BTreeMap<(u32, Part), Arc<SeriesKey>>,
    /// What is shown of chosen series; no part of the state.
    showing: Option<Box<shown::Showing>>,
}

#[derive(Debug, Clone)]
struct Last {
    domain: u16,
    domain_mark: Fingerprint,
    source: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    source: SourcePartition,
    sources: Sources,
    /// Source partitions of the records read, by what [`Pending::source`] says.
    origins: BTreeMap<u64, SourcePartition>,
    buffer: Buffer,
    registry: Registry,
    /// Ends of the event bins being filled, by raw series.
    bins: BTreeSet<(EventTime, u32)>,
    /// Detectors with an open anomaly, and their raw series.
    open: BTreeMap<u32, u32>,
    silence_checked: EventTime,
    silence: Silences,
    released_early: u64,
    /// Under what the detectors' sets were found: see [`Gates::mark`].
    sets_of: Fingerprint,
    /// Log lines by the number of their domain.
    lines: BTreeMap<u16, crate::text::Lines>,
    contexts: Contexts,
    peers: Peers,
    census: Census,
    counters: Counters,
}

impl State {
    /// As it is now; what grows with the number of series or samples is shared, not copied.
    fn share(&mut self) -> Self {
        Self {
            source: self.source.clone(),
            sources: self.sources.clone(),
            origins: self.origins.clone(),
            buffer: self.buffer.share(),
            registry: self.registry.share(),
            bins: self.bins.clone(),
            open: self.open.clone(),
            silence_checked: self.silence_checked,
            silence: self.silence.share(),
            released_early: self.released_early,
            sets_of: self.sets_of,
            lines: self.lines.clone(),
            contexts: self.contexts.clone(),
            peers: self.peers.share(),
            census: self.census.clone(),
            counters: self.counters.clone(),
        }
    }
}

impl DetectStage {
    /// For the partition it is to read, with nothing seen yet.
    pub fn new(settings: Arc<DetectSettings>, source: SourcePartition) -> Self {
        Self::with_state(
            settings,
            State {
                source,
                sources: Sources::default(),
                origins: BTreeMap::new(),
                buffer: Buffer::default(),
                registry: Registry::default(),
                bins: BTreeSet::new(),
                open: BTreeMap::new(),
                silence_checked: EventTime::MIN,
                silence: Silences::default(),
                released_early: 0,
                sets_of: Fingerprint::default(),
                lines: BTreeMap::new(),
                contexts: Contexts::default(),
                peers: Peers::default(),
                census: Census::default(),
                counters: Counters::default(),
            },
        )
    }

    /// With domains that its records will be of: it tells of them before the first one has come.
    #[must_use]
    pub fn of_domains<'d>(mut self, domains: impl IntoIterator<Item = &'d DomainName>) -> Self {
        for domain in domains {
            // One without room is refused with its records.
            let _ = self.state.registry.domain(domain);
        }
        self
    }

    fn with_state(settings: Arc<DetectSettings>, state: State) -> Self {
        let mut stage = Self {
            gates: Arc::new(Gates::new(&settings)),
            settings,
            state,
            spare: Spare::new(),
            derived: Vec::new(),
            last: None,
            keys: BTreeMap::new(),
            showing: None,
        };
        stage.find_sets();
        stage
    }

    /// A set found under other settings is never used.
    fn find_sets(&mut self) {
        if self.state.sets_of != self.gates.mark() {
            self.state.registry.find_sets(&self.gates);
            self.state.sets_of = self.gates.mark();
        }
    }

    /// Judges one sample whose turn it is.
    fn take(&mut self, mut pending: Pending, effects: &mut Out) {
        let before = self.state.registry.end_waiting(pending.slot);
        if let Owned::Events { count } = pending.reading {
            self.count_events(&pending, count, effects);
            return;
        }
        if before.is_some_and(|last| pending.at <= last) {
            self.refuse_again(&pending, before, effects);
            return;
        }
        check_invariant!(
            InvariantId::D1,
            before.is_none_or(|last| last < pending.at),
            "scored twice at {:?}",
            pending.at
        );
        if before.is_none_or(|last| self.is_long(last, pending.at)) {
            self.speak(&pending, before, effects);
        }
        self.state.registry.set_last_at(pending.slot, pending.at);
        let reading = std::mem::replace(&mut pending.reading, Owned::Events { count: 0 });
        match reading {
            // Most samples; nothing is remembered of them but when they were.
            Owned::Gauge(value) => {
                if self.keep_once(&pending, before, value) {
                    self.note_once(&pending, value, effects);
                    return;
                }
                let scored = self.settings.emit_scores;
                self.judge_one(&pending, before, (Part::Same, value, true), scored, effects);
            }
            other => self.take_derived(&pending, before, other, effects),
        }
    }

    fn take_derived(
        &mut self,
        pending: &Pending,
        before: Option<EventTime>,
        reading: Owned,
        effects: &mut Out,
    ) {
        self.learn_once(pending, before);
        let mut derived = std::mem::take(&mut self.derived);
        if let Some(prior) = self.state.registry.prior_mut(pending.slot) {
            derive(
                prior,
                (pending.at, before),
                reading,
                &mut self.spare,
                &mut derived,
            );
        } else {
            effects.reject(RejectReason::SeriesLimit, "a counter's memory");
        }
        for value in derived.drain(..) {
            self.judge_one(
                pending,
                before,
                (value.part, value.value, value.counts),
                false,
                effects,
            );
        }
        self.derived = derived;
    }

    fn judge_one(
        &mut self,
        pending: &Pending,
        before: Option<EventTime>,
        (part, value, counts): (Part, f64, bool),
        scored: bool,
        effects: &mut Out,
    ) {
        let scored = scored.then(|| (self.position(pending), pending.row));
        // Lent out, since judging changes the rest of the state.
        let origins = std::mem::take(&mut self.state.origins);
        if let Some(source) = origins.get(&pending.source) {
            let origin = Origin::Record(source, pending.offset);
            self.judge(
                pending.slot,
                (pending.at, before),
                (part, value, counts),
                origin,
                scored,
                effects,
            );
        }
        self.state.origins = origins;
    }

    fn judge(
        &mut self,
        slot: u32,
        (at, before): (EventTime, Option<EventTime>),
        (part, value, counts): (Part, f64, bool),
        origin: Origin<'_>,
        scored: Option<(Position, u32)>,
        effects: &mut Out,
    ) {
        let registry = &mut self.state.registry;
        let Ok(index) = registry.part(slot, part, self.settings.series_max, &self.gates) else {
            effects.reject(RejectReason::SeriesLimit, "a series derived from a point");
            return;
        };
        let is_shown = self
            .showing
            .as_mut()
            .is_some_and(|s| s.wants(index, registry.evicted(), || registry.key(slot, part)));
        let Some(detector) = registry.detector_mut(index) else {
            return;
        };
        let set = detector.set();
        if !self.gates.detects(set) {
            if let Some((position, row)) = scored {
                self.tell_unjudged((slot, part), (at, value), (position, row), effects);
            }
            return;
        }
        detector.counts_so_far(counts);
        let settings = self.gates.settings(set);
        let mut channels = if scored.is_some() || is_shown {
            detector.explain(at, value, settings)
        } else {
            Box::default()
        };
        let stepped = if self.state.contexts.is_near(at) {
            self.step_announced((slot, index, part), (at, before), value, origin)
        } else {
            Some(detector.step((at, before), value, origin, settings))
        };
        let Some((judgement, change)) = stepped else {
            return;
        };
        if scored.is_some() || is_shown {
            channels = self.with_limit(index, at, channels);
        }
        if is_shown {
            self.show((slot, part, index), (at, value), &judgement, &channels);
        }
        self.note_judged((slot, part), (at, value), &judgement, origin, effects);
        if let Some((position, row)) = scored
            && let Some(series) = self.key(slot, part)
        {
            let ahead = self.ahead(index, at, &series.unit);
            effects.emit(DetectOutput::Scored(ScoredSample {
                position,
                row,
                series,
                at,
                value,
                score: Score::clamped(judgement.score),
                band: judgement.band,
                channels,
                ahead,
            }));
        }
        if let Some(change) = change {
            self.tell((slot, index), &change, (at, at), value, &judgement, effects);
        }
    }

    /// Publishes an anomaly's new revision; `last` is when the series was measured last.
    fn tell(
        &mut self,
        (slot, index): (u32, u32),
        change: &Change,
        (at, last): (EventTime, EventTime),
        value: f64,
        judgement: &Judgement,
        effects: &mut Out,
    ) {
        match change {
            Change::Opened => {
                self.state.open.insert(index, slot);
            }
            Change::Closed(_) => {
                self.state.open.remove(&index);
            }
            Change::Updated => {}
        }
        let Some(part) = self.state.registry.detector_mut(index).map(|d| d.part()) else {
            return;
        };
        let Some(series) = self.key(slot, part) else {
            return;
        };
        let registry = &mut self.state.registry;
        let Some(domain) = registry.domain_of(slot).cloned() else {
            return;
        };
        let anomaly = registry.detector_mut(index).and_then(|d| {
            d.anomaly(
                change,
                (at, last),
                value,
                judgement,
                (&domain, series),
                self.gates.settings(d.set()),
            )
        });
        if let Some(mut anomaly) = anomaly {
            self.tell_beside(&mut anomaly, change, (slot, index), at);
            anomaly.series = self.with_words(&domain, &anomaly.series);
            effects.emit(DetectOutput::Anomaly(Box::new(anomaly)));
        }
    }
}

impl Stage for DetectStage {
    type Settings = Arc<DetectSettings>;
    type Input = SamplesRecord;
    type Output = DetectOutput;

    const NAME: &'static str = "detect";
    const VERSION: u32 = 9;

    fn step(&mut self, record: &SamplesRecord, effects: &mut Out) {
        for reject in record.batch.rejects() {
            effects.reject(reject.reason, reject.detail.clone());
        }
        self.announce(record, effects);
        // Without room for a further domain each row is refused for itself.
        if record.contexts.is_empty() || !record.batch.rows().is_empty() {
            let _ = self.meet(record);
        }
        let mut newest: Option<EventTime> = None;
        let rows = record.batch.rows();
        for (chunk, from) in rows.chunks(AHEAD).zip((0_u32..).step_by(AHEAD)) {
            if rows.len() > 1 {
                self.look_up(chunk);
            }
            for (row, sample) in (from..).zip(chunk) {
                if self.receive(record, row, sample, effects) {
                    newest = newest.max(Some(sample.at));
                }
            }
        }
        let (sources, silence) = (&mut self.state.sources, &mut self.state.silence);
        for mark in &record.marks {
            sources.mark(mark, record.appended_at);
            if let Some(newest) = mark.newest {
                silence.read(&mark.source.topic, newest);
            }
        }
        if let Some(newest) = newest {
            silence.read(&record.origin.topic, newest);
            sources.read(newest);
            sources.wake(&record.origin);
        }
        sources.advance(self.settings.lateness());
        let limit = sources.watermark().time();
        silence.advance(limit, self.settings.lateness());
        self.release(limit, effects);
        self.close_silent(effects);
    }

    /// Whether anything comes is known from the sources' marks where there are some: what this partition is told by a reader
    /// that is down, it is not told at all. What the marks say holds for what was read up to them, however much lies unread
    /// behind them: where marks come all the time, some always do.
    fn pulse(&self, pulse: Pulse<'_>, effects: &mut Out) {
        let sources = &self.state.sources;
        let silent_until = if sources.is_rekeyed() {
            sources.silent_until()
        } else {
            // One that nothing was ever read from has nobody to wait for at its end.
            let is_silent = pulse.idle || pulse.caught_up && sources.is_empty();
            pulse.looked_at.filter(|_| is_silent)
        };
        for domain in self.state.registry.domains() {
            effects.emit(DetectOutput::Heartbeat(Heartbeat {
                domain: domain.clone(),
                source: self.state.source.clone(),
                next_offset: pulse.next_offset,
                watermark: sources.watermark(),
                idle: silent_until.is_some(),
                silent_until: silent_until.map(|until| until.minus(self.settings.lateness())),
                caught_up: pulse.caught_up && (!sources.is_rekeyed() || sources.are_caught_up()),
            }));
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.state)
    }

    fn image(&mut self) -> Result<Image, SnapshotError> {
        let state = self.state.share();
        Ok(Image::new(move || encode_state(&state)))
    }

    fn load(settings: Arc<DetectSettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut state: State = decode_state(bytes)?;
        state.registry.rebuild();
        state.silence.rebuild();
        state.contexts.rebuild();
        Ok(Self::with_state(settings, state))
    }
}
