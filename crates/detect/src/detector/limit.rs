//! Series on their way to a declared limit, whose values are still usual.

use forecall_stats::{BandAt, Limit, Passage};
use forecall_types::{Band, Channel, ChannelScore, EventTime, Score};

use super::Detector;
use crate::DetectSettings;
use crate::channel::Verdict;
use crate::judgement::Judgement;
use crate::limits::LimitEntry;
use crate::settings::seconds;

/// Of the last samples, so many at either end are compared.
const END: usize = 4;
/// Shares of the span at which the band is asked for.
const PARTS: [u32; 5] = [0, 1, 2, 4, 8];
/// A way that takes this many times the span, as the crow flies, isn't looked at: a forecast costs some hundred microseconds.
const LOOKED_AT: f64 = 2.0;
/// However likely it is: a way to a limit says nothing of how unusual values are.
const LOUDEST: f64 = 2.0;

impl Detector {
    /// Lets the chance that the limit is passed speak, where it says more than the channels: at the entry's chance as loudly
    /// as what opens an anomaly.
    pub(super) fn heed_limit(&self, at: EventTime, judgement: &mut Judgement, settings: &DetectSettings) {
        let Some(limit) = settings.heeded().first() else {
            return;
        };
        if self.seen() < settings.warm_up_samples {
            return;
        }
        let Some(chance) = self.chance_of(at, limit, settings) else {
            return;
        };
        let score = settings.open_score * (chance / limit.chance).min(LOUDEST);
        if score > judgement.gated {
            let off = judgement.verdict.deviation.abs();
            judgement.verdict = Verdict {
                score,
                deviation: limit.sign() * off.max(f64::MIN_POSITIVE),
                ..judgement.verdict
            };
            judgement.channel = Channel::Limit;
            judgement.gated = score;
            judgement.score = judgement.score.max(score);
        }
    }

    /// What the limit says once the newest sample is kept, whether or not it is heard: how loudly, where the series is expected when
    /// the span is over, and all on this side of the limit as normal. `None` where no limit holds, or nothing goes there.
    pub fn limit_said(&self, at: EventTime, settings: &DetectSettings) -> Option<ChannelScore> {
        let limit = settings.heeded().first()?;
        if self.seen() < settings.warm_up_samples {
            return None;
        }
        let chance = self.chance_of(at, limit, settings)?;
        let ends = at.plus(seconds(limit.within_seconds));
        let (value, above) = (limit.value(), limit.sign() > 0.0);
        Some(ChannelScore {
            channel: Channel::Limit,
            score: Score::clamped(settings.open_score * (chance / limit.chance).min(LOUDEST)),
            expected: self.forecast(at, "", settings)?.at(ends).expected,
            band: Band {
                low: if above { f64::NEG_INFINITY } else { value },
                high: if above { value } else { f64::INFINITY },
            },
        })
    }

    /// The chance that the limit is passed within the entry's span; `None` where nothing goes there, or it lies behind.
    fn chance_of(&self, at: EventTime, heeded: &LimitEntry, settings: &DetectSettings) -> Option<f64> {
        let newest = f64::from(self.spike.recent.newest()?);
        let gap = (heeded.value() - newest) * heeded.sign();
        if gap <= 0.0 {
            // What has gone all the way stays told; what has always been there is no news.
            return self.is_open().then_some(1.0);
        }
        let within = seconds(heeded.within_seconds);
        if self.way_seconds(gap, heeded.sign())? > LOOKED_AT * within.as_secs_f64() {
            return None;
        }
        let forecast = self.forecast(at, "", settings)?;
        let bands = PARTS.map(|part| {
            let span = within * part / 8;
            let ahead = forecast.at(at.plus(span));
            BandAt {
                seconds: span.as_secs_f64(),
                expected: ahead.expected,
                lower: ahead.lower,
                upper: ahead.upper,
            }
        });
        let limit = Limit {
            value: heeded.value(),
            sign: heeded.sign(),
        };
        Some(Passage::new(&bands, limit).chance(within.as_secs_f64()))
    }

    /// Seconds to the limit at the pace of the last samples, all of them or the newer half, whichever is faster; `None` where
    /// they don't go there.
    fn way_seconds(&self, gap: f64, sign: f64) -> Option<f64> {
        let recent = &self.spike.recent;
        let interval = recent.interval_seconds();
        let newest = mean(recent.values().rev().take(END))?;
        let pace = |back: usize| {
            let before = mean(recent.values().rev().skip(back).take(END))?;
            let samples = u32::try_from(back).ok()?;
            let pace = (newest - before) * sign / (f64::from(samples) * interval);
            (pace > 0.0).then_some(pace)
        };
        let paces = [recent.len() / 2, recent.len().saturating_sub(END)];
        let fastest = paces.into_iter().filter(|back| *back >= END).filter_map(pace);
        let fastest = fastest.fold(0.0, f64::max);
        (fastest > 0.0).then(|| gap / fastest)
    }
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += f64::from(value);
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}
