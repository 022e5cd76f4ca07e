use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use forecall_delivery::DeliverSettings;
use forecall_detect::DetectSettings;
use forecall_incident::{CorrelateParts, CorrelateSettings, Topology};
use forecall_kafka::KafkaSettings;
use forecall_observe::LogSettings;
use forecall_outreach::OutreachSettings;
use forecall_types::{ContactChannel, DomainName, Fingerprint, Labels, SourceName};
use forecall_wire::event::TopicNames;
use forecall_wire::telemetry::{CallSettings as CallFields, Format, Source};

use crate::error::{ConfigError, Problem, nearest};
use crate::expand::expand;
use crate::raw::{
    DirectorySettings, File, FormatSettings, GatewaySettings, HttpSettings, LedgerSettings, SourceSettings,
    StateSettings, TopicSettings,
};

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
    /// Outreach's database.
    pub ledger: LedgerSettings,
    /// Snapshots and times.
    pub state: StateSettings,
    /// Metrics and health.
    pub http: HttpSettings,
    /// Log lines.
    pub logs: LogSettings,
    /// Digest of what decides, secrets left out.
    pub digest: Fingerprint,
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
        Self::from_yaml(&name, &text)
    }

    /// Checks a text; `name` stands for the file in errors.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_yaml(name: &str, text: &str) -> Result<Self, ConfigError> {
        let failed = |problems| ConfigError::new(name, text, problems);
        let expanded = expand(text).map_err(failed)?;
        // An empty file is a map without keys: all defaults.
        let file: File = if expanded
            .lines()
            .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
        {
            File::default()
        } else {
            serde_saphyr::from_str(&expanded).map_err(|error| failed(vec![problem_of(&error)]))?
        };
        check(file, digest(text)).map_err(failed)
    }

    /// Names of forecall's own topics.
    pub fn topic_names(&self) -> TopicNames {
        TopicNames::with_prefix(self.topics.prefix.clone())
    }
}

/// A parser's complaint, without the source (which holds expanded secrets), with a hint where a key is misspelt.
fn problem_of(error: &serde_saphyr::Error) -> Problem {
    let place = error.location().and_then(|at| {
        Some((
            usize::try_from(at.line()).ok()?,
            usize::try_from(at.column()).ok()?,
        ))
    });
    let bare = error.without_snippet().to_string();
    let what = bare
        .split(" at line ")
        .next()
        .unwrap_or(&bare)
        .trim_end_matches([',', ':'])
        .to_owned();
    let mut quoted = what.split('`').skip(1).step_by(2);
    let hint = match quoted.next() {
        Some(word) if what.contains("unknown") => {
            nearest(word, quoted).map(|name| format!("; did you mean `{name}`?"))
        }
        Some(_) | None => None,
    };
    Problem {
        place,
        what: format!("{what}{}", hint.unwrap_or_default()),
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

fn check(file: File, digest: Fingerprint) -> Result<Settings, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut wrong = |what: String| problems.push(Problem { place: None, what });
    if let Err(error) = file.detect.check() {
        wrong(format!("detect: {error}"));
    }
    if let Err(error) = file.outreach.calls.check() {
        wrong(format!("outreach.calls: {error}"));
    }
    if file.topics.replication < 3 && !file.topics.dev {
        wrong(format!(
            "topics.replication is {}: fewer than 3 copies need `topics.dev: true`",
            file.topics.replication
        ));
    }
    if !(1..=1_000).contains(&file.topics.partitions) {
        wrong(format!(
            "topics.partitions is {}: it must lie between 1 and 1000",
            file.topics.partitions
        ));
    }
    for (name, seconds) in [
        ("interval_seconds", file.state.interval_seconds),
        ("tick_seconds", file.state.tick_seconds),
        ("idle_seconds", file.state.idle_seconds),
    ] {
        if seconds == 0 {
            wrong(format!("state.{name} is 0: it must be at least 1"));
        }
    }
    let mut seen = BTreeSet::new();
    let mut sources = Vec::new();
    for source in file.sources {
        if !seen.insert(source.topic.clone()) {
            wrong(format!("sources: topic `{}` stands twice", source.topic));
        }
        match source_of(&file.domain, source) {
            Ok(source) => sources.push(source),
            Err(what) => wrong(what),
        }
    }
    if sources.iter().any(|s| s.personal) && file.ledger.pseudonym_key.is_none() {
        wrong("a source holds personal data (calls do), so `ledger.pseudonym_key` is needed: 64 hexadecimal digits".into());
    }
    let topology = Topology::check(&file.topology)
        .map_err(|e| wrong(format!("topology: {e}")))
        .unwrap_or_default();
    let correlate = CorrelateSettings::new(CorrelateParts {
        topology,
        tunables: file.correlate,
        objectives: file.objectives,
        customers: BTreeMap::new(),
        version: Arc::from(env!("CARGO_PKG_VERSION")),
        settings_digest: Arc::from(digest.to_string()),
        simulated: file.simulated,
    })
    .map_err(|e| wrong(format!("correlate: {e}")));
    match correlate {
        Ok(correlate) if problems.is_empty() => Ok(Settings {
            domain: file.domain,
            simulated: file.simulated,
            group: file.group,
            kafka: file.kafka,
            topics: file.topics,
            sources,
            detect: Arc::new(file.detect),
            correlate: Arc::new(correlate),
            outreach: Arc::new(file.outreach),
            directory: file.directory,
            delivery: file.delivery,
            gateways: file.gateways,
            ledger: file.ledger,
            state: file.state,
            http: file.http,
            logs: file.logs,
            digest,
        }),
        Ok(_) | Err(()) => Err(problems),
    }
}

fn source_of(domain: &DomainName, raw: SourceSettings) -> Result<Source, String> {
    let topic = raw.topic.clone();
    let format = match (raw.format, raw.mapping) {
        (FormatSettings::Mapping, Some(mapping)) => Format::Mapping(mapping),
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
        (FormatSettings::PrometheusJson, None) => Format::PrometheusJson,
        (FormatSettings::CollectdJson, None) => Format::CollectdJson,
        (FormatSettings::TelegrafJson, None) => Format::TelegrafJson,
        (FormatSettings::InfluxLine, None) => Format::InfluxLine,
        (FormatSettings::FlatJson, None) => Format::FlatJson,
        (FormatSettings::AsteriskQueueLog, None) => Format::AsteriskQueueLog,
        (FormatSettings::AmazonConnect, None) => Format::AmazonConnect,
    };
    let name = match raw.name {
        Some(name) => name,
        None => SourceName::new(&topic).map_err(|e| format!("sources: {e}"))?,
    };
    let mut source = Source::new(name, &topic, raw.domain.unwrap_or_else(|| domain.clone()), format);
    source.keyed |= raw.keyed;
    source.personal = raw.personal.unwrap_or(source.personal);
    source.resource_defaults = Labels::from_pairs(&raw.resource_defaults);
    source.time_unit = raw.time_unit;
    if let Some(bytes) = raw.record_bytes_max {
        source.limits.record_bytes_max = bytes;
    }
    let shared = |(key, value)| {
        let key: String = key;
        (Arc::from(key), value)
    };
    source.calls = CallFields {
        queues: raw.queues.into_iter().map(shared).collect(),
        regions: raw
            .regions
            .into_iter()
            .map(|(key, value)| (Arc::from(key), value))
            .collect(),
    };
    Ok(source)
}
