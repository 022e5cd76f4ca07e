//! The stage under fire: small, but every output and the state hang on the order and the number of all records before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use forecall_stage::{Effects, SnapshotError, Stage, decode_state, encode_state};
use forecall_types::RejectReason;
use serde::{Deserialize, Serialize};

/// Span of a window of event time.
pub(crate) const SPAN_MS: i64 = 500;
/// How far the watermark is behind the newest record.
pub(crate) const LATENESS_MS: i64 = 400;
/// A record further ahead of the newest than this is refused and moves nothing.
pub(crate) const FUTURE_MS: i64 = 10_000;
/// Sequence numbers a key remembers: the largest ones. A smaller one than all of a full memory counts as seen.
pub(crate) const RECENT_MAX: usize = 64;

/// One good record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sale {
    pub(crate) key: String,
    pub(crate) seq: u64,
    pub(crate) at_ms: i64,
    pub(crate) value: i64,
}

/// A window that the watermark has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) key: String,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct PerKey {
    count: u64,
    sum: i64,
    last: u64,
    /// Moving mean: its bits hang on the order of the records.
    mean: f64,
    recent: BTreeSet<u64>,
}

/// The memory of one partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    newest_ms: Option<i64>,
    ordinal: u64,
    accepted: u64,
    late: u64,
    duplicate: u64,
    future: u64,
    keys: BTreeMap<String, PerKey>,
    /// Count and sum by (begin, key).
    windows: BTreeMap<(i64, String), (u64, i64)>,
}

impl Tally {
    /// The whole memory as text, line by line; the oracle writes the same by its own code.
    pub(crate) fn text(&self) -> String {
        let newest = self.newest_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let mut text = format!(
            "newest {newest} ordinal {} accepted {} late {} duplicate {} future {}\n",
            self.ordinal, self.accepted, self.late, self.duplicate, self.future
        );
        for (key, k) in &self.keys {
            let recent: Vec<String> = k.recent.iter().map(u64::to_string).collect();
            let _infallible = writeln!(
                text,
                "key {key} count {} sum {} last {} mean {:016x} recent {}",
                k.count,
                k.sum,
                k.last,
                k.mean.to_bits(),
                recent.join(",")
            );
        }
        for ((begin, key), (count, sum)) in &self.windows {
            let _infallible = writeln!(text, "window {begin} {key} {count} {sum}");
        }
        text
    }

    fn refusal(&self, sale: &Sale) -> Option<RejectReason> {
        let newest = self.newest_ms?;
        if sale.at_ms > newest.saturating_add(FUTURE_MS) {
            return Some(RejectReason::Future);
        }
        if let Some(key) = self.keys.get(&sale.key) {
            let forgotten =
                key.recent.len() == RECENT_MAX && key.recent.first().is_some_and(|f| sale.seq < *f);
            if forgotten || key.recent.contains(&sale.seq) {
                return Some(RejectReason::Duplicate);
            }
        }
        (window_of(sale.at_ms) + SPAN_MS <= newest - LATENESS_MS).then_some(RejectReason::Late)
    }

    fn take(&mut self, sale: &Sale) {
        self.accepted += 1;
        let key = self.keys.entry(sale.key.clone()).or_default();
        key.count += 1;
        key.sum += sale.value;
        key.last = key.last.max(sale.seq);
        #[allow(clippy::cast_precision_loss, reason = "the feeder's values are below 1,000")]
        let value = sale.value as f64;
        key.mean += (value - key.mean) * 0.125;
        key.recent.insert(sale.seq);
        if key.recent.len() > RECENT_MAX {
            key.recent.pop_first();
        }
        let window = (window_of(sale.at_ms), sale.key.clone());
        let (count, sum) = self.windows.entry(window).or_default();
        *count += 1;
        *sum += sale.value;
        self.newest_ms = Some(self.newest_ms.map_or(sale.at_ms, |ms| ms.max(sale.at_ms)));
    }

    fn close(&mut self, effects: &mut Effects<Closed>) {
        let Some(watermark) = self.newest_ms.map(|ms| ms - LATENESS_MS) else {
            return;
        };
        while let Some(first) = self.windows.first_entry() {
            if first.key().0 + SPAN_MS > watermark {
                break;
            }
            let ((begin, key), (count, sum)) = first.remove_entry();
            self.ordinal += 1;
            let k = self.keys.get(&key).cloned().unwrap_or_default();
            let text = format!(
                "{{\"key\":\"{key}\",\"window\":{begin},\"count\":{count},\"sum\":{sum},\"ordinal\":{},\"all\":{},\
                 \"total\":{},\"last\":{},\"mean\":\"{:016x}\"}}",
                self.ordinal,
                k.count,
                k.sum,
                k.last,
                k.mean.to_bits()
            );
            effects.emit(Closed { key, text });
        }
    }
}

fn window_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(SPAN_MS)
}

impl Stage for Tally {
    type Settings = ();
    type Input = Sale;
    type Output = Closed;
    const NAME: &'static str = "tally";
    const VERSION: u32 = 1;

    fn step(&mut self, sale: &Sale, effects: &mut Effects<Closed>) {
        if let Some(reason) = self.refusal(sale) {
            match reason {
                RejectReason::Future => self.future += 1,
                RejectReason::Duplicate => self.duplicate += 1,
                _ => self.late += 1,
            }
            effects.reject(reason, "by the rule of the tally");
            return;
        }
        self.take(sale);
        self.close(effects);
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        encode_state(self)
    }

    fn load((): (), bytes: &[u8]) -> Result<Self, SnapshotError> {
        decode_state(bytes)
    }
}
