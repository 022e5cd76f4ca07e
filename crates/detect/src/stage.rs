use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_stage::{Effects, Pulse, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::invariant::InvariantId;
use forecall_types::{
    Anomaly, Band, EventTime, Heartbeat, Lineage, Position, Reading, RejectReason, SampleRow, SamplesRecord,
    Score, ScoredSample, SeriesKey, SourcePartition, check_invariant,
};
use serde::{Deserialize, Serialize};

use crate::channel::GeneralTail;
use crate::disorder::{Buffer, Pending, Sources};
use crate::policy::{Change, Origin};
use crate::rate::{Bin, Derived, EVENT_BIN, EVENT_GAP_BINS_MAX, Owned, Part, Prior, Spare, derive, number};
use crate::registry::Registry;
use crate::settings::seconds;
use crate::{DetectSettings, Judgement};

/// What `detect` says.
#[derive(Debug, Clone, PartialEq)]
pub enum DetectOutput {
    /// An anomaly was opened, updated or closed.
    Anomaly(Box<Anomaly>),
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
    tail: GeneralTail,
    state: State,
    /// Memory used again from record to record; no part of the state.
    spare: Spare,
    derived: Vec<Derived>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    source: SourcePartition,
    sources: Sources,
    buffer: Buffer,
    registry: Registry,
    /// Ends of the event bins being filled, by raw series.
    bins: BTreeSet<(EventTime, u32)>,
    /// Detectors with an open anomaly, and their raw series.
    open: BTreeMap<u32, u32>,
    silence_checked: EventTime,
    released_early: u64,
}

impl DetectStage {
    /// For the partition it is to read, with nothing seen yet.
    pub fn new(settings: Arc<DetectSettings>, source: SourcePartition) -> Self {
        Self::with_state(
            settings,
            State {
                source,
                sources: Sources::default(),
                buffer: Buffer::default(),
                registry: Registry::default(),
                bins: BTreeSet::new(),
                open: BTreeMap::new(),
                silence_checked: EventTime::MIN,
                released_early: 0,
            },
        )
    }

    fn with_state(settings: Arc<DetectSettings>, state: State) -> Self {
        Self {
            settings,
            tail: GeneralTail::default(),
            state,
            spare: Spare::new(),
            derived: Vec::new(),
        }
    }

    /// Nothing earlier is expected.
    pub const fn watermark(&self) -> forecall_types::Watermark {
        self.state.sources.watermark()
    }

    /// Samples that left the full buffer before the watermark had passed them.
    pub const fn released_early(&self) -> u64 {
        self.state.released_early
    }

    /// Samples waiting for the watermark.
    pub fn buffered(&self) -> usize {
        self.state.buffer.len()
    }

    /// The end of a finite input: nothing is waited for any more.
    pub fn flush(&mut self, effects: &mut Out) {
        self.release(EventTime::MAX, effects);
        while let Some((_, raw)) = self.state.bins.pop_first() {
            self.close_bin(raw, false, effects);
        }
    }

    /// Takes one row: refuses it, or lets it wait for the watermark.
    fn receive(&mut self, record: &SamplesRecord, row: u32, sample: &SampleRow, effects: &mut Out) -> bool {
        let (Some(key), Some(reading)) = (record.batch.key(sample), record.batch.reading(sample)) else {
            return false;
        };
        let refuse = |stage: &Self, reason: RejectReason, effects: &mut Out| {
            effects.reject(reason, format!("point {row} ({})", key.metric));
            stage.score_refused(record, row, sample, key, reading, effects);
        };
        if sample.at > record.appended_at.plus(self.settings.future()) {
            refuse(self, RejectReason::Future, effects);
            return false;
        }
        if self.state.sources.watermark().is_late(sample.at) {
            refuse(self, RejectReason::Late, effects);
            return true;
        }
        let max = self.settings.series_max;
        let registry = &mut self.state.registry;
        let interned = registry
            .domain(&record.domain)
            .and_then(|domain| registry.intern(domain, sample.series, key, max));
        let Ok(series) = interned else {
            refuse(self, RejectReason::SeriesLimit, effects);
            return true;
        };
        self.state.buffer.push(Pending {
            at: sample.at,
            series: sample.series,
            origin: record.origin.clone(),
            row,
            number: series,
            reading: Owned::of(reading, &mut self.spare),
        });
        while self.state.buffer.is_over()
            && let Some(oldest) = self.state.buffer.first_at()
        {
            let before = self.state.buffer.len();
            self.release(oldest.plus(Duration::from_nanos(1)), effects);
            let released = before - self.state.buffer.len();
            self.state.released_early += u64::try_from(released).unwrap_or(u64::MAX);
        }
        true
    }

    /// Takes what lies before `limit`, samples and ends of event bins in order of time.
    fn release(&mut self, limit: EventTime, effects: &mut Out) {
        loop {
            let sample = self.state.buffer.first_at().filter(|at| *at < limit);
            let bin = self.state.bins.first().copied().filter(|(end, _)| *end <= limit);
            match (sample, bin) {
                (Some(at), Some((end, _))) if at < end => self.take_first(effects),
                (Some(_), None) => self.take_first(effects),
                (_, Some((end, raw))) if limit < EventTime::MAX || sample.is_some() => {
                    self.state.bins.remove(&(end, raw));
                    self.close_bin(raw, true, effects);
                }
                (None, _) | (Some(_), Some(_)) => return,
            }
        }
    }

    fn take_first(&mut self, effects: &mut Out) {
        if let Some(first) = self.state.buffer.pop() {
            self.take(first, effects);
        }
    }

    /// Judges one sample whose turn it is.
    fn take(&mut self, pending: Pending, effects: &mut Out) {
        let Some(raw) = self.state.registry.raw_mut(pending.number) else {
            return;
        };
        if let Owned::Events { count } = pending.reading {
            self.count_events(&pending, count, effects);
            return;
        }
        if raw.last_at.is_some_and(|last| pending.at <= last) {
            self.refuse_again(&pending, effects);
            return;
        }
        check_invariant!(
            InvariantId::D1,
            raw.last_at.is_none_or(|last| last < pending.at),
            "scored twice at {:?}",
            pending.at
        );
        raw.last_at = Some(pending.at);
        let gauge = matches!(pending.reading, Owned::Gauge(_));
        let mut derived = std::mem::take(&mut self.derived);
        derive(
            &mut raw.prior,
            pending.at,
            pending.reading,
            &mut self.spare,
            &mut derived,
        );
        for value in derived.drain(..) {
            let scored = (self.settings.emit_scores && gauge).then_some((&pending.origin, pending.row));
            self.judge(
                pending.number,
                pending.at,
                value,
                Origin::Record(&pending.origin),
                scored,
                effects,
            );
        }
        self.derived = derived;
    }

    /// A sample of a time that was judged already, or earlier than that (after an early release).
    fn refuse_again(&mut self, pending: &Pending, effects: &mut Out) {
        let Some(raw) = self.state.registry.raw(pending.number) else {
            return;
        };
        let reason = if raw.last_at == Some(pending.at) {
            RejectReason::Duplicate
        } else {
            RejectReason::Late
        };
        effects.reject(reason, format!("point {} ({})", pending.row, raw.key.metric));
        if let (true, Owned::Gauge(value)) = (self.settings.emit_scores, &pending.reading) {
            let known = self.state.registry.known_part(pending.number, Part::Same);
            let judged = known.map(|d| d.judge(pending.at, *value, &self.tail, &self.settings, true));
            effects.emit(DetectOutput::Scored(ScoredSample {
                position: pending.origin.clone(),
                row: pending.row,
                series: Arc::clone(&raw.key),
                at: pending.at,
                value: *value,
                score: Score::clamped(judged.map_or(0.0, |j| j.score)),
                band: judged.and_then(|j| j.band),
            }));
        }
    }

    /// A row that isn't taken still gets its line in a replay.
    fn score_refused(
        &self,
        record: &SamplesRecord,
        row: u32,
        sample: &SampleRow,
        key: &SeriesKey,
        reading: Reading<'_>,
        effects: &mut Out,
    ) {
        let (true, Reading::Gauge(value)) = (self.settings.emit_scores, reading) else {
            return;
        };
        let registry = &self.state.registry;
        let known = registry
            .domains()
            .iter()
            .position(|d| *d == record.domain)
            .and_then(|domain| registry.find(u32::try_from(domain).ok()?, sample.series));
        let series = known
            .and_then(|n| registry.raw(n))
            .map_or_else(|| Arc::new(key.clone()), |raw| Arc::clone(&raw.key));
        let band: Option<Band> = known
            .and_then(|n| registry.known_part(n, Part::Same))
            .and_then(|d| d.judge(sample.at, value, &self.tail, &self.settings, true).band);
        effects.emit(DetectOutput::Scored(ScoredSample {
            position: record.origin.clone(),
            row,
            series,
            at: sample.at,
            value,
            score: Score::ZERO,
            band,
        }));
    }

    fn judge(
        &mut self,
        raw: u32,
        at: EventTime,
        derived: Derived,
        origin: Origin<'_>,
        scored: Option<(&Position, u32)>,
        effects: &mut Out,
    ) {
        let registry = &mut self.state.registry;
        let Ok(index) = registry.part(raw, derived.part, self.settings.series_max) else {
            effects.reject(RejectReason::SeriesLimit, "a series derived from a point");
            return;
        };
        let Some(detector) = registry.detector_mut(index) else {
            return;
        };
        let (judgement, change) = detector.step(at, derived.value, origin, &self.tail, &self.settings);
        if let Some((position, row)) = scored {
            effects.emit(DetectOutput::Scored(ScoredSample {
                position: position.clone(),
                row,
                series: Arc::clone(detector.series()),
                at,
                value: derived.value,
                score: Score::clamped(judgement.score),
                band: judgement.band,
            }));
        }
        if let Some(change) = change {
            self.tell((raw, index), &change, at, derived.value, &judgement, effects);
        }
    }

    /// Publishes an anomaly's new revision.
    fn tell(
        &mut self,
        (raw, index): (u32, u32),
        change: &Change,
        at: EventTime,
        value: f64,
        judgement: &Judgement,
        effects: &mut Out,
    ) {
        match change {
            Change::Opened => {
                self.state.open.insert(index, raw);
            }
            Change::Closed(_) => {
                self.state.open.remove(&index);
            }
            Change::Updated => {}
        }
        let registry = &mut self.state.registry;
        let Some(domain) = registry.domain_of(raw).cloned() else {
            return;
        };
        let anomaly = registry
            .detector_mut(index)
            .and_then(|d| d.anomaly(change, at, value, judgement, &domain));
        if let Some(anomaly) = anomaly {
            effects.emit(DetectOutput::Anomaly(Box::new(anomaly)));
        }
    }

    /// Closes anomalies whose series say nothing any more.
    fn close_silent(&mut self, effects: &mut Out) {
        let now = self.state.sources.watermark().time();
        // Once a minute of event time: silence is judged in tens of minutes.
        if now.since(self.state.silence_checked) < seconds(60) {
            return;
        }
        self.state.silence_checked = now;
        let open: Vec<(u32, u32)> = self.state.open.iter().map(|(i, r)| (*i, *r)).collect();
        for (index, raw) in open {
            let Some(detector) = self.state.registry.detector_mut(index) else {
                continue;
            };
            let (Some((_, value)), Some(change)) =
                (detector.last(), detector.close_silent(now, &self.settings))
            else {
                continue;
            };
            let judgement = detector.judge(now, value, &self.tail, &self.settings, true);
            self.tell((raw, index), &change, now, value, &judgement, effects);
        }
    }

    /// Adds events to the bin of their time.
    fn count_events(&mut self, pending: &Pending, count: u64, effects: &mut Out) {
        let Some(raw) = self.state.registry.raw_mut(pending.number) else {
            return;
        };
        if let Prior::Bin(bin) = &mut raw.prior {
            if pending.at < bin.from {
                // Only after an early release: its own bin has been judged.
                effects.reject(
                    RejectReason::Late,
                    format!("point {} ({})", pending.row, raw.key.metric),
                );
                return;
            }
            // Bins are closed in order of time, before later events are taken: it belongs here.
            bin.count = bin.count.saturating_add(count);
            bin.empty = 0;
            bin.lineage.add(&pending.origin);
            return;
        }
        let bin = Bin {
            from: pending.at.floor(EVENT_BIN),
            count,
            empty: 0,
            lineage: Lineage::of(&pending.origin),
        };
        self.state.bins.insert((bin.end(), pending.number));
        raw.prior = Prior::Bin(Box::new(bin));
    }

    /// Judges the rate of a bin that is full, and begins the next.
    fn close_bin(&mut self, series: u32, again: bool, effects: &mut Out) {
        let Some(raw) = self.state.registry.raw_mut(series) else {
            return;
        };
        let Prior::Bin(mut bin) = std::mem::take(&mut raw.prior) else {
            return;
        };
        let (at, count, lineage) = (bin.from, bin.count, std::mem::take(&mut bin.lineage));
        bin.empty += u32::from(count == 0);
        if again && bin.empty < EVENT_GAP_BINS_MAX {
            bin.from = bin.end();
            bin.count = 0;
            self.state.bins.insert((bin.end(), series));
            raw.prior = Prior::Bin(bin);
        } else if !again && count == 0 {
            return;
        }
        let rate = Derived {
            part: Part::Rate,
            value: number(count) / EVENT_BIN.as_secs_f64(),
        };
        self.judge(series, at, rate, Origin::Records(&lineage), None, effects);
    }
}

impl Stage for DetectStage {
    type Settings = Arc<DetectSettings>;
    type Input = SamplesRecord;
    type Output = DetectOutput;

    const NAME: &'static str = "detect";
    const VERSION: u32 = 1;

    fn step(&mut self, record: &SamplesRecord, effects: &mut Out) {
        for reject in record.batch.rejects() {
            effects.reject(reject.reason, reject.detail.clone());
        }
        let mut newest: Option<EventTime> = None;
        for (row, sample) in (0_u32..).zip(record.batch.rows()) {
            if self.receive(record, row, sample, effects) {
                newest = newest.max(Some(sample.at));
            }
        }
        let sources = &mut self.state.sources;
        for mark in &record.marks {
            sources.mark(mark);
        }
        if let Some(newest) = newest {
            sources.read(newest);
            sources.wake(&record.origin);
        }
        sources.advance(self.settings.lateness());
        let limit = sources.watermark().time();
        self.release(limit, effects);
        self.close_silent(effects);
    }

    fn pulse(&self, pulse: Pulse, effects: &mut Out) {
        for domain in self.state.registry.domains() {
            effects.emit(DetectOutput::Heartbeat(Heartbeat {
                domain: domain.clone(),
                source: self.state.source.clone(),
                next_offset: pulse.next_offset,
                watermark: self.state.sources.watermark(),
                idle: pulse.idle,
                caught_up: pulse.caught_up,
            }));
        }
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(&self.state)
    }

    fn load(settings: Arc<DetectSettings>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        Ok(Self::with_state(settings, decode_state(bytes)?))
    }
}
