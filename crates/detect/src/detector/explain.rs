//! What each channel holds for normal, and what it says by itself: for anomalies, replays and pictures, not for the hot path.

use forecall_types::{Band, Channel, ChannelScore, Direction, EventTime, Score};

use super::{Detector, View, within};
use crate::channel::{CountTail, Spike};
use crate::{Asked, DetectSettings, Normal};

impl Detector {
    /// What each channel says of a value, without learning from it; empty during warm-up, without the season where its
    /// profile tells nothing, without the shape where it isn't looked at. Called before [`step`](Self::step), it explains what that will judge.
    pub fn explain(&self, at: EventTime, value: f64, settings: &DetectSettings) -> Box<[ChannelScore]> {
        if self.seen() < settings.warm_up_samples {
            return Box::default();
        }
        let view = self.view(at, within(value), settings);
        let voices = self.judge_by(&view, settings, Asked::Scores).voices;
        let said = [
            (Channel::Spike, voices.spike),
            (Channel::Shape, voices.shape),
            (Channel::Shift, voices.shift),
            (Channel::Season, voices.season),
            (Channel::Novelty, voices.novelty),
        ];
        let said = said.into_iter().filter_map(|(channel, score)| {
            let Normal { expected, band } = self.normal(channel, &view)?;
            let score = Score::clamped(score);
            Some(ChannelScore {
                channel,
                score,
                expected,
                band,
            })
        });
        said.collect()
    }

    /// What an anomaly tells: what is normal to the channel that opened it, or to the one that speaks now where that one says
    /// nothing any more.
    pub(super) fn told(&self, opened: Channel, now: Channel, view: &View) -> Normal {
        let normal = |channel| self.normal(channel, view);
        normal(opened)
            .or_else(|| normal(now))
            .unwrap_or_else(|| self.normal_value(view))
    }

    /// What is normal to a channel; `None` to a season that tells nothing, and to channels that judge no samples.
    fn normal(&self, channel: Channel, view: &View) -> Option<Normal> {
        match channel {
            // On the way to a limit a value is as usual as any.
            Channel::Spike | Channel::Limit => Some(self.normal_value(view)),
            Channel::Shift => {
                let sds = self.shift.band_sds(view.at, self.far().1);
                Some(Normal::about(&self.shift.measure(view.value, view.least), sds))
            }
            Channel::Season => {
                let verdict = self.season_verdict(view)?;
                Some(Normal::about(&verdict, self.views.as_deref()?.season.band_sds()))
            }
            Channel::Novelty => {
                let (low, high) = self.novelty.range();
                Some(Normal {
                    expected: self.novelty.edge(view.value),
                    band: Band { low, high },
                })
            }
            Channel::Shape => self.normal_shape(view),
            Channel::Silence | Channel::Peer => None,
        }
    }

    /// What is normal of a single value: the spike channel's.
    pub(super) fn normal_value(&self, view: &View) -> Normal {
        let verdict = Spike::measure(&view.baseline, view.value);
        let law = self.count_law(view);
        // One width for both sides, whichever the value lies on.
        let general = CountTail {
            direction: Direction::Up,
            ..view.general(law.as_ref())
        };
        Normal::about(&verdict, self.spike.band_sds(&general, self.far().0))
    }
}
