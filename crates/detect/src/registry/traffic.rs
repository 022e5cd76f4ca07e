//! Requests counted beside a series: by its own histogram, else by a counter of the same entity.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{EventTime, Traffic};
use serde::{Deserialize, Serialize};

use super::siblings::{FRESH_FOR, LIVE_WITHIN};
use super::{Cold, Registry, VACANT, at};
use crate::MetricKind;
use crate::rate::Part;

/// Counters kept, at 8 B each: 2 MiB. Where there are more, those of the series that came last aren't found.
const COUNTERS_MAX: usize = 262_144;
/// Units of what is asked for and answered.
const UNITS: [&str; 5] = ["{request}", "{call}", "{query}", "{transaction}", "{lookup}"];
/// Last words of names of counters.
const WORDS: [&str; 6] = [
    "requests",
    "request",
    "calls",
    "queries",
    "transactions",
    "lookups",
];
/// Endings that say how something is counted, not what.
const ENDINGS: [&str; 7] = ["total", "count", "rate", "sum", "per", "second", "sec"];

/// Words of requests that are on their way: as many as there are, not as many as came.
const UNDER_WAY: [&str; 6] = ["active", "inflight", "flight", "pending", "current", "concurrent"];

/// How a metric counts requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Counting {
    /// It is a count of them.
    Plainly,
    /// Each is one observation of it.
    ByObservation,
}

/// Which series count requests: to look for them is to look at all series, which isn't done for each anomaly.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// When they were looked for.
    at: Option<EventTime>,
    /// By the number of their entity's labels, then their own; rising.
    slots: Arc<[(u32, u32)]>,
}

/// Whether a metric is of what its entity asks of others, not of what it is asked.
fn is_outgoing(metric: &str) -> bool {
    let mut words = metric.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case("client") || word.eq_ignore_ascii_case("outgoing"))
}

/// Whether a metric counts requests by its unit or name; failed ones alone aren't all.
fn is_count(metric: &str, unit: &str) -> bool {
    if matches!(
        MetricKind::of(metric, unit),
        MetricKind::Errors | MetricKind::Saturation | MetricKind::Availability
    ) {
        return false;
    }
    let name = metric.to_ascii_lowercase();
    let mut words = name.split(['.', '_', '-', '/']).rev();
    if words.clone().any(|word| UNDER_WAY.contains(&word)) {
        return false;
    }
    let counted = unit.strip_suffix("/s").unwrap_or(unit);
    if UNITS.contains(&counted) {
        return true;
    }
    let last = words.find(|word| !ENDINGS.contains(word));
    last.is_some_and(|word| WORDS.contains(&word)) && !matches!(counted, "s" | "ms" | "us" | "ns" | "By")
}

impl Counters {
    /// Requests counted beside `slot` since `from`. `None`: nothing counts them.
    pub(crate) fn traffic(
        &mut self,
        registry: &Registry,
        slot: u32,
        (from, now): (EventTime, EventTime),
    ) -> Option<Traffic> {
        if let Some(own) = registry.counted(slot, Counting::ByObservation, (from, now)) {
            return Some(own);
        }
        if self.at.is_none_or(|at| now.since(at) > FRESH_FOR) {
            self.at = Some(now);
            self.slots = registry.counters();
        }
        let cold = at(&registry.colds, slot)?;
        let is_outgoing_here = is_outgoing(registry.metric(slot));
        let first = self.slots.partition_point(|(entity, _)| *entity < cold.resource);
        let beside = self.slots.iter().skip(first);
        let beside = beside.take_while(|(entity, _)| *entity == cold.resource);
        // By metric: two that count the same requests don't add up.
        let mut metrics: BTreeMap<(Counting, &str), Vec<(u32, Traffic)>> = BTreeMap::new();
        for (_, other) in beside.filter(|(_, other)| *other != slot) {
            let Some(counter) = at(&registry.colds, *other) else {
                continue;
            };
            // Its place may be another's by now.
            if counter.name == VACANT
                || counter.resource != cold.resource
                || registry.domain_of(*other) != registry.domain_of(slot)
            {
                continue;
            }
            let metric = registry.metric(*other);
            if is_outgoing(metric) != is_outgoing_here {
                continue;
            }
            let counting = registry.counting(*other, counter);
            let told = counting.and_then(|counting| registry.counted(*other, counting, (from, now)));
            if let (Some(counting), Some(told)) = (counting, told) {
                let of = metrics.entry((counting, metric)).or_default();
                of.push((counter.labels, told));
            }
        }
        let (_, counted) = metrics.into_iter().next()?;
        // Those with the very labels of the series, where there are any; else all of the entity.
        let is_same = |(labels, _): &&(u32, Traffic)| *labels == cold.labels;
        let any_same = counted.iter().any(|one| is_same(&one));
        let of = counted.iter().filter(|one| !any_same || is_same(one));
        let sum = of.fold(Traffic { usual: 0.0, now: 0.0 }, |sum, (_, one)| Traffic {
            usual: sum.usual + one.usual,
            now: sum.now + one.now,
        });
        Some(sum)
    }
}

impl Registry {
    fn counting(&self, slot: u32, cold: &Cold) -> Option<Counting> {
        if cold.name == VACANT {
            return None;
        }
        let (metric, unit) = self.metric_and_unit(slot);
        if is_count(metric, unit) {
            return Some(Counting::Plainly);
        }
        let is_latency = MetricKind::of(metric, unit) == MetricKind::Latency;
        let counts = is_latency && self.known_part(slot, Part::ObservationRate).is_some();
        counts.then_some(Counting::ByObservation)
    }

    /// All series that count requests, by their entity.
    fn counters(&self) -> Arc<[(u32, u32)]> {
        // Of one metric all series are of one form.
        let mut names: BTreeMap<u32, bool> = BTreeMap::new();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for (slot, cold) in (0_u32..).zip(self.colds.iter()) {
            let counts = *names
                .entry(cold.name)
                .or_insert_with(|| self.counting(slot, cold).is_some());
            if counts && cold.name != VACANT {
                found.push((cold.resource, slot));
                if found.len() >= COUNTERS_MAX {
                    break;
                }
            }
        }
        found.sort_unstable();
        found.into()
    }

    /// What a live series counted, as it is usual and in the mean since `from`.
    fn counted(&self, slot: u32, counting: Counting, (from, now): (EventTime, EventTime)) -> Option<Traffic> {
        let last = self.last_at(slot)?;
        if now.since(last) > LIVE_WITHIN {
            return None;
        }
        let (detector, per_second) = match counting {
            Counting::ByObservation => (self.known_part(slot, Part::ObservationRate)?, true),
            Counting::Plainly => match self.known_part(slot, Part::Rate) {
                Some(rate) => (rate, true),
                None => {
                    let (_, unit) = self.metric_and_unit(slot);
                    (self.known_part(slot, Part::Same)?, unit.ends_with("/s"))
                }
            },
        };
        detector.traffic((from, last), per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_units_tell_what_counts_requests() {
        for (metric, unit, counts) in [
            ("http.server.requests", "{request}", true),
            ("http_requests_total", "", true),
            ("nginx.requests.rate", "1/s", true),
            ("requests_per_second", "", true),
            ("dns.lookups", "1", true),
            ("db.calls", "{call}/s", true),
            ("http.server.failed.requests", "{request}", false),
            ("http_requests_5xx_total", "", false),
            ("http.server.request.duration", "s", false),
            ("http.server.active_requests.queue", "{request}", false),
            ("http.server.active_requests", "{request}", false),
            ("http_requests_in_flight", "", false),
            ("system.cpu.time", "s", false),
            ("requests.memory", "By", false),
        ] {
            assert_eq!(is_count(metric, unit), counts, "{metric} {unit}");
        }
        assert!(is_outgoing("http.client.request.duration") && is_outgoing("rpc_client_calls_total"));
        assert!(!is_outgoing("http.server.requests") && !is_outgoing("clients.connected"));
    }
}
