//! The file as it is written. Every field says what it is for; the reference is made from these comments.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use forecall_bridge::BridgeSettings;
use forecall_delivery::{
    ChatSettings, DeliverSettings, FcmSettings, HttpSmsSettings, SmppSettings, SmtpSettings, WebPushSettings,
    WebhookGatewaySettings,
};
use forecall_detect::{DetectSettings, ShownSeries};
use forecall_incident::{IncidentTunables, ObjectiveEntry, TeamEntry, TopologyFile};
use forecall_journey::JourneyFile;
use forecall_kafka::KafkaSettings;
use forecall_observe::LogSettings;
use forecall_outreach::OutreachSettings;
use forecall_types::{ContactChannel, DomainName, QueueName, RegionCode, SourceName};
use forecall_wire::telemetry::{ContextSettings, CustomerEventsSettings, Mapping, TextsSettings, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::api::{ApiSettings, FeedSettings};
use crate::remedy::RemedyEntry;

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    /// Name of the tenant, or of the part of the world that this topology and policy describe.
    pub(crate) domain: DomainName,
    /// Everything published says `simulated: true` and no customer is ever told.
    pub(crate) simulated: bool,
    /// Secrets may stand in the file. For demos only.
    pub(crate) allow_literal_secrets: bool,
    /// Consumer groups begin with this name.
    pub(crate) group: String,
    /// The broker. Without it only the demo, replays and checks run.
    #[serde(skip_serializing)]
    pub(crate) kafka: Option<KafkaSettings>,
    /// forecall's own topics.
    pub(crate) topics: TopicSettings,
    /// Telemetry, calls and other inputs: one entry a topic.
    pub(crate) sources: Vec<SourceSettings>,
    /// The detector.
    pub(crate) detect: DetectSettings,
    /// What should happen to a customer, and by when: journeys.
    pub(crate) journeys: JourneyFile,
    /// Services, regions and the rules that map entities to them.
    pub(crate) topology: TopologyFile,
    /// From anomalies to incidents.
    pub(crate) correlate: IncidentTunables,
    /// What customers feel: limits on metrics beyond which they are hit.
    pub(crate) objectives: Vec<ObjectiveEntry>,
    /// Teams with an alert budget: at most so many pages a day, the surest first.
    pub(crate) teams: Vec<TeamEntry>,
    /// Whom to tell what, when and how; and the call model.
    pub(crate) outreach: OutreachSettings,
    /// Where the customers stand.
    pub(crate) directory: Option<DirectorySettings>,
    /// How intents are sent: pace, retries, what to do in doubt.
    pub(crate) delivery: DeliverSettings,
    /// One gateway a channel. A channel without one sends nothing and raises an alarm.
    pub(crate) gateways: BTreeMap<ContactChannel, GatewaySettings>,
    /// Incidents for those who mend them: Alertmanager, webhooks, PagerDuty, Grafana. One entry a target, by a name of your own.
    pub(crate) bridges: BTreeMap<String, BridgeSettings>,
    /// What may be done about incidents: proposed, and where you say so called by a signed webhook. Nothing is called by default. One
    /// entry a rule, by a name of your own.
    pub(crate) remedies: BTreeMap<String, RemedyEntry>,
    /// The database of outreach and deliver.
    pub(crate) ledger: LedgerSettings,
    /// Snapshots of the stages' memory.
    pub(crate) state: StateSettings,
    /// An incident a minute that nobody is told of, to show that the whole way works.
    pub(crate) canary: CanarySettings,
    /// Metrics and health.
    pub(crate) http: HttpSettings,
    /// Commands and verdicts over HTTP; without it there is no such interface.
    pub(crate) api: Option<ApiSettings>,
    /// Notices that have gone out, for everybody, as Atom and CAP; without it there are no feeds.
    pub(crate) feeds: Option<FeedSettings>,
    /// Series that are shown with what was expected of them, on `/metrics/anomaly`; none by default.
    pub(crate) anomaly_metrics: AnomalyMetricsSettings,
    /// Log lines.
    pub(crate) logs: LogSettings,
    /// Other settings while it runs.
    pub(crate) reload: ReloadSettings,
}

impl Default for File {
    fn default() -> Self {
        #[allow(clippy::expect_used, reason = "a literal that a test reads")]
        let domain = DomainName::new("default").expect("`default` is a domain");
        Self {
            domain,
            simulated: false,
            allow_literal_secrets: false,
            group: "forecall".to_owned(),
            kafka: None,
            topics: TopicSettings::default(),
            sources: Vec::new(),
            detect: DetectSettings::default(),
            journeys: JourneyFile::default(),
            topology: TopologyFile::default(),
            correlate: IncidentTunables::default(),
            objectives: Vec::new(),
            teams: Vec::new(),
            outreach: OutreachSettings::default(),
            directory: None,
            delivery: DeliverSettings::default(),
            gateways: BTreeMap::new(),
            bridges: BTreeMap::new(),
            remedies: BTreeMap::new(),
            ledger: LedgerSettings::default(),
            state: StateSettings::default(),
            canary: CanarySettings::default(),
            http: HttpSettings::default(),
            api: None,
            feeds: None,
            anomaly_metrics: AnomalyMetricsSettings::default(),
            logs: LogSettings::default(),
            reload: ReloadSettings::default(),
        }
    }
}

/// forecall's own topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopicSettings {
    /// Put before every name; keeps two installations, or a replay, apart on one broker.
    pub prefix: String,
    /// Partitions of the topics that are worked in parallel. Can't shrink later.
    pub partitions: u32,
    /// Copies of each partition; fewer than 3 only with `dev`.
    pub replication: u32,
    /// A single broker on a developer's machine: one copy of everything.
    pub dev: bool,
}

impl Default for TopicSettings {
    fn default() -> Self {
        // 12 divides by 1, 2, 3, 4 and 6: any of these numbers of processes shares evenly.
        Self {
            prefix: String::new(),
            partitions: 12,
            replication: 3,
            dev: false,
        }
    }
}

/// One input topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSettings {
    /// Name in metrics and logs (default: the topic).
    #[serde(default)]
    pub name: Option<SourceName>,
    /// The topic.
    pub topic: String,
    /// How its records are written.
    #[serde(default)]
    pub format: FormatSettings,
    /// For `format: mapping`: where in the JSON the parts stand.
    #[serde(default)]
    pub mapping: Option<Mapping>,
    /// For `format: customer_texts`: where in the JSON the parts stand, and topics of one's own.
    #[serde(default)]
    pub texts: Option<TextsSettings>,
    /// For `format: context`: where in the JSON the parts stand.
    #[serde(default)]
    pub context: Option<ContextSettings>,
    /// For `format: customer_events`: where in the JSON the parts stand.
    #[serde(default)]
    pub events: Option<CustomerEventsSettings>,
    /// Records are keyed by entity, so that one entity is always on one partition. If not sure: false.
    #[serde(default)]
    pub keyed: bool,
    /// Records hold personal data (default: by format; calls, customers' texts and events do).
    #[serde(default)]
    pub personal: Option<bool>,
    /// For OTLP logs: tell lines apart by template, beside their severity. Their words then leave the decoder, all values masked
    /// (numbers, addresses, what is quoted or assigned), and stand on `forecall.samples.v1`. Names of people that stand bare in a
    /// line can't be told from words: leave it out where lines have such.
    #[serde(default)]
    pub templates: bool,
    /// Another domain than the file's.
    #[serde(default)]
    pub domain: Option<DomainName>,
    /// Labels for entities that lack them; of `customer_events` only `service.name` and `region` are looked at.
    #[serde(default)]
    pub resource_defaults: BTreeMap<String, String>,
    /// Unit of times written as bare numbers.
    #[serde(default)]
    pub time_unit: TimeUnit,
    /// Largest record in bytes (default 1 MiB).
    #[serde(default)]
    pub record_bytes_max: Option<usize>,
    /// For calls: names of the source's queues → queues of the contact centre.
    #[serde(default)]
    pub queues: BTreeMap<String, QueueName>,
    /// For calls: beginnings of callers' numbers → regions.
    #[serde(default)]
    pub regions: BTreeMap<String, RegionCode>,
}

/// How the records of a topic are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormatSettings {
    /// Told record by record from header, first bytes or shape.
    #[default]
    Auto,
    /// OTLP metrics or logs, protobuf, as the OpenTelemetry Collector writes them.
    OtlpProto,
    /// The same in JSON.
    OtlpJson,
    /// OTLP traces, protobuf or JSON: who calls whom is learned from them, nothing is measured.
    OtlpTraces,
    /// prometheus-kafka-adapter.
    PrometheusJson,
    /// collectd `write_kafka`, JSON.
    CollectdJson,
    /// Telegraf JSON, single or batch.
    TelegrafJson,
    /// Influx line protocol.
    InfluxLine,
    /// forecall's own JSON.
    FlatJson,
    /// Any JSON or CloudEvent by the `mapping` beside it.
    Mapping,
    /// What customers write (tickets, reviews, mentions, answers to surveys) as JSON: counted by topic, see `texts`.
    CustomerTexts,
    /// What people announce (deployments, changes of settings, load tests, maintenance) as JSON: see `context`.
    Context,
    /// What happened to single customers (paid, activated, wrote) as JSON, for `journeys`: see `events`.
    CustomerEvents,
    /// Lines of Asterisk's `queue_log`: calls.
    AsteriskQueueLog,
    /// Amazon Connect contact records: calls.
    AmazonConnect,
}

/// Where the customers stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySettings {
    /// A CSV file, read at the start: `id,region,services` and further columns, see `docs/reference/directory.md`.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A compacted topic of pseudonymous records with encrypted addresses.
    #[serde(default)]
    pub topic: Option<String>,
    /// Country code put before national numbers, without plus.
    #[serde(default = "iran")]
    pub country_code: String,
    /// How fine a place is kept: the resolution of H3 cells, 5 (250 km²) to 9 (0.1 km², a few streets). What a file says finer is
    /// made as coarse while it is read.
    #[serde(default = "streets")]
    pub place_resolution: u8,
}

const fn streets() -> u8 {
    forecall_types::PLACE_RESOLUTION_MAX
}

fn iran() -> String {
    "98".to_owned()
}

/// How the messages of one channel leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one per channel, a handful in a process"
)]
pub enum GatewaySettings {
    /// Appends each message to a file as a JSON line; reaches nobody.
    File(PathBuf),
    /// Writes each message to standard output; reaches nobody.
    Console,
    /// An SMTP server.
    Smtp(SmtpSettings),
    /// A message centre by SMPP 3.4.
    Smpp(SmppSettings),
    /// A gateway for text messages behind HTTP.
    Http(HttpSmsSettings),
    /// Signed calls to customers' own systems.
    Webhook(WebhookGatewaySettings),
    /// A chat bot.
    Bot(ChatSettings),
    /// Pushes to browsers.
    WebPush(WebPushSettings),
    /// Pushes to apps through Firebase Cloud Messaging.
    Fcm(FcmSettings),
}

/// The database of outreach and deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerSettings {
    /// SQLite file; serves one host.
    pub path: PathBuf,
    /// 64 hexadecimal digits; wraps the keys of personal data. Losing it loses the addresses.
    pub master_key: Option<forecall_ledger::Secret>,
    /// 64 hexadecimal digits; makes pseudonyms. Another key makes other pseudonyms.
    pub pseudonym_key: Option<forecall_ledger::Secret>,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("var/ledger.sqlite"),
            master_key: None,
            pseudonym_key: None,
        }
    }
}

/// Snapshots of the stages' memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StateSettings {
    /// A local folder; unused where `store` names another place.
    pub path: PathBuf,
    /// Another place than a local folder.
    pub store: Option<StateStore>,
    /// Seconds between two snapshots of a partition: bounds what a restart re-reads.
    pub interval_seconds: u64,
    /// Seconds between two ticks of a stage.
    pub tick_seconds: u64,
    /// Seconds without a record after which a partition is idle and holds nobody up.
    pub idle_seconds: u64,
    /// Hosts on which detect, journeys, correlate or outreach run. A local folder serves one: a partition that moves to another host
    /// would leave its memory behind. A `store` serves any number.
    pub hosts: u32,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            path: PathBuf::from("var/state"),
            store: None,
            interval_seconds: 60,
            tick_seconds: 1,
            idle_seconds: 30,
            hosts: 1,
        }
    }
}

/// Where snapshots lie, if not in a local folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StateStore {
    /// An S3-compatible object store.
    S3(S3Settings),
}

/// An S3-compatible object store. The login needs to list, read, write and delete objects of the bucket, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket; it must be there.
    pub bucket: String,
    /// Stands before every object's name.
    #[serde(default)]
    pub prefix: String,
    /// `https://host` or `https://host:port`; Amazon's own if left out. `http://` is for a loopback address only.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    #[serde(default = "us_east_1")]
    pub region: String,
    /// Name of the login.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: forecall_ledger::Secret,
    /// Certificates, as PEM, of authorities to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Objects are made only where none of the name is (`If-None-Match`). `false` for a store that doesn't know this; then it
    /// is looked before each write instead.
    #[serde(default = "yes")]
    pub create_only: bool,
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

const fn yes() -> bool {
    true
}

impl S3Settings {
    /// Whether requests go over plain HTTP: to a loopback address only.
    pub fn is_plain(&self) -> bool {
        self.endpoint
            .as_deref()
            .and_then(|endpoint| endpoint.strip_prefix("http://"))
            .is_some_and(crate::state::is_loopback)
    }
}

/// An incident a minute that nobody is told of, to show that the whole way works.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CanarySettings {
    /// Outreach writes samples of the synthetic domain `forecall.canary` to a topic of their own, once a second, with a spike
    /// each minute, and waits for the notice that is drafted and suppressed.
    pub enabled: bool,
}

/// Metrics and health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Other machines may read it. It is neither encrypted nor authenticated: put it behind something that is.
    pub allow_remote: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            allow_remote: false,
        }
    }
}

/// Other settings while it runs. `SIGHUP` and `POST /-/reload` always serve; a file that is watched takes effect without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadSettings {
    /// Seconds between two looks at this file and at what `${file:…}` in it names; a text is taken once two looks have found it.
    /// 0: it isn't watched.
    pub watch_seconds: u32,
}

/// Series that are shown with what was expected of them, on `/metrics/anomaly`. Nothing is decided by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnomalyMetricsSettings {
    /// Which; one that fits any of the entries is shown. Their labels stand on the page as the telemetry has them.
    pub series: Vec<ShownSeries>,
    /// So many of a process at most; each is about twelve series of Prometheus.
    pub series_max: u32,
}

impl Default for AnomalyMetricsSettings {
    fn default() -> Self {
        Self {
            series: Vec::new(),
            series_max: 100,
        }
    }
}
