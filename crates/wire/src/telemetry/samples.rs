//! The codec of `forecall.samples.v1`: a [`SamplesRecord`] as compact bytes, between forecall's own stages.
//!
//! Layout, all numbers LEB128 varints (signed ones zigzag), floats 8 bytes little-endian:
//! version byte · strings (count, then each length and bytes) · label sets (count, then each count and name/value string
//! indices) · domain · origin (topic, partition, offset) · appended_at · marks · contexts, in [`VERSION_CONTEXT`] alone · keys (metric, unit, resource set,
//! label set) · rows (key, time since the last row, kind byte, payload).
//!
//! A mark is topic, partition, a byte of flags, and what they say is there: newest time, time silent until, topics (count,
//! then each topic and its partitions). [`VERSION_BEFORE`] is read too: its marks are topic, partition, newest time, idle.
//!
//! Refused points are not carried: they are counted where the source record was decoded. Unknown versions, indices out
//! of range, bytes left over and numbers that aren't finite are `Malformed`.

use std::collections::BTreeMap;

use forecall_types::{
    EventTime, Fingerprint, KeyView, LabelsView, Reading, Reject, RejectReason, SamplesRecord, SourceMark,
    SourceTopic, Temporality,
};

pub use self::context::CONTEXTS_MAX;
use self::input::Input;

mod context;
mod input;

/// First byte of a record. It begins no ASCII text, no JSON and no OTLP request, so that `auto` can tell.
pub const VERSION: u8 = 0xf2;
/// First byte of a record that carries context records: all others are written as before, so that a reader from before misses
/// nothing but those.
pub const VERSION_CONTEXT: u8 = 0xf3;
/// First byte of records that stand on the topic from before; nobody writes them any more.
pub const VERSION_BEFORE: u8 = 0xf1;
/// Rows of one record: ten times what a source record may hold by default.
pub const ROWS_MAX: usize = 100_000;
/// Labels of all keys together when each has its own copy: what bounds memory when few bytes name one large label set
/// many times.
const LABELS_OF_KEYS_MAX: usize = 3_000_000;

const MARK_NEWEST: u8 = 1;
const MARK_PULSE: u8 = 2;
const MARK_CAUGHT_UP: u8 = 4;
const MARK_SILENT: u8 = 8;

const GAUGE: u8 = 0;
const SUM: u8 = 1;
const HISTOGRAM: u8 = 2;
const SUMMARY: u8 = 3;
const EVENTS: u8 = 4;

/// The bytes of a record.
pub fn encode(record: &SamplesRecord) -> Vec<u8> {
    let mut tables = Tables::default();
    let mut body = Vec::with_capacity(record.batch.rows().len() * 16 + 64);
    let domain = tables.string(record.domain.as_str());
    put(&mut body, domain);
    let topic = tables.string(&record.origin.topic);
    put(&mut body, topic);
    put_signed(&mut body, i64::from(record.origin.partition));
    put_signed(&mut body, record.origin.offset);
    put_signed(&mut body, record.appended_at.nanos());
    put(&mut body, len(record.marks.len()));
    for mark in &record.marks {
        put_mark(&mut body, &mut tables, mark);
    }
    if !record.contexts.is_empty() {
        context::put_all(&mut body, &mut tables, &record.contexts);
    }
    let mut keys: BTreeMap<(Fingerprint, &str), u64> = BTreeMap::new();
    let mut key_bytes = Vec::new();
    let mut rows = Vec::with_capacity(record.batch.rows().len() * 16);
    let (mut row_count, mut last) = (0, 0_i64);
    for row in record.batch.rows() {
        let (Some(key), Some(reading)) = (record.batch.key_view(row), record.batch.reading(row)) else {
            continue;
        };
        let next = len(keys.len());
        let index = *keys.entry((row.series, key.unit)).or_insert_with(|| {
            put_key(&mut key_bytes, &mut tables, &key);
            next
        });
        put(&mut rows, index);
        put_signed(&mut rows, row.at.nanos().wrapping_sub(last));
        last = row.at.nanos();
        put_reading(&mut rows, &reading);
        row_count += 1;
    }
    let mut out = vec![if record.contexts.is_empty() {
        VERSION
    } else {
        VERSION_CONTEXT
    }];
    tables.write(&mut out);
    out.append(&mut body);
    put(&mut out, len(keys.len()));
    out.append(&mut key_bytes);
    put(&mut out, row_count);
    out.append(&mut rows);
    out
}

/// The record in the bytes.
///
/// # Errors
/// `Malformed` if the bytes are not a record of this version, `TooLarge` beyond [`ROWS_MAX`].
pub fn decode(bytes: &[u8]) -> Result<SamplesRecord, Reject> {
    decode_reusing(bytes, None)
}

/// As [`decode`], in the memory of a record that is no longer needed.
///
/// # Errors
/// As [`decode`].
pub fn decode_reusing(bytes: &[u8], spare: Option<SamplesRecord>) -> Result<SamplesRecord, Reject> {
    let mut input = Input { rest: bytes };
    let record = input.record(spare)?;
    if input.rest.is_empty() {
        Ok(record)
    } else {
        Err(bad("bytes are left over"))
    }
}

fn bad(what: &str) -> Reject {
    Reject::new(RejectReason::Malformed, format!("samples record: {what}"))
}

fn too_many(max: usize, what: &str) -> Reject {
    Reject::new(
        RejectReason::TooLarge,
        format!("samples record: more than {max} {what}"),
    )
}

fn len(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    // Zigzag: small numbers of either sign become small ones.
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn put_float(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_start(out: &mut Vec<u8>, start: Option<EventTime>) {
    match start {
        None => out.push(0),
        Some(start) => {
            out.push(1);
            put_signed(out, start.nanos());
        }
    }
}

const fn temporality_byte(temporality: Temporality) -> u8 {
    match temporality {
        Temporality::Cumulative => 0,
        Temporality::Delta => 1,
    }
}

fn put_mark<'k>(out: &mut Vec<u8>, tables: &mut Tables<'k>, mark: &'k SourceMark) {
    let topic = tables.string(&mark.source.topic);
    put(out, topic);
    put_signed(out, i64::from(mark.source.partition));
    let silent_until = mark.pulse.as_ref().and_then(|pulse| pulse.silent_until);
    let flags = [
        (mark.newest.is_some(), MARK_NEWEST),
        (mark.pulse.is_some(), MARK_PULSE),
        (mark.pulse.as_ref().is_some_and(|p| p.caught_up), MARK_CAUGHT_UP),
        (silent_until.is_some(), MARK_SILENT),
    ];
    out.push(
        flags
            .iter()
            .filter(|(is, _)| *is)
            .fold(0, |all, (_, flag)| all | flag),
    );
    for time in [mark.newest, silent_until].into_iter().flatten() {
        put_signed(out, time.nanos());
    }
    if let Some(pulse) = &mark.pulse {
        put(out, len(pulse.topics.len()));
        for SourceTopic { topic, partitions } in &pulse.topics {
            let topic = tables.string(topic);
            put(out, topic);
            put(out, u64::from(*partitions));
        }
    }
}

fn put_key<'k>(out: &mut Vec<u8>, tables: &mut Tables<'k>, key: &KeyView<'k>) {
    let parts = [
        tables.string(key.metric),
        tables.string(key.unit),
        tables.labels(key.resource),
        tables.labels(key.labels),
    ];
    for part in parts {
        put(out, part);
    }
}

fn put_reading(out: &mut Vec<u8>, reading: &Reading<'_>) {
    match reading {
        Reading::Gauge(value) => {
            out.push(GAUGE);
            put_float(out, *value);
        }
        Reading::Sum {
            value,
            temporality,
            monotonic,
            start,
        } => {
            out.push(SUM);
            put_float(out, *value);
            out.push(temporality_byte(*temporality));
            out.push(u8::from(*monotonic));
            put_start(out, *start);
        }
        Reading::Histogram {
            bounds,
            counts,
            sum,
            temporality,
            start,
        } => {
            out.push(HISTOGRAM);
            put(out, len(bounds.len()));
            bounds.iter().for_each(|bound| put_float(out, *bound));
            counts.iter().for_each(|count| put(out, *count));
            out.push(u8::from(sum.is_some()));
            if let Some(sum) = sum {
                put_float(out, *sum);
            }
            out.push(temporality_byte(*temporality));
            put_start(out, *start);
        }
        Reading::Summary {
            quantiles,
            sum,
            count,
            start,
        } => {
            out.push(SUMMARY);
            put(out, len(quantiles.len()));
            for (quantile, value) in *quantiles {
                put_float(out, *quantile);
                put_float(out, *value);
            }
            put_float(out, *sum);
            put(out, *count);
            put_start(out, *start);
        }
        Reading::Events { count } => {
            out.push(EVENTS);
            put(out, *count);
        }
    }
}

/// Strings and label sets, each written once; they lie in the record that is written.
#[derive(Default)]
struct Tables<'k> {
    strings: Vec<&'k str>,
    string_index: BTreeMap<&'k str, u64>,
    sets: Vec<Vec<u64>>,
    set_index: BTreeMap<&'k [u8], u64>,
}

impl<'k> Tables<'k> {
    fn string(&mut self, text: &'k str) -> u64 {
        *self.string_index.entry(text).or_insert_with(|| {
            self.strings.push(text);
            len(self.strings.len() - 1)
        })
    }

    fn labels(&mut self, labels: LabelsView<'k>) -> u64 {
        if let Some(index) = self.set_index.get(labels.as_bytes()) {
            return *index;
        }
        let set = labels
            .flat_map(|(name, value)| [name, value])
            .map(|text| self.string(text))
            .collect();
        let index = len(self.sets.len());
        self.sets.push(set);
        self.set_index.insert(labels.as_bytes(), index);
        index
    }

    fn write(&self, out: &mut Vec<u8>) {
        put(out, len(self.strings.len()));
        for text in &self.strings {
            put(out, len(text.len()));
            out.extend_from_slice(text.as_bytes());
        }
        put(out, len(self.sets.len()));
        for set in &self.sets {
            put(out, len(set.len() / 2));
            set.iter().for_each(|index| put(out, *index));
        }
    }
}
