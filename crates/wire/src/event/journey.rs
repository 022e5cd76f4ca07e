//! Journeys of customers: what `journeys` reads and what it tells, all under pseudonyms.

use std::borrow::Cow;
use std::num::NonZeroU64;

use forecall_types as types;
use forecall_types::Reject;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::heartbeat_tick::Source;
use super::scalar::{Name, Number, Region, Surprise, Time};
use super::shape::{Shape, bad, published, published_enum};

/// A hash as 16 or 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Hash(String);

impl JsonSchema for Hash {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("hash")
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9a-f]{16}){1,2}$"})
    }
}

impl Hash {
    fn digits(&self, count: usize) -> Result<&str, Reject> {
        let is_hash = self.0.len() == count && self.0.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hash {
            Ok(&self.0)
        } else {
            Err(bad(format!("it is not {count} hexadecimal digits")))
        }
    }
}

impl Shape<u128> for Hash {
    fn put(inner: &u128) -> Self {
        Self(format!("{inner:032x}"))
    }
    fn take(self) -> Result<u128, Reject> {
        u128::from_str_radix(self.digits(32)?, 16).map_err(|_| bad("it is no hash"))
    }
}

impl Shape<NonZeroU64> for Hash {
    fn put(inner: &NonZeroU64) -> Self {
        Self(format!("{inner:016x}"))
    }
    fn take(self) -> Result<NonZeroU64, Reject> {
        let number = u64::from_str_radix(self.digits(16)?, 16).ok();
        number
            .and_then(NonZeroU64::new)
            .ok_or_else(|| bad("it is no hash"))
    }
}

impl Shape<u8> for u32 {
    fn put(inner: &u8) -> Self {
        Self::from(*inner)
    }
    fn take(self) -> Result<u8, Reject> {
        u8::try_from(self).map_err(|_| bad("it is over 255"))
    }
}

published! {
    /// Something one customer did, or that was done for them.
    #[derive(Eq)]
    CustomerEvent of CustomerEvent {
        /// The source's own id of the event, hashed.
        id: Hash = id,
        /// Domain.
        domain: Name = domain,
        /// What happened, such as `payment.accepted`.
        kind: Name = kind,
        /// To whom: a pseudonym.
        customer: Name = customer,
        /// When.
        at: Time = at,
        /// The order or ticket it is about, hashed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Hash> = key,
        /// The service it is about, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        service: Option<Name> = service,
        /// Where the customer is, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Region> = region,
    }
}

published! {
    /// A topic and how many partitions it has.
    #[derive(Eq)]
    Topic of SourceTopic {
        /// Its name.
        topic: String = topic,
        /// How many partitions.
        partitions: u32 = partitions,
    }
}

published! {
    /// How far the reader of one source of customers' events has come.
    #[derive(Eq)]
    JourneyMark of JourneyMark {
        /// The partition that is read.
        source: Source = source,
        /// Whatever the broker took there before this stands before the mark. The least time there is where nothing is known yet.
        read_until: Time = read_until,
        /// All topics of customers' events.
        #[serde(default)]
        topics: Vec<Topic> = topics,
    }
}

published_enum! {
    /// How a journey failed.
    JourneyFailure {
        /// What should have come didn't come in time.
        Absent,
        /// Something came that means failure.
        Struck,
    }
}

published! {
    /// A journey of one customer that didn't go as it should.
    #[derive(Eq)]
    FailedJourney of FailedJourney {
        /// Derived from rule, customer, key and begin: the same journey has the same id.
        id: Name = id,
        /// Domain.
        domain: Name = domain,
        /// The rule, as the configuration names it.
        rule: Name = rule,
        /// Whose: a pseudonym.
        customer: Name = customer,
        /// Its order or ticket, hashed with the installation's key; left out where the rule knows none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Hash> = key,
        /// The step at which it failed: 0 is the first that was awaited.
        step: u32 = step,
        /// How.
        failure: JourneyFailure = failure,
        /// The service it is about.
        service: Name = service,
        /// Where the customer is, where known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Region> = region,
        /// When it began.
        started_at: Time = started_at,
        /// When it failed: the end of the time allowed, or the event that means failure.
        failed_at: Time = failed_at,
        /// Of a replay or simulation: act on nothing that says so.
        simulated: bool = simulated,
    }
}

published_enum! {
    /// Where a wave stands in its life.
    WaveState {
        /// First told.
        Opened,
        /// It has doubled.
        Updated,
        /// As many fail as usual, or none any more.
        Closed,
    }
}

published! {
    /// Many journeys of one rule fail at one step, in one service and region. The failures after the one that showed it are told by the
    /// wave alone. A place may have several waves at a time, one for each partition of the log that customers are spread over.
    JourneyWave of JourneyWave {
        /// Derived from rule, step, place, opening time and partition.
        id: Name = id,
        /// 1 when opened, then one more each time.
        revision: u32 = revision,
        /// Opened, updated or closed.
        state: WaveState = state,
        /// Domain.
        domain: Name = domain,
        /// The rule, as the configuration names it.
        rule: Name = rule,
        /// The step at which they fail: 0 is the first that was awaited.
        step: u32 = step,
        /// The service.
        service: Name = service,
        /// Where; left out where the events name no region: such a wave makes no incident.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        region: Option<Region> = region,
        /// The beginning of the window in which it was first seen.
        from: Time = from,
        /// What this revision was judged at.
        at: Time = at,
        /// Journeys due within the window.
        due: u64 = due,
        /// Those of them that failed.
        failed: u64 = failed,
        /// Share of failures that is usual here, as it was known when the wave began.
        usual: Number = usual,
        /// Surprise of so many failures among those due.
        score: Surprise = score,
        /// Failures since it began that were told by the wave alone.
        withheld: u64 = withheld,
        /// Of a replay or simulation: act on nothing that says so.
        simulated: bool = simulated,
    }
}

published! {
    /// Those who passed a step within a span of time.
    JourneyTimes of JourneyTimes {
        /// Its end, in seconds. It begins at that divided by the 64th root of the time allowed.
        seconds_max: Number = seconds_max,
        /// How many.
        count: u64 = count,
    }
}

published! {
    /// One step of a day of a rule.
    JourneyMapStep of JourneyMapStep {
        /// Kinds of event that it waits for; none where silence passes it.
        #[serde(default)]
        expects: Vec<Name> = expects,
        /// Journeys that came to wait for it.
        reached: u64 = reached,
        /// … that passed it.
        passed: u64 = passed,
        /// … that waited in vain.
        absent: u64 = absent,
        /// … that something struck while they waited.
        struck: u64 = struck,
        /// … that were excused while they waited.
        excused: u64 = excused,
        /// Seconds that half of those who passed took at most; left out where nobody passed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        median_seconds: Option<Number> = median_seconds,
        /// Seconds that nine of ten of those who passed took at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p90_seconds: Option<Number> = p90_seconds,
        /// Seconds that the rule allows.
        allowed_seconds: u64 = allowed_seconds,
        /// How many of those who passed took how long, for adding up several partitions; parts without anybody are left out.
        #[serde(default)]
        times: Vec<JourneyTimes> = times,
    }
}

published! {
    /// A day of a rule, as one partition of customers saw it: how many came how far, how long they took, and where they fell out. The whole
    /// is the sum of all partitions, and of all domains.
    JourneyMap of JourneyMap {
        /// The rule, as the configuration names it.
        rule: Name = rule,
        /// Beginning of the day (UTC).
        from: Time = from,
        /// End of the day.
        to: Time = to,
        /// Journeys that began.
        started: u64 = started,
        /// Begins refused because a bound was reached: they are in no other number here.
        refused: u64 = refused,
        /// Its steps, in order.
        steps: Vec<JourneyMapStep> = steps,
        /// Of a replay or simulation.
        simulated: bool = simulated,
    }
}

/// What a record of `forecall.journeys.v1` says.
#[derive(Debug, Clone, PartialEq)]
pub enum JourneyEvent {
    /// One customer's journey failed.
    Failed(types::FailedJourney),
    /// Many fail alike.
    Wave(types::JourneyWave),
    /// A day is over.
    Map(types::JourneyMap),
}
