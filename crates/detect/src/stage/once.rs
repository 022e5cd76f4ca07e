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
        let registry = &mut self.state.registry;
        if let Some(before) = before
            && let Some(first) = registry.take_once(pending.slot)
            && let Ok(index) = registry.part(pending.slot, Part::Same, self.settings.series_max, &self.gates)
            && let Some(detector) = registry.detector_mut(index)
        {
            let origin = Origin::Record(&self.state.source, pending.offset);
            // One sample is within the warm-up: nothing is opened.
            let set = detector.set();
            if self.gates.detects(set) {
                detector.step((before, None), first, origin, self.gates.settings(set));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use forecall_stage::{Effects, Stage};
    use forecall_types::{
        DomainName, Labels, Position, Reading, SampleBatch, SamplesRecord, SeriesKey, SourcePartition,
        Temporality,
    };

    use super::*;
    use crate::DetectSettings;

    const TOPIC: &str = "telemetry";

    /// The stage after these readings of one series, and one of another that lets their time pass, but closes no bin of it.
    fn after(readings: &[(i64, Reading<'_>)]) -> DetectStage {
        let source = SourcePartition {
            topic: Arc::from(TOPIC),
            partition: 0,
        };
        let mut stage = DetectStage::new(Arc::new(DetectSettings::default()), source);
        let last = readings.last().map_or(0, |(at, _)| *at);
        let other = (last + 12, Reading::Gauge(1.0));
        let rows = readings.iter().map(|row| ("x", row)).chain([("other", &other)]);
        for (offset, (metric, (at, reading))) in (0..).zip(rows) {
            let key = SeriesKey {
                metric: Arc::from(metric),
                unit: Arc::from(""),
                resource: Labels::from_pairs([("service.name", "a")]),
                labels: Labels::default(),
            };
            let at = EventTime::from_secs(*at);
            let mut batch = SampleBatch::default();
            batch.push_key(&key, at, *reading);
            let origin = Position {
                topic: Arc::from(TOPIC),
                partition: 0,
                offset,
            };
            let record = SamplesRecord {
                domain: DomainName::new("isp").unwrap(),
                origin,
                appended_at: at,
                batch,
                marks: Vec::new(),
                contexts: Vec::new(),
                links: Vec::new(),
            };
            stage.step(&record, &mut Effects::default());
        }
        stage
    }

    fn prior(stage: &mut DetectStage) -> &Prior {
        stage.state.registry.prior_mut(0).unwrap()
    }

    #[test]
    fn a_value_waits_where_nothing_else_does_and_only_there() {
        let events = Reading::Events { count: 3 };
        let sum = Reading::Sum {
            value: 7.0,
            temporality: Temporality::Cumulative,
            monotonic: true,
            start: None,
        };
        let mut once = after(&[(1, Reading::Gauge(5.0))]);
        assert_eq!(prior(&mut once), &Prior::Once(5.0));
        assert_eq!(once.state.registry.prior_places(), 1);
        let twice = after(&[(1, Reading::Gauge(5.0)), (2, Reading::Gauge(6.0))]);
        assert_eq!(
            twice.state.registry.prior_places(),
            0,
            "room for what waited is given back"
        );

        // A bin that is open is counted on, whatever comes under the same name meanwhile.
        let mut counted = after(&[(1, events), (2, Reading::Gauge(5.0)), (3, events)]);
        assert!(matches!(prior(&mut counted), Prior::Bin(bin) if bin.count == 6));

        // A value that waits is learnt before a sum takes its place.
        let learnt = |stage: &DetectStage| stage.state.registry.known_part(0, Part::Same).is_some();
        let mut both = after(&[(1, Reading::Gauge(5.0)), (2, sum)]);
        assert!(learnt(&both) && !learnt(&once) && !learnt(&after(&[(2, sum)])));
        assert!(matches!(prior(&mut both), Prior::Sum { value: 7.0, .. }));
    }
}
