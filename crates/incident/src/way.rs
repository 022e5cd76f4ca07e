//! The way of a series to its limit, by the band that its anomaly tells ahead.

use std::sync::Arc;
use std::time::Duration;

use forecall_stats::{BandAt, Limit, Passage, Share};
use forecall_types::{Anomaly, EventTime};

use crate::predict::Onset;
use crate::settings::Objective;

/// Parts of the horizon over which nearness is summed up: the bands it is told by lie no nearer.
const PARTS: u32 = 24;

/// Which limit a metric passes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passes {
    pub(crate) metric: Arc<str>,
    pub(crate) limit: f64,
    /// The upper end of the interval is known: it lies within twice the horizon.
    pub(crate) until: bool,
}

/// A series that isn't beyond its limit yet, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    from: EventTime,
    metric: Arc<str>,
    limit: Limit,
    horizon: Duration,
    /// How long it must lie beyond.
    lasting: Duration,
    /// Seconds from `from`, up to twice the horizon.
    bands: Vec<BandAt>,
}

impl Way {
    /// `None` where the anomaly tells no band ahead: it is older than the field, or its series too young.
    pub(crate) fn of(objective: &Objective, a: &Anomaly, horizon: Duration) -> Option<Self> {
        let mut bands: Vec<BandAt> = a
            .ahead
            .iter()
            .map(|ahead| BandAt {
                seconds: ahead.at.seconds_from(a.at),
                expected: ahead.expected,
                lower: ahead.lower,
                upper: ahead.upper,
            })
            .collect();
        let [.., before, last] = bands.as_slice() else {
            return None;
        };
        // Beyond what is told it goes on as between the last two.
        let end = 2.0 * horizon.as_secs_f64();
        if last.seconds < end {
            let further = before.on(last, end);
            bands.push(further);
        }
        Some(Self {
            from: a.at,
            metric: Arc::clone(&a.series.metric),
            limit: Limit {
                value: objective.limit,
                sign: objective.sign,
            },
            horizon,
            lasting: objective.lasting,
            bands,
        })
    }

    fn passage(&self) -> Passage<'_> {
        Passage::new(&self.bands, self.limit)
    }

    /// When it passes the limit; `None` where that is less likely than not within the horizon.
    pub(crate) fn onset(&self, at: EventTime) -> Option<Onset> {
        let horizon = self.horizon.as_secs_f64();
        let passage = self.passage();
        let after = |seconds: f64| {
            // Whole seconds: nobody reads more, and events stay alike.
            let span = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
            self.from.plus(Duration::from_secs(span.as_secs()))
        };
        let expected = after(passage.after(Share::Half)?);
        let latest = passage.after(Share::NineTenths).filter(|s| *s < 2.0 * horizon);
        (expected.seconds_from(at) <= horizon).then(|| Onset {
            at: expected,
            earliest: passage.after(Share::Tenth).map_or(expected, after).min(expected),
            latest: latest.map_or(after(2.0 * horizon), after).max(expected),
            passes: Some(Passes {
                metric: Arc::clone(&self.metric),
                limit: self.limit.value,
                until: latest.is_some(),
            }),
        })
    }

    /// Chance that it passes the limit so soon that it has lain beyond long enough at the end of the horizon that begins at `at`.
    pub(crate) fn chance(&self, at: EventTime) -> f64 {
        let until = self.horizon.saturating_sub(self.lasting);
        self.passage()
            .chance(until.as_secs_f64() + at.seconds_from(self.from).max(0.0))
    }

    /// The mean of 1 − t/2h over all times t at which it may pass within the horizon h: 0 for those in which it doesn't.
    pub(crate) fn nearness(&self) -> f64 {
        let horizon = self.horizon.as_secs_f64();
        let passage = self.passage();
        let step = horizon / f64::from(PARTS);
        let mut sum = 0.0;
        let mut before = 0.0;
        for part in 0..=PARTS {
            let seconds = step * f64::from(part);
            let chance = passage.chance(seconds);
            // What is added within a part passes in its middle.
            let middle = (seconds - 0.5 * step).max(0.0);
            sum += (chance - before) * (1.0 - 0.5 * middle / horizon);
            before = chance;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use forecall_types::{
        Ahead, AnomalyId, AnomalyState, Band, Channel, Direction, DomainName, Labels, Lineage, Score,
        SeriesKey,
    };

    use super::*;

    const HORIZON: Duration = Duration::from_secs(3_600);

    fn objective(sign: f64, limit: f64) -> Objective {
        Objective {
            metric: "*".into(),
            sign,
            limit,
            lasting: Duration::ZERO,
            outage: None,
        }
    }

    /// With what is expected, and half the band, so many minutes ahead.
    fn anomaly(ahead: &[(i64, f64, f64)]) -> Anomaly {
        let at = EventTime::from_secs(1_000);
        Anomaly {
            id: AnomalyId::new("a").unwrap(),
            revision: 1,
            state: AnomalyState::Opened,
            domain: DomainName::new("isp").unwrap(),
            series: Arc::new(SeriesKey {
                metric: "loss".into(),
                unit: "%".into(),
                resource: Labels::default(),
                labels: Labels::default(),
            }),
            channel: Channel::Spike,
            direction: Direction::Up,
            from: at,
            at,
            score: Score::clamped(5.0),
            observed: ahead.first().map_or(0.0, |a| a.1),
            expected: 0.5,
            band: Band { low: 0.0, high: 1.0 },
            samples: 1,
            slope: 0.0,
            window: Vec::new(),
            ahead: ahead
                .iter()
                .map(|(minutes, expected, half)| Ahead {
                    at: EventTime::from_secs(1_000 + 60 * minutes),
                    expected: *expected,
                    lower: expected - half,
                    upper: expected + half,
                })
                .collect(),
            context: Vec::new(),
            siblings: None,
            usual: None,
            traffic: None,
            lineage: Lineage::default(),
        }
    }

    fn minutes(onset: &Onset) -> [i64; 3] {
        [onset.earliest, onset.at, onset.latest].map(|t| (t.secs() - 1_000) / 60)
    }

    #[test]
    fn the_edges_of_the_band_are_the_interval() {
        let rising = anomaly(&[(0, 0.0, 1.0), (60, 6.0, 1.0)]);
        let way = Way::of(&objective(1.0, 3.0), &rising, HORIZON).unwrap();
        let onset = way.onset(rising.at).unwrap();
        assert_eq!(minutes(&onset), [20, 30, 40]);
        assert!(onset.passes.unwrap().until);
        // At the middle of the horizon for sure, near enough: 0.75.
        assert!((way.nearness() - 0.75).abs() < 0.02, "{}", way.nearness());
        let falls = anomaly(&[(0, 6.0, 1.0), (60, 0.0, 1.0)]);
        let way = Way::of(&objective(-1.0, 3.0), &falls, HORIZON).unwrap();
        assert_eq!(minutes(&way.onset(falls.at).unwrap()), [20, 30, 40]);
    }

    #[test]
    fn beyond_the_last_band_it_goes_on_and_ends_at_twice_the_horizon() {
        let slow = anomaly(&[(0, 0.0, 0.5), (30, 3.0, 3.0)]);
        let way = Way::of(&objective(1.0, 5.0), &slow, HORIZON).unwrap();
        let onset = way.onset(slow.at).unwrap();
        assert_eq!(minutes(&onset)[1..], [50, 120]);
        assert!(!onset.passes.unwrap().until, "its lower edge hardly rises");
        let week = Way::of(&objective(1.0, 500.0), &slow, HORIZON).unwrap();
        assert_eq!(week.onset(slow.at), None);
        assert!(week.nearness() < 1e-6);
    }

    #[test]
    fn where_it_stays_or_nothing_is_told_nothing_is_expected() {
        let flat = anomaly(&[(0, 1.0, 0.5), (60, 1.0, 0.5)]);
        let way = Way::of(&objective(1.0, 3.0), &flat, HORIZON).unwrap();
        assert_eq!(way.onset(flat.at), None);
        assert!(way.nearness() < 1e-3);
        assert!(Way::of(&objective(1.0, 3.0), &anomaly(&[]), HORIZON).is_none());
        // It has passed for all that was foretold: long ago.
        let stale = anomaly(&[(0, 0.0, 1.0), (60, 6.0, 1.0)]);
        let way = Way::of(&objective(1.0, 3.0), &stale, HORIZON).unwrap();
        assert!(way.onset(EventTime::from_secs(1_000 + 7_200)).is_some());
    }
}
