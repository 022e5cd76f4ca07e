use std::sync::Arc;

use forecall_types::{DomainName, LABEL_VALUE_BYTES_MAX, LABELS_MAX, Labels, SourceName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Announcements, CallSettings, CustomerEvents, Mapping, Texts};

/// How the records of a topic are written.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one per source, a handful in a process"
)]
pub enum Format {
    /// Told by the content-type header, the first bytes or the shape, record by record. Costs a second look at JSON;
    /// never chooses a mapping.
    Auto,
    /// OTLP metrics or logs, protobuf (the OpenTelemetry Collector's `otlp_proto`).
    OtlpProto,
    /// OTLP metrics or logs, JSON (`otlp_json`).
    OtlpJson,
    /// OTLP traces, protobuf or JSON: who calls whom.
    OtlpTraces,
    /// One sample as prometheus-kafka-adapter writes it.
    PrometheusJson,
    /// A list of value lists as collectd's `write_kafka` writes it with `Format JSON`.
    CollectdJson,
    /// Telegraf's JSON, one metric or a batch.
    TelegrafJson,
    /// Influx line protocol.
    InfluxLine,
    /// forecall's own: `{"ts":…,"series":…,"value":…,"labels":{}}`.
    FlatJson,
    /// Any JSON or CloudEvent by declared pointers.
    Mapping(Mapping),
    /// What customers write, counted by topic.
    CustomerTexts(Texts),
    /// What people announce: deployments, maintenance.
    Context(Announcements),
    /// What happened to single customers: paid, activated, wrote.
    CustomerEvents(CustomerEvents),
    /// Lines of Asterisk's `queue_log`.
    AsteriskQueueLog,
    /// Amazon Connect contact records.
    AmazonConnect,
    /// forecall's re-keyed topic, see [`samples`](super::samples).
    Samples,
}

impl Format {
    /// The name used in settings and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OtlpProto => "otlp_proto",
            Self::OtlpJson => "otlp_json",
            Self::OtlpTraces => "otlp_traces",
            Self::PrometheusJson => "prometheus_json",
            Self::CollectdJson => "collectd_json",
            Self::TelegrafJson => "telegraf_json",
            Self::InfluxLine => "influx_line",
            Self::FlatJson => "flat_json",
            Self::Mapping(_) => "mapping",
            Self::CustomerTexts(_) => "customer_texts",
            Self::Context(_) => "context",
            Self::CustomerEvents(_) => "customer_events",
            Self::AsteriskQueueLog => "asterisk_queue_log",
            Self::AmazonConnect => "amazon_connect",
            Self::Samples => "samples",
        }
    }

    /// The format of that name; `None` for an unknown name and for `mapping`, which needs its pointers.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Auto,
            Self::OtlpProto,
            Self::OtlpJson,
            Self::OtlpTraces,
            Self::PrometheusJson,
            Self::CollectdJson,
            Self::TelegrafJson,
            Self::InfluxLine,
            Self::FlatJson,
            Self::CustomerTexts(Texts::default()),
            Self::Context(Announcements::default()),
            Self::CustomerEvents(CustomerEvents::default()),
            Self::AsteriskQueueLog,
            Self::AmazonConnect,
            Self::Samples,
        ]
        .into_iter()
        .find(|format| format.as_str() == name)
    }

    /// Whether a record's headers tell what is in it.
    pub const fn looks_at_headers(&self) -> bool {
        matches!(
            self,
            Self::Auto
                | Self::Mapping(_)
                | Self::CustomerTexts(_)
                | Self::Context(_)
                | Self::CustomerEvents(_)
        )
    }

    /// Whether its records may be log lines.
    pub const fn may_be_logs(&self) -> bool {
        matches!(self, Self::Auto | Self::OtlpProto | Self::OtlpJson)
    }

    /// Whether its records are calls, not points.
    pub const fn is_calls(&self) -> bool {
        match self {
            Self::AsteriskQueueLog | Self::AmazonConnect => true,
            Self::Auto
            | Self::OtlpProto
            | Self::OtlpJson
            | Self::OtlpTraces
            | Self::PrometheusJson
            | Self::CollectdJson
            | Self::TelegrafJson
            | Self::InfluxLine
            | Self::FlatJson
            | Self::Mapping(_)
            | Self::CustomerTexts(_)
            | Self::Context(_)
            | Self::CustomerEvents(_)
            | Self::Samples => false,
        }
    }

    /// Whether its records say what happened to single customers.
    pub const fn is_customer_events(&self) -> bool {
        matches!(self, Self::CustomerEvents(_))
    }

    /// Whether `rekey` and `detect` read its records: all but calls and customers' events.
    pub const fn is_telemetry(&self) -> bool {
        !self.is_calls() && !self.is_customer_events()
    }

    /// Whether its records say what was announced, and measure nothing.
    pub const fn is_context(&self) -> bool {
        matches!(self, Self::Context(_))
    }

    /// Whether its records are traces, which tell who calls whom and measure nothing here.
    pub const fn is_traces(&self) -> bool {
        matches!(self, Self::OtlpTraces)
    }

    /// Whether its records have points that are judged: nobody waits for a source without, and nothing is expected of it.
    pub const fn measures(&self) -> bool {
        self.is_telemetry() && !self.is_context() && !self.is_traces()
    }
}

/// Unit of a time written as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// By size: below 10¹¹ seconds, below 10¹⁴ milliseconds, below 10¹⁷ microseconds, else nanoseconds. Right for every
    /// time from 1973 on.
    #[default]
    Auto,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

/// What one record may hold. All are checked for every format; passing one is `TooLarge`, nothing is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the value: 1 MiB, the default `message.max.bytes` of a Kafka broker.
    pub record_bytes_max: usize,
    /// Nesting of JSON: 64; OTLP needs 16. At most 127, where the parser itself stops.
    pub depth_max: usize,
    /// Points (log records, calls): 10,000; the Collector's own batch is 8,192. At most
    /// [`samples::ROWS_MAX`](super::samples::ROWS_MAX), what the re-keyed topic carries in a record.
    pub points_max: usize,
    /// Labels of a resource, and labels of a point: 128, OpenTelemetry's own limit. At most [`LABELS_MAX`].
    pub labels_max: usize,
    /// Bytes of a label's name: 255, as for metric names.
    pub label_name_bytes_max: usize,
    /// Bytes of a label's value: 1,024. At most [`LABEL_VALUE_BYTES_MAX`].
    pub label_value_bytes_max: usize,
    /// Bytes of a metric's name: 255, the limit of the OpenTelemetry API.
    pub metric_name_bytes_max: usize,
    /// Buckets of a histogram, and of each side of an exponential one: 160, the SDKs' largest default.
    pub buckets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes_max: 1024 * 1024,
            depth_max: 64,
            points_max: 10_000,
            labels_max: LABELS_MAX,
            label_name_bytes_max: 255,
            label_value_bytes_max: LABEL_VALUE_BYTES_MAX,
            metric_name_bytes_max: 255,
            buckets_max: 160,
        }
    }
}

/// One telemetry source: a topic and how to read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name in settings and metrics.
    pub name: SourceName,
    /// The topic, or the folder of a replay.
    pub topic: Arc<str>,
    /// Whose telemetry it is.
    pub domain: DomainName,
    /// How it is written.
    pub format: Format,
    /// Records are keyed by entity already: no re-keying needed. Not read by [`decode`](super::decode).
    pub keyed: bool,
    /// Records hold personal data, so that their bytes may not be written anywhere, not even as dead letters. Not read
    /// by [`decode`](super::decode), whose refusals never hold such bytes.
    pub personal: bool,
    /// Labels added to a resource where they are missing.
    pub resource_defaults: Labels,
    /// What one record may hold.
    pub limits: Limits,
    /// Unit of times written as bare numbers (Telegraf, Influx, flat JSON; a mapping has its own).
    pub time_unit: TimeUnit,
    /// Log lines are told apart by template: their bodies leave the decoder, all values masked, and go as far as `detect`.
    pub templates: bool,
    /// For call records: names of queues, regions of numbers.
    pub calls: CallSettings,
}

impl Source {
    /// A source with the default limits, not keyed; `personal` for call formats, customers' texts and events, and mappings with a
    /// customer.
    pub fn new(name: SourceName, topic: &str, domain: DomainName, format: Format) -> Self {
        let personal = match &format {
            Format::Mapping(mapping) => mapping.customer.is_some(),
            Format::CustomerTexts(_) | Format::CustomerEvents(_) => true,
            other => other.is_calls(),
        };
        Self {
            name,
            topic: Arc::from(topic),
            domain,
            keyed: matches!(format, Format::Samples),
            personal,
            format,
            resource_defaults: Labels::default(),
            limits: Limits::default(),
            time_unit: TimeUnit::Auto,
            templates: false,
            calls: CallSettings::default(),
        }
    }
}
