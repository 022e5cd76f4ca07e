//! What each channel says by itself: for replays and pictures, not for the hot path.

use forecall_types::{Band, Channel, ChannelScore, EventTime, Score};

use super::{Detector, within};
use crate::channel::{Spike, Verdict};
use crate::{Asked, DetectSettings};

impl Detector {
    /// What each channel says of a value, without learning from it; empty during warm-up, and without the season where its
    /// profile tells nothing. Called before [`step`](Self::step), it explains what that will judge.
    pub fn explain(&self, at: EventTime, value: f64, settings: &DetectSettings) -> Box<[ChannelScore]> {
        if self.seen() < settings.warm_up_samples {
            return Box::default();
        }
        let view = self.view(at, within(value), settings);
        let voices = self.judge_by(&view, settings, Asked::Scores).voices;
        let (spike_far, shift_far) = self.far();
        let spike = Spike::measure(&view.baseline, view.value);
        let shift = self.shift.measure(view.value, view.least);
        let season = self.season_verdict(&view).zip(self.season.as_deref());
        let (low, high) = self.novelty.range();
        let said = [
            Some(said(
                Channel::Spike,
                voices.spike,
                &spike,
                self.spike.band_sds(spike_far),
            )),
            Some(said(
                Channel::Shift,
                voices.shift,
                &shift,
                self.shift.band_sds(shift_far),
            )),
            season.map(|(verdict, season)| said(Channel::Season, voices.season, &verdict, season.band_sds())),
            Some(ChannelScore {
                channel: Channel::Novelty,
                score: Score::clamped(voices.novelty),
                expected: self.novelty.edge(view.value),
                band: Band { low, high },
            }),
        ];
        said.into_iter().flatten().collect()
    }
}

fn said(channel: Channel, score: f64, verdict: &Verdict, band_sds: f64) -> ChannelScore {
    let half = band_sds * verdict.scale;
    ChannelScore {
        channel,
        score: Score::clamped(score),
        expected: verdict.expected,
        band: Band {
            low: verdict.expected - half,
            high: verdict.expected + half,
        },
    }
}
