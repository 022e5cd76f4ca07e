//! What is remembered of one metric of one member, and the life of its anomaly.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forecall_stats::{ClippedMoments, Clipping, StudentTail, TailHistogram, surprise};
use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Band, Channel, Direction, DomainName, EventTime, Fingerprint, Labels,
    Lineage, PeerScore, Score, SeriesKey,
};
use serde::{Deserialize, Serialize};

use super::compare::{Off, Usual};
use crate::metric::MetricKind;

/// Steps after which a member's usual place is known: an hour of minutes.
pub const PEER_WARM_UP_STEPS: u16 = 60;
/// Score from which a step is abnormal: one in two thousand.
pub const PEER_OPEN_SCORE: f64 = 3.3;
/// An anomaly opens when so many of the last [`OPEN_OF_STEPS`] were abnormal, the same way.
const OPEN_STEPS: u32 = 3;
const OPEN_OF_STEPS: usize = 4;
const OPEN_BITS: u8 = (1 << OPEN_OF_STEPS) - 1;
/// Score below which a step is calm …
pub(super) const CLOSE_SCORE: f64 = 2.0;
/// … and so many of them in a row close it.
const CLOSE_STEPS: u8 = 5;
/// After closing, nothing opens for so many steps.
const PAUSE_STEPS: u8 = 10;
/// A place that is kept for so long is the usual one: the anomaly closes, and the member is new.
const NEW_NORMAL: Duration = Duration::from_secs(28_800);
/// An open anomaly whose member says nothing for so long is closed.
const CLOSE_SILENT: Duration = Duration::from_secs(1_800);
/// Values kept as evidence: more than an anomaly needs to open and close.
const WINDOW: usize = 16;
/// Steps by which a usual place is followed at once, before a spread of it is known.
const FREE_STEPS: u16 = 30;
/// Standard deviations of its own beyond which a place moves the usual one no further.
const CLIP: f64 = 4.0;
/// The least spread of places to clip by, in scales of the group.
const PLACE_SD_MIN: f64 = 0.1;
/// Degrees of freedom of what is believed at first of how rare deviations are: heavy tails, as in telemetry.
const TAIL: f64 = 4.0;
/// Own steps after which a member's own record counts as much as that.
const OWN_AFTER: f64 = 500.0;
/// Neighbouring steps say the same.
const ALIKE: f64 = 8.0;
/// Standard deviations beyond which a deviation is as rare as any: the model knows no better.
const SDS_MAX: f64 = 64.0;

/// One step of a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stepped<'s> {
    pub(super) from: EventTime,
    pub(super) at: EventTime,
    pub(super) value: f64,
    pub(super) off: Off,
    /// See [`Member::score`].
    pub(super) score: f64,
    pub(super) lineage: &'s Lineage,
}

/// Whose it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'d> {
    pub(super) domain: &'d DomainName,
    pub(super) metric: &'d Arc<str>,
    pub(super) unit: &'d Arc<str>,
    pub(super) resource: &'d Labels,
    pub(super) labels: &'d Labels,
    /// Steps in a day: what is remembered of the usual place.
    pub(super) memory: u16,
}

impl Whose<'_> {
    fn series(&self) -> SeriesKey {
        SeriesKey {
            metric: Arc::clone(self.metric),
            unit: Arc::clone(self.unit),
            resource: self.resource.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) last: EventTime,
    /// Steps learnt from, up to a day of them.
    steps: u16,
    usual: ClippedMoments,
    record: TailHistogram,
    /// Buckets of the last deviations, not yet in the record: trouble isn't measured by its own beginning.
    waiting: VecDeque<u8>,
    /// Which of the last steps were abnormal upwards and downwards, the newest in the lowest bit.
    up: u8,
    down: u8,
    calm: u8,
    pause: u8,
    window: VecDeque<(EventTime, f64)>,
    /// Of the abnormal steps.
    lineage: Lineage,
    open: Option<Box<Anomaly>>,
}

impl Member {
    /// Its usual place, once it is known.
    pub(super) fn usual(&self, memory: u16) -> Option<Usual> {
        (self.steps >= PEER_WARM_UP_STEPS.min(memory)).then(|| Usual {
            place: self.usual.mean(),
            sd: self.usual.sd(),
            young: 2.0 - (f64::from(self.steps) / f64::from(memory.max(1))).min(1.0),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// How rare a deviation is that customers may feel; 0 where it goes the way that hurts nobody.
    pub(super) fn score(&self, off: &Off, kind: MetricKind) -> f64 {
        if kind == MetricKind::Other || kind.hurts(off.sds > 0.0) {
            self.surprise(off.sds)
        } else {
            0.0
        }
    }

    /// By a heavy tail at first, ever more by its own record.
    fn surprise(&self, sds: f64) -> f64 {
        let sds = sds.abs().min(SDS_MAX);
        // Both ways count.
        let general = surprise((2.0 * StudentTail::new(TAIL).upper(sds)).min(1.0));
        let total = f64::from(self.record.total());
        let own = self.record.surprise(sds, ALIKE);
        general + total / (total + OWN_AFTER) * (own - general)
    }

    /// Standard deviations at which a step is abnormal, to a quarter octave.
    fn edge(&self) -> f64 {
        let mut sds = 1.0;
        while sds < SDS_MAX && self.surprise(sds) < PEER_OPEN_SCORE {
            sds *= 1.189_207_115_002_721;
        }
        sds
    }

    /// The step as a replay shows it, before it teaches anything.
    pub(super) fn shown(&self, group: &Arc<str>, step: &Stepped<'_>, whose: &Whose<'_>) -> PeerScore {
        PeerScore {
            group: Arc::clone(group),
            at: step.at,
            series: Arc::new(whose.series()),
            value: step.value,
            expected: step.off.expected,
            band: self.usual(whose.memory).map(|_| self.band(&step.off)),
            score: Score::clamped(step.score),
        }
    }

    fn band(&self, off: &Off) -> Band {
        let half = self.edge() * off.scale;
        Band {
            low: off.expected - half,
            high: off.expected + half,
        }
    }

    /// Takes in a step that nothing is said of: too many are off to say who is.
    pub(super) fn pass(&mut self, step: &Stepped<'_>, memory: u16) -> Option<Anomaly> {
        self.see(step);
        let Some(open) = self.open.as_deref() else {
            // Where two camps last, both are usual in the end.
            self.settle(step.off, memory);
            return None;
        };
        // What was told of before is how it is now, in a group of two camps as well.
        let has_settled = step.at.since(open.from) >= NEW_NORMAL;
        has_settled.then(|| self.go_on(step)).flatten()
    }

    fn see(&mut self, step: &Stepped<'_>) {
        let long = step.at.since(step.from) * u32::try_from(OPEN_OF_STEPS).unwrap_or(1);
        if step.at.since(self.last) > long && self.steps > 0 {
            // What was before a gap says nothing of now.
            (self.up, self.down, self.calm) = (0, 0, 0);
            self.waiting.clear();
        }
        self.last = step.at;
        self.window.push_back((step.at, step.value));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
    }

    /// Takes in a step. What is told of it, if anything.
    pub(super) fn step(&mut self, step: &Stepped<'_>, whose: &Whose<'_>) -> Option<Anomaly> {
        self.see(step);
        let up = step.off.sds > 0.0;
        let abnormal = step.score >= PEER_OPEN_SCORE;
        self.up = (self.up << 1 | u8::from(abnormal && up)) & OPEN_BITS;
        self.down = (self.down << 1 | u8::from(abnormal && !up)) & OPEN_BITS;
        if abnormal {
            self.lineage.merge(step.lineage);
        } else if self.up | self.down == 0 && self.open.is_none() {
            self.lineage = Lineage::default();
        }
        if self.open.is_some() {
            return self.go_on(step);
        }
        self.pause = self.pause.saturating_sub(1);
        let flags = if up { self.up } else { self.down };
        if abnormal && self.pause == 0 && flags.count_ones() >= OPEN_STEPS {
            return Some(self.begin(step, (up, flags), whose));
        }
        self.learn(step.off, whose.memory);
        None
    }

    fn learn(&mut self, off: Off, memory: u16) {
        if self.usual(memory).is_some() {
            self.waiting.push_back(TailHistogram::bucket_of(off.sds.abs()));
            if self.waiting.len() > OPEN_OF_STEPS
                && let Some(bucket) = self.waiting.pop_front()
            {
                self.record.add_bucket(bucket);
            }
        }
        self.settle(off, memory);
    }

    fn settle(&mut self, off: Off, memory: u16) {
        let clipping = Clipping {
            memory,
            free: FREE_STEPS,
            clip: CLIP,
        };
        self.usual.add(off.place, PLACE_SD_MIN, clipping);
        self.steps = self.steps.saturating_add(1).min(memory);
    }

    fn begin(&mut self, step: &Stepped<'_>, (up, flags): (bool, u8), whose: &Whose<'_>) -> Anomaly {
        self.waiting.clear();
        self.calm = 0;
        let first = usize::try_from(flags.ilog2()).unwrap_or(0);
        let long = step.at.since(step.from);
        let from = self
            .window
            .iter()
            .rev()
            .nth(first)
            .map_or(step.at, |(at, _)| *at)
            .minus(long);
        let series = whose.series();
        let id = AnomalyId::derived(Fingerprint::of_parts(&[
            whose.domain.as_str().as_bytes(),
            &series.fingerprint().as_u128().to_le_bytes(),
            Channel::Peer.as_str().as_bytes(),
            &from.nanos().to_le_bytes(),
        ]));
        let anomaly = Anomaly {
            id,
            revision: 0,
            state: AnomalyState::Opened,
            domain: whose.domain.clone(),
            series: Arc::new(series),
            channel: Channel::Peer,
            direction: if up { Direction::Up } else { Direction::Down },
            from,
            at: step.at,
            score: Score::ZERO,
            observed: step.value,
            expected: step.off.expected,
            band: Band {
                low: step.off.expected,
                high: step.off.expected,
            },
            samples: flags.count_ones() - 1,
            slope: 0.0,
            window: Vec::new(),
            ahead: Vec::new(),
            context: Vec::new(),
            siblings: None,
            usual: None,
            traffic: None,
            lineage: Lineage::default(),
        };
        let told = self.revise(anomaly, step);
        self.open = Some(Box::new(told.clone()));
        told
    }

    fn go_on(&mut self, step: &Stepped<'_>) -> Option<Anomaly> {
        let before = self.open.take()?;
        self.calm = if step.score < CLOSE_SCORE {
            self.calm + 1
        } else {
            0
        };
        let settled = step.at.since(before.from) >= NEW_NORMAL;
        let mut told = self.revise(*before, step);
        told.state = AnomalyState::Updated;
        if self.calm < CLOSE_STEPS && !settled {
            self.open = Some(Box::new(told.clone()));
            return Some(told);
        }
        told.state = AnomalyState::Closed;
        self.rest();
        if settled && self.calm < CLOSE_STEPS {
            *self = Self {
                last: self.last,
                pause: self.pause,
                window: std::mem::take(&mut self.window),
                ..Self::default()
            };
        }
        self.calm = 0;
        Some(told)
    }

    fn rest(&mut self) {
        self.pause = PAUSE_STEPS;
        (self.up, self.down) = (0, 0);
        self.lineage = Lineage::default();
    }

    fn revise(&self, mut anomaly: Anomaly, step: &Stepped<'_>) -> Anomaly {
        anomaly.revision += 1;
        anomaly.at = step.at;
        anomaly.score = Score::clamped(anomaly.score.get().max(step.score));
        anomaly.observed = step.value;
        anomaly.expected = step.off.expected;
        anomaly.band = self.band(&step.off);
        anomaly.samples += u32::from(step.score >= PEER_OPEN_SCORE);
        let since = self.window.iter().filter(|(at, _)| *at > anomaly.from);
        anomaly.slope = forecall_stats::slope(since.map(|(at, v)| (at.seconds_from(anomaly.from), *v)));
        anomaly.window = self.window.iter().copied().collect();
        anomaly.lineage = self.lineage.clone();
        anomaly
    }

    /// Closes the anomaly of a member that has said nothing for too long.
    pub(super) fn close_silent(&mut self, now: EventTime, step: Duration) -> Option<Anomaly> {
        if now.since(self.last) <= CLOSE_SILENT.max(step * 2) {
            return None;
        }
        let mut told = *self.open.take()?;
        told.revision += 1;
        told.state = AnomalyState::Closed;
        told.at = now;
        self.rest();
        Some(told)
    }
}
