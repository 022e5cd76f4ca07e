mod explain;

use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Channel, Direction, DomainName, EVIDENCE_POINTS_MAX, EventTime,
    Fingerprint, Score, SeriesKey,
};
use serde::{Deserialize, Serialize};

use crate::DetectSettings;
use crate::calendar::Place;
use crate::channel::{Baseline, GeneralTail, Lesson, Novelty, Season, Shift, Spike, Verdict, scale_floor};
use crate::judgement::{Asked, Judgement, Voices};
use crate::nature::Nature;
use crate::policy::{self, Change, Open, Origin, Reading};
use crate::rate::Part;
use crate::settings::seconds;
use crate::trouble::Trouble;

/// Recent anomalies, fading within `habituation_seconds`, that leave no trace in what counts as rare, so that the next one
/// like them is told as well. A series that opens more gets used to them: they enter its record.
const TOLD_ALERTS: f64 = 1.3;
/// Samples in a row that stay abnormal before they can be the new normal, however much time has passed: fewer are no
/// level worth the name.
const SETTLED_SAMPLES_MIN: u32 = 20;
/// The least scale, as a share of all that was seen.
const SPAN_SHARE: f64 = 0.01;
/// Evidence shows at least so many samples, even if they span more than the window.
const EVIDENCE_SAMPLES_MIN: usize = 20;

/// Everything known of one scored series that is well: 408 bytes, and about 380 more for the profile of its day. What only trouble
/// needs stands in `Trouble`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detector {
    spike: Spike,
    shift: Shift,
    novelty: Novelty,
    trouble: Option<Box<Trouble>>,
    season: Option<Box<Season>>,
}

type FarCounts<'t> = &'t [(u8, u16)];

/// Of [`Spike::next`].
const NO_NEXT: u32 = u32::MAX;

/// What is known of a value before it is judged.
struct View {
    at: EventTime,
    value: f64,
    baseline: Baseline,
    /// The least scale.
    least: f64,
    place: Option<Place>,
    bad: Option<Direction>,
}

impl Detector {
    /// Of a series never seen before, by its metric and unit.
    pub fn new(metric: &str, unit: &str, part: Part) -> Self {
        let mut fresh = Self {
            spike: Spike::default(),
            shift: Shift::default(),
            novelty: Novelty::default(),
            trouble: None,
            season: None,
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
        self.judge_by(&self.view(at, within(value), settings), settings, asked)
    }

    fn view(&self, at: EventTime, value: f64, settings: &DetectSettings) -> View {
        // A hundredth of all that was seen: what moves within is hardly worth a word, however still it was before.
        let least = scale_floor(self.shift.slow()).max(SPAN_SHARE * self.novelty.span());
        View {
            at,
            value,
            baseline: self.spike.baseline(least),
            least,
            place: settings.season.then(|| settings.place(at)),
            bad: self.shift.nature.kind().bad(),
        }
    }

    fn judge_by(&self, view: &View, settings: &DetectSettings, asked: Asked) -> Judgement {
        let mut spike = Spike::measure(&view.baseline, view.value);
        let quiet = |verdict| Judgement {
            score: 0.0,
            gated: 0.0,
            channel: Channel::Spike,
            verdict,
            band: None,
            told: None,
            voices: Voices::default(),
        };
        if self.seen() < settings.warm_up_samples {
            return quiet(spike);
        }
        let mut shift = self.shift.measure(view.value, view.least);
        let season = self.season_verdict(view);
        let sds_min = settings.deviation_min_sds;
        let spike_matters = self.matters(&spike, sds_min, settings);
        // A level of sixteen samples is four times as steady as one; half is plenty.
        let slow_matters = self.matters(&shift, sds_min / 2.0, settings)
            || season.is_some_and(|verdict| self.matters(&verdict, sds_min / 2.0, settings));
        if asked == Asked::Gated && !spike_matters && !slow_matters {
            return quiet(spike);
        }
        let (spike_far, shift_far) = self.far();
        spike.score = self
            .spike
            .score(&view.baseline, &spike, view.bad, GeneralTail, spike_far);
        shift.score = self
            .shift
            .score(view.at, &shift, view.bad, GeneralTail, shift_far);
        let slow = self.slow_verdict(view, shift, season);
        let (channel, mut verdict) = (slow.0, slow.1);
        let voices = Voices {
            spike: spike.score,
            shift: shift.score,
            ..slow.2
        };
        verdict.score = voices.slow;
        let gated = |score: f64, matters: bool| if matters { score } else { 0.0 };
        let spike_gated = gated(spike.score - settings.spike_extra_score, spike_matters).max(0.0);
        let slow_gated = gated(voices.slow, slow_matters);
        let slowly = (slow_gated, voices.slow) > (spike_gated, spike.score);
        Judgement {
            score: spike.score.max(voices.slow),
            gated: spike_gated.max(slow_gated),
            channel: if slowly { channel } else { Channel::Spike },
            verdict: if slowly { verdict } else { spike },
            band: (asked == Asked::Band).then(|| self.normal_value(view).band),
            told: None,
            voices,
        }
    }

    /// What the profile of the day says, where it tells more than the slow mean.
    fn season_verdict(&self, view: &View) -> Option<Verdict> {
        let season = self.season.as_deref().filter(|season| season.pays(view.at))?;
        season.measure(view.place?, view.value, view.least)
    }

    /// Level, hour and range together: the mean of the two views of the level, and what is new on top, since independent
    /// surprises multiply their chances (Fisher 1925). Told by the strongest.
    fn slow_verdict(
        &self,
        view: &View,
        shift: Verdict,
        season: Option<Verdict>,
    ) -> (Channel, Verdict, Voices) {
        let novelty = self.novelty.score(view.value, view.least, view.bad);
        let hour = season
            .zip(self.season.as_deref())
            .map(|(verdict, season)| Verdict {
                score: season.score(&verdict, view.bad, GeneralTail),
                ..verdict
            });
        let second = hour.map_or(shift.score, |verdict| verdict.score);
        let voices = Voices {
            season: hour.map_or(0.0, |verdict| verdict.score),
            novelty,
            slow: (f64::midpoint(shift.score, second) + novelty).min(20.0),
            ..Voices::default()
        };
        if novelty > shift.score.max(second) {
            let edge = self.novelty.edge(view.value);
            let verdict = Verdict {
                score: novelty,
                expected: edge,
                deviation: view.value - edge,
                scale: self.novelty.span().max(view.least),
            };
            return (Channel::Novelty, verdict, voices);
        }
        match hour {
            Some(hour) if hour.score > shift.score => (Channel::Season, hour, voices),
            Some(_) | None => (Channel::Shift, shift, voices),
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
        let view = self.view(at, within(value), settings);
        let asked = match (settings.emit_scores, self.is_open()) {
            (true, _) => Asked::Band,
            (false, true) => Asked::Scores,
            (false, false) => Asked::Gated,
        };
        let mut judgement = self.judge_by(&view, settings, asked);
        let may_hit = judgement.gated >= settings.open_score - settings.slow_credit_max;
        if self.is_open() || may_hit {
            let opened = self.open().map_or(judgement.channel, |open| open.channel);
            judgement.told = Some(self.told(opened, judgement.channel, &view));
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
        self.learn(&view, lesson, warm);
        self.spike.keep(at, before, view.value);
        let mut change = None;
        if self.trouble.is_some() || may_hit {
            change = self.live(at, &judgement, origin, settings);
        }
        // An open anomaly that isn't calm is abnormal still, even where its like is known by now.
        let lasts = abnormal || self.is_open() && judgement.gated >= settings.close_score;
        if self.has_settled(at, lasts, settings) {
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

    fn learn(&mut self, view: &View, lesson: Lesson, warm: bool) {
        if (self.spike.needs_far() || self.shift.needs_far()) && lesson != Lesson::Incident {
            self.trouble_mut();
        }
        let (mut spike_far, mut shift_far) = match self.trouble.as_deref_mut() {
            Some(t) => (Some(&mut t.spike_far), Some(&mut t.shift_far)),
            None => (None, None),
        };
        if let (Some(place), true) = (view.place, warm) {
            let season = self.season.get_or_insert_default();
            let values = (view.value, self.shift.slow());
            season.learn((view.at, place), values, view.least, view.bad, lesson);
        }
        self.spike.learn(
            &view.baseline,
            view.value,
            view.bad,
            (lesson, warm),
            &mut spike_far,
        );
        let previous = self.spike.recent.newest().map(f64::from);
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
            credit: policy::credit(interval, settings),
            habit: 0.0,
            pause: policy::pause(interval, settings),
        };
        let trouble = self.trouble_mut();
        reading.habit = settings.habituation_score * trouble.alerts_at(at, settings);
        let change = trouble.life.step(reading, origin, settings);
        if change == Some(Change::Opened) && trouble.count_alert(at, settings) <= TOLD_ALERTS {
            // The first few leave no trace in what counts as rare.
            self.spike.forget_waiting();
            self.shift.forget_waiting();
            if let Some(season) = self.season.as_deref_mut() {
                season.forget_waiting();
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
            lineage: open.lineage.clone(),
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

    /// Whether a deviation is large enough to matter to anyone.
    fn matters(&self, verdict: &Verdict, sds_min: f64, settings: &DetectSettings) -> bool {
        let share = self
            .shift
            .nature
            .kind()
            .deviation_share(settings.deviation_min_share);
        let floor = self.shift.nature.floor().least();
        let least = (share * verdict.expected.abs()).max(floor);
        verdict.deviation.abs() >= least && verdict.sds().abs() >= sds_min
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
