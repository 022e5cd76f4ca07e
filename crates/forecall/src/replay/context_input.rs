//! `--context FILE`: what was announced while the telemetry was recorded, one record a line, in the form of the configuration's
//! source of `format: context`, or the default one.
//!
//! Each is known from its beginning on, whenever it was announced: a file doesn't say. Of one id the later line counts.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_log::OutRecord;
use forecall_types::{EventTime, Fingerprint, RejectReason, SampleBatch, SamplesRecord, SourceName};
use forecall_wire::telemetry::{Announcements, Decoded, Format, Source, decode, samples};
use serde_json::{Value, json};

use super::house::Stamped;
use super::{TOPIC, line_of};

/// Lines that can't be read told one by one; the rest is counted.
const TOLD_MAX: usize = 20;

/// What files beside the telemetry say, in order of time.
#[derive(Default)]
pub(super) struct Announced {
    pub(super) records: Vec<Stamped>,
    /// Of the manifest.
    pub(super) inputs: Vec<Value>,
    pub(super) bad: usize,
    pub(super) told: Vec<String>,
}

/// The source whose form the lines have.
fn source_of(settings: &Settings) -> anyhow::Result<Source> {
    let declared = settings.sources.iter().find(|s| s.format.is_context());
    let mut source = match declared {
        Some(source) => source.clone(),
        None => {
            let format = Format::Context(Announcements::default());
            Source::new(
                SourceName::new("context")?,
                "context",
                settings.domain.clone(),
                format,
            )
        }
    };
    // Whatever domain it is declared for: what is replayed is of one.
    source.domain = settings.domain.clone();
    Ok(source)
}

/// Reads the file, if one is named; none of it is known before `start`.
pub(super) fn read(path: Option<&Path>, settings: &Settings, start: EventTime) -> anyhow::Result<Announced> {
    let Some(path) = path else {
        return Ok(Announced::default());
    };
    let source = source_of(settings)?;
    // Of one id the later line counts.
    Announced::of_lines(path, "announcements", |shown, line, value| {
        let (contexts, refused) = announced_by(&source, shown, line, value);
        (contexts.map(|record| stamped(record, start)), refused)
    })
}

/// What a line announces, and what of it is refused.
fn announced_by(
    source: &Source,
    path: &str,
    line: i64,
    value: &[u8],
) -> (Option<SamplesRecord>, Vec<String>) {
    // A line has no other time than its own: what would take the broker's is seen by this one.
    let nowhen = EventTime::MAX;
    let raw = line_of(path, line, value, nowhen);
    match decode(source, None, &raw) {
        Ok(Decoded::Samples(mut record)) => {
            let mut refused: Vec<String> = record
                .batch
                .rejects()
                .iter()
                .map(|r| format!("{}: {}", r.reason, r.detail))
                .collect();
            let before = record.contexts.len();
            record.contexts.retain(|context| context.parts().from < nowhen);
            if record.contexts.len() < before {
                refused.push(format!(
                    "{}: it doesn't say when it begins",
                    RejectReason::MissingField
                ));
            }
            (Some(record).filter(|r| !r.contexts.is_empty()), refused)
        }
        Ok(Decoded::Nothing | Decoded::Calls(_) | Decoded::CustomerEvents(_)) => (None, Vec::new()),
        Err(reject) => (None, vec![format!("{}: {}", reject.reason, reject.detail)]),
    }
}

fn stamped(mut record: SamplesRecord, start: EventTime) -> Stamped {
    let first = record.contexts.iter().map(|context| context.parts().from).min();
    let at = first.unwrap_or(start).max(start);
    record.appended_at = at;
    record.batch = SampleBatch::default();
    Stamped {
        at,
        record: OutRecord {
            topic: Arc::from(TOPIC),
            partition: Some(0),
            key: None,
            value: Some(samples::encode(&record)),
            headers: Vec::new(),
        },
    }
}

impl Announced {
    /// What the lines of a file say, in order of time, of one time as they stand; `of_what` names them where they can't be read.
    pub(super) fn of_lines(
        path: &Path,
        of_what: &str,
        one: impl Fn(&str, i64, &[u8]) -> (Option<Stamped>, Vec<String>),
    ) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| format!("failed to read {shown}"))?;
        let mut announced = Self::default();
        let mut lines = 0_usize;
        for (line, value) in (1_i64..).zip(bytes.split(|b| *b == b'\n')) {
            if value.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            lines += 1;
            let (record, refused) = one(&shown, line, value);
            announced.records.extend(record);
            announced.bad += refused.len();
            for why in refused {
                if announced.told.len() < TOLD_MAX {
                    announced.told.push(format!("{shown}:{line}: {why}"));
                }
            }
        }
        if announced.bad > announced.told.len() {
            let more = announced.bad - announced.told.len();
            announced
                .told
                .push(format!("… and {more} more {of_what} that could not be read"));
        }
        announced.records.sort_by_key(|record| record.at);
        announced.inputs.push(json!({
            "path": shown,
            "bytes": bytes.len(),
            "xxh3_128": Fingerprint::of(&bytes).to_string(),
            "rows": lines,
            "rows_bad": announced.bad,
        }));
        Ok(announced)
    }

    /// Both; of one time what is announced comes first.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.records.extend(other.records);
        self.records.sort_by_key(|record| record.at);
        self.inputs.extend(other.inputs);
        self.bad += other.bad;
        self.told.extend(other.told);
        self
    }

    /// The records with what is announced among them, each before the first record of its time; what comes after the last one
    /// matters to none.
    pub(super) fn among(&mut self, records: impl Iterator<Item = Stamped>) -> impl Iterator<Item = Stamped> {
        let mut contexts = std::mem::take(&mut self.records).into_iter().peekable();
        let mut records = records.peekable();
        std::iter::from_fn(move || {
            let next = records.peek()?.at;
            contexts
                .next_if(|context| context.at <= next)
                .or_else(|| records.next())
        })
    }
}
