//! What the channels say of a value, each by itself and together.

use forecall_types::Channel;
use serde::{Deserialize, Serialize};

use super::{Detector, View};
use crate::channel::{CountLaw, CountTail, GeneralTail, Lesson, Season, Shape, Spike, Step, Verdict};
use crate::judgement::{Asked, Judgement, Voices};
use crate::recent::kept;
use crate::{ChannelName, DetectSettings, Normal};

/// Of two views of a value the lesser counts 85 parts of 100: a wild value that hardly moves the last steps is one of many.
const HIGHER_COUNTS: f64 = 0.15;
/// Or so many values before it, all of them wild, confirm it: a fault that creeps makes no large steps.
const IN_A_ROW: usize = 2;
/// What they say less: neighbours hang together.
const IN_A_ROW_LESS: f64 = 0.5;
/// Steps matter from so much of `deviation_min_sds` times the usual on: 1.5 times, as shipped; a level must show half of it.
const STEPS_SHARE: f64 = 0.375;

/// What is seen of a series beyond its value and its level: in a box of its own, since either can be switched off.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Views {
    pub(super) season: Season,
    pub(super) shape: Shape,
    /// Of the last values: the spike's score where it mattered, the newest first.
    wild: [f32; IN_A_ROW],
}

impl Views {
    pub(super) fn learn(&mut self, view: &View, (slow, wild): (f64, f64), lesson: Lesson) {
        if let Some(place) = view.place {
            let values = (view.value, slow);
            self.season
                .learn((view.at, place), values, view.least, view.bad, lesson);
        }
        if let Some(step) = &view.step {
            self.shape.learn(step, lesson);
            self.wild.rotate_right(1);
            self.wild[0] = kept(wild);
        } else {
            self.wild = [0.0; IN_A_ROW];
        }
    }

    /// What the values before say of one that is wild.
    fn in_a_row(&self) -> f64 {
        let least = self.wild.iter().copied().fold(f32::INFINITY, f32::min);
        f64::from(least) - IN_A_ROW_LESS
    }

    pub(super) const fn forget_waiting(&mut self) {
        self.season.forget_waiting();
        self.shape.forget_waiting();
    }
}

/// How far off each channel finds a value, before anything is said of how rare that is.
struct Measured {
    spike: Verdict,
    shape: Option<Verdict>,
    step: Option<Step>,
    shift: Verdict,
    season: Option<Verdict>,
}

impl View {
    /// What is rare before the series' own record tells.
    pub(super) fn general<'l>(&'l self, law: Option<&'l CountLaw>) -> CountTail<'l> {
        CountTail {
            law,
            baseline: &self.baseline,
            bad: self.bad,
            direction: Spike::measure(&self.baseline, self.value).direction(),
        }
    }
}

impl Measured {
    /// Everything so many times less far off.
    fn narrow(&mut self, times: f64) {
        let channels = [
            Some(&mut self.spike),
            self.shape.as_mut(),
            Some(&mut self.shift),
            self.season.as_mut(),
        ];
        for verdict in channels.into_iter().flatten() {
            verdict.deviation /= times;
        }
        if let Some(step) = &mut self.step {
            step.size /= times;
        }
    }
}

impl Detector {
    pub(super) fn judge_by(&self, view: &View, settings: &DetectSettings, asked: Asked) -> Judgement {
        let spike = Spike::measure(&view.baseline, view.value);
        let quiet = Judgement {
            score: 0.0,
            gated: 0.0,
            channel: Channel::Spike,
            verdict: spike,
            band: None,
            told: None,
            voices: Voices::default(),
            wild: 0.0,
        };
        if self.seen() < settings.warm_up_samples {
            return quiet;
        }
        let mut measured = Measured {
            spike,
            shape: self.shape_verdict(view),
            step: view.step,
            shift: self.shift.measure(view.value, view.least),
            season: self.season_verdict(view),
        };
        if view.widen > 1.0 {
            measured.narrow(view.widen);
        }
        let (spike_matters, shape_matters, slow_matters) = self.what_matters(&measured, settings);
        let fast_matters = spike_matters && view.heard.has(ChannelName::Spike) || shape_matters;
        if asked == Asked::Gated && !fast_matters && !slow_matters {
            return quiet;
        }
        let counts = self.count_law(view);
        let fast = self.fast_verdict(view, &measured, counts.as_ref());
        let slow = self.slow_verdict(view, &measured, counts.as_ref().map(|law| (law, fast.2.spike)));
        let extra = if measured.shape.is_some() {
            0.0
        } else {
            settings.spike_extra_score
        };
        let gated = |score: f64, matters: bool| if matters { score } else { 0.0 };
        let fast_gated = gated(fast.1.score - extra, fast_matters).max(0.0);
        let slow_gated = gated(slow.1.score, slow_matters);
        let slowly = (slow_gated, slow.1.score) > (fast_gated, fast.1.score);
        let (channel, verdict, _) = if slowly { slow } else { fast };
        Judgement {
            score: fast.1.score.max(slow.1.score),
            gated: fast_gated.max(slow_gated),
            channel,
            verdict,
            band: (asked == Asked::Band).then(|| self.normal_value(view).band),
            told: None,
            voices: Voices {
                spike: fast.2.spike,
                shape: fast.2.shape,
                fast: fast.1.score,
                ..slow.2
            },
            wild: gated(fast.2.spike, spike_matters),
        }
    }

    /// Whether what spike, shape and the slow channels see is large enough to matter to anyone.
    fn what_matters(&self, measured: &Measured, settings: &DetectSettings) -> (bool, bool, bool) {
        let sds_min = settings.deviation_min_sds;
        let does = |verdict: &Verdict, sds_min| self.matters(verdict, sds_min, settings);
        // Behind a lone wild value the last steps look large for a while; this one must be so itself.
        let is_step = measured
            .step
            .is_some_and(|step| step.is_large(STEPS_SHARE * sds_min));
        let shape = || {
            is_step
                && measured
                    .shape
                    .is_some_and(|steps| does(&steps, STEPS_SHARE * sds_min))
        };
        // A level is steadier than a value; half is plenty.
        let season = || measured.season.is_some_and(|hour| does(&hour, sds_min / 2.0));
        (
            does(&measured.spike, sds_min),
            shape(),
            does(&measured.shift, sds_min / 2.0) || season(),
        )
    }

    /// What the last steps say, where they are looked at and known.
    fn shape_verdict(&self, view: &View) -> Option<Verdict> {
        let (step, views) = (view.step.as_ref()?, self.views.as_deref()?);
        Some(views.shape.measure(step, view.baseline.location()))
    }

    /// What the profile of the day says, where it tells more than the slow mean.
    pub(super) fn season_verdict(&self, view: &View) -> Option<Verdict> {
        let (place, views) = (view.place?, self.views.as_deref()?);
        let season = Some(&views.season).filter(|season| season.pays(view.at))?;
        season.measure(place, view.value, view.least)
    }

    /// Value and steps together: two views of one thing, so their chances aren't multiplied. A value that stays far off among
    /// others makes no steps; then the values before it are the second view. Told by the stronger.
    fn fast_verdict(
        &self,
        view: &View,
        measured: &Measured,
        law: Option<&CountLaw>,
    ) -> (Channel, Verdict, Voices) {
        let far = self.far().0;
        let mut spike = measured.spike;
        spike.score = self
            .spike
            .score(&view.baseline, &spike, view.bad, &view.general(law), far);
        let is_heard = view.heard.has(ChannelName::Spike);
        if !is_heard {
            spike.score = 0.0;
        }
        let mut voices = Voices {
            spike: spike.score,
            ..Voices::default()
        };
        let known = measured.shape.zip(view.step.as_ref()).zip(self.views.as_deref());
        let Some(((mut steps, step), views)) = known else {
            return (Channel::Spike, spike, voices);
        };
        steps.score = views.shape.score(step, &steps, GeneralTail);
        voices.shape = steps.score;
        let second = steps.score.max(views.in_a_row());
        let (lesser, higher) = (spike.score.min(second), spike.score.max(second));
        // Where one view isn't heard, the other speaks alone, of what goes the bad way.
        let score = if is_heard {
            lesser + HIGHER_COUNTS * (higher - lesser)
        } else if view.bad.is_none_or(|bad| bad == steps.direction()) {
            steps.score
        } else {
            0.0
        };
        let (channel, verdict) = if steps.score > spike.score {
            (Channel::Shape, steps)
        } else {
            (Channel::Spike, spike)
        };
        (channel, Verdict { score, ..verdict }, voices)
    }

    /// The value as the range sees it: nearer, where it must be further off.
    fn value_beyond(&self, view: &View) -> f64 {
        if view.widen > 1.0 {
            let edge = self.novelty.edge(view.value);
            return edge + (view.value - edge) / view.widen;
        }
        view.value
    }

    /// Level, hour and range together: the mean of the two views of the level, and what is new on top, since independent
    /// surprises multiply their chances (Fisher 1925). Told by the strongest.
    fn slow_verdict(
        &self,
        view: &View,
        measured: &Measured,
        law: Option<(&CountLaw, f64)>,
    ) -> (Channel, Verdict, Voices) {
        let value = self.value_beyond(view);
        let novelty = if view.heard.has(ChannelName::Novelty) {
            self.novelty.score(value, view.least, view.bad)
        } else {
            0.0
        };
        let mut shift = measured.shift;
        shift.score = self
            .shift
            .score(view.at, &shift, view.bad, GeneralTail, self.far().1);
        let hour = measured
            .season
            .zip(self.views.as_deref())
            .map(|(verdict, views)| Verdict {
                score: views.season.score(&verdict, view.bad, GeneralTail),
                ..verdict
            });
        let is_heard = view.heard.has(ChannelName::Shift);
        if !is_heard {
            shift.score = 0.0;
        }
        let second = hour.map_or(shift.score, |verdict| verdict.score);
        let together = f64::midpoint(if is_heard { shift.score } else { second }, second) + novelty;
        let level = measured.shift.expected + measured.shift.deviation;
        // What is open closes by the records: the law soon takes a new level for the usual one.
        let levels_are_heard = is_heard || view.heard.has(ChannelName::Season);
        let law = law.filter(|_| !self.is_open() && levels_are_heard);
        let together = law.map_or(together, |(law, of_value)| {
            law.slow(together, of_value, level, view.bad)
        });
        let voices = Voices {
            shift: shift.score,
            season: hour.map_or(0.0, |verdict| verdict.score),
            novelty,
            slow: together.min(20.0),
            ..Voices::default()
        };
        let told = |verdict: Verdict| Verdict {
            score: voices.slow,
            ..verdict
        };
        if novelty > shift.score.max(second) {
            let edge = self.novelty.edge(view.value);
            let beyond = Verdict {
                score: novelty,
                expected: edge,
                deviation: value - edge,
                scale: self.novelty.span().max(view.least),
            };
            return (Channel::Novelty, told(beyond), voices);
        }
        match hour {
            Some(hour) if hour.score > shift.score => (Channel::Season, told(hour), voices),
            Some(_) | None => (Channel::Shift, told(shift), voices),
        }
    }

    /// What is normal to the shape: where the next value may lie; `None` where it isn't looked at.
    pub(super) fn normal_shape(&self, view: &View) -> Option<Normal> {
        let (step, views) = (view.step.as_ref()?, self.views.as_deref()?);
        Some(views.shape.normal(step, self.previous()?))
    }
}
