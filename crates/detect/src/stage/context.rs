//! Samples and silences for which something was announced. See [`crate::context`].

use std::time::Duration;

use forecall_types::{ContextNote, EventTime, Labels, RejectReason, SamplesRecord, SeriesKey};

use super::{DetectStage, Out};
use crate::Judgement;
use crate::context::{CONTEXTS_MAX, Frame};
use crate::policy::{Change, Origin};
use crate::rate::Part;
use crate::silence::Whose;

/// A silence that is excused for long is looked at again after so long: its excuse may end before its time.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

impl DetectStage {
    /// Takes note of what a record announces.
    pub(super) fn announce(&mut self, record: &SamplesRecord, effects: &mut Out) {
        let watermark = self.state.sources.watermark().time();
        let contexts = &mut self.state.contexts;
        for context in &record.contexts {
            if !contexts.announce(&record.domain, context, (watermark, record.appended_at)) {
                effects.reject(
                    RejectReason::SeriesLimit,
                    format!("a context record: {CONTEXTS_MAX} are known and none is over"),
                );
            }
        }
        contexts.forget(watermark);
    }

    /// Judges a sample at a time for which something was announced, of its series or of others.
    pub(super) fn step_announced(
        &mut self,
        (slot, index, part): (u32, u32, Part),
        (at, before): (EventTime, Option<EventTime>),
        value: f64,
        origin: Origin<'_>,
    ) -> Option<(Judgement, Option<Change>)> {
        let detector = self.state.registry.detector_mut(index)?;
        let settings = self.gates.settings(detector.set());
        let seen = detector.look(at, value, settings);
        let asks = detector
            .asks_for_context(&seen, settings)
            .then(|| detector.abnormal_since());
        let frame = asks.map(|since| self.frame((slot, part), at, since));
        let frame = frame.unwrap_or(Frame::ORDINARY);
        let detector = self.state.registry.detector_mut(index)?;
        let settings = self.gates.settings(detector.set());
        Some(detector.take(seen, before, origin, frame, settings))
    }

    /// Whether nothing is to be told of a series at a time.
    pub(super) fn is_kept_quiet(&self, series: (u32, Part), at: EventTime) -> bool {
        self.state.contexts.is_near(at) && self.frame(series, at, None).is_quiet
    }

    fn frame(&self, (slot, part): (u32, Part), at: EventTime, since: Option<EventTime>) -> Frame {
        let registry = &self.state.registry;
        match (registry.domain_of(slot), registry.key(slot, part)) {
            (Some(domain), Some(series)) => self.state.contexts.frame((domain, &series), at, since),
            (None, _) | (_, None) => Frame::ORDINARY,
        }
    }

    /// What an anomaly of this series tells, that began at `from`.
    pub(super) fn notes(
        &self,
        slot: u32,
        series: &SeriesKey,
        from: EventTime,
        at: EventTime,
    ) -> Vec<ContextNote> {
        let contexts = &self.state.contexts;
        match self.state.registry.domain_of(slot) {
            Some(domain) if contexts.is_near(at) => contexts.notes((domain, series), (from, at)),
            Some(_) | None => Vec::new(),
        }
    }

    /// Whether a silence that might be told now is excused, or must last longer: when it is to be looked at again.
    pub(super) fn wait_for(
        &self,
        (slot, whose): (u32, Whose),
        series: &SeriesKey,
        (since, at, silent): (EventTime, EventTime, Duration),
        limit: Duration,
    ) -> Option<EventTime> {
        let domain = self.state.registry.domain_of(slot)?;
        let whole;
        let series = match whose {
            Whose::Series(_) => series,
            // No label of a point is one of the entity.
            Whose::Entity(_) => {
                whole = SeriesKey {
                    labels: Labels::default(),
                    ..series.clone()
                };
                &whole
            }
        };
        let ease = self.state.contexts.ease((domain, series), (since, at));
        if let Some(until) = ease.excused_until {
            if at < until {
                return Some(until.plus(limit).min(at.plus(limit.max(LOOK_AGAIN))));
            }
            let since_then = self.state.silence.silent(slot, until, at);
            if since_then < limit {
                return Some(at.plus(limit - since_then));
            }
        }
        if let Some((until, times)) = ease.widened {
            let wanted = limit.saturating_mul(times);
            if silent < wanted {
                return Some(at.plus((wanted - silent).min(until.since(at))));
            }
        }
        None
    }

    /// Whether a gap between two samples of a series is no habit of its own.
    pub(super) fn is_excused(&self, slot: u32, (before, at): (Option<EventTime>, EventTime)) -> bool {
        let (registry, contexts) = (&self.state.registry, &self.state.contexts);
        before.filter(|_| contexts.is_near(at)).is_some_and(|before| {
            let known = registry.domain_of(slot).zip(registry.key(slot, Part::Same));
            known.is_some_and(|(domain, series)| contexts.touches((domain, &series), (before, at)))
        })
    }
}
