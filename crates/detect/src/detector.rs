use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Band, Channel, DomainName, EVIDENCE_POINTS_MAX, EventTime, Fingerprint,
    Score, SeriesKey,
};
use serde::{Deserialize, Serialize};

use crate::DetectSettings;
use crate::channel::{Baseline, GeneralTail, Lesson, Shift, Spike, Verdict};
use crate::nature::{Floor, Nature};
use crate::policy::{self, Change, Open, Origin, Reading};
use crate::rate::Part;
use crate::recent::{RECENT_LEN, kept};
use crate::settings::seconds;
use crate::trouble::{Trouble, Window};

/// Recent anomalies, fading with a time constant of a day, that leave no trace in what counts as rare, so that the next one
/// like them is told as well: about three in two days. A series that opens more gets used to them: they enter its record.
const TOLD_ALERTS: f64 = 2.0;
/// Samples in a row that stay abnormal before they can be the new normal, however much time has passed: fewer have no
/// median worth the name.
const SETTLED_SAMPLES_MIN: u32 = 20;
/// Evidence shows at least so many samples, even if they span more than the window.
const EVIDENCE_SAMPLES_MIN: usize = 20;

/// Everything known of one scored series that is well: 416 bytes. What only trouble needs stands in `Trouble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    spike: Spike,
    shift: Shift,
    trouble: Option<Box<Trouble>>,
}

type FarCounts<'t> = &'t [(u8, u16)];

/// Of [`Spike::next`].
const NO_NEXT: u32 = u32::MAX;

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
    /// Normal range about what the channel expected, before the sample was learnt from: what an anomaly tells. `None` where
    /// there is none to tell.
    pub told: Option<Band>,
}

/// How much is asked of a judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Only what the policy goes by: a score that can't matter is left at 0.
    Gated,
    /// Every score.
    Scores,
    /// Every score, and the normal range, which costs more.
    Band,
}

impl Detector {
    /// Of a series never seen before, by its metric and unit.
    pub fn new(metric: &str, unit: &str, part: Part) -> Self {
        let mut fresh = Self {
            spike: Spike::default(),
            shift: Shift::default(),
            trouble: None,
        };
        fresh.spike.next = NO_NEXT;
        fresh.shift.nature = Nature::of(metric, unit, part);
        fresh
    }

    /// Of which series of the metric.
    pub fn part(&self) -> Part {
        self.shift.nature.part()
    }

    pub(crate) const fn next(&self) -> Option<u32> {
        if self.spike.next == NO_NEXT {
            None
        } else {
            Some(self.spike.next)
        }
    }

    pub(crate) const fn set_next(&mut self, next: u32) {
        self.spike.next = next;
    }

    /// Samples it has judged or learnt from, up to 65,535.
    pub fn seen(&self) -> u32 {
        u32::from(self.spike.seen)
    }

    /// Whether an anomaly is open.
    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    fn open(&self) -> Option<&Open> {
        self.trouble.as_deref()?.life.open()
    }

    /// Counts beyond those kept in place: of the spike channel, of the shift channel.
    fn far(&self) -> (FarCounts<'_>, FarCounts<'_>) {
        self.trouble
            .as_deref()
            .map_or((&[], &[]), |t| (t.spike_far.as_slice(), t.shift_far.as_slice()))
    }

    /// Judges a value without learning from it.
    pub fn judge(&self, at: EventTime, value: f64, settings: &DetectSettings, asked: Asked) -> Judgement {
        self.judge_by(&self.spike.baseline(), at, within(value), settings, asked)
    }

    fn judge_by(
        &self,
        baseline: &Baseline,
        at: EventTime,
        value: f64,
        settings: &DetectSettings,
        asked: Asked,
    ) -> Judgement {
        let bad = self.shift.nature.kind().bad();
        let mut spike = Spike::measure(baseline, value);
        let quiet = |verdict| Judgement {
            score: 0.0,
            gated: 0.0,
            channel: Channel::Spike,
            verdict,
            band: None,
            told: None,
        };
        if self.seen() < settings.warm_up_samples {
            return quiet(spike);
        }
        let mut shift = self.shift.measure(value);
        let sds_min = settings.deviation_min_sds;
        let spike_matters = self.matters(&spike, sds_min, settings);
        // A level of sixteen samples is four times as steady as one; half is plenty.
        let shift_matters = self.matters(&shift, sds_min / 2.0, settings);
        if asked == Asked::Gated && !spike_matters && !shift_matters {
            return quiet(spike);
        }
        let (spike_far, shift_far) = self.far();
        spike.score = self.spike.score(baseline, &spike, bad, GeneralTail, spike_far);
        shift.score = self.shift.score(at, &shift, bad, GeneralTail, shift_far);
        let gated = |verdict: &Verdict, matters: bool| if matters { verdict.score } else { 0.0 };
        let (spike_gated, shift_gated) = (gated(&spike, spike_matters), gated(&shift, shift_matters));
        let shifted = (shift_gated, shift.score) > (spike_gated, spike.score);
        Judgement {
            score: spike.score.max(shift.score),
            gated: spike_gated.max(shift_gated),
            channel: if shifted { Channel::Shift } else { Channel::Spike },
            verdict: if shifted { shift } else { spike },
            band: (asked == Asked::Band).then(|| self.band(&spike)),
            told: None,
        }
    }

    /// Judges a sample, learns from it, and says what becomes of the anomaly. `before`: the sample before.
    pub fn step(
        &mut self,
        (at, before): (EventTime, Option<EventTime>),
        value: f64,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> (Judgement, Option<Change>) {
        let value = within(value);
        let baseline = self.spike.baseline();
        let asked = match (settings.emit_scores, self.is_open()) {
            (true, _) => Asked::Band,
            (false, true) => Asked::Scores,
            (false, false) => Asked::Gated,
        };
        let mut judgement = self.judge_by(&baseline, at, value, settings, asked);
        let may_hit = judgement.gated >= settings.open_score - settings.slow_credit_max;
        if self.is_open() || may_hit {
            judgement.told = Some(self.band(&judgement.verdict));
        }
        let warm = self.seen() >= settings.warm_up_samples;
        let abnormal = judgement.gated >= settings.learn_below_score;
        let told = self
            .trouble
            .as_deref()
            .is_some_and(|t| t.life.open().is_some() && t.alerts <= TOLD_ALERTS);
        let lesson = match (abnormal, told) {
            (false, _) => Lesson::Normal,
            (true, false) => Lesson::Abnormal,
            (true, true) => Lesson::Incident,
        };
        self.keep(at, before, value, lesson);
        self.learn(&baseline, at, value, lesson, warm);
        let mut change = None;
        if self.trouble.is_some() || may_hit {
            change = self.live(at, &judgement, origin, settings);
        }
        if self.has_settled(at, abnormal, settings) {
            change = self.settle(at, settings).or(change);
        }
        if self.trouble.as_deref().is_some_and(|t| t.is_over(at)) {
            self.trouble = None;
        }
        (judgement, change)
    }

    fn trouble_mut(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    /// Keeps the sample as evidence. While all samples are normal the baseline's values are the last samples.
    fn keep(&mut self, at: EventTime, before: Option<EventTime>, value: f64, lesson: Lesson) {
        let is_normal = lesson == Lesson::Normal;
        if let Some(trouble) = self.trouble.as_deref_mut()
            && let Some(window) = &mut trouble.window
        {
            window.push(kept(value), is_normal);
            if usize::from(window.normal_run) == RECENT_LEN {
                trouble.window = None;
            }
        } else if !is_normal {
            let mut window = Window::of(self.spike.recent.values());
            window.push(kept(value), false);
            self.trouble_mut().window = Some(window);
        }
        self.spike.step_to(at, before);
    }

    fn learn(&mut self, baseline: &Baseline, at: EventTime, value: f64, lesson: Lesson, warm: bool) {
        let bad = self.shift.nature.kind().bad();
        if (self.spike.needs_far() || self.shift.needs_far()) && lesson != Lesson::Incident {
            self.trouble_mut();
        }
        let (mut spike_far, mut shift_far) = match self.trouble.as_deref_mut() {
            Some(t) => (Some(&mut t.spike_far), Some(&mut t.shift_far)),
            None => (None, None),
        };
        self.spike
            .learn(baseline, value, bad, (lesson, warm), &mut spike_far);
        self.shift.learn(at, value, bad, (lesson, warm), &mut shift_far);
        self.spike.seen = self.spike.seen.saturating_add(1);
    }

    fn live(
        &mut self,
        at: EventTime,
        judgement: &Judgement,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> Option<Change> {
        let reading = Reading {
            at,
            score: judgement.gated,
            channel: judgement.channel,
            direction: judgement.verdict.direction(),
            credit: policy::credit(self.spike.recent.interval_seconds(), settings),
        };
        let trouble = self.trouble_mut();
        let change = trouble.life.step(reading, origin, settings);
        if change == Some(Change::Opened) && trouble.count_alert(at) <= TOLD_ALERTS {
            // The first few leave no trace in what counts as rare.
            self.spike.forget_waiting();
            self.shift.forget_waiting();
        }
        change
    }

    /// What has been abnormal is the new normal.
    fn settle(&mut self, at: EventTime, settings: &DetectSettings) -> Option<Change> {
        let trouble = self.trouble.as_deref_mut()?;
        trouble.abnormal_since = None;
        if let Some(window) = trouble.window.take() {
            let abnormal = usize::try_from(trouble.abnormal_samples).unwrap_or(usize::MAX);
            let older = usize::from(window.len).saturating_sub(abnormal);
            self.spike.recent.replace(window.values().skip(older));
        }
        self.shift.rebase();
        trouble.life.close(at, settings)
    }

    /// Closes the open anomaly of a series that fell silent.
    pub fn close_silent(&mut self, now: EventTime, settings: &DetectSettings) -> Option<Change> {
        let life = &mut self.trouble.as_deref_mut()?.life;
        life.is_silent(now, settings)
            .then(|| life.close(now, settings))
            .flatten()
    }

    /// The anomaly as it stands after `change`, for the sample that made it; `last` is when the series was measured last.
    /// `None` where nothing is open or closed.
    pub fn anomaly(
        &self,
        change: &Change,
        (at, last): (EventTime, EventTime),
        value: f64,
        judgement: &Judgement,
        (domain, series): (&DomainName, Arc<SeriesKey>),
        settings: &DetectSettings,
    ) -> Option<Anomaly> {
        let (open, state): (&Open, _) = match change {
            Change::Opened => (self.open()?, AnomalyState::Opened),
            Change::Updated => (self.open()?, AnomalyState::Updated),
            Change::Closed(open) => (open, AnomalyState::Closed),
        };
        // The slope of the trouble, with what was normal before it left out once it shows three points of its own.
        let trouble = if open.samples >= 3 {
            open.from
        } else {
            at.minus(Duration::from_secs(600))
        };
        let window = self.window(last, settings);
        let origin = window.first().map_or(EventTime::MIN, |(t, _)| *t);
        let since_trouble = window.iter().filter(|(t, _)| *t >= trouble);
        Some(Anomaly {
            id: anomaly_id(open, &series, domain),
            revision: open.revision,
            state,
            domain: domain.clone(),
            series,
            channel: open.channel,
            direction: open.direction,
            from: open.from,
            at,
            score: Score::clamped(open.peak),
            observed: value,
            expected: judgement.verdict.expected,
            band: judgement.told.unwrap_or_else(|| self.band(&judgement.verdict)),
            samples: open.samples,
            slope: forecall_stats::slope(since_trouble.map(|(t, v)| (t.seconds_from(origin), *v))),
            window,
            lineage: open.lineage.clone(),
        })
    }

    /// The last samples, oldest first: those within the window's span, and never fewer than
    /// [`EVIDENCE_SAMPLES_MIN`] where there are so many.
    fn window(&self, newest: EventTime, settings: &DetectSettings) -> Vec<(EventTime, f64)> {
        let oldest = newest.minus(seconds(settings.window_seconds));
        let values: Vec<f32> = match self.trouble.as_deref().and_then(|t| t.window.as_ref()) {
            Some(window) => window.values().rev().collect(),
            None => self.spike.recent.values().rev().collect(),
        };
        let times = self.spike.recent.times(newest);
        let mut points: Vec<(EventTime, f64)> = times
            .zip(values)
            .enumerate()
            .take_while(|(i, (at, _))| *i < EVIDENCE_SAMPLES_MIN || *at >= oldest)
            .take(EVIDENCE_POINTS_MAX)
            .map(|(_, (at, value))| (at, as_written(value)))
            .collect();
        points.reverse();
        points
    }

    /// The newest sample's value, for a series that fell silent.
    pub fn last_value(&self) -> f64 {
        let window = self.trouble.as_deref().and_then(|t| t.window.as_ref());
        let newest = match window {
            Some(window) => window.values().next_back(),
            None => self.spike.recent.values().next_back(),
        };
        newest.map_or(0.0, as_written)
    }

    /// Whether a deviation is large enough to matter to anyone.
    fn matters(&self, verdict: &Verdict, sds_min: f64, settings: &DetectSettings) -> bool {
        let share = self
            .shift
            .nature
            .kind()
            .deviation_share(settings.deviation_min_share);
        let floor = match self.shift.nature.floor() {
            Floor::None => 0.0,
            Floor::Share => 0.005,
            Floor::PerCent => 0.5,
        };
        let least = (share * verdict.expected.abs()).max(floor);
        verdict.deviation.abs() >= least && verdict.sds().abs() >= sds_min
    }

    fn band(&self, spike: &Verdict) -> Band {
        let half = self.spike.band_sds(self.far().0) * spike.scale;
        Band {
            low: spike.expected - half,
            high: spike.expected + half,
        }
    }

    /// Whether it has been abnormal so long that this is how it is now.
    fn has_settled(&mut self, at: EventTime, abnormal: bool, settings: &DetectSettings) -> bool {
        if !abnormal {
            if let Some(trouble) = self.trouble.as_deref_mut() {
                (trouble.abnormal_since, trouble.abnormal_samples) = (None, 0);
            }
            return false;
        }
        let trouble = self.trouble_mut();
        trouble.abnormal_samples = trouble.abnormal_samples.saturating_add(1);
        let since = *trouble.abnormal_since.get_or_insert(at);
        let enough = trouble.abnormal_samples >= SETTLED_SAMPLES_MIN;
        enough && at.since(since) >= seconds(settings.new_normal_seconds)
    }

    /// Reads from each of its cache lines, so that they are near when its sample comes.
    pub(crate) fn touch(&self) -> u32 {
        self.spike.touch() ^ self.shift.touch()
    }
}

/// A value the arithmetic of means and squares can hold.
fn within(value: f64) -> f64 {
    value.clamp(f64::from(f32::MIN), f64::from(f32::MAX))
}

/// The shortest decimal that is this value: what the source most likely wrote.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn anomaly_id(open: &Open, series: &SeriesKey, domain: &DomainName) -> AnomalyId {
    AnomalyId::derived(Fingerprint::of_parts(&[
        domain.as_str().as_bytes(),
        &series.fingerprint().as_u128().to_le_bytes(),
        open.channel.as_str().as_bytes(),
        &open.from.nanos().to_le_bytes(),
    ]))
}
