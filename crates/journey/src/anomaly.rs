use std::sync::Arc;

use forecall_stats::binomial_tail;
use forecall_types::{
    Anomaly, AnomalyId, AnomalyState, Band, Channel, Direction, Fingerprint, JourneyWave, Labels, Lineage,
    SeriesKey, WaveState,
};

/// The metric of a wave's anomaly: the share of journeys that fail, 0 to 1.
pub const WAVE_METRIC: &str = "forecall.journey.failed";
/// A share with this chance lies at the edge of what is normal: a score of 3.
const EDGE: f64 = 1e-3;

/// A wave as evidence for `correlate`: the share of failed journeys of one rule and step, at its service and region. Waves of several
/// partitions at one place have ids of their own and speak for the same scope. `None`: it names no region, so nobody can say where
/// the trouble is.
pub fn anomaly_of(wave: &JourneyWave) -> Option<Anomaly> {
    let region = wave.region.as_ref()?;
    let share = |part: u64, of: u64| real(part) / real(of.max(1));
    let step = wave.step.to_string();
    Some(Anomaly {
        id: AnomalyId::derived(Fingerprint::of_parts(&[b"wave", wave.id.as_str().as_bytes()])),
        revision: wave.revision,
        state: match wave.state {
            WaveState::Opened => AnomalyState::Opened,
            WaveState::Updated => AnomalyState::Updated,
            WaveState::Closed => AnomalyState::Closed,
        },
        domain: wave.domain.clone(),
        series: Arc::new(SeriesKey {
            metric: Arc::from(WAVE_METRIC),
            unit: Arc::from("1"),
            resource: Labels::from_pairs([
                ("service.name", wave.service.as_str()),
                ("region", region.as_str()),
            ]),
            labels: Labels::from_pairs([
                ("journey.rule", wave.rule.as_str()),
                ("journey.step", step.as_str()),
            ]),
        }),
        channel: Channel::Shift,
        direction: Direction::Up,
        from: wave.from.min(wave.at),
        at: wave.at,
        score: wave.score,
        observed: share(wave.failed, wave.due),
        expected: wave.usual,
        band: Band {
            low: 0.0,
            high: share(edge(wave.due, wave.usual), wave.due),
        },
        samples: u32::try_from(wave.failed).unwrap_or(u32::MAX),
        slope: 0.0,
        window: Vec::new(),
        ahead: Vec::new(),
        lineage: Lineage::default(),
        context: Vec::new(),
        siblings: None,
        usual: None,
        traffic: None,
    })
}

/// The most failures among `due` that are still normal.
fn edge(due: u64, usual: f64) -> u64 {
    let (mut normal, mut rare) = (0, due.saturating_add(1));
    while rare - normal > 1 {
        let middle = normal + (rare - normal) / 2;
        if binomial_tail(middle, due, usual) > EDGE {
            normal = middle;
        } else {
            rare = middle;
        }
    }
    normal
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a share of more than 2^53 journeys needs no single one of them"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_types::{DomainName, EventTime, JourneyName, RegionCode, Score, ServiceName, WaveId};

    fn wave(partition: &str) -> JourneyWave {
        JourneyWave {
            id: WaveId::derived(Fingerprint::of(partition.as_bytes())),
            revision: 1,
            state: WaveState::Opened,
            domain: DomainName::new("isp").unwrap(),
            rule: JourneyName::new("paid_not_active").unwrap(),
            step: 0,
            service: ServiceName::new("packages").unwrap(),
            region: Some(RegionCode::new("IR-23").unwrap()),
            from: EventTime::from_secs(540),
            at: EventTime::from_secs(700),
            due: 100,
            failed: 40,
            usual: 0.02,
            score: Score::clamped(9.0),
            withheld: 1,
            simulated: false,
        }
    }

    #[test]
    fn a_wave_is_a_share_at_a_place() {
        let anomaly = anomaly_of(&wave("a")).unwrap();
        assert!((anomaly.observed - 0.4).abs() < 1e-12);
        assert!(
            (anomaly.band.high - 0.07).abs() < 1e-12,
            "seven of a hundred are still normal: {:?}",
            anomaly.band
        );
        assert_eq!(anomaly.series.resource.get("service.name"), Some("packages"));
        assert_eq!(anomaly.series.resource.get("region"), Some("IR-23"));
        let other = anomaly_of(&wave("b")).unwrap();
        assert_ne!(anomaly.id, other.id);
        assert_eq!(anomaly.series, other.series);
        let nowhere = JourneyWave {
            region: None,
            ..wave("a")
        };
        assert_eq!(anomaly_of(&nowhere), None);
    }

    #[test]
    fn an_end_without_journeys_is_a_share_too() {
        let closed = JourneyWave {
            state: WaveState::Closed,
            due: 0,
            failed: 0,
            ..wave("a")
        };
        let anomaly = anomaly_of(&closed).unwrap();
        assert_eq!(anomaly.state, AnomalyState::Closed);
        assert!(anomaly.observed.abs() < 1e-12 && anomaly.band.high.abs() < 1e-12);
    }
}
