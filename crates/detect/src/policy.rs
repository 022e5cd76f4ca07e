//! When a run of scores becomes an anomaly, when it is told again, when it is over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forecall_stats::surprise;
use forecall_types::{Channel, Direction, EventTime, Lineage, Position, SourcePartition};
use serde::{Deserialize, Serialize};

use crate::DetectSettings;
use crate::settings::seconds;

const DAY_SECONDS: f64 = 86_400.0;

/// One scored sample as the policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// When.
    pub at: EventTime,
    /// Score after the gates: 0 where the deviation is too small to matter.
    pub score: f64,
    /// The channel that scored highest.
    pub channel: Channel,
    /// Which way.
    pub direction: Direction,
    /// How much lower the series opens than a fast one, see [`credit`], and the channel than others.
    pub credit: f64,
    /// How much higher the next anomaly must score because of those before.
    pub habit: f64,
    /// How long nothing opens once this one is closed; see [`pause`].
    pub pause: Duration,
}

/// How long a series with a sample every `interval_seconds` opens nothing after closing: the longer of
/// [`DetectSettings::refractory_seconds`] and [`DetectSettings::refractory_samples`], the latter a day at most.
pub fn pause(interval_seconds: f64, settings: &DetectSettings) -> Duration {
    let samples = interval_seconds.clamp(0.0, DAY_SECONDS) * f64::from(settings.refractory_samples);
    Duration::from_secs_f64(samples.min(DAY_SECONDS)).max(seconds(settings.refractory_seconds))
}

/// What a series with a sample every `interval_seconds` is let off the opening scores: log10 of the interval in units of
/// ten seconds, at most [`DetectSettings::slow_credit_max`]. A chance of 1 in 10⁴ a sample is nearly one a day at
/// ten seconds and one a month at five minutes: so each series opens about as few anomalies a day by chance.
pub fn credit(interval_seconds: f64, settings: &DetectSettings) -> f64 {
    surprise(10.0 / interval_seconds.max(10.0)).min(settings.slow_credit_max)
}

/// Where a sample came from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// One record of a source partition, by its offset.
    Record(&'a SourcePartition, i64),
    /// The records of all events of one interval.
    Records(&'a Lineage),
}

impl Origin<'_> {
    fn add_to(self, lineage: &mut Lineage) {
        match self {
            Self::Record(source, offset) => lineage.add(&Position {
                topic: Arc::clone(&source.topic),
                partition: source.partition,
                offset,
            }),
            Self::Records(records) => lineage.merge(records),
        }
    }

    fn lineage(self) -> Lineage {
        let mut lineage = Lineage::default();
        self.add_to(&mut lineage);
        lineage
    }
}

/// An anomaly that has been opened and not yet closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// 1 when opened, one more with each telling.
    pub revision: u32,
    /// Channel that opened it.
    pub channel: Channel,
    /// Which way it went at opening.
    pub direction: Direction,
    /// First abnormal sample.
    pub from: EventTime,
    /// Highest score so far.
    pub peak: f64,
    /// Abnormal samples so far.
    pub samples: u32,
    /// Records of the abnormal samples.
    pub lineage: Lineage,
    told_peak: f64,
    told_at: EventTime,
    calm: u32,
    calm_since: Option<EventTime>,
    last_at: EventTime,
}

/// What a sample changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An anomaly is opened; it stands in [`Lifecycle::open`].
    Opened,
    /// The open one has news.
    Updated,
    /// It is over; here is its last state.
    Closed(Box<Open>),
}

/// The life of a series' anomalies: one at a time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lifecycle {
    open: Option<Box<Open>>,
    /// Samples seen lately, newest in the lowest bit; set where abnormal.
    recent: u8,
    /// The abnormal ones among them, oldest first: at most 8.
    hits: VecDeque<(EventTime, f64, Lineage)>,
    quiet_until: Option<EventTime>,
    /// Abnormal samples of the same stretch that have left `hits`, where a deviation must last for long.
    earlier: Option<Box<Earlier>>,
}

/// How a deviation began that hasn't lasted long enough yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Earlier {
    from: EventTime,
    peak: f64,
    samples: u32,
    lineage: Lineage,
}

impl Lifecycle {
    /// The open anomaly.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_deref()
    }

    /// Takes one sample.
    pub fn step(
        &mut self,
        reading: Reading,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> Option<Change> {
        if self.open.is_some() {
            return self.step_open(reading, origin, settings);
        }
        let lower = reading.credit - reading.habit;
        let hit = reading.score >= settings.open_score - lower;
        self.recent = (self.recent << 1) | u8::from(hit);
        let kept = 8 - settings.open_of_samples.clamp(1, 8);
        self.recent &= u8::MAX >> kept;
        if hit {
            self.hits.push_back((reading.at, reading.score, origin.lineage()));
        }
        let hits = self.recent.count_ones();
        while self.hits.len() > usize::try_from(hits).unwrap_or(usize::MAX) {
            let gone = self.hits.pop_front();
            if let Some(gone) = gone.filter(|_| settings.open_seconds_min > 0) {
                self.remember(gone);
            }
        }
        if self.recent == 0 {
            self.earlier = None;
        }
        let enough =
            hit && (hits >= settings.open_samples || reading.score >= settings.open_at_once_score - lower);
        if !enough || self.quiet_until.is_some_and(|until| reading.at < until) {
            return None;
        }
        let from = self.hits.front().map_or(reading.at, |(at, _, _)| *at);
        let from = self.earlier.as_deref().map_or(from, |earlier| earlier.from);
        if reading.at.since(from) < seconds(settings.open_seconds_min) {
            return None;
        }
        let mut open = Open {
            revision: 1,
            channel: reading.channel,
            direction: reading.direction,
            from,
            peak: 0.0,
            samples: 0,
            lineage: Lineage::default(),
            told_peak: 0.0,
            told_at: reading.at,
            calm: 0,
            calm_since: None,
            last_at: reading.at,
        };
        for (_, score, lineage) in self.hits.drain(..) {
            open.peak = open.peak.max(score);
            open.samples += 1;
            open.lineage.merge(&lineage);
        }
        if let Some(earlier) = self.earlier.take() {
            open.peak = open.peak.max(earlier.peak);
            open.samples = open.samples.saturating_add(earlier.samples);
            open.lineage.merge(&earlier.lineage);
        }
        open.told_peak = open.peak;
        self.recent = 0;
        self.open = Some(Box::new(open));
        Some(Change::Opened)
    }

    fn remember(&mut self, (at, peak, lineage): (EventTime, f64, Lineage)) {
        let earlier = self.earlier.get_or_insert_with(|| {
            Box::new(Earlier {
                from: at,
                peak,
                samples: 0,
                lineage: Lineage::default(),
            })
        });
        earlier.peak = earlier.peak.max(peak);
        earlier.samples = earlier.samples.saturating_add(1);
        earlier.lineage.merge(&lineage);
    }

    fn step_open(
        &mut self,
        reading: Reading,
        origin: Origin<'_>,
        settings: &DetectSettings,
    ) -> Option<Change> {
        let open = self.open.as_deref_mut()?;
        open.last_at = reading.at;
        if reading.score >= settings.open_score - reading.credit {
            open.samples = open.samples.saturating_add(1);
            origin.add_to(&mut open.lineage);
            open.peak = open.peak.max(reading.score);
        }
        // A slow series opens below the general level of calm: it closes below where it opens.
        if reading.score < settings.close_score.min(settings.open_score - reading.credit) {
            open.calm += 1;
            let since = *open.calm_since.get_or_insert(reading.at);
            let long = open.calm >= 2 && reading.at.since(since) >= seconds(settings.close_seconds);
            if open.calm >= settings.close_samples || long {
                return self.close(reading.at, reading.pause);
            }
            return None;
        }
        (open.calm, open.calm_since) = (0, None);
        let risen = open.peak >= open.told_peak + settings.update_score;
        let due = reading.at.since(open.told_at) >= seconds(settings.update_seconds);
        if !(risen || due) {
            return None;
        }
        open.revision += 1;
        (open.told_peak, open.told_at) = (open.peak, reading.at);
        Some(Change::Updated)
    }

    /// Whether it is as if nothing had ever been.
    pub fn is_over(&self, at: EventTime) -> bool {
        self.open.is_none()
            && self.recent == 0
            && self.hits.is_empty()
            && self.quiet_until.is_none_or(|until| at >= until)
    }

    /// Ends the open anomaly, if there is one.
    pub fn close(&mut self, at: EventTime, pause: Duration) -> Option<Change> {
        let mut open = self.open.take()?;
        open.revision += 1;
        self.quiet_until = Some(at.plus(pause));
        Some(Change::Closed(open))
    }

    /// Whether the open anomaly's series has said nothing for so long that it must be closed.
    pub fn is_silent(&self, now: EventTime, settings: &DetectSettings) -> bool {
        self.open
            .as_deref()
            .is_some_and(|open| now.since(open.last_at) >= seconds(settings.close_silent_seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    /// One digit a sample, 30 s apart, is its score; the answer is one letter a sample.
    fn check(scores: &str, want: &str) {
        let settings = DetectSettings {
            refractory_seconds: 120,
            ..DetectSettings::default()
        };
        let (mut life, mut got) = (Lifecycle::default(), String::new());
        for (i, score) in scores.chars().enumerate() {
            let i = i64::try_from(i).unwrap();
            let reading = Reading {
                at: EventTime::from_secs(30 * i),
                score: f64::from(score.to_digit(10).unwrap()),
                channel: Channel::Spike,
                direction: Direction::Up,
                credit: 0.0,
                habit: 0.0,
                pause: seconds(settings.refractory_seconds),
            };
            let source = SourcePartition {
                topic: Arc::from("t"),
                partition: 0,
            };
            got.write_char(match life.step(reading, Origin::Record(&source, i), &settings) {
                None => '.',
                Some(Change::Opened) => 'O',
                Some(Change::Updated) => 'U',
                Some(Change::Closed(open)) => {
                    assert_eq!(open.lineage.records(), u64::from(open.samples));
                    'C'
                }
            })
            .unwrap();
        }
        assert_eq!(got, want, "{scores}");
    }

    #[test]
    fn opens_updates_and_closes() {
        check("0040004000", "..........");
        check("00404000", "....O...");
        check("00440000000", "...O....C..");
        check("0060000004", "..O....C..");
        check("0044444", "...O.U.");
        check("00447", "...OU");
        check("004411311111", "...O..U....C");
        check("0044000004440044", "...O....C......O");
    }
}
