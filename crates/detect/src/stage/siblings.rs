//! What is told beside an anomaly or a score: the series that live beside it, and the limit it goes to.

use forecall_types::{ChannelScore, EventTime, Siblings, Traffic};

use super::DetectStage;

impl DetectStage {
    /// What the channels said of a sample, and what its series' limit says now that it is kept.
    pub(super) fn with_limit(
        &self,
        index: u32,
        at: EventTime,
        channels: Box<[ChannelScore]>,
    ) -> Box<[ChannelScore]> {
        let said = self.state.registry.detector(index).and_then(|detector| {
            let settings = self.gates.settings(detector.set());
            detector.limit_said(at, settings)
        });
        match said {
            Some(limit) => channels.into_iter().chain([limit]).collect(),
            None => channels,
        }
    }

    /// Requests counted beside a series that is abnormal from one time to another.
    pub(super) fn traffic(&mut self, slot: u32, span: (EventTime, EventTime)) -> Option<Traffic> {
        self.state.counters.traffic(&self.state.registry, slot, span)
    }

    /// The series beside one that opens an anomaly.
    pub(super) fn siblings(&mut self, slot: u32, at: EventTime) -> Option<Siblings> {
        let (series, shared) = self.state.census.siblings(&self.state.registry, slot, at)?;
        Some(Siblings {
            partition: self.state.source.partition,
            series,
            shared,
        })
    }
}
