//! Series and entities that fall silent, and speak again. See [`crate::silence`].

use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Channel, Direction, EVIDENCE_POINTS_MAX, EventTime, Fingerprint,
    Labels, Lineage, SampleRow, Score, SeriesKey,
};

use super::{DetectOutput, DetectStage, Out};
use crate::Asked;
use crate::buffer::Pending;
use crate::rate::Part;
use crate::registry::series_id;
use crate::settings::seconds;
use crate::silence::habit::Habit;
use crate::silence::{Hush, Look, Whose};

/// Metric of the silence of an entity; that of one series is its own with `.silence` behind it.
const ENTITY_METRIC: &str = "telemetry.silence";

impl DetectStage {
    /// Whether so much lies between two samples of a series that it may have been taken for silent.
    pub(super) fn is_long(&self, last: EventTime, at: EventTime) -> bool {
        let least = i64::from(self.settings.silence_min_seconds) * 1_000_000_000;
        at.nanos().saturating_sub(last.nanos()) >= least
    }

    /// A sample that comes late says that its entity lives.
    pub(super) fn hear_late(&mut self, sample: &SampleRow) {
        if let Some(last) = &self.last
            && let Some(slot) = self
                .state
                .registry
                .find(series_id(last.domain_mark, sample.series))
        {
            self.state.silence.heard_late(slot, sample.at);
        }
    }

    /// Takes note of a series that speaks for the first time or after a long gap: what ends with that is told.
    pub(super) fn speak(&mut self, pending: &Pending, before: Option<EventTime>, effects: &mut Out) {
        let (slot, at) = (pending.slot, pending.at);
        let least = seconds(self.settings.silence_min_seconds);
        if !self.state.silence.knows(slot) {
            let Some(name) = self.state.registry.entity(slot) else {
                return;
            };
            let topic = Arc::clone(&self.position(pending).topic);
            self.state.silence.join(slot, name, &topic);
        }
        let is_excused = self.is_excused(slot, (before, at));
        for mut hush in self.state.silence.speak(slot, (before, at), (least, is_excused)) {
            hush.anomaly.lineage = Lineage::of(&self.position(pending));
            self.tell_end(hush, at, effects);
        }
    }

    /// A silence is over, or has lasted so long that nobody waits for its end.
    fn tell_end(&self, hush: Hush, at: EventTime, effects: &mut Out) {
        let mut anomaly = hush.anomaly;
        anomaly.revision += 1;
        anomaly.state = AnomalyState::Closed;
        anomaly.at = at;
        anomaly.observed = at.seconds_from(anomaly.from);
        effects.emit(DetectOutput::Anomaly(Box::new(anomaly)));
    }

    /// The places of series that went are nobody's now.
    pub(super) fn let_go(&mut self, effects: &mut Out) {
        while let Some(slot) = self.state.registry.next_left() {
            self.state.peers.leave(slot);
            if let Some(hush) = self.state.silence.leave(slot) {
                let now = self.state.sources.watermark().time();
                self.tell_end(hush, now, effects);
            }
        }
    }

    /// Looks at the series whose time has come, all samples before that time taken.
    pub(super) fn look_for_silence(&mut self, effects: &mut Out) {
        let (at, slots) = self.state.silence.take_due();
        let registry = &self.state.registry;
        // In an order that hangs on no order of arrival.
        let mut looks: Vec<(u128, u32)> = slots
            .into_iter()
            .filter_map(|slot| Some((registry.id(slot)?, slot)))
            .collect();
        looks.sort_unstable();
        for (_, slot) in looks {
            self.look(slot, at, effects);
        }
    }

    fn look(&mut self, slot: u32, at: EventTime, effects: &mut Out) {
        let settings = Arc::clone(&self.settings);
        let (registry, silence) = (&self.state.registry, &mut self.state.silence);
        if let Some(whose) = silence.open_of(slot) {
            if let Some(hush) = silence.give_up(whose) {
                self.tell_end(hush, at, effects);
            }
            return;
        }
        let Some(last) = registry.last_at(slot) else {
            return;
        };
        let last = silence.last_sign(slot, last);
        let silent = silence.silent(slot, last, at);
        let least = seconds(settings.silence_min_seconds);
        if silent < least {
            silence.look_at(slot, at.plus(least - silent));
            return;
        }
        let learnt = silence.learnt(slot);
        let detector = registry
            .first_judged(slot, &self.gates)
            .filter(|_| !registry.counts_events(slot));
        let Some(habit) = detector.and_then(|d| Habit::of(d, learnt, &settings)) else {
            return;
        };
        let limit = Duration::try_from_secs_f64(habit.limit(&settings)).unwrap_or(Duration::MAX);
        if silent < limit {
            silence.look_at(slot, at.plus(limit - silent));
            return;
        }
        if let Look::Silent(whose, since, silent) =
            silence.judge(slot, (last, at), limit, |other| registry.heard_at(other))
        {
            self.tell_silence((slot, whose), (since, at, silent), &habit, effects);
        }
    }

    fn tell_silence(
        &mut self,
        (slot, whose): (u32, Whose),
        (since, at, silent): (EventTime, EventTime, Duration),
        habit: &Habit,
        effects: &mut Out,
    ) {
        let settings = Arc::clone(&self.settings);
        let Some(series) = self.state.registry.key(slot, Part::Same) else {
            return;
        };
        let comes_and_goes =
            |name: &String| series.resource.get(name).is_some() || series.labels.get(name).is_some();
        if !settings.silence || settings.silence_ephemeral_labels.iter().any(comes_and_goes) {
            return;
        }
        if self.state.silence.is_full() {
            let least = seconds(settings.silence_min_seconds);
            self.state.silence.look_at(slot, at.plus(least));
            return;
        }
        let limit = Duration::try_from_secs_f64(habit.limit(&settings)).unwrap_or(Duration::MAX);
        if let Some(later) = self.wait_for((slot, whose), &series, (since, at, silent), limit) {
            self.state.silence.look_at(slot, later);
            return;
        }
        let Some(anomaly) = self.silence_anomaly((slot, whose), series, (since, at, silent), habit) else {
            return;
        };
        let hush = Hush {
            slot,
            anomaly: anomaly.clone(),
        };
        let used_to_within = seconds(settings.habituation_seconds);
        self.state.silence.open(whose, hush, used_to_within);
        let ends = at.plus(seconds(settings.silence_close_seconds));
        self.state.silence.look_at(slot, ends);
        effects.emit(DetectOutput::Anomaly(Box::new(anomaly)));
    }

    fn silence_anomaly(
        &self,
        (slot, whose): (u32, Whose),
        series: SeriesKey,
        (since, at, silent): (EventTime, EventTime, Duration),
        habit: &Habit,
    ) -> Option<Anomaly> {
        let registry = &self.state.registry;
        let key = match whose {
            Whose::Entity(_) => SeriesKey {
                labels: Labels::default(),
                ..series.with_metric(ENTITY_METRIC, "s")
            },
            Whose::Series(_) => series.with_metric(&format!("{}.silence", series.metric), "s"),
        };
        let domain = registry.domain_of(slot)?.clone();
        let channel = Channel::Silence;
        let id = AnomalyId::derived(Fingerprint::of_parts(&[
            domain.as_str().as_bytes(),
            &key.fingerprint().as_u128().to_le_bytes(),
            channel.as_str().as_bytes(),
            &since.nanos().to_le_bytes(),
        ]));
        let mut window = registry
            .first_judged(slot, &self.gates)?
            .gaps_until(registry.last_at(slot)?);
        window.truncate(EVIDENCE_POINTS_MAX);
        window.reverse();
        Some(Anomaly {
            id,
            revision: 1,
            state: AnomalyState::Opened,
            domain,
            series: Arc::new(key),
            channel,
            direction: Direction::Up,
            from: since,
            at,
            score: Score::clamped(habit.score(silent.as_secs_f64())),
            observed: at.seconds_from(since),
            expected: habit.interval,
            band: habit.band(),
            samples: 0,
            slope: 0.0,
            window,
            ahead: Vec::new(),
            lineage: Lineage::default(),
            context: self.notes(slot, &series, since, at),
            siblings: None,
            usual: None,
            traffic: None,
        })
    }

    /// Closes anomalies whose series say nothing any more.
    pub(super) fn close_silent(&mut self, effects: &mut Out) {
        let now = self.state.sources.watermark().time();
        // Once a minute of event time: silence is judged in tens of minutes.
        if now.since(self.state.silence_checked) < seconds(60) {
            return;
        }
        self.state.silence_checked = now;
        let open: Vec<(u32, u32)> = self.state.open.iter().map(|(i, r)| (*i, *r)).collect();
        for (index, slot) in open {
            let last = self.state.registry.last_at(slot);
            let Some((last, detector)) = last.zip(self.state.registry.detector_mut(index)) else {
                continue;
            };
            let value = detector.last_value();
            let settings = self.gates.settings(detector.set());
            let Some(change) = detector.close_silent(now, settings) else {
                continue;
            };
            let judgement = detector.judge(now, value, settings, Asked::Band);
            self.tell((slot, index), &change, (now, last), value, &judgement, effects);
        }
    }
}
