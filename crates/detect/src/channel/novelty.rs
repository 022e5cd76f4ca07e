use forecall_stats::surprise;
use forecall_types::Direction;
use serde::{Deserialize, Serialize};

use crate::recent::kept;

/// Octaves of the excess over the range that are told apart, from a sixteenth on.
const OCTAVES: usize = 6;
/// The excess at which the octaves begin; what exceeds by less is hardly new.
const LEAST: f64 = 1.0 / 16.0;
/// At this total all counts are halved, so that a `u16` holds them and the distant past fades.
const TOTAL_MAX: u16 = 32_768;
/// Decades of chance per decade of excess beyond the largest seen.
const STEEPNESS: f64 = 3.0;
/// Before so many values nothing is new: the first few set the range.
const SEEN_MIN: u16 = 20;
/// The range narrows by this share a sample: what happened once is remembered for weeks, not for ever.
const FADE: f64 = 1.0 / 65_536.0;

/// A value beyond all that was seen: how far, in units of the range, and how rare such an excess has been.
///
/// A value extends the range by no more than the range itself, so that one wild value can't make everything after it small.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Novelty {
    low: f32,
    high: f32,
    counts: [u16; OCTAVES],
    total: u16,
}

impl Novelty {
    /// The range seen so far.
    pub fn span(&self) -> f64 {
        f64::from(self.high) - f64::from(self.low)
    }

    /// The value beyond which it is new, on the side of `value`.
    pub fn edge(&self, value: f64) -> f64 {
        value.clamp(f64::from(self.low), f64::from(self.high))
    }

    /// The range seen so far, both ends.
    pub fn range(&self) -> (f64, f64) {
        (f64::from(self.low), f64::from(self.high))
    }

    /// Excess beyond the range in the bad direction, in units of the range.
    fn excess(&self, value: f64, least: f64, bad: Option<Direction>) -> f64 {
        let (above, below) = (value - f64::from(self.high), f64::from(self.low) - value);
        let beyond = match bad {
            Some(Direction::Up) => above,
            Some(Direction::Down) => below,
            None => above.max(below),
        };
        beyond.max(0.0) / self.span().max(least)
    }

    /// How rare such an excess is, without learning from it; `least` is the least range.
    pub fn score(&self, value: f64, least: f64, bad: Option<Direction>) -> f64 {
        if self.total < SEEN_MIN {
            return 0.0;
        }
        let place = octave(self.excess(value, least, bad));
        let Some(place) = place else { return 0.0 };
        let top = self
            .counts
            .iter()
            .rposition(|c| *c > 0)
            .map_or(0.0, |top| number(top) + 1.0);
        if place >= top {
            let decades = (place - top) * std::f64::consts::LOG10_2;
            return (self.rarity(0) + STEEPNESS * decades).min(20.0);
        }
        let index = bucket(place);
        let here = self.counts.get(index).map_or(0, |c| u32::from(*c));
        let above: u32 = self.counts.iter().skip(index + 1).map(|c| u32::from(*c)).sum();
        let (low, high) = (self.rarity(above + here), self.rarity(above));
        low + (high - low) * (place - number(index)).clamp(0.0, 1.0)
    }

    fn rarity(&self, above: u32) -> f64 {
        surprise((f64::from(above) + 0.5) / (f64::from(self.total) + 1.0))
    }

    /// Learns from a value; `told`: it belongs to trouble that was told, so the next one like it shall be as rare.
    pub fn learn(&mut self, value: f64, least: f64, bad: Option<Direction>, told: bool) {
        if self.total == 0 {
            (self.low, self.high) = (kept(value), kept(value));
        }
        if !told || self.total < SEEN_MIN {
            if let Some(place) = octave(self.excess(value, least, bad))
                && let Some(count) = self.counts.get_mut(bucket(place))
            {
                *count = count.saturating_add(1);
            }
            self.total += 1;
            if self.total >= TOTAL_MAX {
                self.total /= 2;
                self.counts.iter_mut().for_each(|count| *count /= 2);
            }
        }
        let span = self.span();
        let reach = if self.total < SEEN_MIN || span < least {
            f64::INFINITY
        } else {
            span
        };
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        self.low = kept(value.max(low - reach).min(low + FADE * span));
        self.high = kept(value.min(high + reach).max(high - FADE * span));
    }
}

/// Octaves above the least excess that is told apart; `None` below it.
fn octave(excess: f64) -> Option<f64> {
    (excess >= LEAST).then(|| libm::log2(excess / LEAST))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the float lies within 0 and OCTAVES"
)]
fn bucket(place: f64) -> usize {
    place.clamp(0.0, number(OCTAVES - 1)) as usize
}

#[allow(clippy::cast_precision_loss, reason = "at most a few octaves")]
const fn number(octave: usize) -> f64 {
    octave as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The score of an excess after others: the share of them that lies as far out, in octaves, between two edges in proportion.
    fn naive(excesses: &[f64], excess: f64) -> f64 {
        let octaves = |e: f64| libm::log2(e * 16.0);
        let out: Vec<f64> = excesses
            .iter()
            .filter(|e| **e >= 1.0 / 16.0)
            .map(|e| octaves(*e).floor().min(5.0))
            .collect();
        let number = |n: usize| f64::from(u32::try_from(n).unwrap());
        let rarity = |least: f64| {
            let above = out.iter().filter(|octave| **octave >= least).count();
            -libm::log10((number(above) + 0.5) / (number(excesses.len()) + 1.0))
        };
        if excesses.len() < 20 || excess < 1.0 / 16.0 {
            return 0.0;
        }
        let (place, end) = (
            octaves(excess),
            out.iter().fold(0.0, |end, octave| (octave + 1.0).max(end)),
        );
        if place >= end {
            return (rarity(end) + 3.0 * (place - end) * libm::log10(2.0)).min(20.0);
        }
        let octave = place.floor().min(5.0);
        let (low, high) = (rarity(octave), rarity(octave + 1.0));
        low + (high - low) * (place - octave).min(1.0)
    }

    proptest! {
        #[test]
        fn it_is_the_range_of_all_before_and_the_share_of_excesses_as_large(values in proptest::collection::vec((-100.0_f64..100.0, 0_u8..15, 0_u8..12), 25..300)) {
            let mut novelty = Novelty::default();
            let (mut low, mut high, mut excesses) = (0.0_f64, 0.0_f64, Vec::new());
            for (i, (value, wild, told)) in values.iter().enumerate() {
                // Growing, so that much is new.
                let grown = value * (1.0 + f64::from(u32::try_from(i).unwrap()) / 50.0);
                let value = if *wild == 0 { 20.0 * grown } else { grown };
                let (got_low, got_high) = (novelty.edge(f64::MIN), novelty.edge(f64::MAX));
                let size = 1.0 + low.abs().max(high.abs());
                prop_assert!((got_low - low).abs() < 1e-4 * size && (got_high - high).abs() < 1e-4 * size, "{novelty:?} {low} {high}");
                let excess = (value - got_high).max(got_low - value).max(0.0) / (got_high - got_low).max(1.0);
                let (got, want) = (novelty.score(value, 1.0, None), naive(&excesses, excess));
                prop_assert!((got - want).abs() < 1e-9, "{got} {want} {novelty:?}");
                let told = *told == 0;
                novelty.learn(value, 1.0, None, told);
                if i == 0 { (low, high) = (value, value); }
                if !told || excesses.len() < 20 { excesses.push(if i == 0 { 0.0 } else { excess }); }
                let span = high - low;
                let reach = if excesses.len() < 20 || span < 1.0 { f64::INFINITY } else { span };
                (low, high) = (
                    value.max(low - reach).min(low + span / 65_536.0),
                    value.min(high + reach).max(high - span / 65_536.0),
                );
            }
        }
    }

    #[test]
    fn one_wild_value_does_not_blind_and_only_the_bad_way_is_new() {
        let mut novelty = Novelty::default();
        for i in 0..2_000 {
            novelty.learn(f64::from(i % 10), 1e-9, None, false);
        }
        assert!(novelty.score(1e9, 1e-9, None) > 10.0);
        novelty.learn(1e9, 1e-9, None, false);
        assert!(novelty.span() < 20.0, "{}", novelty.span());
        assert!(novelty.score(60.0, 1e-9, Some(Direction::Up)) > 2.5);
        assert!(novelty.score(60.0, 1e-9, Some(Direction::Down)) < 1e-12);
    }
}
