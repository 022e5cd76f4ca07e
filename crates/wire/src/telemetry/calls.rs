use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{CallOutcome, CallRecord, EventTime, QueueName, RegionCode, Reject, RejectReason};

use super::{Decoded, PseudonymKey, Source};

/// What callers without a number are called by switches, in lower case.
const NO_NUMBER: [&str; 8] = [
    "anonymous",
    "unknown",
    "restricted",
    "unavailable",
    "private",
    "blocked",
    "<unknown>",
    "none",
];

/// How the names and numbers in call records are to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallSettings {
    /// The source's name of a queue → ours. A queue that isn't listed keeps its name.
    pub queues: BTreeMap<Arc<str>, QueueName>,
    /// First digits of a number, with the country code and without `+` → where such callers are. The longest wins.
    pub regions: BTreeMap<Arc<str>, RegionCode>,
}

/// The calls of one record, and the lines that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallBatch {
    /// The calls, in the record's order.
    pub calls: Vec<CallRecord>,
    /// The lines refused.
    pub rejects: Vec<Reject>,
}

impl IntoIterator for CallBatch {
    type Item = CallRecord;
    type IntoIter = std::vec::IntoIter<CallRecord>;

    /// The calls only; see to [`rejects`](Self::rejects) first.
    fn into_iter(self) -> Self::IntoIter {
        self.calls.into_iter()
    }
}

/// What a source said of a call, before names, numbers and ids are turned into ours.
pub(super) struct RawCall<'a> {
    pub(super) id: &'a str,
    pub(super) queue: &'a str,
    pub(super) arrived_at: EventTime,
    pub(super) at: EventTime,
    pub(super) outcome: CallOutcome,
    pub(super) wait: Option<Duration>,
    pub(super) handle: Option<Duration>,
    pub(super) caller: Option<&'a str>,
}

/// Gathers the calls of one record.
pub(super) struct Calls<'a> {
    source: &'a Source,
    key: &'a PseudonymKey,
    batch: CallBatch,
    seen: usize,
}

impl<'a> Calls<'a> {
    pub(super) fn new(source: &'a Source, key: &'a PseudonymKey) -> Self {
        Self {
            source,
            key,
            batch: CallBatch::default(),
            seen: 0,
        }
    }

    /// Counts one line or object before it is looked at.
    pub(super) fn expect(&mut self) -> Result<(), Reject> {
        self.seen += 1;
        let max = self.source.limits.points_max;
        if self.seen > max {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("more than {max} call records"),
            ));
        }
        Ok(())
    }

    /// Keeps a call, or nothing (`None`: a line that tells of no call), or what was wrong with it.
    pub(super) fn take(&mut self, raw: Result<Option<RawCall<'_>>, Reject>) {
        let taken = raw.and_then(|raw| raw.map(|raw| self.record(&raw)).transpose());
        match taken {
            Ok(Some(call)) => self.batch.calls.push(call),
            Ok(None) => {}
            Err(reject) => {
                let detail = format!("call record {}: {}", self.seen, reject.detail);
                self.batch.rejects.push(Reject::new(reject.reason, detail));
            }
        }
    }

    fn record(&self, raw: &RawCall<'_>) -> Result<CallRecord, Reject> {
        let limits = &self.source.limits;
        let longest = raw.id.len().max(raw.caller.map_or(0, str::len));
        if longest > limits.label_value_bytes_max {
            return Err(Reject::new(
                RejectReason::TooLarge,
                format!("a field is longer than {} bytes", limits.label_value_bytes_max),
            ));
        }
        let queue = match self.source.calls.queues.get(raw.queue) {
            Some(queue) => queue.clone(),
            None => QueueName::new(raw.queue)
                .map_err(|error| Reject::new(RejectReason::BadValue, format!("queue: {}", error.why)))?,
        };
        let caller = raw.caller.and_then(number_of);
        Ok(CallRecord {
            id: self
                .key
                .call(&self.source.domain, self.source.name.as_str(), raw.id),
            domain: self.source.domain.clone(),
            queue,
            arrived_at: raw.arrived_at,
            at: raw.at,
            outcome: raw.outcome,
            wait: raw.wait,
            handle: raw.handle,
            customer: caller.map(|number| self.key.customer(&self.source.domain, number)),
            region: caller.and_then(|number| self.region(number)),
        })
    }

    fn region(&self, number: &str) -> Option<RegionCode> {
        if self.source.calls.regions.is_empty() {
            return None;
        }
        let digits = self.key.phone(number)?;
        (1..=digits.len())
            .rev()
            .filter_map(|len| digits.get(..len))
            .find_map(|prefix| self.source.calls.regions.get(prefix))
            .cloned()
    }

    /// What the record was; one of which no line could be read is refused as a whole.
    pub(super) fn finish(self) -> Result<Decoded, Reject> {
        let CallBatch { calls, rejects } = &self.batch;
        match (calls.is_empty(), rejects.first()) {
            (true, None) => Ok(Decoded::Nothing),
            (true, Some(first)) => Err(first.clone()),
            (false, _) => Ok(Decoded::Calls(self.batch)),
        }
    }
}

/// The number in a caller id such as `"Name" <0912…>`; `None` where the caller is not known.
fn number_of(caller: &str) -> Option<&str> {
    let inner = match (caller.rfind('<'), caller.rfind('>')) {
        (Some(from), Some(to)) if from < to => caller.get(from + 1..to)?,
        _ => caller,
    };
    let number = inner.trim();
    let known =
        number.chars().any(char::is_numeric) && !NO_NUMBER.iter().any(|no| number.eq_ignore_ascii_case(no));
    known.then_some(number)
}
