//! What a scored series is, in four bytes: of which part of its metric, of what kind, and what deviation is too small.

use serde::{Deserialize, Serialize};

use crate::MetricKind;
use crate::rate::{Part, WORD_BIN, WORD_METRICS};

/// The least deviation worth a word in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    None,
    /// Half a hundredth, of shares.
    Share,
    /// Half, of per cent.
    PerCent,
    /// Two and a half in a bin, of words that are counted: the odd one is no wave.
    Words,
}

/// Bits 0 to 23 the part (a quantile in millionths, or one of three others), 24 to 27 the kind, 28 and 29 the floor; 30: it was seen not to be a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Nature(u32);

const PART_MASK: u32 = (1 << 24) - 1;
/// Bit 30.
const NO_COUNT: u32 = 1 << 30;
const SAME: u32 = PART_MASK;
const RATE: u32 = PART_MASK - 1;
const OBSERVATION_RATE: u32 = PART_MASK - 2;
const KINDS: [MetricKind; 6] = [
    MetricKind::Latency,
    MetricKind::Errors,
    MetricKind::Saturation,
    MetricKind::Traffic,
    MetricKind::Availability,
    MetricKind::Other,
];
const FLOORS: [Floor; 4] = [Floor::None, Floor::Share, Floor::PerCent, Floor::Words];

impl Nature {
    /// Of a part of a metric, whose names are those of the part.
    pub(crate) fn of(metric: &str, unit: &str, part: Part) -> Self {
        Self::of_kind(MetricKind::of(metric, unit), (metric, unit), part)
    }

    /// Of a part of a metric that is of a kind.
    pub(crate) fn of_kind(kind: MetricKind, (metric, unit): (&str, &str), part: Part) -> Self {
        let part = match part {
            Part::Same => SAME,
            Part::Rate => RATE,
            Part::ObservationRate => OBSERVATION_RATE,
            Part::Quantile(millionths) => millionths.min(1_000_000),
        };
        let is_of_words = metric
            .strip_suffix(".rate")
            .is_some_and(|m| WORD_METRICS.contains(&m));
        let floor = match kind.deviation_floor(unit) {
            _ if is_of_words => Floor::Words,
            floor if floor >= 0.5 => Floor::PerCent,
            floor if floor > 0.0 => Floor::Share,
            _ => Floor::None,
        };
        let place = |found: Option<usize>| found.and_then(|i| u32::try_from(i).ok()).unwrap_or(0);
        let kind = place(KINDS.iter().position(|k| *k == kind));
        let floor = place(FLOORS.iter().position(|f| *f == floor));
        Self(part | kind << 24 | floor << 28)
    }

    /// Whether each of its values so far, times the seconds it is of where it is a rate, was a whole number.
    pub(crate) const fn counts(self) -> bool {
        self.0 & NO_COUNT == 0
    }

    /// A value was none.
    pub(crate) const fn never_counts(&mut self) {
        self.0 |= NO_COUNT;
    }

    /// What was seen of it stays when what is declared of it changes.
    pub(crate) const fn as_seen(self, before: Self) -> Self {
        Self(self.0 & !NO_COUNT | before.0 & NO_COUNT)
    }

    /// The part.
    pub(crate) const fn part(self) -> Part {
        match self.0 & PART_MASK {
            SAME => Part::Same,
            RATE => Part::Rate,
            OBSERVATION_RATE => Part::ObservationRate,
            millionths => Part::Quantile(millionths),
        }
    }

    /// The kind.
    pub(crate) fn kind(self) -> MetricKind {
        let place = usize::try_from(self.0 >> 24 & 15).unwrap_or(0);
        KINDS.get(place).copied().unwrap_or(MetricKind::Other)
    }

    /// The least deviation.
    pub(crate) fn floor(self) -> Floor {
        let place = usize::try_from(self.0 >> 28 & 3).unwrap_or(0);
        FLOORS.get(place).copied().unwrap_or(Floor::None)
    }
}

impl Floor {
    /// In the metric's unit.
    pub(crate) fn least(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Share => 0.005,
            Self::PerCent => 0.5,
            Self::Words => 2.5 / WORD_BIN.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out() {
        for part in [
            Part::Same,
            Part::Rate,
            Part::ObservationRate,
            Part::Quantile(0),
            Part::Quantile(1_000_000),
        ] {
            for (metric, unit, kind, floor) in [
                ("packet.loss", "1", MetricKind::Errors, Floor::Share),
                ("packet.loss", "%", MetricKind::Errors, Floor::PerCent),
                ("rtt", "ms", MetricKind::Latency, Floor::None),
                ("temperature", "Cel", MetricKind::Other, Floor::None),
                (
                    "customer.topics.rate",
                    "{text}/s",
                    MetricKind::Errors,
                    Floor::Words,
                ),
                ("customer.topics", "1", MetricKind::Errors, Floor::Share),
            ] {
                let mut nature = Nature::of(metric, unit, part);
                assert!(nature.counts());
                nature.never_counts();
                assert!(!nature.counts() && !Nature::of("rtt", "ms", part).as_seen(nature).counts());
                assert_eq!(
                    (nature.part(), nature.kind(), nature.floor()),
                    (part, kind, floor)
                );
            }
        }
        assert_eq!(size_of::<crate::Detector>(), 408, "the README says so");
    }
}
