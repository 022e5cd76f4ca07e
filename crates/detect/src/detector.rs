use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Band, Channel, DomainName, EventTime, Fingerprint, Score, SeriesKey,
};
use serde::{Deserialize, Serialize};

use crate::channel::{GeneralTail, Lesson, Shift, Spike, Verdict};
use crate::policy::{self, Change, Lifecycle, Open, Origin, Reading};
use crate::settings::seconds;
use crate::window::{WINDOW_SAMPLES_MIN, Window};
use crate::{DetectSettings, MetricKind};

/// Recent anomalies, fading with a time constant of a day, that leave no trace in what counts as rare, so that the next one
/// like them is told as well: about three in two days. A series that opens more gets used to them: they enter its record.
const TOLD_ALERTS: f64 = 2.0;

/// Everything known of one scored series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    series: Arc<SeriesKey>,
    kind: MetricKind,
    window: Window,
    spike: Spike,
    shift: Shift,
    seen: u32,
    abnormal_since: Option<EventTime>,
    abnormal_samples: u32,
    life: Lifecycle,
    /// Anomalies opened, fading with a time constant of a day.
    alerts: f64,
    alerted_at: Option<EventTime>,
}

/// What the channels say of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The highest score of all channels.
    pub score: f64,
    /// The highest score among those whose deviation is large enough to matter: the policy's.
    pub gated: f64,
    /// The channel it came from.
    pub channel: Channel,
    /// What that channel said.
    pub verdict: Verdict,
    /// Normal range; `None` during warm-up.
    pub band: Option<Band>,
}

impl Detector {
    /// Of a series never seen before.
    pub fn new(series: Arc<SeriesKey>) -> Self {
        Self {
            kind: MetricKind::of(&series),
            series,
            window: Window::default(),
            spike: Spike::default(),
            shift: Shift::default(),
            seen: 0,
            abnormal_since: None,
            abnormal_samples: 0,
            life: Lifecycle::default(),
            alerts: 0.0,
            alerted_at: None,
        }
    }

    /// The series it judges.
    pub const fn series(&self) -> &Arc<SeriesKey> {
        &self.series
    }

    /// Whether an anomaly is open.
    pub fn is_open(&self) -> bool {
        self.life.open().is_some()
    }

    /// Judges a value without learning from it. `with_band`: also say the normal range, which costs more than the score.
    pub fn judge(
        &self,
        at: EventTime,
        value: f64,
        tail: &GeneralTail,
        settings: &DetectSettings,
        with_band: bool,
    ) -> Judgement {
        let bad = self.kind.bad();
        let spike = self.spike.judge(value, bad, tail);
        let shift = self.shift.judge(at, value, bad, tail);
        if self.seen < settings.warm_up_samples {
            return Judgement {
                score: 0.0,
                gated: 0.0,
                channel: Channel::Spike,
                verdict: spike,
                band: None,
            };
        }
        let sds_min = settings.deviation_min_sds;
        let spike_gated = self.gate(&spike, sds_min, settings);
        // A level of sixteen samples is four times as steady as one; half is plenty.
        let shift_gated = self.gate(&shift, sds_min / 2.0, settings);
        let shifted = (shift_gated, shift.score) > (spike_gated, spike.score);
        let verdict = if shifted { shift } else { spike };
        Judgement {
            score: spike.score.max(shift.score),
            gated: spike_gated.max(shift_gated),
            channel: if shifted { Channel::Shift } else { Channel::Spike },
            verdict,
            band: with_band.then(|| self.band(&spike)),
        }
    }

    /// Judges a sample, learns from it, and says what becomes of the anomaly.
    pub fn step(
        &mut self,
        at: EventTime,
        value: f64,
        origin: Origin<'_>,
        tail: &GeneralTail,
        settings: &DetectSettings,
    ) -> (Judgement, Option<Change>) {
        let judgement = self.judge(at, value, tail, settings, settings.emit_scores);
        let warm = self.seen >= settings.warm_up_samples;
        let abnormal = judgement.gated >= settings.learn_below_score;
        self.window.push(at, value, seconds(settings.window_seconds));
        let lesson = match (abnormal, self.is_open() && self.alerts <= TOLD_ALERTS) {
            (false, _) => Lesson::Normal,
            (true, false) => Lesson::Abnormal,
            (true, true) => Lesson::Incident,
        };
        self.learn(at, value, lesson, warm);
        let reading = Reading {
            at,
            score: judgement.gated,
            channel: judgement.channel,
            direction: judgement.verdict.direction(),
            credit: policy::credit(self.window.interval_seconds(), settings),
        };
        let mut change = self.life.step(reading, origin, settings);
        if change == Some(Change::Opened) {
            self.count_alert(at);
        }
        if self.has_settled(at, abnormal, settings) {
            self.spike.rebase(self.window.values());
            self.shift.rebase();
            self.abnormal_since = None;
            change = self.life.close(at, settings).or(change);
        }
        (judgement, change)
    }

    /// Closes the open anomaly of a series that fell silent.
    pub fn close_silent(&mut self, now: EventTime, settings: &DetectSettings) -> Option<Change> {
        self.life
            .is_silent(now, settings)
            .then(|| self.life.close(now, settings))
            .flatten()
    }

    /// The anomaly as it stands after `change`, for the sample that made it; `None` where nothing is open or closed.
    pub fn anomaly(
        &self,
        change: &Change,
        at: EventTime,
        value: f64,
        judgement: &Judgement,
        domain: &DomainName,
    ) -> Option<Anomaly> {
        let (open, state): (&Open, _) = match change {
            Change::Opened => (self.life.open()?, AnomalyState::Opened),
            Change::Updated => (self.life.open()?, AnomalyState::Updated),
            Change::Closed(open) => (open, AnomalyState::Closed),
        };
        // The slope of the trouble, with what was normal before it left out once it shows three points of its own.
        let trouble = if open.samples >= 3 {
            open.from
        } else {
            at.minus(Duration::from_secs(600))
        };
        Some(Anomaly {
            id: self.anomaly_id(open, domain),
            revision: open.revision,
            state,
            domain: domain.clone(),
            series: Arc::clone(&self.series),
            channel: open.channel,
            direction: open.direction,
            from: open.from,
            at,
            score: Score::clamped(open.peak),
            observed: value,
            expected: judgement.verdict.expected,
            band: judgement.band.unwrap_or_else(|| self.band(&judgement.verdict)),
            samples: open.samples,
            slope: self.window.slope(trouble),
            window: self.window.evidence(),
            lineage: open.lineage.clone(),
        })
    }

    /// The anomaly of a series that fell silent: judged by its last sample.
    pub fn last(&self) -> Option<(EventTime, f64)> {
        self.window.last()
    }

    /// Counts an opened anomaly; those of the past fade within days. The first few leave no trace in what counts as rare.
    fn count_alert(&mut self, at: EventTime) {
        if let Some(last) = self.alerted_at {
            self.alerts *= libm::exp(-at.seconds_from(last).max(0.0) / 86_400.0);
        }
        self.alerts += 1.0;
        self.alerted_at = Some(at);
        if self.alerts <= TOLD_ALERTS {
            self.spike.forget_waiting();
            self.shift.forget_waiting();
        }
    }

    fn anomaly_id(&self, open: &Open, domain: &DomainName) -> AnomalyId {
        AnomalyId::derived(Fingerprint::of_parts(&[
            domain.as_str().as_bytes(),
            &self.series.fingerprint().as_u128().to_le_bytes(),
            open.channel.as_str().as_bytes(),
            &open.from.nanos().to_le_bytes(),
        ]))
    }

    fn learn(&mut self, at: EventTime, value: f64, lesson: Lesson, warm: bool) {
        let bad = self.kind.bad();
        self.spike.learn(value, bad, lesson, warm);
        self.shift.learn(at, value, bad, lesson, warm);
        self.seen = self.seen.saturating_add(1);
    }

    /// The score, or 0 where the deviation is too small to matter to anyone.
    fn gate(&self, verdict: &Verdict, sds_min: f64, settings: &DetectSettings) -> f64 {
        let share = self.kind.deviation_share(settings.deviation_min_share);
        let least = (share * verdict.expected.abs()).max(self.kind.deviation_floor(&self.series.unit));
        let matters = verdict.deviation.abs() >= least && verdict.sds().abs() >= sds_min;
        if matters { verdict.score } else { 0.0 }
    }

    fn band(&self, spike: &Verdict) -> Band {
        let half = self.spike.band_sds() * spike.scale;
        Band {
            low: spike.expected - half,
            high: spike.expected + half,
        }
    }

    /// Whether it has been abnormal so long that this is how it is now.
    fn has_settled(&mut self, at: EventTime, abnormal: bool, settings: &DetectSettings) -> bool {
        if !abnormal {
            self.abnormal_since = None;
            self.abnormal_samples = 0;
            return false;
        }
        self.abnormal_samples = self.abnormal_samples.saturating_add(1);
        let since = *self.abnormal_since.get_or_insert(at);
        // A level needs samples too, however much time has passed.
        let enough = usize::try_from(self.abnormal_samples).unwrap_or(usize::MAX) >= WINDOW_SAMPLES_MIN;
        enough && at.since(since) >= seconds(settings.new_normal_seconds)
    }
}
