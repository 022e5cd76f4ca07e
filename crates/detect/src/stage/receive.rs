//! How rows come in: refused, or found a series and left to wait for the watermark.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Band, EventTime, Fingerprint, Position, Reading, RejectReason, SampleBatch, SampleRow, SamplesRecord,
    Score, ScoredSample, SeriesKey, SourcePartition,
};

use super::words::Words;
use super::{DetectOutput, DetectStage, Last, Out};
use crate::Asked;
use crate::buffer::{AHEAD, Pending};
use crate::rate::{Owned, Part};
use crate::registry::{Full, Room, series_id};
use crate::settings::seconds;

impl DetectStage {
    /// Notes a record's domain and source, where they aren't the last one's.
    pub(super) fn meet(&mut self, record: &SamplesRecord) -> Result<(), Full> {
        let is_last = self.last.as_ref().is_some_and(|last| {
            let origin = self.state.origins.get(&last.source);
            let domains = self.state.registry.domains();
            domains.get(usize::from(last.domain)) == Some(&record.domain)
                && origin.is_some_and(|o| {
                    o.partition == record.origin.partition && *o.topic == *record.origin.topic
                })
        });
        if is_last {
            return Ok(());
        }
        self.last = None;
        let topic = record.origin.topic.as_bytes();
        let hash = Fingerprint::of_parts(&[topic, &record.origin.partition.to_le_bytes()]);
        let source = u64::try_from(hash.as_u128() >> 64).unwrap_or(0);
        self.state
            .origins
            .entry(source)
            .or_insert_with(|| SourcePartition {
                topic: Arc::clone(&record.origin.topic),
                partition: record.origin.partition,
            });
        self.last = Some(Last {
            domain: self.state.registry.domain(&record.domain)?,
            domain_mark: Fingerprint::of(record.domain.as_str().as_bytes()),
            source,
        });
        Ok(())
    }

    fn refuse(
        &self,
        reason: RejectReason,
        record: &SamplesRecord,
        (row, sample): (u32, &SampleRow),
        effects: &mut Out,
    ) {
        let metric = record.batch.key_view(sample).map_or("", |key| key.metric);
        effects.reject(reason, format!("point {row} ({metric})"));
        self.score_refused(record, row, sample, effects);
    }

    /// Takes one row: refuses it, or lets it wait for the watermark. Says whether its time is to be believed.
    pub(super) fn receive(
        &mut self,
        record: &SamplesRecord,
        row: u32,
        sample: &SampleRow,
        effects: &mut Out,
    ) -> bool {
        let Some(reading) = record.batch.reading(sample) else {
            return false;
        };
        if sample.at > record.appended_at.plus(self.settings.future()) {
            self.refuse(RejectReason::Future, record, (row, sample), effects);
            return false;
        }
        if self.state.sources.watermark().is_late(sample.at) {
            self.refuse(RejectReason::Late, record, (row, sample), effects);
            self.hear_late(sample);
            return true;
        }
        if let Reading::Events { count } = reading
            && let Words::As(batch) = self.words(record, sample, count)
        {
            for counted in batch.rows() {
                if let Some(reading) = batch.reading(counted)
                    && !self.wait(&batch, record.origin.offset, (row, counted), reading, effects)
                {
                    self.refuse(RejectReason::SeriesLimit, record, (row, sample), effects);
                    break;
                }
            }
            return true;
        }
        if !self.wait(
            &record.batch,
            record.origin.offset,
            (row, sample),
            reading,
            effects,
        ) {
            self.refuse(RejectReason::SeriesLimit, record, (row, sample), effects);
        }
        true
    }

    /// Lets a row of a batch wait for the watermark. Says whether its series has a place.
    fn wait(
        &mut self,
        batch: &SampleBatch,
        offset: i64,
        (row, sample): (u32, &SampleRow),
        reading: Reading<'_>,
        effects: &mut Out,
    ) -> bool {
        let known = self.intern(batch, sample);
        self.let_go(effects);
        let Some((id, slot, source)) = known else {
            return false;
        };
        self.state.registry.begin_waiting(slot);
        self.state.buffer.push(Pending {
            at: sample.at,
            id,
            source,
            offset,
            row,
            slot,
            reading: Owned::of(reading, &mut self.spare),
        });
        while self.state.buffer.is_over()
            && let Some(oldest) = self.state.buffer.first_before(EventTime::MAX)
        {
            let before = self.state.buffer.len();
            self.release(oldest.plus(Duration::from_nanos(1)), effects);
            let released = before - self.state.buffer.len();
            if released == 0 {
                break;
            }
            self.state.released_early += u64::try_from(released).unwrap_or(u64::MAX);
        }
        true
    }

    /// Identity, number and source of a row's series; `None` where there is no room for it.
    fn intern(&mut self, batch: &SampleBatch, sample: &SampleRow) -> Option<(u128, u32, u64)> {
        let last = self.last.as_ref()?;
        let id = series_id(last.domain_mark, sample.series);
        let registry = &mut self.state.registry;
        let slot = match registry.find(id) {
            Some(slot) => slot,
            None => {
                let room = Room {
                    series_max: self.settings.series_max,
                    now: self.state.sources.watermark().time(),
                    idle: seconds(self.settings.series_idle_seconds),
                    lateness: self.settings.lateness(),
                    grown_samples: self.settings.warm_up_samples,
                };
                let key = batch.key_view(sample)?;
                registry.intern(last.domain, id, key, &room).ok()?
            }
        };
        Some((id, slot, last.source))
    }

    pub(super) fn position(&self, pending: &Pending) -> Position {
        let source = self
            .state
            .origins
            .get(&pending.source)
            .unwrap_or(&self.state.source);
        Position {
            topic: Arc::clone(&source.topic),
            partition: source.partition,
            offset: pending.offset,
        }
    }

    /// A series' key; kept where every sample is told.
    pub(super) fn key(&mut self, slot: u32, part: Part) -> Option<Arc<SeriesKey>> {
        if !self.settings.emit_scores {
            return self.state.registry.key(slot, part).map(Arc::new);
        }
        if let Some(known) = self.keys.get(&(slot, part)) {
            return Some(Arc::clone(known));
        }
        let key = Arc::new(self.state.registry.key(slot, part)?);
        self.keys.insert((slot, part), Arc::clone(&key));
        Some(key)
    }

    /// A row that isn't taken still gets its line in a replay.
    fn score_refused(&self, record: &SamplesRecord, row: u32, sample: &SampleRow, effects: &mut Out) {
        let (true, Some(Reading::Gauge(value))) = (self.settings.emit_scores, record.batch.reading(sample))
        else {
            return;
        };
        let Some(series) = record.batch.key(sample).map(Arc::new) else {
            return;
        };
        let registry = &self.state.registry;
        let id = series_id(Fingerprint::of(record.domain.as_str().as_bytes()), sample.series);
        let known = registry
            .find(id)
            .and_then(|slot| registry.known_part(slot, Part::Same));
        let band: Option<Band> = known.and_then(|d| {
            d.judge(sample.at, value, self.gates.settings(d.set()), Asked::Band)
                .band
        });
        effects.emit(DetectOutput::Scored(ScoredSample {
            position: record.origin.clone(),
            row,
            series,
            at: sample.at,
            value,
            score: Score::ZERO,
            band,
            channels: Box::default(),
            ahead: Box::default(),
        }));
    }

    /// A sample of a time that was judged already, or earlier than that (after an early release).
    pub(super) fn refuse_again(&mut self, pending: &Pending, last: Option<EventTime>, effects: &mut Out) {
        let reason = if last == Some(pending.at) {
            RejectReason::Duplicate
        } else {
            RejectReason::Late
        };
        let metric = self.state.registry.metric(pending.slot);
        effects.reject(reason, format!("point {} ({metric})", pending.row));
        if let (true, Owned::Gauge(value)) = (self.settings.emit_scores, &pending.reading) {
            let known = self.state.registry.known_part(pending.slot, Part::Same);
            let settings = known.map_or(&*self.settings, |d| self.gates.settings(d.set()));
            let judged = known.map(|d| d.judge(pending.at, *value, settings, Asked::Band));
            let channels = known.map(|d| d.explain(pending.at, *value, settings));
            let Some(series) = self.key(pending.slot, Part::Same) else {
                return;
            };
            effects.emit(DetectOutput::Scored(ScoredSample {
                position: self.position(pending),
                row: pending.row,
                series,
                at: pending.at,
                value: *value,
                score: Score::clamped(judged.map_or(0.0, |j| j.score)),
                band: judged.and_then(|j| j.band),
                channels: channels.unwrap_or_default(),
                ahead: Box::default(),
            }));
        }
    }

    /// A sample of a series that is left out still gets its line in a replay.
    pub(super) fn tell_unjudged(
        &mut self,
        (slot, part): (u32, Part),
        (at, value): (EventTime, f64),
        (position, row): (Position, u32),
        effects: &mut Out,
    ) {
        if let Some(series) = self.key(slot, part) {
            effects.emit(DetectOutput::Scored(ScoredSample {
                position,
                row,
                series,
                at,
                value,
                score: Score::ZERO,
                band: None,
                channels: Box::default(),
                ahead: Box::default(),
            }));
        }
    }

    /// Reads what finds a few series, so that waiting for one overlaps with waiting for the others.
    pub(super) fn look_up(&self, rows: &[SampleRow]) {
        if let Some(last) = &self.last {
            let registry = &self.state.registry;
            let sum = rows.iter().fold(0, |sum, row| {
                sum ^ registry.touch(series_id(last.domain_mark, row.series))
            });
            black_box(sum);
        }
    }

    /// Reads the memory of the next few series together, so that waiting for one overlaps with waiting for the others.
    pub(super) fn look_ahead(&mut self) {
        let (registry, buffer) = (&self.state.registry, &mut self.state.buffer);
        if let Some(next) = buffer.ahead() {
            let mut detectors = [None; AHEAD];
            for (to, pending) in detectors.iter_mut().zip(next.iter().rev()) {
                *to = registry.touch_head(pending.slot);
            }
            let sum = detectors
                .iter()
                .fold(0, |sum, number| sum ^ registry.touch_detector(*number));
            black_box(sum);
        }
    }
}
