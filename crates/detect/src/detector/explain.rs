//! What each channel says by itself: for replays and pictures, not for the hot path.

use forecall_types::{Band, Channel, ChannelScore, EventTime, Score};

use super::{Detector, within};
use crate::DetectSettings;
use crate::channel::{GeneralTail, Spike, Verdict};

impl Detector {
    /// What each channel says of a value, without learning from it; empty during warm-up. Called before
    /// [`step`](Self::step), it explains what that will judge.
    pub fn explain(&self, at: EventTime, value: f64, settings: &DetectSettings) -> Box<[ChannelScore]> {
        if self.seen() < settings.warm_up_samples {
            return Box::default();
        }
        let value = within(value);
        let bad = self.shift.nature.kind().bad();
        let (spike_far, shift_far) = self.far();
        let baseline = self.spike.baseline();
        let spike = Spike::measure(&baseline, value);
        let shift = self.shift.measure(value);
        Box::new([
            said(
                Channel::Spike,
                &spike,
                self.spike.score(&baseline, &spike, bad, GeneralTail, spike_far),
                self.spike.band_sds(spike_far),
            ),
            said(
                Channel::Shift,
                &shift,
                self.shift.score(at, &shift, bad, GeneralTail, shift_far),
                self.shift.band_sds(shift_far),
            ),
        ])
    }
}

fn said(channel: Channel, verdict: &Verdict, score: f64, band_sds: f64) -> ChannelScore {
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
