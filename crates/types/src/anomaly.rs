use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AnomalyId, Band, ContextNote, DomainName, EventTime, Lineage, Position, Score, SeriesKey,
    SourcePartition, Watermark,
};

/// Points of the window kept as evidence, down-sampled: enough for a spark line, small enough for an event.
pub const EVIDENCE_POINTS_MAX: usize = 32;

/// What kind of surprise it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A value far outside the window's band.
    Spike,
    /// The level has moved or drifts.
    Shift,
    /// Unusual for this time of day or week.
    Season,
    /// The window's shape is new.
    Shape,
    /// Beyond all that was ever seen.
    Novelty,
    /// Nothing comes any more; the anomaly's values are seconds.
    Silence,
    /// Unlike its peers: far from its usual place among the entities of its group.
    Peer,
    /// On its way to a declared limit, whose values may be usual still.
    Limit,
}

impl Channel {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::Shift => "shift",
            Self::Season => "season",
            Self::Shape => "shape",
            Self::Novelty => "novelty",
            Self::Silence => "silence",
            Self::Peer => "peer",
            Self::Limit => "limit",
        }
    }
}

/// Which way the value went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above the band.
    Up,
    /// Below the band.
    Down,
}

/// Where an anomaly stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyState {
    /// First told.
    Opened,
    /// Still abnormal, with news.
    Updated,
    /// Normal again.
    Closed,
}

/// Where a series is expected to be at a time to come.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// When.
    pub at: EventTime,
    /// As likely to be above as below.
    pub expected: f64,
    /// One of ten values lies below …
    pub lower: f64,
    /// … and one of ten above.
    pub upper: f64,
}

/// Labels of a series whose values are told among its siblings, in order of name: more are of no use to people.
pub const SHARED_LABELS_MAX: usize = 16;

/// Labels that say what a series is of and where, whatever else tells its siblings apart: the service and the region, under the names
/// that the topology looks for by itself.
pub const SCOPE_LABELS: [&str; 5] = [
    "service.name",
    "forecall.region",
    "geo.region.iso_code",
    "region",
    "cloud.region",
];

/// A label of a series, and how many of its siblings have the same value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedLabel {
    /// Its name.
    pub label: Arc<str>,
    /// Its value.
    pub value: Arc<str>,
    /// Live siblings that have the same value, the series itself among them.
    pub series: u32,
    /// Different values that the label has among them.
    pub values: u32,
}

/// The series of the same metric, service and region that lived when an anomaly opened, in the partition that told of it; how many
/// share each label value with it. So whoever knows the abnormal ones knows how many of the others are well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Siblings {
    /// The partition whose series were counted: counts of several partitions add up.
    pub partition: i32,
    /// All of them, the series itself among them.
    pub series: u32,
    /// At most [`SHARED_LABELS_MAX`], by name. Not those in [`SCOPE_LABELS`].
    pub shared: Vec<SharedLabel>,
}

/// What a series lies around while all is well, whatever kind of surprise it is: of a new shape the value before is what was expected, of a
/// value never seen the greatest that was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// The mean of its last values, wild ones cut.
    pub mean: f64,
    /// Their standard deviation, above 0.
    pub sd: f64,
}

/// Requests of what a series is of, as they are counted beside it: with them an excess of latency or failures can be weighed against another's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests a second, as is usual.
    pub usual: f64,
    /// Requests a second, the mean since the anomaly began.
    pub now: f64,
}

/// A window of a series judged abnormal, as one revision of its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Derived from series, channel and opening time.
    pub id: AnomalyId,
    /// 1 when opened, then one more each time.
    pub revision: u32,
    /// Opened, updated or closed.
    pub state: AnomalyState,
    /// Domain of the source.
    pub domain: DomainName,
    /// The series.
    pub series: Arc<SeriesKey>,
    /// What kind of surprise.
    pub channel: Channel,
    /// Which way.
    pub direction: Direction,
    /// Event time of the first abnormal sample; of a silence, of the last sample before it.
    pub from: EventTime,
    /// Event time of the sample that made this revision.
    pub at: EventTime,
    /// Highest score so far.
    pub score: Score,
    /// The value that made this revision.
    pub observed: f64,
    /// What would have been normal.
    pub expected: f64,
    /// Normal range.
    pub band: Band,
    /// Abnormal samples so far; 0 where it is the samples that are missing.
    pub samples: u32,
    /// Least-squares slope of the window in units per second; predictions start from it where nothing is told ahead.
    pub slope: f64,
    /// The last window, down-sampled to at most [`EVIDENCE_POINTS_MAX`] points.
    pub window: Vec<(EventTime, f64)>,
    /// Where the series goes from here, in order of time; empty when closed, of silences, and of revisions older than the field.
    #[serde(default)]
    pub ahead: Vec<Ahead>,
    /// The records of the abnormal samples.
    pub lineage: Lineage,
    /// What was announced of the series for any time since it began, at most [`CONTEXT_NOTES_MAX`](crate::CONTEXT_NOTES_MAX).
    pub context: Vec<ContextNote>,
    /// Told when it opens; `None` later, of silences, and where nothing is known of any.
    #[serde(default)]
    pub siblings: Option<Siblings>,
    /// Told when it opens; `None` later, of silences, and of revisions older than the field.
    #[serde(default)]
    pub usual: Option<Usual>,
    /// `None` when closed, of silences, and where nothing counts the requests.
    #[serde(default)]
    pub traffic: Option<Traffic>,
}

/// How far one source partition has come in `detect`, for one domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Domain of the source.
    pub domain: DomainName,
    /// The partition `detect` reads (of a keyed topic or of the re-keyed one).
    pub source: SourcePartition,
    /// Next offset to be read.
    pub next_offset: i64,
    /// Nothing earlier will come from here.
    pub watermark: Watermark,
    /// Nothing comes at present.
    pub idle: bool,
    /// Where nothing comes: up to when that is known, the allowed lateness taken off.
    pub silent_until: Option<EventTime>,
    /// `detect` stands at the partition's end: only then is silence silence.
    pub caught_up: bool,
}

/// Time itself, written into a stage's own log by the owner of the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The owner's clock when it was written; never goes back.
    pub at: EventTime,
}

/// Score and band of one input row; a replay writes them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredSample {
    /// The record.
    pub position: Position,
    /// Which point of the record.
    pub row: u32,
    /// The series (as scored: a counter is scored as its rate).
    pub series: Arc<SeriesKey>,
    /// When.
    pub at: EventTime,
    /// The value scored.
    pub value: f64,
    /// Surprise.
    pub score: Score,
    /// Normal range; `None` while the detector still warms up.
    pub band: Option<Band>,
    /// What each channel said by itself; empty while the detector still warms up.
    pub channels: Box<[ChannelScore]>,
    /// Where the series goes from here, for each time asked for.
    pub ahead: Box<[Ahead]>,
}

/// What one member of a peer group was at one step, as its peers see it; a replay writes them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerScore {
    /// The group.
    pub group: Arc<str>,
    /// End of the step.
    pub at: EventTime,
    /// The member's series.
    pub series: Arc<SeriesKey>,
    /// Its mean within the step.
    pub value: f64,
    /// What it would be by its peers.
    pub expected: f64,
    /// Where it would be abnormal begins at its edges; `None` while its usual place isn't known.
    pub band: Option<Band>,
    /// Surprise; 0 where it goes the way that hurts nobody.
    pub score: Score,
}

/// What one channel says of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChannelScore {
    /// Which.
    pub channel: Channel,
    /// Its surprise, before any gate.
    pub score: Score,
    /// What would have been normal to it.
    pub expected: f64,
    /// Its normal range: a score of 3 lies at its edge, as near as its record tells; what was seen before, for novelty.
    pub band: Band,
}
