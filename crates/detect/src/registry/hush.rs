//! What is asked of a series that says nothing.

use super::{Registry, VACANT, at};
use forecall_types::EventTime;

use crate::Detector;
use crate::gates::Gates;
use crate::rate::{BinSpan, EVENT_GAP_BINS_MAX, Part, Prior};

impl Registry {
    /// A series' identity.
    pub(crate) fn id(&self, slot: u32) -> Option<u128> {
        Some(at(&self.heads, slot)?.id)
    }

    /// Numbers of a series' domain and of its entity's labels: alike for all series of an entity.
    pub(crate) fn entity(&self, slot: u32) -> Option<(u16, u32)> {
        let cold = at(&self.colds, slot).filter(|cold| cold.name != VACANT)?;
        let (domain, _) = self.name(slot).split_first_chunk()?;
        Some((u16::from_le_bytes(*domain), cold.resource))
    }

    /// The first of a series' detectors that is judged at all: those all learn at the same times.
    pub(crate) fn first_judged(&self, slot: u32, gates: &Gates) -> Option<&Detector> {
        let mut next = at(&self.heads, slot)?.links.link(0);
        while let Some(detector) = next.and_then(|number| at(&self.detectors, number)) {
            if gates.detects(detector.set()) {
                return Some(detector);
            }
            next = detector.next();
        }
        None
    }

    fn first_detector(&self, slot: u32) -> Option<&Detector> {
        at(&self.detectors, at(&self.heads, slot)?.links.link(0)?)
    }

    /// Whether the series counts events, which come when they come.
    pub(crate) fn counts_events(&self, slot: u32) -> bool {
        let is_rate = self.first_detector(slot).is_some_and(|d| d.part() == Part::Rate);
        let has_point = self
            .prior(slot)
            .is_some_and(|p| !matches!(p, Prior::None | Prior::Bin(_) | Prior::Sum { delta: true, .. }));
        is_rate && !has_point
    }

    /// When a series was heard of last: of one that counts events not the last bin, but the last with any in it.
    pub(crate) fn heard_at(&self, slot: u32) -> Option<EventTime> {
        let last = self.last_at(slot);
        match self.prior(slot) {
            Some(Prior::Bin(bin)) if bin.count > 0 => Some(bin.from),
            Some(Prior::Bin(bin)) => Some(bin.from.minus(bin.span.length() * (bin.empty + 1))),
            Some(Prior::None) | None if self.counts_events(slot) => {
                let span = BinSpan::of(self.metric(slot));
                Some(last?.minus(span.length() * EVENT_GAP_BINS_MAX))
            }
            Some(_) | None => last,
        }
    }

    /// The next of the series given up since it was asked last.
    pub(crate) fn next_left(&mut self) -> Option<u32> {
        self.left.pop()
    }
}
