//! The single values of published events: times, names, numbers, spans, offsets.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    AnomalyId, Band, Cell, CustomerEventKind, CustomerId, DomainName, ElementId, EventTime, IncidentId,
    IntentId, JourneyId, JourneyName, Labels, Lineage, LineageRange, NotAName, NoticeId, Probability,
    ProblemId, ProductName, QueueName, RegionCode, Reject, Remark, RemedyName, Score, SeriesKey, ServiceName,
    SilenceId, Watermark, WaveId,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};

use super::shape::{Shape, bad, published};

/// The largest offset written or read: the largest whole number that every JSON reader holds exactly.
pub const OFFSET_MAX: i64 = (1 << 53) - 1;

macro_rules! inline_schema {
    ($name:ident, $title:literal, $schema:expr) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed($title)
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// A moment of event time as RFC 3339 text in UTC, with as many fractional digits (up to nine) as it needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Time(String);
inline_schema!(
    Time,
    "time",
    json_schema!({"type": "string", "format": "date-time"})
);

impl Time {
    /// The text for a moment.
    pub fn of(at: EventTime) -> Self {
        // 64 bits of nanoseconds are the years 1677 to 2262; jiff holds the years −9999 to 9999.
        let text = jiff::Timestamp::from_nanosecond(i128::from(at.nanos()))
            .map(|t| t.to_string())
            .unwrap_or_default();
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads RFC 3339 text, in any offset from UTC.
    ///
    /// # Errors
    /// No RFC 3339 time, or one outside the years 1677 to 2262.
    pub fn parse(text: &str) -> Result<EventTime, Reject> {
        let no = |why: &str| Reject::new(forecall_types::RejectReason::BadTime, why);
        let at: jiff::Timestamp = text.parse().map_err(|_| no("it is not an RFC 3339 time"))?;
        i64::try_from(at.as_nanosecond())
            .map(EventTime::from_nanos)
            .map_err(|_| no("it lies outside the years 1677 to 2262"))
    }
}

impl Shape<EventTime> for Time {
    fn put(inner: &EventTime) -> Self {
        Self::of(*inner)
    }
    fn take(self) -> Result<EventTime, Reject> {
        Self::parse(&self.0)
    }
}

impl Shape<Watermark> for Time {
    fn put(inner: &Watermark) -> Self {
        Self::of(inner.time())
    }
    fn take(self) -> Result<Watermark, Reject> {
        Self::parse(&self.0).map(Watermark::at)
    }
}

/// A name or id: 1 to 128 bytes, no control characters, no white space at an end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Name(String);
inline_schema!(
    Name,
    "name",
    json_schema!({"type": "string", "minLength": 1, "maxLength": 128})
);

/// A region code: ISO 3166-2 (`IR-23`) or an operator's own code below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Region(String);
inline_schema!(
    Region,
    "region",
    json_schema!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9]$"})
);

/// A cell of H3: its index in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Hexagon(String);
inline_schema!(
    Hexagon,
    "cell",
    json_schema!({"type": "string", "pattern": "^8[0-9A-Fa-f]{14}$"})
);

impl Shape<Cell> for Hexagon {
    fn put(inner: &Cell) -> Self {
        Self(inner.to_string())
    }
    fn take(self) -> Result<Cell, Reject> {
        Cell::new(&self.0).map_err(|e| refused(&e))
    }
}

fn refused(why: &NotAName) -> Reject {
    // `why` alone: the text itself might be a person's number put into the wrong field.
    bad(why.why)
}

macro_rules! names {
    ($shape:ident: $($name:ident),*) => {$(
        impl Shape<$name> for $shape {
            fn put(inner: &$name) -> Self {
                Self(inner.as_str().to_owned())
            }
            fn take(self) -> Result<$name, Reject> {
                $name::new(&self.0).map_err(|e| refused(&e))
            }
        }
    )*};
}
names!(Name: DomainName, ServiceName, ProblemId, ProductName, QueueName, ElementId, AnomalyId, IncidentId, NoticeId, CustomerId, IntentId, CustomerEventKind, JourneyId, JourneyName, WaveId, SilenceId, RemedyName);
names!(Region: RegionCode);

/// A sentence by a person: 1 to 256 bytes in one line, no white space at an end, nothing of a person in it (no `@`, no ten digits
/// in a row).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sentence(String);
inline_schema!(
    Sentence,
    "sentence",
    json_schema!({"type": "string", "minLength": 1, "maxLength": 256})
);
names!(Sentence: Remark);

/// A pattern in which `*` stands for any run of characters; what has none matches exactly. 1 to 128 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);
inline_schema!(
    Pattern,
    "pattern",
    json_schema!({"type": "string", "minLength": 1, "maxLength": 128})
);

impl Shape<Arc<str>> for Pattern {
    fn put(inner: &Arc<str>) -> Self {
        Self(inner.as_ref().to_owned())
    }
    fn take(self) -> Result<Arc<str>, Reject> {
        // A pattern is a name in which a star may stand.
        ServiceName::new(&self.0).map_err(|e| refused(&e))?;
        Ok(Arc::from(self.0))
    }
}

/// A finite number. NaN and the infinities can't be written: JSON has none, and `null` would be a lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub(crate) f64);
inline_schema!(Number, "number", json_schema!({"type": "number"}));

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else {
            Err(S::Error::custom("a number is NaN or infinite"))
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

impl Shape<f64> for Number {
    fn put(inner: &f64) -> Self {
        Self(*inner)
    }
    fn take(self) -> Result<f64, Reject> {
        Ok(self.0)
    }
}

/// A probability or a share, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Share(Number);
inline_schema!(
    Share,
    "share",
    json_schema!({"type": "number", "minimum": 0, "maximum": 1})
);

impl Shape<Probability> for Share {
    fn put(inner: &Probability) -> Self {
        Self(Number(inner.get()))
    }
    fn take(self) -> Result<Probability, Reject> {
        Probability::try_from(self.0.0).map_err(|_| bad("it does not lie between 0 and 1"))
    }
}

/// Surprise, 0 to 20: −log10 of the chance of this value or a worse one in normal times.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Surprise(Number);
inline_schema!(
    Surprise,
    "surprise",
    json_schema!({"type": "number", "minimum": 0, "maximum": 20})
);

impl Shape<Score> for Surprise {
    fn put(inner: &Score) -> Self {
        Self(Number(inner.get()))
    }
    fn take(self) -> Result<Score, Reject> {
        if (0.0..=20.0).contains(&self.0.0) {
            Ok(Score::clamped(self.0.0))
        } else {
            Err(bad("it does not lie between 0 and 20"))
        }
    }
}

/// A span of time in seconds: a whole number where it is whole; to the nanosecond up to 24 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(Duration);
inline_schema!(Seconds, "seconds", json_schema!({"type": "number", "minimum": 0}));

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            return serializer.serialize_u64(self.0.as_secs());
        }
        let seconds = self.0.as_secs_f64();
        if Duration::try_from_secs_f64(seconds) == Ok(self.0) {
            serializer.serialize_f64(seconds)
        } else {
            Err(S::Error::custom("a long span has a fraction of a second"))
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let span = match number.as_u64() {
            Some(whole) => Some(Duration::from_secs(whole)),
            None => number.as_f64().and_then(|s| Duration::try_from_secs_f64(s).ok()),
        };
        span.map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a span of time"))
    }
}

impl Shape<Duration> for Seconds {
    fn put(inner: &Duration) -> Self {
        Self(*inner)
    }
    fn take(self) -> Result<Duration, Reject> {
        Ok(self.0)
    }
}

/// An offset in a partition, 0 to [`OFFSET_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset(i64);
inline_schema!(
    Offset,
    "offset",
    json_schema!({"type": "integer", "minimum": 0, "maximum": OFFSET_MAX})
);

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if (0..=OFFSET_MAX).contains(&self.0) {
            serializer.serialize_i64(self.0)
        } else {
            Err(S::Error::custom("an offset is negative or over 2^53 - 1"))
        }
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self)
    }
}

impl Shape<i64> for Offset {
    fn put(inner: &i64) -> Self {
        Self(*inner)
    }
    fn take(self) -> Result<i64, Reject> {
        if (0..=OFFSET_MAX).contains(&self.0) {
            Ok(self.0)
        } else {
            Err(bad("it is negative or over 2^53 - 1"))
        }
    }
}

/// A normal range. An end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, JsonSchema)]
pub struct Range {
    /// Lower end; absent: no value is too low.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<Number>,
    /// Upper end; absent: no value is too high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<Number>,
}

impl Shape<Band> for Range {
    fn put(inner: &Band) -> Self {
        // The end that is open by its sign is left out; any other end that isn't finite fails when it is written.
        let end = |value: f64, open: bool| (!(open && value.is_infinite())).then_some(Number(value));
        Self {
            low: end(inner.low, inner.low < 0.0),
            high: end(inner.high, inner.high > 0.0),
        }
    }
    fn take(self) -> Result<Band, Reject> {
        let band = Band {
            low: self.low.map_or(f64::NEG_INFINITY, |n| n.0),
            high: self.high.map_or(f64::INFINITY, |n| n.0),
        };
        if band.low <= band.high {
            Ok(band)
        } else {
            Err(bad("its lower end is above its upper end"))
        }
    }
}

/// A span of event time.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, JsonSchema)]
pub struct Interval {
    /// Start.
    pub from: Time,
    /// End.
    pub to: Time,
}

impl Shape<(EventTime, EventTime)> for Interval {
    fn put(inner: &(EventTime, EventTime)) -> Self {
        Self {
            from: Time::of(inner.0),
            to: Time::of(inner.1),
        }
    }
    fn take(self) -> Result<(EventTime, EventTime), Reject> {
        Ok((self.from.take()?, self.to.take()?))
    }
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, JsonSchema)]
pub struct Point {
    /// When.
    pub at: Time,
    /// The value, in the unit of the series.
    pub value: Number,
}

impl Shape<(EventTime, f64)> for Point {
    fn put(inner: &(EventTime, f64)) -> Self {
        Self {
            at: Time::of(inner.0),
            value: Number(inner.1),
        }
    }
    fn take(self) -> Result<(EventTime, f64), Reject> {
        Ok((self.at.take()?, self.value.0))
    }
}

impl Shape<Labels> for BTreeMap<String, String> {
    fn put(inner: &Labels) -> Self {
        inner.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }
    fn take(self) -> Result<Labels, Reject> {
        Ok(Labels::from_pairs(self))
    }
}

published! {
    /// What a series is: one metric of one entity, told apart by the point's own labels.
    Series of SeriesKey {
        /// Name of the metric, by OpenTelemetry semantic conventions where there is one.
        metric: String = metric,
        /// Unit (UCUM), empty when unknown.
        #[serde(default)]
        unit: String = unit,
        /// Labels of the resource: the entity.
        #[serde(default)]
        resource: BTreeMap<String, String> = resource,
        /// Labels of the point.
        #[serde(default)]
        labels: BTreeMap<String, String> = labels,
    }
}

impl Shape<std::sync::Arc<SeriesKey>> for Series {
    fn put(inner: &std::sync::Arc<SeriesKey>) -> Self {
        Self::put(inner.as_ref())
    }
    fn take(self) -> Result<std::sync::Arc<SeriesKey>, Reject> {
        Shape::<SeriesKey>::take(self).map(std::sync::Arc::new)
    }
}

/// The exact input offsets that something came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, JsonSchema)]
pub struct InputLineage {
    /// Merged ranges, sorted by topic, partition and offset; at most 256.
    #[serde(default)]
    pub ranges: Vec<InputRange>,
    /// Whether ranges were widened to stay within the bound, so that records not involved are named too.
    #[serde(default)]
    pub coarse: bool,
}

published! {
    /// Offsets `from` to `to` (both inclusive) of one partition.
    #[derive(Eq)]
    InputRange of LineageRange {
        /// Topic, or the file of a replay.
        topic: String = topic,
        /// Partition; 0 for a file.
        partition: i32 = partition,
        /// First offset.
        from: Offset = from,
        /// Last offset.
        to: Offset = to,
    }
}

impl Shape<Lineage> for InputLineage {
    fn put(inner: &Lineage) -> Self {
        Self {
            ranges: inner.ranges().iter().map(InputRange::put).collect(),
            coarse: inner.is_coarse(),
        }
    }
    fn take(self) -> Result<Lineage, Reject> {
        let ranges: Vec<LineageRange> = self.ranges.take()?;
        if ranges.iter().any(|r| r.from > r.to) {
            return Err(bad("a range ends before it begins"));
        }
        Ok(Lineage::from_ranges(ranges, self.coarse))
    }
}
