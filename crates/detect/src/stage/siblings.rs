//! What is told beside an anomaly or a score: the series that live beside it, and the limit it goes to.

use forecall_types::{Anomaly, ChannelScore, EventTime, Siblings};

use super::DetectStage;
use crate::Detector;
use crate::policy::Change;

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

    /// What is known beside an anomaly: what was announced; unless it is closed the requests; when it opens what is usual and its siblings.
    pub(super) fn tell_beside(
        &mut self,
        anomaly: &mut Anomaly,
        change: &Change,
        (slot, index): (u32, u32),
        at: EventTime,
    ) {
        anomaly.context = self.notes(slot, &anomaly.series, anomaly.from, at);
        match change {
            Change::Closed(_) => return,
            Change::Opened => {
                anomaly.siblings = self.siblings(slot, at);
                anomaly.usual = self.state.registry.detector(index).map(Detector::usual);
            }
            Change::Updated => {}
        }
        let state = &mut self.state;
        anomaly.traffic = state.counters.traffic(&state.registry, slot, (anomaly.from, at));
    }

    /// The series beside one that opens an anomaly.
    fn siblings(&mut self, slot: u32, at: EventTime) -> Option<Siblings> {
        let (series, shared) = self.state.census.siblings(&self.state.registry, slot, at)?;
        Some(Siblings {
            partition: self.state.source.partition,
            series,
            shared,
        })
    }
}
