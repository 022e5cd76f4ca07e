use serde::{Deserialize, Serialize};

use crate::{
    CustomerEventKind, CustomerId, DomainName, EventTime, JourneyId, JourneyName, RegionCode, Score,
    ServiceName, SourcePartition, SourceTopic, Tick, WaveId,
};

/// Something one customer did, or something that was done for them: paid, activated, wrote, called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerEvent {
    /// The source's own id of the event, hashed; the same event may be delivered twice.
    pub id: u128,
    /// Domain.
    pub domain: DomainName,
    /// What happened.
    pub kind: CustomerEventKind,
    /// To whom: a pseudonym.
    pub customer: CustomerId,
    /// When.
    pub at: EventTime,
    /// What several journeys of one customer are told apart by (an order, a ticket), hashed; never 0.
    pub key: Option<std::num::NonZeroU64>,
    /// The service it is about, where known.
    pub service: Option<ServiceName>,
    /// Where the customer is, where known.
    pub region: Option<RegionCode>,
}

/// How far the reader of one source of customers' events has come: told to every partition of the log of `journeys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyMark {
    /// Which source partition.
    pub source: SourcePartition,
    /// Whatever the broker took there before this stands before the mark.
    pub read_until: EventTime,
    /// All topics of customers' events: each of their partitions is waited for. Empty where not known.
    pub topics: Vec<SourceTopic>,
}

/// One record of the log of `journeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JourneyEntry {
    /// Something happened to a customer.
    Event(CustomerEvent),
    /// A source is known so far. Where there are marks, time comes from them alone.
    Mark(JourneyMark),
    /// Time, written by the owner of the partition.
    Tick(Tick),
}

/// How a journey failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JourneyFailure {
    /// What should have come didn't come in time.
    Absent,
    /// Something came that means failure.
    Struck,
}

impl JourneyFailure {
    /// The name used in events and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Struck => "struck",
        }
    }
}

/// A journey of one customer that didn't go as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedJourney {
    /// Derived from rule, customer, key and begin.
    pub id: JourneyId,
    /// Domain.
    pub domain: DomainName,
    /// The rule.
    pub rule: JourneyName,
    /// Whose.
    pub customer: CustomerId,
    /// Its order or ticket, hashed; `None` where the rule knows none.
    pub key: Option<std::num::NonZeroU64>,
    /// The step at which it failed: 0 is the first that was awaited.
    pub step: u8,
    /// How.
    pub failure: JourneyFailure,
    /// The service it is about.
    pub service: ServiceName,
    /// Where the customer is, where known.
    pub region: Option<RegionCode>,
    /// When it began.
    pub started_at: EventTime,
    /// When it failed: the end of the time allowed, or the event that means failure.
    pub failed_at: EventTime,
    /// A replay or simulation.
    pub simulated: bool,
}

/// Where a wave stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaveState {
    /// First told.
    Opened,
    /// It has doubled.
    Updated,
    /// As many fail as usual, or none any more.
    Closed,
}

impl WaveState {
    /// The name used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        }
    }
}

/// Many journeys of one rule fail at one step, in one service and region: the service has failed, not the customers' luck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyWave {
    /// Derived from rule, step, scope and opening time.
    pub id: WaveId,
    /// 1 when opened, then one more each time.
    pub revision: u32,
    /// Opened, updated or closed.
    pub state: WaveState,
    /// Domain.
    pub domain: DomainName,
    /// The rule.
    pub rule: JourneyName,
    /// The step at which they fail.
    pub step: u8,
    /// The service.
    pub service: ServiceName,
    /// Where; `None` where the events name no region.
    pub region: Option<RegionCode>,
    /// The begin of the window in which it was first seen.
    pub from: EventTime,
    /// What this revision was judged at.
    pub at: EventTime,
    /// Journeys due within the window.
    pub due: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Share of failures that is usual here, as it was known when the wave began.
    pub usual: f64,
    /// Surprise of so many failures among those due.
    pub score: Score,
    /// Failures since it began that were told by the wave alone.
    pub withheld: u64,
    /// A replay or simulation.
    pub simulated: bool,
}

/// One step of a day of a rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyMapStep {
    /// Kinds of event that it waits for; none where silence passes it.
    pub expects: Vec<CustomerEventKind>,
    /// Journeys that came to wait for it.
    pub reached: u64,
    /// … that passed it.
    pub passed: u64,
    /// … that waited in vain.
    pub absent: u64,
    /// … that something struck while they waited.
    pub struck: u64,
    /// … that were excused while they waited.
    pub excused: u64,
    /// Seconds that half of those who passed took at most; `None` where nobody passed.
    pub median_seconds: Option<f64>,
    /// Seconds that nine of ten of those who passed took at most.
    pub p90_seconds: Option<f64>,
    /// Seconds that the rule allows.
    pub allowed_seconds: u64,
    /// How many of those who passed took how long, in parts of equal ratio; those without anybody are left out. Maps of several
    /// partitions are added up by them.
    pub times: Vec<JourneyTimes>,
}

/// Those who passed a step within a span of time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct JourneyTimes {
    /// Its end, in seconds. It begins at that divided by the 64th root of the time allowed.
    pub seconds_max: f64,
    /// How many.
    pub count: u64,
}

/// A day of a rule: how many came how far, how long they took, and where they fell out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyMap {
    /// The rule.
    pub rule: JourneyName,
    /// Begin of the day (UTC).
    pub from: EventTime,
    /// End of the day, or of what is known of it.
    pub to: EventTime,
    /// Journeys that began.
    pub started: u64,
    /// Begins refused because a bound was reached: they are in no other number here.
    pub refused: u64,
    /// Its steps, in order.
    pub steps: Vec<JourneyMapStep>,
    /// A replay or simulation.
    pub simulated: bool,
}

/// What `journeys` tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum JourneyOutput {
    /// One customer's journey failed.
    Failed(FailedJourney),
    /// Many fail alike.
    Wave(JourneyWave),
    /// A day is over.
    Map(JourneyMap),
}
