//! From what a point says to values that can be judged: counters become rates, histograms and summaries become quantile
//! and rate series, events are counted per interval.
//!
//! | reading | series | value |
//! |---|---|---|
//! | gauge, sum that may fall | itself | as it stands |
//! | monotonic sum | `<metric>.rate` | per second, since the last point or the count's start |
//! | histogram | `<metric>.p50`, `.p95`, `.p99`, `.rate` | of the observations since the last point |
//! | summary | `<metric>.p<quantile>`, `.rate` | quantiles as they stand |
//! | events | `<metric>.rate` | per second, in bins of [`EVENT_BIN`], of words [`WORD_BIN`] |

use std::time::Duration;

use forecall_stats::bucket_quantile;
use forecall_types::{EventTime, Lineage, Reading, Temporality};
use serde::{Deserialize, Serialize};

use crate::channel::is_whole;

/// Events are counted in bins of this length.
pub const EVENT_BIN: Duration = Duration::from_secs(10);
/// Counts of words (topics of texts, templates of log lines) are rarer and told by people's trouble, not by seconds: in bins of this
/// length a handful together can be told from the odd one.
pub const WORD_BIN: Duration = Duration::from_secs(60);
/// Metrics that are counted in [`WORD_BIN`].
pub const WORD_METRICS: [&str; 3] = ["customer.texts", "customer.topics", "log.template.records"];
/// Empty bins told after the last event: five minutes of silence (half an hour of words) are zeros, after that the series
/// sleeps.
pub const EVENT_GAP_BINS_MAX: u32 = 30;
/// Quantiles taken of a histogram, in millionths.
const QUANTILES: [(u32, f64); 3] = [(500_000, 0.5), (950_000, 0.95), (990_000, 0.99)];

/// Which series of a metric a value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    /// The metric itself.
    Same,
    /// `<metric>.rate`, in units per second.
    Rate,
    /// `<metric>.rate` of observations.
    ObservationRate,
    /// `<metric>.p<quantile>`, the quantile in millionths.
    Quantile(u32),
}

impl Part {
    /// Ending of the metric's name and the unit, given the metric's own.
    pub fn name_and_unit(self, metric: &str, unit: &str) -> (String, String) {
        match self {
            Self::Same => (metric.to_owned(), unit.to_owned()),
            Self::Rate => (format!("{metric}.rate"), per_second(unit)),
            Self::ObservationRate => (format!("{metric}.rate"), per_second("{observation}")),
            Self::Quantile(millionths) => {
                let (percent, rest) = (millionths / 10_000, millionths % 10_000);
                let name = if rest == 0 {
                    format!("{metric}.p{percent}")
                } else {
                    let digits = format!("{rest:04}");
                    format!("{metric}.p{percent}.{}", digits.trim_end_matches('0'))
                };
                (name, unit.to_owned())
            }
        }
    }
}

fn per_second(unit: &str) -> String {
    let unit = if unit.is_empty() { "1" } else { unit };
    format!("{unit}/s")
}

/// A value to be judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derived {
    /// Of which series of the metric.
    pub part: Part,
    /// The value.
    pub value: f64,
    /// Whether it is a whole number of events, by the seconds it is of where it is a rate.
    pub counts: bool,
}

/// Buckets or quantiles of a point, kept from record to record to save allocations.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Shape {
    bounds: Vec<f64>,
    counts: Vec<u64>,
    quantiles: Vec<(f64, f64)>,
}

/// Shapes to be used again.
#[allow(
    clippy::vec_box,
    reason = "a shape moves between points, memory and this pool: a pointer moves faster than 72 bytes"
)]
pub type Spare = Vec<Box<Shape>>;

/// A [`Reading`] that owns what it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Owned {
    /// See [`Reading::Gauge`].
    Gauge(f64),
    /// See [`Reading::Sum`].
    Sum {
        /// The sum.
        value: f64,
        /// Since the start or since the last point.
        temporality: Temporality,
        /// Whether it only grows.
        monotonic: bool,
        /// When the count began.
        start: Option<EventTime>,
    },
    /// See [`Reading::Histogram`].
    Histogram {
        /// Bounds and counts.
        shape: Box<Shape>,
        /// Since the start or since the last point.
        temporality: Temporality,
        /// When the count began.
        start: Option<EventTime>,
    },
    /// See [`Reading::Summary`].
    Summary {
        /// Quantiles.
        shape: Box<Shape>,
        /// Cumulative number of observations.
        count: u64,
        /// When the count began.
        start: Option<EventTime>,
    },
    /// See [`Reading::Events`].
    Events {
        /// How many.
        count: u64,
    },
}

impl Owned {
    /// Keeps a reading, in memory taken from `spare`.
    pub fn of(reading: Reading<'_>, spare: &mut Spare) -> Self {
        let mut shape = |bounds: &[f64], counts: &[u64], quantiles: &[(f64, f64)]| {
            let mut shape = spare.pop().unwrap_or_default();
            shape.bounds.clear();
            shape.bounds.extend_from_slice(bounds);
            shape.counts.clear();
            shape.counts.extend_from_slice(counts);
            shape.quantiles.clear();
            shape.quantiles.extend_from_slice(quantiles);
            shape
        };
        match reading {
            Reading::Gauge(value) => Self::Gauge(value),
            Reading::Sum {
                value,
                temporality,
                monotonic,
                start,
            } => Self::Sum {
                value,
                temporality,
                monotonic,
                start,
            },
            Reading::Histogram {
                bounds,
                counts,
                sum: _,
                temporality,
                start,
            } => Self::Histogram {
                shape: shape(bounds, counts, &[]),
                temporality,
                start,
            },
            Reading::Summary {
                quantiles,
                sum: _,
                count,
                start,
            } => Self::Summary {
                shape: shape(&[], &[], quantiles),
                count,
                start,
            },
            Reading::Events { count } => Self::Events { count },
        }
    }
}

/// What must be remembered of a series' last point, beside when that was.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum Prior {
    /// Nothing (gauges need nothing).
    #[default]
    None,
    /// Of a sum, or of a summary's count.
    Sum {
        /// The count then.
        value: f64,
        /// When the count began; [`EventTime::MIN`] when that isn't known.
        start: EventTime,
        /// It counts since the last point.
        delta: bool,
    },
    /// Of a histogram.
    Histogram(Box<HistogramPrior>),
    /// The bin that is being filled.
    Bin(Box<Bin>),
    /// The value of a gauge measured once: what never comes again, as names in a flood do, needs no detector.
    Once(f64),
}

/// The last point of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistogramPrior {
    /// Bounds and counts then.
    shape: Box<Shape>,
    /// When the count began.
    start: Option<EventTime>,
}

fn known(start: EventTime) -> Option<EventTime> {
    Some(start).filter(|start| *start != EventTime::MIN)
}

/// Events counted so far in one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Its beginning.
    pub from: EventTime,
    /// Its length.
    pub span: BinSpan,
    /// Events in it.
    pub count: u64,
    /// Empty bins told since the last event.
    pub empty: u32,
    /// Records of its events.
    pub lineage: Lineage,
}

impl Bin {
    /// When nothing more can fall into it.
    pub fn end(&self) -> EventTime {
        self.from.plus(self.span.length())
    }
}

/// How long a bin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinSpan {
    /// [`EVENT_BIN`].
    Event,
    /// [`WORD_BIN`].
    Word,
}

impl BinSpan {
    /// That of a metric's events.
    pub fn of(metric: &str) -> Self {
        if WORD_METRICS.contains(&metric) {
            Self::Word
        } else {
            Self::Event
        }
    }

    /// How long that is.
    pub const fn length(self) -> Duration {
        match self {
            Self::Event => EVENT_BIN,
            Self::Word => WORD_BIN,
        }
    }
}

/// Turns one point into values, later points after earlier ones; `before` is when the last one was. Events are the
/// caller's to bin. Adds to `out`; gives the memory it no longer needs to `spare`.
pub fn derive(
    prior: &mut Prior,
    (at, before): (EventTime, Option<EventTime>),
    reading: Owned,
    spare: &mut Spare,
    out: &mut Vec<Derived>,
) {
    let mut push = |part, value: f64, counts: bool| {
        if value.is_finite() {
            out.push(Derived { part, value, counts });
        }
    };
    match reading {
        Owned::Gauge(value)
        | Owned::Sum {
            value,
            monotonic: false,
            ..
        } => push(Part::Same, value, is_whole(value)),
        Owned::Sum {
            value,
            temporality,
            monotonic: true,
            start,
        } => {
            if let Some((rate, counts)) = sum_rate(prior, (at, before), value, temporality, start) {
                push(Part::Rate, rate, counts);
            }
            let delta = matches!(temporality, Temporality::Delta);
            remember_sum(prior, value, start, delta);
        }
        Owned::Histogram {
            shape,
            temporality,
            start,
        } => {
            let mut last = match std::mem::take(prior) {
                Prior::Histogram(last) => Some(last),
                Prior::None | Prior::Sum { .. } | Prior::Bin(_) | Prior::Once(_) => None,
            };
            let before = before.filter(|_| last.is_some());
            if let Some(seconds) = interval(last.as_deref(), (at, before), &shape, temporality, start) {
                histogram(
                    last.as_deref(),
                    &shape,
                    temporality,
                    start,
                    seconds,
                    &mut push,
                    spare,
                );
            }
            // The memory of the last point serves again.
            *prior = Prior::Histogram(match last.take() {
                Some(mut last) => {
                    give_back(spare, std::mem::replace(&mut last.shape, shape));
                    last.start = start;
                    last
                }
                None => Box::new(HistogramPrior { shape, start }),
            });
        }
        Owned::Summary { shape, count, start } => {
            for (quantile, value) in &shape.quantiles {
                push(Part::Quantile(millionths(*quantile)), *value, false);
            }
            give_back(spare, shape);
            let value = number(count);
            if let Some((rate, counts)) = sum_rate(prior, (at, before), value, Temporality::Cumulative, start)
            {
                push(Part::ObservationRate, rate, counts);
            }
            remember_sum(prior, value, start, false);
        }
        Owned::Events { .. } => {}
    }
}

fn remember_sum(prior: &mut Prior, value: f64, start: Option<EventTime>, delta: bool) {
    let start = start.unwrap_or(EventTime::MIN);
    *prior = Prior::Sum { value, start, delta };
}

/// Memory kept for later points; more than one record's worth is let go.
const SPARE_MAX: usize = 1_024;

fn give_back(spare: &mut Spare, shape: Box<Shape>) {
    if spare.len() < SPARE_MAX {
        spare.push(shape);
    }
}

/// Whether the count began anew since the last point.
fn restarted(prior_start: Option<EventTime>, start: Option<EventTime>) -> bool {
    matches!((prior_start, start), (Some(before), Some(now)) if now > before)
}

fn positive(seconds: f64) -> Option<f64> {
    (seconds > 0.0).then_some(seconds)
}

fn sum_rate(
    prior: &Prior,
    (at, before): (EventTime, Option<EventTime>),
    value: f64,
    temporality: Temporality,
    start: Option<EventTime>,
) -> Option<(f64, bool)> {
    let (before, before_value, before_start) = match prior {
        Prior::Sum { value, start, .. } => (before, *value, known(*start)),
        Prior::None | Prior::Histogram(_) | Prior::Bin(_) | Prior::Once(_) => (None, 0.0, None),
    };
    match temporality {
        Temporality::Delta => {
            let from = start.filter(|s| *s < at).or(before)?;
            Some(rate(value, positive(at.seconds_from(from))?))
        }
        Temporality::Cumulative => {
            let before = before?;
            if restarted(before_start, start) || value < before_value {
                // Counted from its start if that lies after the last point; else one point is skipped.
                let start = start.filter(|s| *s >= before)?;
                return Some(rate(value, positive(at.seconds_from(start))?));
            }
            Some(rate(value - before_value, positive(at.seconds_from(before))?))
        }
    }
}

/// So many events in so many seconds, and whether they are whole ones.
fn rate(events: f64, seconds: f64) -> (f64, bool) {
    (events / seconds, is_whole(events))
}

/// Seconds the new observations of a histogram fell into; `None` where they can't be told from older ones.
fn interval(
    last: Option<&HistogramPrior>,
    (at, before): (EventTime, Option<EventTime>),
    shape: &Shape,
    temporality: Temporality,
    start: Option<EventTime>,
) -> Option<f64> {
    let from = match temporality {
        Temporality::Delta => start.filter(|s| *s < at).or(before)?,
        Temporality::Cumulative if is_reset(last, shape, start) => start.filter(|s| Some(*s) >= before)?,
        Temporality::Cumulative => before?,
    };
    // The first cumulative point says only what was before.
    before.or((temporality == Temporality::Delta).then_some(from))?;
    positive(at.seconds_from(from))
}

fn is_reset(last: Option<&HistogramPrior>, shape: &Shape, start: Option<EventTime>) -> bool {
    last.is_some_and(|last| {
        restarted(last.start, start)
            || last.shape.bounds != shape.bounds
            || last.shape.counts.iter().zip(&shape.counts).any(|(b, n)| n < b)
    })
}

fn histogram(
    last: Option<&HistogramPrior>,
    shape: &Shape,
    temporality: Temporality,
    start: Option<EventTime>,
    seconds: f64,
    push: &mut impl FnMut(Part, f64, bool),
    spare: &mut Spare,
) {
    let mut fresh = spare.pop().unwrap_or_default();
    fresh.counts.clear();
    fresh.counts.extend_from_slice(&shape.counts);
    if temporality == Temporality::Cumulative
        && !is_reset(last, shape, start)
        && let Some(last) = last
    {
        for (count, before) in fresh.counts.iter_mut().zip(&last.shape.counts) {
            *count = count.saturating_sub(*before);
        }
    }
    for (name, quantile) in QUANTILES {
        if let Some(value) = bucket_quantile(&shape.bounds, &fresh.counts, quantile) {
            push(Part::Quantile(name), value, false);
        }
    }
    let total = fresh.counts.iter().fold(0_u64, |sum, c| sum.saturating_add(*c));
    push(Part::ObservationRate, number(total) / seconds, true);
    give_back(spare, fresh);
}

#[allow(clippy::cast_precision_loss, reason = "a rate needs no more than 53 bits")]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 to 1, then at most a million"
)]
fn millionths(quantile: f64) -> u32 {
    (quantile.clamp(0.0, 1.0) * 1e6).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn at(secs: i64) -> EventTime {
        EventTime::from_secs(secs)
    }

    /// The values of each point, points parted by `|`.
    fn check(points: &[(i64, Reading<'_>)], want: &str) {
        let (mut prior, mut spare, mut got) = (Prior::None, Spare::new(), Vec::new());
        let mut before = None;
        for (secs, reading) in points {
            let (mut out, mut text) = (Vec::new(), String::new());
            derive(
                &mut prior,
                (at(*secs), before.replace(at(*secs))),
                Owned::of(*reading, &mut spare),
                &mut spare,
                &mut out,
            );
            for d in out {
                let (name, _) = d.part.name_and_unit("m", "s");
                write!(text, "{name}={:.3} ", d.value).unwrap();
            }
            got.push(text.trim_end().to_owned());
        }
        assert_eq!(got.join(" | "), want);
    }

    fn sum(value: f64, temporality: Temporality, start: Option<i64>) -> Reading<'static> {
        Reading::Sum {
            value,
            temporality,
            monotonic: true,
            start: start.map(at),
        }
    }

    #[test]
    fn whole_events_are_known_by_their_own_seconds() {
        let (mut prior, mut spare, mut out) = (Prior::None, Spare::new(), Vec::new());
        let mut before = None;
        let mut of = |secs: i64, value: f64, start: i64| {
            let reading = sum(value, Temporality::Cumulative, Some(start));
            let owned = Owned::of(reading, &mut spare);
            derive(&mut prior, (at(secs), before), owned, &mut spare, &mut out);
            before = Some(at(secs));
            out.drain(..).map(|d| (d.value, d.counts)).next()
        };
        assert_eq!(of(60, 5.0, 10), None);
        assert_eq!(of(120, 8.0, 10), Some((0.05, true)));
        // It began anew forty seconds ago: its events are whole by those, not by the sixty between the points.
        assert_eq!(of(180, 7.0, 140), Some((0.175, true)));
        assert_eq!(of(240, 9.5, 140).map(|(_, counts)| counts), Some(false));
    }

    #[test]
    fn counters_become_rates() {
        use Temporality::{Cumulative, Delta};
        check(
            &[(0, Reading::Gauge(1.0)), (5, Reading::Gauge(2.0))],
            "m=1.000 | m=2.000",
        );
        check(
            &[
                (0, sum(10.0, Cumulative, None)),
                (10, sum(30.0, Cumulative, None)),
                (20, sum(5.0, Cumulative, None)),
                (30, sum(15.0, Cumulative, None)),
            ],
            " | m.rate=2.000 |  | m.rate=1.000",
        );
        // A restart with a known start is counted from there; a start that stayed explains no fall.
        check(
            &[
                (10, sum(10.0, Cumulative, Some(0))),
                (20, sum(6.0, Cumulative, Some(17))),
                (30, sum(1.0, Cumulative, Some(17))),
            ],
            " | m.rate=2.000 | ",
        );
        check(
            &[(10, sum(10.0, Delta, None)), (20, sum(10.0, Delta, None))],
            " | m.rate=1.000",
        );
        check(&[(10, sum(10.0, Delta, Some(5)))], "m.rate=2.000");
        let falling = Reading::Sum {
            value: -3.0,
            temporality: Cumulative,
            monotonic: false,
            start: None,
        };
        check(&[(0, falling)], "m=-3.000");
    }

    #[test]
    fn histograms_and_summaries_become_quantiles_and_rates() {
        let histogram = |counts: &'static [u64], temporality| Reading::Histogram {
            bounds: &[1.0, 2.0],
            counts,
            sum: None,
            temporality,
            start: None,
        };
        let quantiles = "m.p50=1.500 m.p95=1.950 m.p99=1.990 m.rate=1.000";
        check(
            &[
                (0, histogram(&[50, 5, 0], Temporality::Cumulative)),
                (10, histogram(&[50, 15, 0], Temporality::Cumulative)),
                (20, histogram(&[50, 15, 0], Temporality::Cumulative)),
                (30, histogram(&[0, 1, 0], Temporality::Cumulative)),
            ],
            &format!(" | {quantiles} | m.rate=0.000 | "),
        );
        check(
            &[
                (0, histogram(&[0, 5, 0], Temporality::Delta)),
                (10, histogram(&[0, 10, 0], Temporality::Delta)),
            ],
            &format!(" | {quantiles}"),
        );
        let summary = |count| Reading::Summary {
            quantiles: &[(0.5, 3.0), (0.999, 9.0)],
            sum: 1.0,
            count,
            start: None,
        };
        check(
            &[(0, summary(10)), (5, summary(20))],
            "m.p50=3.000 m.p99.9=9.000 | m.p50=3.000 m.p99.9=9.000 m.rate=2.000",
        );
    }

    proptest::proptest! {
        #[test]
        fn rates_add_up_to_what_was_counted(steps in proptest::collection::vec((1_i64..100, 0_u64..1000, proptest::bool::weighted(0.2)), 1..50)) {
            // Naive: the count of every step, whether the counter was restarted at the step's beginning or not.
            let (mut prior, mut spare, mut out) = (Prior::None, Spare::new(), Vec::new());
            let (mut now, mut value, mut start) = (0_i64, 0_u64, 0_i64);
            derive(&mut prior, (at(0), None), Owned::of(sum(0.0, Temporality::Cumulative, Some(0)), &mut spare), &mut spare, &mut out);
            for (seconds, count, restart) in steps {
                let before = Some(at(now));
                if restart {
                    (value, start) = (0, now);
                }
                now += seconds;
                value += count;
                out.clear();
                derive(&mut prior, (at(now), before), Owned::of(sum(number(value), Temporality::Cumulative, Some(start)), &mut spare), &mut spare, &mut out);
                let seconds = f64::from(i32::try_from(seconds).unwrap());
                proptest::prop_assert_eq!(out.len(), 1);
                proptest::prop_assert!((out[0].value * seconds - number(count)).abs() < 1e-6);
            }
        }
    }
}
