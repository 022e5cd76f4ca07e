use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forecall_bridge::BridgeSettings;
use forecall_delivery::DeliverSettings;
use forecall_detect::DetectSettings;
use forecall_incident::CorrelateSettings;
use forecall_journey::JourneySettings;
use forecall_kafka::KafkaSettings;
use forecall_observe::LogSettings;
use forecall_outreach::OutreachSettings;
use forecall_types::{ContactChannel, DomainName, Fingerprint, Labels, RemedyName, SourceName};
use forecall_wire::event::TopicNames;
use forecall_wire::telemetry::{
    Announcements, CallSettings as CallFields, CustomerEvents, Format, Source, Texts,
};

use crate::api::{ApiSettings, FeedSettings};
use crate::areas;
use crate::canary::canary_topic;
use crate::check::check;
use crate::error::{ConfigError, Problem};
use crate::expand::expand;
use crate::parse_error::problem_of;
use crate::raw::{
    AnomalyMetricsSettings, CanarySettings, DirectorySettings, File, FormatSettings, GatewaySettings,
    HttpSettings, LedgerSettings, ReloadSettings, SourceSettings, StateSettings, TopicSettings,
};
use crate::reload::Written;
use crate::remedy::RemedyTarget;

/// Largest `record_bytes_max`: a dead letter holds such a record whole, and its topic takes 2 MiB a record.
const RECORD_BYTES_MAX: usize = 1_900_000;

/// Checked settings of the whole house.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Domain of everything that names none.
    pub domain: DomainName,
    /// Everything published says so and no customer is told.
    pub simulated: bool,
    /// Consumer groups begin with this.
    pub group: String,
    /// The broker, if any.
    pub kafka: Option<KafkaSettings>,
    /// forecall's own topics.
    pub topics: TopicSettings,
    /// Input topics; no topic twice.
    pub sources: Vec<Source>,
    /// The detector.
    pub detect: Arc<DetectSettings>,
    /// Rules of customers' journeys, and what holds for all of them.
    pub journeys: Arc<JourneySettings>,
    /// Topology, tunables and objectives.
    pub correlate: Arc<CorrelateSettings>,
    /// Policy, words, call model.
    pub outreach: Arc<OutreachSettings>,
    /// Where the customers stand.
    pub directory: Option<DirectorySettings>,
    /// How intents are sent.
    pub delivery: DeliverSettings,
    /// One gateway a channel.
    pub gateways: BTreeMap<ContactChannel, GatewaySettings>,
    /// Bridges to targets outside, by name.
    pub bridges: BTreeMap<String, BridgeSettings>,
    /// Remedies that may be called, and where.
    pub remedies: BTreeMap<RemedyName, RemedyTarget>,
    /// Outreach's database.
    pub ledger: LedgerSettings,
    /// Snapshots and times.
    pub state: StateSettings,
    /// Whether the whole way is tried once a minute.
    pub canary: CanarySettings,
    /// Metrics and health.
    pub http: HttpSettings,
    /// Commands and verdicts over HTTP; `None`: no such interface.
    pub api: Option<ApiSettings>,
    /// Notices that have gone out, for everybody; `None`: no feeds.
    pub feeds: Option<FeedSettings>,
    /// Series that are shown with what was expected of them.
    pub anomaly_metrics: AnomalyMetricsSettings,
    /// Log lines.
    pub logs: LogSettings,
    /// Other settings while it runs.
    pub reload: ReloadSettings,
    /// What stood in the file, to tell another text from the same.
    pub(crate) written: Written,
    /// Digest of what decides, secrets left out.
    pub digest: Fingerprint,
    /// What works but is probably not meant.
    pub warnings: Vec<Problem>,
}

impl Settings {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Every problem found, with file, line and remedy.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("the configuration can't be read: {error}");
            ConfigError::new(&name, "", vec![Problem { place: None, what }])
        })?;
        let mut settings = Self::from_yaml(&name, &text)?;
        areas::read(&mut settings, &text).map_err(|problems| ConfigError::new(&name, &text, problems))?;
        Ok(settings)
    }

    /// Checks a text; `name` stands for the file in errors. No file is read: `outreach.areas` stay empty.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError::new(name, text, problems);
        let expanded = expand(text).map_err(failed)?;
        // An empty file is a map without keys: all defaults.
        let file: File = if expanded
            .text
            .lines()
            .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
        {
            File::default()
        } else {
            serde_saphyr::from_str(&expanded.text)
                .map_err(|error| failed(vec![problem_of(&error, text, &expanded.values)]))?
        };
        let mut settings = check(file, text, digest(text), &expanded.values).map_err(failed)?;
        settings.written = Written::of(&expanded.text);
        Ok(settings)
    }

    /// The topic of the canary's samples; `None`: it is off.
    pub fn canary_topic(&self) -> Option<String> {
        self.canary.enabled.then(|| canary_topic(&self.topics.prefix))
    }

    /// Names of forecall's own topics.
    pub fn topic_names(&self) -> TopicNames {
        TopicNames::with_prefix(self.topics.prefix.clone())
    }
}

/// Digest of the text without comments, blank lines and what stands in `${…}`.
fn digest(text: &str) -> Fingerprint {
    let lines: Vec<&[u8]> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty() && !line.trim_start().starts_with('#'))
        .map(str::as_bytes)
        .collect();
    Fingerprint::of_parts(&lines)
}

/// How a source's records are read.
fn format_of(raw: &SourceSettings) -> Result<Format, String> {
    let topic = &raw.topic;
    if raw.texts.is_some() && raw.format != FormatSettings::CustomerTexts {
        return Err(format!(
            "sources: topic `{topic}` has `texts:`; say `format: customer_texts` too"
        ));
    }
    if raw.context.is_some() && raw.format != FormatSettings::Context {
        return Err(format!(
            "sources: topic `{topic}` has `context:`; say `format: context` too"
        ));
    }
    if raw.events.is_some() && raw.format != FormatSettings::CustomerEvents {
        return Err(format!(
            "sources: topic `{topic}` has `events:`; say `format: customer_events` too"
        ));
    }
    Ok(match (raw.format, &raw.mapping) {
        (FormatSettings::Mapping, Some(mapping)) => {
            mapping
                .check()
                .map_err(|e| format!("sources: topic `{topic}`: mapping: {e}"))?;
            Format::Mapping(mapping.clone())
        }
        (FormatSettings::Mapping, None) => {
            return Err(format!(
                "sources: topic `{topic}` has `format: mapping` and no `mapping:`"
            ));
        }
        (_, Some(_)) => {
            return Err(format!(
                "sources: topic `{topic}` has a `mapping:`; say `format: mapping` too"
            ));
        }
        (FormatSettings::Auto, None) => Format::Auto,
        (FormatSettings::OtlpProto, None) => Format::OtlpProto,
        (FormatSettings::OtlpJson, None) => Format::OtlpJson,
        (FormatSettings::OtlpTraces, None) => Format::OtlpTraces,
        (FormatSettings::PrometheusJson, None) => Format::PrometheusJson,
        (FormatSettings::CollectdJson, None) => Format::CollectdJson,
        (FormatSettings::TelegrafJson, None) => Format::TelegrafJson,
        (FormatSettings::InfluxLine, None) => Format::InfluxLine,
        (FormatSettings::FlatJson, None) => Format::FlatJson,
        (FormatSettings::CustomerTexts, None) => {
            let texts = raw
                .texts
                .as_ref()
                .map_or_else(|| Ok(Texts::default()), Texts::new);
            Format::CustomerTexts(texts.map_err(|e| format!("sources: topic `{topic}`: texts: {e}"))?)
        }
        (FormatSettings::Context, None) => {
            let context = raw
                .context
                .as_ref()
                .map_or_else(|| Ok(Announcements::default()), Announcements::new);
            Format::Context(context.map_err(|e| format!("sources: topic `{topic}`: context: {e}"))?)
        }
        (FormatSettings::CustomerEvents, None) => {
            let events = raw
                .events
                .as_ref()
                .map_or_else(|| Ok(CustomerEvents::default()), CustomerEvents::new);
            Format::CustomerEvents(events.map_err(|e| format!("sources: topic `{topic}`: events: {e}"))?)
        }
        (FormatSettings::AsteriskQueueLog, None) => Format::AsteriskQueueLog,
        (FormatSettings::AmazonConnect, None) => Format::AmazonConnect,
    })
}

pub(crate) fn source_of(domain: &DomainName, raw: SourceSettings) -> Result<Source, String> {
    let topic = raw.topic.clone();
    let format = format_of(&raw)?;
    let name = match raw.name {
        Some(name) => name,
        None => SourceName::new(&topic).map_err(|e| format!("sources: {e}"))?,
    };
    let mut source = Source::new(name, &topic, raw.domain.unwrap_or_else(|| domain.clone()), format);
    if raw.keyed && source.format.is_context() {
        return Err(format!(
            "sources: topic `{topic}` is `keyed: true`, but what is announced goes to all entities: `format: context` is always re-keyed"
        ));
    }
    if raw.keyed && source.format.is_traces() {
        return Err(format!(
            "sources: topic `{topic}` is `keyed: true`, which is for what is measured: traces tell who calls whom"
        ));
    }
    if raw.keyed && source.format.is_customer_events() {
        return Err(format!(
            "sources: topic `{topic}` is `keyed: true`, which is for telemetry: customers' events are always put in order by customer"
        ));
    }
    source.keyed |= raw.keyed;
    if raw.templates && !source.format.may_be_logs() {
        return Err(format!(
            "sources: topic `{topic}` has `templates: true`, which is for OTLP logs: `format` otlp_proto, otlp_json or auto"
        ));
    }
    source.templates = raw.templates;
    if raw.personal == Some(false) && source.format.is_customer_events() {
        return Err(format!(
            "sources: topic `{topic}` is `personal: false`, but customers' events say what happened to whom: leave it out"
        ));
    }
    source.personal = raw.personal.unwrap_or(source.personal);
    source.resource_defaults = Labels::from_pairs(&raw.resource_defaults);
    source.time_unit = raw.time_unit;
    if let Some(bytes) = raw.record_bytes_max {
        if !(1..=RECORD_BYTES_MAX).contains(&bytes) {
            return Err(format!(
                "sources: topic `{topic}`: `record_bytes_max` is {bytes}: it must lie between 1 and {RECORD_BYTES_MAX}"
            ));
        }
        source.limits.record_bytes_max = bytes;
    }
    source.calls = CallFields {
        queues: raw
            .queues
            .into_iter()
            .map(|(key, value)| (Arc::from(key), value))
            .collect(),
        regions: raw
            .regions
            .into_iter()
            .map(|(key, value)| (Arc::from(key), value))
            .collect(),
    };
    Ok(source)
}
