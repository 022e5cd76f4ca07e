//! A series that was measured once so far.

use forecall_types::EventTime;

use super::DetectStage;
use crate::buffer::Pending;
use crate::policy::Origin;
use crate::rate::{Part, Prior};

impl DetectStage {
    /// The first value of a series only waits for the second: nothing can be said of it yet, and most names of a flood have no
    /// other. Says whether it does.
    pub(super) fn keep_once(&mut self, pending: &Pending, before: Option<EventTime>, value: f64) -> bool {
        if before.is_some() {
            self.learn_once(pending, before);
            return false;
        }
        // Where every sample is told, it is judged at once; and where events of the same name are being counted.
        if self.settings.emit_scores {
            return false;
        }
        let prior = self.state.registry.prior_mut(pending.slot);
        prior
            .filter(|prior| matches!(prior, Prior::None))
            .map(|prior| *prior = Prior::Once(value))
            .is_some()
    }

    /// Learns from the value that has waited since `before`, if there is one, whatever it is that comes now.
    pub(super) fn learn_once(&mut self, pending: &Pending, before: Option<EventTime>) {
        let settings = &self.settings;
        let registry = &mut self.state.registry;
        if let Some(before) = before
            && let Some(first) = registry.take_once(pending.slot)
            && let Ok(index) = registry.part(pending.slot, Part::Same, settings.series_max)
            && let Some(detector) = registry.detector_mut(index)
        {
            let origin = Origin::Record(&self.state.source, pending.offset);
            // One sample is within the warm-up: nothing is opened.
            detector.step((before, None), first, origin, settings);
        }
    }
}
