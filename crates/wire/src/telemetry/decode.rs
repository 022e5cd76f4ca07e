use forecall_types::{EventTime, Reject, RejectReason, SamplesRecord};

use super::points::Points;
use super::{
    CallBatch, CustomerEventBatch, Format, PseudonymKey, Source, Spellings, amazon_connect, asterisk,
    collectd, context, customer_events, customer_texts, detect_format, flat_json, influx, mapping, otlp,
    otlp_spans, prometheus, samples, telegraf,
};

/// One record as the log hands it over.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// When the broker appended it.
    pub appended_at: EventTime,
    /// Key; not looked at.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers; `content-type` and the `ce_…` ones are looked at.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> RawRecord<'a> {
    /// A header as text; names are compared without regard to case.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// What a record was.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one is at hand at a time; a box would be an allocation a record"
)]
pub enum Decoded {
    /// Points, and the points refused.
    Samples(SamplesRecord),
    /// Calls, and the lines refused.
    Calls(CallBatch),
    /// What happened to customers, and what was refused of it.
    CustomerEvents(CustomerEventBatch),
    /// A tombstone, or a record that holds nothing forecall looks at, by design (a deleted row, an outbound call).
    Nothing,
}

/// Decodes one record.
///
/// `pseudonyms` is needed for calls, customers' events and mappings with a customer: numbers and addresses become pseudonyms
/// here and don't leave this function.
///
/// # Errors
/// The record can't be read at all or passes a limit; its bytes belong in the dead-letter topic (unless the source is
/// `personal`). A call or customer record without `pseudonyms` is `NotAllowed`.
pub fn decode(
    source: &Source,
    pseudonyms: Option<&PseudonymKey>,
    record: &RawRecord<'_>,
) -> Result<Decoded, Reject> {
    decode_reusing(source, pseudonyms, record, None, &mut Spellings::default())
}

/// As [`decode`], in the memory of a record that is no longer needed: flat JSON and OTLP protobuf then allocate nothing.
/// `spellings` were found in earlier records of this source, and of no other.
///
/// # Errors
/// As [`decode`]; the memory is let go.
pub fn decode_reusing(
    source: &Source,
    pseudonyms: Option<&PseudonymKey>,
    record: &RawRecord<'_>,
    spare: Option<SamplesRecord>,
    spellings: &mut Spellings,
) -> Result<Decoded, Reject> {
    let Some(value) = record.value else {
        return Ok(Decoded::Nothing);
    };
    let max = source.limits.record_bytes_max;
    if value.len() > max {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("{} bytes, {max} are allowed", value.len()),
        ));
    }
    let detected;
    let format = match &source.format {
        Format::Auto => {
            detected = detect_format::detect(record, value, source.limits.depth_max)?;
            &detected
        }
        declared => declared,
    };
    let mut points = Points::new(source, spare, spellings);
    match format {
        // `detect` never gives `Auto`.
        Format::Auto => {
            return Err(Reject::new(
                RejectReason::UnknownFormat,
                "no format fits this record",
            ));
        }
        Format::OtlpProto => otlp::decode_proto(&mut points, value, record.topic)?,
        Format::OtlpJson => otlp::decode_json(&mut points, value)?,
        Format::OtlpTraces => otlp_spans::decode(&mut points, value)?,
        Format::PrometheusJson => prometheus::decode(&mut points, value)?,
        Format::CollectdJson => collectd::decode(&mut points, value)?,
        Format::TelegrafJson => telegraf::decode(&mut points, value)?,
        Format::InfluxLine => influx::decode(&mut points, value, record.appended_at)?,
        Format::FlatJson => flat_json::decode(&mut points, value)?,
        Format::Mapping(declared) => mapping::decode(&mut points, declared, pseudonyms, record, value)?,
        Format::CustomerTexts(texts) => customer_texts::decode(&mut points, texts, record, value)?,
        Format::Context(settings) => context::decode(&mut points, settings, record, value)?,
        Format::CustomerEvents(declared) => {
            return customer_events::decode(source, key_of(pseudonyms)?, declared, record, value);
        }
        Format::AsteriskQueueLog => return asterisk::decode(source, key_of(pseudonyms)?, value),
        Format::AmazonConnect => return amazon_connect::decode(source, key_of(pseudonyms)?, value),
        Format::Samples => return samples::decode(value).map(Decoded::Samples),
    }
    points.finish(record)
}

pub(super) fn key_of(pseudonyms: Option<&PseudonymKey>) -> Result<&PseudonymKey, Reject> {
    pseudonyms.ok_or_else(|| {
        Reject::new(
            RejectReason::NotAllowed,
            "personal records need the domain's pseudonym key",
        )
    })
}
