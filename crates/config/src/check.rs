//! What no part can see alone: whether the parts of a configuration go together. All problems are found, not the first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_detect::SHOWN_MAX;
use forecall_incident::{CorrelateParts, CorrelateSettings, SettingsError, Topology};
use forecall_kafka::Secret as KafkaSecret;
use forecall_ledger::Secret;
use forecall_outreach::RampSettings;
use forecall_types::{Fingerprint, PLACE_RESOLUTION_MAX, PLACE_RESOLUTION_MIN, RegionCode, ServiceName};
use forecall_wire::telemetry::Source;

use crate::areas;
use crate::canary;
use crate::context;
use crate::error::Problem;
use crate::gateways;
use crate::journeys;
use crate::limits;
use crate::place::place_of;
use crate::raw::{AnomalyMetricsSettings, File, StateStore};
use crate::reload::Written;
use crate::remedy;
use crate::secret::literals_allowed;
use crate::settings::{Settings, source_of};
use crate::state;
use crate::{api, bridge};

/// Each sample of a new series is held against all entries.
const SHOWN_ENTRIES_MAX: usize = 64;

/// Collects problems, each placed at its key.
pub(crate) struct Findings<'t> {
    text: &'t str,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings<'_> {
    fn problem(&self, path: &str, what: String) -> Problem {
        // A key that is spelt with escapes has no line: what stands there might be a secret.
        let key = path.rsplit('.').next().unwrap_or(path);
        let is_there = key.parse::<usize>().is_ok() || self.text.contains(key);
        Problem {
            place: place_of(self.text, path).filter(|_| is_there),
            what,
        }
    }

    pub(crate) fn wrong(&mut self, path: &str, what: impl Into<String>) {
        let problem = self.problem(path, what.into());
        self.problems.push(problem);
    }

    pub(crate) fn warn(&mut self, path: &str, what: impl Into<String>) {
        let problem = self.problem(path, what.into());
        self.warnings.push(problem);
    }
}

/// Settings, or every problem in the order of the file.
pub(crate) fn check(
    mut file: File,
    text: &str,
    digest: Fingerprint,
    values: &[String],
) -> Result<Settings, Vec<Problem>> {
    let mut found = Findings {
        text,
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    numbers(&file, &mut found);
    shown(&file, &mut found);
    limits::heed(&mut file, &mut found);
    state::memory(&file, &mut found);
    kafka(&file, &mut found);
    canary::domains(&file, &mut found);
    let topology = Topology::check(&file.topology)
        .map_err(|e| found.wrong("topology", format!("topology: {e}")))
        .ok();
    // Afterwards, because an error names the file's own entries by number.
    let topology = match topology {
        Some(_) if file.canary.enabled => {
            canary::join(&mut file);
            Topology::check(&file.topology)
                .map_err(|e| found.wrong("canary.enabled", format!("canary: {e}")))
                .ok()
        }
        other => other,
    };
    if let Some(topology) = &topology {
        scopes(&file, topology, &mut found);
    }
    secrets(&file, values, &mut found);
    gateways::check(&file, &mut found);
    areas::check(&file, &mut found);
    directory(&file, &mut found);
    bridge::targets(&file, &mut found);
    api::access(&file, &mut found);
    api::feeds(&file, &mut found);
    let (remedy_rules, remedies) = remedy::settings(&file, &mut found);
    let mut sources = sources(&file, &mut found);
    people(&file, &sources, &mut found);
    context::heard(&sources, &mut found);
    let journeys = journeys::settings(&file, topology.as_ref(), &sources, &mut found);
    if file.canary.enabled {
        canary::goes(&file, &sources, &mut found);
        let has_reader = |s: &Source| s.keyed || !s.format.measures();
        let keyed = sources.iter().all(has_reader);
        sources.push(canary::source(&file.topics.prefix, keyed));
    }
    let correlate = CorrelateSettings::new(CorrelateParts {
        topology: topology.unwrap_or_default(),
        tunables: file.correlate,
        objectives: file.objectives,
        teams: file.teams,
        remedies: remedy_rules,
        customers: BTreeMap::new(),
        version: Arc::from(env!("CARGO_PKG_VERSION")),
        settings_digest: Arc::from(digest.to_string()),
        simulated: file.simulated,
    })
    .map_err(|e| found.wrong(&incident_path(&e), incident_words(&e)));
    match correlate {
        Ok(correlate) if found.problems.is_empty() => Ok(Settings {
            domain: file.domain,
            simulated: file.simulated,
            group: file.group,
            kafka: file.kafka,
            topics: file.topics,
            sources,
            detect: Arc::new(file.detect),
            journeys: Arc::new(journeys),
            correlate: Arc::new(correlate),
            outreach: Arc::new(file.outreach),
            directory: file.directory,
            delivery: file.delivery,
            gateways: file.gateways,
            bridges: file.bridges,
            remedies,
            ledger: file.ledger,
            state: file.state,
            canary: file.canary,
            http: file.http,
            api: file.api,
            feeds: file.feeds,
            anomaly_metrics: file.anomaly_metrics,
            logs: file.logs,
            reload: file.reload,
            written: Written::default(),
            digest,
            warnings: found.warnings,
        }),
        Ok(_) | Err(()) => {
            // Those without a place come last.
            found.problems.sort_by_key(|p| p.place.unwrap_or((usize::MAX, 0)));
            Err(found.problems)
        }
    }
}

/// Bounds of what is shown on `/metrics/anomaly`.
fn shown(file: &File, found: &mut Findings<'_>) {
    let AnomalyMetricsSettings { series, series_max } = &file.anomaly_metrics;
    if series.len() > SHOWN_ENTRIES_MAX {
        found.wrong(
            "anomaly_metrics.series",
            format!(
                "anomaly_metrics.series: {} entries, at most {SHOWN_ENTRIES_MAX}: `*` stands for any run of characters",
                series.len()
            ),
        );
    }
    if usize::try_from(*series_max).map_or(true, |most| most > SHOWN_MAX) {
        found.wrong(
            "anomaly_metrics.series_max",
            format!(
                "anomaly_metrics.series_max: at most {SHOWN_MAX}: each costs a second look at every sample"
            ),
        );
    }
}

fn incident_path(error: &SettingsError) -> String {
    match error {
        SettingsError::Range { field, .. } => format!("correlate.{field}"),
        SettingsError::Objective { number, .. } => format!("objectives.{}", number.saturating_sub(1)),
        SettingsError::TooMany(_) => "objectives".to_owned(),
        SettingsError::Team { number, .. } => format!("teams.{}", number.saturating_sub(1)),
        SettingsError::TooManyTeams(_) => "teams".to_owned(),
        SettingsError::TooManyRemedies(_) => "remedies".to_owned(),
        SettingsError::RemedyTwice(name) => format!("remedies.{name}"),
    }
}

fn incident_words(error: &SettingsError) -> String {
    match error {
        SettingsError::Range { .. } => format!("correlate: {error}"),
        SettingsError::Objective { .. } | SettingsError::TooMany(_) => format!("objectives: {error}"),
        SettingsError::Team { .. } | SettingsError::TooManyTeams(_) => format!("teams: {error}"),
        SettingsError::TooManyRemedies(_) | SettingsError::RemedyTwice(_) => format!("remedies: {error}"),
    }
}

/// Numbers out of their range.
fn numbers(file: &File, found: &mut Findings<'_>) {
    if let Err(error) = file.detect.check() {
        found.wrong(&format!("detect.{}", error.path), format!("detect: {error}"));
    }
    if let Err(error) = file.outreach.calls.check() {
        found.wrong(
            &format!("outreach.calls.{}", error.setting),
            format!("outreach.calls: {error}"),
        );
    }
    if let Some((name, why)) = file.outreach.ramp.as_ref().and_then(RampSettings::mistake) {
        found.wrong(
            &format!("outreach.ramp.{name}"),
            format!("outreach.ramp: `{name}` {why}"),
        );
    }
    if file.group.trim().is_empty() {
        found.wrong("group", "`group` is empty: consumer groups begin with it");
    }
    let topics = &file.topics;
    if !topics
        .prefix
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    {
        found.wrong(
            "topics.prefix",
            "topics.prefix: a topic's name holds only ASCII letters, digits, `.`, `_` and `-`",
        );
    }
    if topics.replication == 0 || topics.replication < 3 && !topics.dev {
        found.wrong(
            "topics.replication",
            format!(
                "topics.replication is {}: fewer than 3 copies need `topics.dev: true`, and 1 is the least",
                topics.replication
            ),
        );
    }
    if !(1..=1_000).contains(&topics.partitions) {
        found.wrong(
            "topics.partitions",
            format!(
                "topics.partitions is {}: it must lie between 1 and 1000",
                topics.partitions
            ),
        );
    }
    for (name, seconds) in [
        ("interval_seconds", file.state.interval_seconds),
        ("tick_seconds", file.state.tick_seconds),
        ("idle_seconds", file.state.idle_seconds),
    ] {
        if seconds == 0 {
            found.wrong(
                &format!("state.{name}"),
                format!("state.{name} is 0: it must be at least 1"),
            );
        }
    }
    if !file.http.listen.ip().is_loopback() && !file.http.allow_remote {
        found.wrong(
            "http.listen",
            format!(
                "http.listen: {} is not a loopback address; set `http.allow_remote: true` if other machines may read the metrics",
                file.http.listen
            ),
        );
    }
}

fn kafka(file: &File, found: &mut Findings<'_>) {
    if let Some(kafka) = &file.kafka
        && let Err(error) = kafka.check()
    {
        let what = error.to_string();
        // The first name in its words is the setting's.
        let field = what.split('`').nth(1).unwrap_or_default();
        found.wrong(&format!("kafka.{field}"), what.clone());
    }
}

fn directory(file: &File, found: &mut Findings<'_>) {
    let range = PLACE_RESOLUTION_MIN..=PLACE_RESOLUTION_MAX;
    if let Some(directory) = &file.directory
        && !range.contains(&directory.place_resolution)
    {
        found.wrong(
            "directory.place_resolution",
            format!(
                "directory.place_resolution is {}: it must lie between {PLACE_RESOLUTION_MIN} and {PLACE_RESOLUTION_MAX}",
                directory.place_resolution
            ),
        );
    }
}

/// Services and regions that are named but not declared.
fn scopes(file: &File, topology: &Topology, found: &mut Findings<'_>) {
    let mut names: Vec<(String, Named<'_>)> = Vec::new();
    for service in file.outreach.services.keys() {
        names.push((format!("outreach.services.{service}"), Named::Service(service)));
    }
    for (code, region) in &file.outreach.regions {
        let path = format!("outreach.regions.{code}");
        names.extend(
            region
                .parent
                .iter()
                .map(|p| (format!("{path}.parent"), Named::Region(p))),
        );
        names.push((path, Named::Region(code)));
    }
    for (queue, settings) in &file.outreach.calls.queues {
        let path = format!("outreach.calls.queues.{queue}");
        let services = settings
            .services
            .iter()
            .map(|s| (format!("{path}.services"), Named::Service(s)));
        let regions = settings
            .regions
            .iter()
            .map(|r| (format!("{path}.regions"), Named::Region(r)));
        names.extend(services);
        names.extend(regions);
    }
    for (i, source) in file.sources.iter().enumerate() {
        let path = format!("sources.{i}.regions");
        names.extend(source.regions.values().map(|r| (path.clone(), Named::Region(r))));
    }
    for (path, name) in names {
        match name {
            Named::Service(service) if !topology.knows_service(service) => found.wrong(
                &path,
                format!("{path} names service `{service}`, which `topology.services` doesn't declare"),
            ),
            Named::Region(region) if !topology.knows_region(region) => found.wrong(
                &path,
                format!("{path} names region `{region}`, which `topology.regions` doesn't declare"),
            ),
            Named::Service(_) | Named::Region(_) => {}
        }
    }
}

enum Named<'f> {
    Service(&'f ServiceName),
    Region(&'f RegionCode),
}

/// Secrets come from references, however the file is written; keys have their length.
fn secrets(file: &File, values: &[String], found: &mut Findings<'_>) {
    let ledger = &file.ledger;
    for (name, secret) in [
        ("master_key", &ledger.master_key),
        ("pseudonym_key", &ledger.pseudonym_key),
    ] {
        let Some(secret) = secret else { continue };
        let key = secret.expose().trim();
        if key.len() != 64 || !key.bytes().all(|b| b.is_ascii_hexdigit()) {
            found.wrong(
                &format!("ledger.{name}"),
                format!("ledger.{name} is not 64 hexadecimal digits (`openssl rand -hex 32` makes them)"),
            );
        }
    }
    if literals_allowed(found.text) {
        return;
    }
    let referred = |secret: &Secret| values.iter().any(|v| v == secret.expose());
    let mut given: Vec<(String, bool)> = Vec::new();
    for (name, secret) in [
        ("master_key", &ledger.master_key),
        ("pseudonym_key", &ledger.pseudonym_key),
    ] {
        given.extend(secret.iter().map(|s| (format!("ledger.{name}"), referred(s))));
    }
    given.extend(remedy::secrets(file).map(|(path, secret)| (path, referred(secret))));
    given.extend(gateways::secrets(file).map(|(path, secret)| (path, referred(secret))));
    given.extend(bridge::secrets(file).map(|(path, secret)| (path, referred(secret))));
    if let Some(StateStore::S3(s3)) = &file.state.store {
        given.push((
            "state.store.s3.secret_access_key".to_owned(),
            referred(&s3.secret_access_key),
        ));
    }
    if let Some(kafka) = &file.kafka {
        for (name, secret) in [
            ("sasl_password", &kafka.sasl_password),
            ("ssl_key_password", &kafka.ssl_key_password),
        ] {
            let Some(secret) = secret else { continue };
            let is_referred = values.iter().any(|v| KafkaSecret::new(v.as_str()) == *secret);
            given.push((format!("kafka.{name}"), is_referred));
        }
    }
    for (path, is_referred) in given {
        if !is_referred {
            found.wrong(
                &path,
                format!("`{path}` is a secret: it must be one reference, `${{env:NAME}}` or `${{file:/path}}`, and nothing else"),
            );
        }
    }
}

fn sources(file: &File, found: &mut Findings<'_>) -> Vec<Source> {
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for (i, raw) in file.sources.iter().enumerate() {
        let path = format!("sources.{i}");
        if !seen.insert(raw.topic.as_str()) {
            found.wrong(
                &format!("{path}.topic"),
                format!(
                    "sources: topic `{}` stands twice: one entry reads one topic",
                    raw.topic
                ),
            );
        }
        match source_of(&file.domain, raw.clone()) {
            Ok(source) => {
                if !names.insert(source.name.clone()) && raw.name.is_some() {
                    found.wrong(
                        &format!("{path}.name"),
                        format!("sources: name `{}` stands twice", source.name),
                    );
                }
                sources.push(source);
            }
            Err(what) => found.wrong(&path, what),
        }
    }
    sources
}

/// Personal data needs its keys.
fn people(file: &File, sources: &[Source], found: &mut Findings<'_>) {
    let keyless = file.ledger.pseudonym_key.is_none();
    if keyless && let Some(source) = sources.iter().find(|s| s.personal) {
        let at = file.sources.iter().position(|raw| raw.topic == *source.topic);
        found.wrong(
            &format!("sources.{}.topic", at.unwrap_or_default()),
            format!(
                "sources: topic `{}` holds personal data (calls, texts and customers' events do), so `ledger.pseudonym_key` is needed: 64 hexadecimal digits",
                source.topic
            ),
        );
    }
    let Some(directory) = &file.directory else {
        return;
    };
    if directory.file.is_none() && directory.topic.is_none() {
        found.wrong("directory", "directory: it needs a `file` or a `topic`");
    }
    if keyless {
        found.wrong(
            "directory",
            "directory: `ledger.pseudonym_key` is needed: 64 hexadecimal digits by ${env:NAME} or ${file:/path}",
        );
    }
    if file.ledger.master_key.is_none() {
        found.wrong(
            "directory",
            "directory: `ledger.master_key` is needed: 64 hexadecimal digits by ${env:NAME} or ${file:/path}",
        );
    }
    let country = &directory.country_code;
    if country.is_empty() || country.len() > 3 || !country.bytes().all(|b| b.is_ascii_digit()) {
        found.wrong(
            "directory.country_code",
            "directory.country_code: 1 to 3 digits without plus, such as 98",
        );
    }
}
