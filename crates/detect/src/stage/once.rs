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
        let settings = &self.settings;
        let registry = &mut self.state.registry;
        let Some(before) = before else {
            // Where every sample is told, it is judged at once.
            return !settings.emit_scores
                && registry
                    .prior_mut(pending.slot)
                    .map(|prior| *prior = Prior::Once(value))
                    .is_some();
        };
        if let Some(first) = registry.take_once(pending.slot)
            && let Ok(index) = registry.part(pending.slot, Part::Same, settings.series_max)
            && let Some(detector) = registry.detector_mut(index)
        {
            let origin = Origin::Record(&self.state.source, pending.offset);
            // One sample is within the warm-up: nothing is opened.
            detector.step((before, None), first, origin, settings);
        }
        false
    }
}
