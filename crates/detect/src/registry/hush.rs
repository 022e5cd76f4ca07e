//! What is asked of a series that says nothing.

use super::{Registry, VACANT, at};
use crate::Detector;
use crate::rate::{Part, Prior};

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

    /// The first of a series' detectors: they all learn at the same times.
    pub(crate) fn first_detector(&self, slot: u32) -> Option<&Detector> {
        at(&self.detectors, at(&self.heads, slot)?.links.link(0)?)
    }

    /// Whether the series counts events, which come when they come.
    pub(crate) fn counts_events(&self, slot: u32) -> bool {
        let is_rate = self.first_detector(slot).is_some_and(|d| d.part() == Part::Rate);
        let has_point = self
            .prior(slot)
            .is_some_and(|p| !matches!(p, Prior::None | Prior::Bin(_)));
        is_rate && !has_point
    }

    /// The next of the series given up since it was asked last.
    pub(crate) fn next_left(&mut self) -> Option<u32> {
        self.left.pop()
    }
}
