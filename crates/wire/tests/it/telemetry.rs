//! Formats of telemetry: bytes in, and what came out as text a person can read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share stands outside of test functions"
)]

mod calls;
mod context;
mod corpus;
mod customer_events;
mod flat_formats;
mod mapping;
mod otlp;
mod properties;
mod samples;
mod texts;
mod traces;
mod walks;

use std::fmt::Write as _;

use forecall_types::{DomainName, EventTime, Labels, Reading, SamplesRecord, SourceName};
use forecall_wire::telemetry::{Decoded, Format, PseudonymKey, RawRecord, Source, decode};

pub(crate) fn source(format: Format) -> Source {
    let mut source = Source::new(
        SourceName::new("test").unwrap(),
        "topic",
        DomainName::new("isp").unwrap(),
        format,
    );
    source.resource_defaults = Labels::from_pairs([("region", "IR-23")]);
    source
}

pub(crate) fn key() -> PseudonymKey {
    PseudonymKey::from_bytes(&[7; 32]).unwrap()
}

pub(crate) fn record<'a>(value: &'a [u8], headers: &'a [(&'a str, &'a [u8])]) -> RawRecord<'a> {
    RawRecord {
        topic: "topic",
        partition: 3,
        offset: 42,
        appended_at: EventTime::from_secs(1_767_225_600),
        key: None,
        value: Some(value),
        headers,
    }
}

pub(crate) fn decoded(source: &Source, value: &[u8]) -> String {
    decoded_with(source, value, &[])
}

pub(crate) fn decoded_with(source: &Source, value: &[u8], headers: &[(&str, &[u8])]) -> String {
    match decode(source, Some(&key()), &record(value, headers)) {
        Err(reject) => format!("refused: {}: {}\n", reject.reason, reject.detail),
        Ok(Decoded::Nothing) => "nothing\n".to_owned(),
        Ok(Decoded::CustomerEvents(batch)) => format!("{} events of customers\n", batch.events.len()),
        Ok(Decoded::Samples(samples)) => samples_text(&samples),
        Ok(Decoded::Calls(batch)) => {
            let mut out = String::new();
            for c in &batch.calls {
                let span = |s: Option<std::time::Duration>| {
                    s.map_or("-".to_owned(), |s| s.as_secs_f64().to_string())
                };
                writeln!(
                    out,
                    "{} {} arrived {} known {} {:?} wait {} handle {} customer {} region {}",
                    c.id,
                    c.queue,
                    time_text(c.arrived_at),
                    time_text(c.at),
                    c.outcome,
                    span(c.wait),
                    span(c.handle),
                    c.customer.as_ref().map_or("-", |c| c.as_str()),
                    c.region.as_ref().map_or("-", |r| r.as_str()),
                )
                .unwrap();
            }
            for reject in &batch.rejects {
                writeln!(out, "refused: {}: {}", reject.reason, reject.detail).unwrap();
            }
            out
        }
    }
}

/// What spans tell, by the last digits of their hashes.
fn links_text(samples: &SamplesRecord, out: &mut String) {
    for link in &samples.links {
        let peer = link.peer.as_ref().map_or("-", |peer| peer.as_str());
        let parent = link
            .parent
            .map_or_else(|| "-".to_owned(), |parent| format!("{:04x}", parent & 0xffff));
        writeln!(
            out,
            "{} span {:04x} of {} {:?} peer {peer} within {parent}",
            time_text(link.at),
            link.span & 0xffff,
            link.service,
            link.side
        )
        .unwrap();
    }
}

pub(crate) fn samples_text(samples: &SamplesRecord) -> String {
    let mut out = String::new();
    links_text(samples, &mut out);
    for row in samples.batch.rows() {
        let key = samples.batch.key(row).unwrap();
        let unit = if key.unit.is_empty() {
            String::new()
        } else {
            format!(" [{}]", key.unit)
        };
        let what = match samples.batch.reading(row).unwrap() {
            Reading::Gauge(value) => format!("gauge {value}"),
            Reading::Sum {
                value,
                temporality,
                monotonic,
                start,
            } => format!(
                "sum {value} {temporality:?} {} from {}",
                if monotonic { "rising" } else { "free" },
                start.map_or("?".to_owned(), time_text)
            ),
            Reading::Histogram {
                bounds,
                counts,
                sum,
                temporality,
                start,
            } => format!(
                "histogram {bounds:?} {counts:?} sum {sum:?} {temporality:?} from {}",
                start.map_or("?".to_owned(), time_text)
            ),
            Reading::Summary {
                quantiles,
                sum,
                count,
                start,
            } => format!(
                "summary {quantiles:?} sum {sum} count {count} from {}",
                start.map_or("?".to_owned(), time_text)
            ),
            Reading::Events { count } => format!("events {count}"),
        };
        writeln!(
            out,
            "{} {}{unit} {} of {} = {what}",
            time_text(row.at),
            key.metric,
            labels_text(&key.labels),
            labels_text(&key.resource)
        )
        .unwrap();
    }
    for context in &samples.contexts {
        let parts = context.parts();
        let title = parts.title.as_ref().map_or(String::new(), |t| format!(" “{t}”"));
        writeln!(
            out,
            "{} {}{title} {} to {} of {}",
            parts.kind.as_str(),
            parts.id,
            time_text(parts.from),
            time_text(parts.until),
            labels_text(&Labels::from_pairs(&parts.matches))
        )
        .unwrap();
    }
    for reject in samples.batch.rejects() {
        writeln!(out, "refused: {}: {}", reject.reason, reject.detail).unwrap();
    }
    out
}

fn time_text(time: EventTime) -> String {
    let nanos = time.nanos().rem_euclid(1_000_000_000);
    if nanos == 0 {
        format!("{}s", time.secs())
    } else {
        format!("{}.{nanos:09}s", time.secs())
    }
}

fn labels_text(labels: &Labels) -> String {
    let pairs: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
