//! What a replay tells of the times to come.

use std::time::Duration;

use forecall_types::{Ahead, EventTime};

use super::DetectStage;

impl DetectStage {
    /// The forecast of a series from its newest sample on, for each span that is asked for.
    pub(super) fn ahead(&mut self, index: u32, newest: EventTime, unit: &str) -> Box<[Ahead]> {
        let spans = &self.settings.emit_ahead_seconds;
        if spans.is_empty() {
            return Box::default();
        }
        let Some(detector) = self.state.registry.detector_mut(index) else {
            return Box::default();
        };
        let settings = self.gates.settings(detector.set());
        let Some(forecast) = detector.forecast(newest, unit, settings) else {
            return Box::default();
        };
        let after = |seconds: &u32| newest.plus(Duration::from_secs(u64::from(*seconds)));
        spans.iter().map(|seconds| forecast.at(after(seconds))).collect()
    }
}
