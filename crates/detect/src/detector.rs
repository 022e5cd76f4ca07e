mod ahead;
mod announced;
mod count;
mod explain;
mod limit;
mod set;
mod voices;

pub use self::ahead::Forecast;
pub(crate) use self::set::SETS_MAX;

use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Channel, Direction, DomainName, EVIDENCE_POINTS_MAX, EventTime,
    Fingerprint, Score, SeriesKey,
};
use serde::{Deserialize, Serialize};

use crate::calendar::Place;
use crate::channel::{Baseline, Lesson, Novelty, Shift, Spike, Step, Verdict, is_whole, scale_floor};
use crate::context::Frame;
use crate::judgement::{Asked, Judgement};
use crate::nature::Nature;
use crate::policy::{self, Change, Open, Origin, Reading};
use crate::rate::Part;
use crate::settings::seconds;
use crate::trouble::Trouble;
use crate::{ChannelName, Channels, DetectSettings};
use announced::may_hit;
use voices::Views;

/// Recent anomalies, fading within `habituation_seconds`, that leave no trace in what counts as rare, so that the next one
/// like them is told as well. A series that opens more gets used to them: they enter its record.
const TOLD_ALERTS: f64 = 1.3;
/// Samples in a row that stay abnormal before they can be the new normal, however much time has passed: fewer are no
/// level worth the name.
const SETTLED_SAMPLES_MIN: u32 = 20;
/// The least score that opens anything.
const OPEN_SCORE_LEAST: f64 = 0.5;
/// The least scale, as a share of all that was seen.
const SPAN_SHARE: f64 = 0.01;
/// Evidence shows at least so many samples, even if they span more than the window.
const EVIDENCE_SAMPLES_MIN: usize = 20;

/// Everything known of one scored series that is well: 408 bytes, and about 500 more for the profile of its day and the shape of its
/// steps. What only trouble needs stands in `Trouble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    spike: Spike,
    shift: Shift,
    novelty: Novelty,
    trouble: Option<Box<Trouble>>,
    views: Option<Box<Views>>,
}

type FarCounts<'t> = &'t [(u8, u16)];

/// What is known of a value before it is judged.
struct View {
    at: EventTime,
    value: f64,
    baseline: Baseline,
    /// The least scale.
    least: f64,
    place: Option<Place>,
    /// From the value before; `None` where shapes aren't looked at.
    step: Option<Step>,
    bad: Option<Direction>,
    heard: Channels,
    /// Deviations are divided by this: more than 1 while something was announced of the series.
    widen: f64,
}

/// A value that was looked at, and from which nothing was learnt yet.
pub(crate) struct Seen {
    view: View,
    judgement: Judgement,
    asked: Asked,
}

impl Detector {
    /// Of a series never seen before, by its metric and unit.
    pub fn new(metric: &str, unit: &str, part: Part) -> Self {
        let mut fresh = Self {
            spike: Spike::default(),
            shift: Shift::default(),
            novelty: Novelty::default(),
            trouble: None,
            views: None,
        };
        fresh.spike.next = set::NO_NEXT;
        fresh.shift.nature = Nature::of(metric, unit, part);
        fresh
    }

    /// Of which series of the metric.
    pub fn part(&self) -> Part {
        self.shift.nature.part()
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
        self.judge_by(&self.view(at, within(value), settings), settings, asked)
    }

    fn view(&self, at: EventTime, value: f64, settings: &DetectSettings) -> View {
        let least = self.least_scale();
        let baseline = self.spike.baseline(least);
        View {
            at,
            value,
            baseline,
            least,
            place: (settings.season && settings.channels.has(ChannelName::Season))
                .then(|| settings.place(at)),
            step: (settings.shape && settings.channels.has(ChannelName::Shape)).then(|| Step {
                size: self.previous().map_or(0.0, |previous| value - previous),
                noise: self.shift.noise(),
                least,
                constant: baseline.is_constant(),
            }),
            bad: settings.bad(self.shift.nature.kind()),
            heard: settings.channels,
            widen: 1.0,
        }
    }

    /// A hundredth of all that was seen: what moves within is hardly worth a word, however still it was before.
    fn least_scale(&self) -> f64 {
        scale_floor(self.shift.slow()).max(SPAN_SHARE * self.novelty.span())
    }

    /// The value before.
    fn previous(&self) -> Option<f64> {
        self.spike.recent.newest().map(f64::from)
    }

    /// Judges a sample, learns from it, and says what becomes of the anomaly. `before`: the sample before.
    pub fn step(
        &mut self,
        (at, before): (EventTime, Option<EventTime>),
        value: f64,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> (Judgement, Option<Change>) {
        let seen = self.look(at, value, settings);
        self.take(seen, before, origin, Frame::ORDINARY, settings)
    }

    /// Learns from a value that was looked at, and says what becomes of the anomaly.
    #[inline]
    pub(crate) fn take(
        &mut self,
        seen: Seen,
        before: Option<EventTime>,
        origin: Origin<'_>,
        frame: Frame,
        settings: &DetectSettings,
    ) -> (Judgement, Option<Change>) {
        // What is abnormal is so by the ordinary band: a wide one teaches nothing else.
        let abnormal = seen.judgement.gated >= settings.learn_below_score;
        let (view, mut judgement) = self.within_frame(seen, frame, settings);
        let at = view.at;
        if self.is_open() || may_hit(&judgement, settings) {
            let opened = self.open().map_or(judgement.channel, |open| open.channel);
            judgement.told = Some(self.told(opened, judgement.channel, &view));
        }
        let warm = self.seen() >= settings.warm_up_samples;
        let told = self
            .trouble
            .as_deref()
            .is_some_and(|t| t.life.open().is_some() && t.alerts <= TOLD_ALERTS);
        let lesson = match (abnormal, told) {
            (false, _) => Lesson::Normal,
            (true, false) => Lesson::Abnormal,
            (true, true) => Lesson::Incident,
        };
        self.learn(&view, lesson, (warm, judgement.wild));
        self.spike.keep(at, before, view.value);
        if self.part() == Part::Same {
            self.counts_so_far(is_whole(view.value));
        }
        self.heed_limit(at, &mut judgement, settings);
        let mut change = None;
        if self.trouble.is_some() || may_hit(&judgement, settings) {
            change = self.live(at, &judgement, origin, settings);
        }
        // An open anomaly that isn't calm is abnormal still, even where its like is known by now.
        let lasts = abnormal || self.is_open() && judgement.gated >= settings.close_score;
        if self.has_settled(at, lasts, self.settled_after(frame, settings)) {
            change = self.settle(at, settings).or(change);
        }
        if self.trouble.as_deref().is_some_and(|t| t.is_over(at, settings)) {
            self.trouble = None;
        }
        (judgement, change)
    }

    fn trouble_mut(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    fn learn(&mut self, view: &View, lesson: Lesson, (warm, wild): (bool, f64)) {
        if (self.spike.needs_far() || self.shift.needs_far()) && lesson != Lesson::Incident {
            self.trouble_mut();
        }
        let previous = self.previous();
        let (mut spike_far, mut shift_far) = match self.trouble.as_deref_mut() {
            Some(t) => (Some(&mut t.spike_far), Some(&mut t.shift_far)),
            None => (None, None),
        };
        if warm && (view.place.is_some() || view.step.is_some()) {
            let slow = self.shift.slow();
            self.views
                .get_or_insert_default()
                .learn(view, (slow, wild), lesson);
        }
        self.spike.learn(
            &view.baseline,
            view.value,
            view.bad,
            (lesson, warm),
            &mut spike_far,
        );
        self.shift.learn(
            view.at,
            (view.value, previous),
            (view.least, view.bad),
            (lesson, warm),
            &mut shift_far,
        );
        self.novelty
            .learn(view.value, view.least, view.bad, lesson == Lesson::Incident);
        self.spike.seen = self.spike.seen.saturating_add(1);
    }

    /// What is let off the score that opens: by its pace, and by how many may open by chance.
    fn credit(&self, channel: Channel, settings: &DetectSettings) -> f64 {
        let pace = policy::credit(self.spike.recent.interval_seconds(), settings);
        // Half a decade is asked of any, however many may open.
        (pace + settings.alarms_a_month.credit(channel)).min(settings.open_score - OPEN_SCORE_LEAST)
    }

    /// The score from which a sample counts as abnormal to this series, where it isn't used to trouble.
    pub(crate) fn asked_of(&self, channel: Channel, settings: &DetectSettings) -> f64 {
        settings.open_score - self.credit(channel, settings)
    }

    fn live(
        &mut self,
        at: EventTime,
        judgement: &Judgement,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> Option<Change> {
        let interval = self.spike.recent.interval_seconds();
        let mut reading = Reading {
            at,
            score: judgement.gated,
            channel: judgement.channel,
            direction: judgement.verdict.direction(),
            credit: self.credit(judgement.channel, settings),
            habit: 0.0,
            pause: policy::pause(interval, settings),
        };
        let trouble = self.trouble_mut();
        // A limit is no matter of habit.
        if judgement.channel != Channel::Limit {
            reading.habit = settings.habituation_score * trouble.alerts_at(at, settings);
        }
        let change = trouble.life.step(reading, origin, settings);
        if change == Some(Change::Opened) && trouble.count_alert(at, settings) <= TOLD_ALERTS {
            // The first few leave no trace in what counts as rare.
            self.spike.forget_waiting();
            self.shift.forget_waiting();
            if let Some(views) = self.views.as_deref_mut() {
                views.forget_waiting();
            }
        }
        change
    }

    /// What has been abnormal is the new normal.
    fn settle(&mut self, at: EventTime, settings: &DetectSettings) -> Option<Change> {
        let pause = policy::pause(self.spike.recent.interval_seconds(), settings);
        let trouble = self.trouble.as_deref_mut()?;
        trouble.abnormal_since = None;
        self.shift.rebase();
        trouble.life.close(at, pause)
    }

    /// Closes the open anomaly of a series that fell silent.
    pub fn close_silent(&mut self, now: EventTime, settings: &DetectSettings) -> Option<Change> {
        let pause = policy::pause(self.spike.recent.interval_seconds(), settings);
        let life = &mut self.trouble.as_deref_mut()?.life;
        life.is_silent(now, settings)
            .then(|| life.close(now, pause))
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
        let ahead = match state {
            AnomalyState::Opened | AnomalyState::Updated => self.told_ahead(at, &series.unit, settings),
            AnomalyState::Closed => Vec::new(),
        };
        let view = || self.view(at, within(value), settings);
        let told = judgement.told;
        let told = told.unwrap_or_else(|| self.told(open.channel, judgement.channel, &view()));
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
            expected: told.expected,
            band: told.band,
            samples: open.samples,
            slope: forecall_stats::slope(since_trouble.map(|(t, v)| (t.seconds_from(origin), *v))),
            window,
            ahead,
            lineage: open.lineage.clone(),
            context: Vec::new(),
            siblings: None,
            usual: None,
            traffic: None,
        })
    }

    /// The last samples, oldest first: those within the window's span, and never fewer than
    /// [`EVIDENCE_SAMPLES_MIN`] where there are so many.
    fn window(&self, newest: EventTime, settings: &DetectSettings) -> Vec<(EventTime, f64)> {
        let oldest = newest.minus(seconds(settings.window_seconds));
        let values = self.spike.recent.values().rev();
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
        self.spike.recent.newest().map_or(0.0, as_written)
    }

    /// Seconds between the last samples, newest first.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = f64> + '_ {
        self.spike.recent.gaps()
    }

    /// When the last samples came and how many seconds after the one before, newest first; `newest`: when the newest did.
    pub(crate) fn gaps_until(&self, newest: EventTime) -> Vec<(EventTime, f64)> {
        self.spike.recent.times(newest).zip(self.gaps()).collect()
    }

    /// Whether a deviation is large enough to matter to anyone.
    fn matters(&self, verdict: &Verdict, sds_min: f64, settings: &DetectSettings) -> bool {
        let share = self
            .shift
            .nature
            .kind()
            .deviation_share(settings.deviation_min_share);
        let floor = self.shift.nature.floor().least();
        let floor = settings.deviation_min.unwrap_or(floor);
        let least = (share * verdict.expected.abs()).max(floor);
        verdict.deviation.abs() >= least && verdict.sds().abs() >= sds_min
    }

    /// Whether it has been abnormal so long that this is how it is now.
    fn has_settled(&mut self, at: EventTime, abnormal: bool, after: Duration) -> bool {
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
        enough && at.since(since) >= after
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
