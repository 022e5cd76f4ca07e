//! What the canary adds to the settings: a source, its services and region, and the limit its spikes pass. Nothing of it
//! touches what the file says of the rest.

use std::collections::BTreeMap;

use forecall_detect::{AlarmRates, Channels, DetectSettings, GateRule, MetricKind, Watched};
use forecall_incident::{ObjectiveEntry, RegionEntry, RuleEntry, ServiceEntry};
use forecall_types::{DomainName, SourceName};
use forecall_wire::telemetry::{Format, Source, TimeUnit};

use crate::check::Findings;
use crate::raw::File;

/// Services of the canary, one a minute in turn: an hour passes until one has its next incident, so that the last one is
/// resolved by then.
pub const CANARY_SLOTS: u32 = 60;
/// Seconds until a service's turn comes again.
const ROUND_SECONDS: u64 = 3_600;
/// Seconds of each minute before its spike.
const CALM_SECONDS: u32 = 45;
/// The canary's region: of the codes that ISO 3166 leaves to users.
pub const CANARY_REGION: &str = "ZZ-CANARY";
/// The canary's metric. Its value is 20 in calm, 2,000 in a spike.
pub const CANARY_METRIC: &str = "forecall.canary";
/// Beyond this its "customers" are hit.
const LIMIT: f64 = 1_000.0;

/// Name of the service whose turn it is.
pub fn canary_service(slot: u32) -> String {
    format!("forecall-canary-{slot:02}")
}

/// The topic of the canary's samples.
pub(crate) fn canary_topic(prefix: &str) -> String {
    format!("{prefix}forecall.canary.v1")
}

/// Its source. It goes the way the telemetry goes: re-keyed, unless all of that is keyed.
#[allow(clippy::expect_used, reason = "literals that a test reads")]
pub(crate) fn source(prefix: &str, keyed: bool) -> Source {
    let name = SourceName::new("canary").expect("`canary` is a name");
    let domain = DomainName::new(DomainName::CANARY).expect("the canary's domain is one");
    Source {
        keyed,
        time_unit: TimeUnit::Seconds,
        ..Source::new(name, &canary_topic(prefix), domain, Format::FlatJson)
    }
}

/// Declares services, region, rule and limit, where the canary is on. Lists that are empty allow everything and stay so.
pub(crate) fn join(file: &mut File) {
    if !file.canary.enabled {
        return;
    }
    let topology = &mut file.topology;
    if !topology.services.is_empty() {
        topology
            .services
            .extend((0..CANARY_SLOTS).map(|slot| ServiceEntry {
                name: canary_service(slot),
                customer_facing: true,
                depends_on: Vec::new(),
                kind: forecall_incident::ServiceKind::General,
                responsibility: forecall_incident::ServiceResponsibility::Unknown,
            }));
    }
    if !topology.regions.is_empty() {
        topology.regions.push(RegionEntry {
            code: CANARY_REGION.to_owned(),
            parent: None,
            names: BTreeMap::from([("en".to_owned(), "canary".to_owned())]),
            short: BTreeMap::new(),
            time_zone: String::new(),
        });
    }
    // First, so that no rule of the file takes its samples.
    let rule = RuleEntry {
        r#match: BTreeMap::from([("service.name".to_owned(), "forecall-canary-*".to_owned())]),
        service_label: Some("service.name".to_owned()),
        region_label: Some("region".to_owned()),
        ..RuleEntry::default()
    };
    topology.rules.insert(0, rule);
    let limit = ObjectiveEntry {
        metric: CANARY_METRIC.to_owned(),
        above: Some(LIMIT),
        below: None,
        for_seconds: 0,
        outage: None,
    };
    file.objectives.insert(0, limit);
    file.detect.rules.insert(0, gates());
}

/// What holds for the canary's spikes, whatever the file says of other series: else a gate could blind it.
fn gates() -> GateRule {
    let shipped = DetectSettings::default();
    GateRule {
        metric: Some(CANARY_METRIC.to_owned()),
        r#match: BTreeMap::from([("service.name".to_owned(), "forecall-canary-*".to_owned())]),
        kind: Some(MetricKind::Other),
        direction: Some(Watched::Both),
        channels: Some(Channels::ALL),
        open_score: Some(shipped.open_score),
        open_samples: Some(shipped.open_samples),
        open_of_samples: Some(shipped.open_of_samples),
        open_at_once_score: Some(shipped.open_at_once_score),
        open_seconds_min: Some(0),
        slow_credit_max: Some(shipped.slow_credit_max),
        close_score: Some(shipped.close_score),
        deviation_min_share: Some(shipped.deviation_min_share),
        deviation_min_sds: Some(shipped.deviation_min_sds),
        deviation_min: Some(0.0),
        habituation_score: Some(shipped.habituation_score),
        alarms_a_month: Some(AlarmRates {
            spike: Some(1.0),
            shape: Some(1.0),
            shift: Some(1.0),
            season: Some(1.0),
            novelty: Some(1.0),
        }),
        ..GateRule::default()
    }
}

/// The canary's domain is nobody else's.
pub(crate) fn domains(file: &File, found: &mut Findings<'_>) {
    let taken = |path: String, found: &mut Findings<'_>| {
        let what = format!(
            "{path}: `{}` is the canary's, of whom nobody is told",
            DomainName::CANARY
        );
        found.wrong(&path, what);
    };
    if file.domain.is_canary() {
        taken("domain".to_owned(), found);
    }
    for (i, source) in file.sources.iter().enumerate() {
        if source.domain.as_ref().is_some_and(DomainName::is_canary) {
            taken(format!("sources.{i}.domain"), found);
        }
    }
}

/// Whether the canary can be seen under these settings.
pub(crate) fn goes(file: &File, sources: &[Source], found: &mut Findings<'_>) {
    let topic = canary_topic(&file.topics.prefix);
    if let Some(i) = sources.iter().position(|s| *s.topic == *topic) {
        found.wrong(
            &format!("sources.{i}.topic"),
            format!("sources: topic `{topic}` is the canary's: forecall adds it by itself"),
        );
    }
    if file.detect.warm_up_samples > CALM_SECONDS {
        found.warn(
            "detect.warm_up_samples",
            format!(
                "detect.warm_up_samples is more than {}: the canary is seen only after it has run for some hours",
                CALM_SECONDS
            ),
        );
    }
    if file.correlate.resolve_after_seconds + u64::from(file.detect.refractory_seconds) > ROUND_SECONDS / 2 {
        found.warn(
            "canary.enabled",
            "canary: an incident of it is still open when its turn comes again (correlate.resolve_after_seconds, \
             detect.refractory_seconds): some minutes will seem to fail",
        );
    }
}
