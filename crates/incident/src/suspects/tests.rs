use forecall_types::{
    AnomalyId, AnomalyState, Band, ContextNote, Direction, DomainName, Fingerprint, Labels, Lineage,
    RegionCode, Score, SeriesKey,
};

use super::*;
use crate::topology_file::{ServiceEntry, ServiceKind, TopologyFile};

/// A shop that asks search and mail; search asks the index, mail the queue.
fn topology() -> Topology {
    let service = |name: &str, customer_facing, needs: &[&str]| ServiceEntry {
        name: name.into(),
        customer_facing,
        depends_on: needs.iter().map(|&n| n.into()).collect(),
        kind: ServiceKind::General,
        responsibility: crate::ServiceResponsibility::Unknown,
    };
    Topology::check(&TopologyFile {
        services: vec![
            service("shop", true, &["search", "mail"]),
            service("search", false, &["index"]),
            service("mail", false, &["queue"]),
            service("index", false, &[]),
            service("queue", false, &[]),
        ],
        regions: Vec::new(),
        rules: Vec::new(),
    })
    .unwrap()
}

fn scope() -> Scope {
    Scope {
        services: BTreeSet::from([ServiceName::new("shop").unwrap()]),
        regions: BTreeSet::from([RegionCode::new("ZZ").unwrap()]),
        ..Scope::default()
    }
}

/// Ten minutes of what is usual, then six of what is observed.
fn anomaly(service: &str, (metric, unit): (&str, &str), expected: f64, observed: f64) -> Anomaly {
    let minute = |i: i64| EventTime::from_secs(60 * i);
    let window = (0..16).map(|i| (minute(i), if i < 10 { expected } else { observed }));
    let series = SeriesKey {
        metric: metric.into(),
        unit: unit.into(),
        resource: Labels::from_pairs([("service.name", service), ("region", "ZZ")]),
        labels: Labels::default(),
    };
    let half = 0.1 * expected.abs() + 0.001;
    Anomaly {
        id: AnomalyId::derived(Fingerprint::of(format!("{service} {metric}").as_bytes())),
        revision: 1,
        state: AnomalyState::Opened,
        domain: DomainName::new("test").unwrap(),
        series: Arc::new(series),
        channel: Channel::Shift,
        direction: Direction::Up,
        from: minute(10),
        at: minute(15),
        score: Score::clamped(6.0),
        observed,
        expected,
        band: Band {
            low: expected - half,
            high: expected + half,
        },
        samples: 6,
        slope: 0.0,
        window: window.collect(),
        ahead: Vec::new(),
        context: Vec::new(),
        siblings: None,
        lineage: Lineage::default(),
    }
}

const SLOW: (&str, &str) = ("http.server.request.duration", "s");

fn told(anomalies: &[Anomaly]) -> Vec<String> {
    let causes = suspects(anomalies.iter(), &scope(), &topology());
    let line = |cause: &Cause| format!("{} {:.2}", cause.path.join(" > "), cause.share);
    causes.iter().map(line).collect()
}

#[test]
fn the_deepest_service_whose_slowness_explains_the_others_is_named_with_its_way() {
    let all = [
        anomaly("shop", SLOW, 0.2, 1.2),
        anomaly("search", SLOW, 0.1, 1.1),
        anomaly("index", SLOW, 0.05, 1.05),
    ];
    assert_eq!(told(&all)[0], "index > search > shop 1.00");
    // Who is between and isn't measured passes it on.
    assert_eq!(
        told(&[all[0].clone(), all[2].clone()])[0],
        "index > search > shop 1.00"
    );
    // What stays normal in whoever is called is made by the caller.
    assert_eq!(told(&all[..2])[0], "search > shop 1.00");
    assert_eq!(told(&all[..1])[0], "shop 1.00");
}

#[test]
fn two_causes_are_both_named_by_their_shares() {
    let all = [
        anomaly("shop", SLOW, 0.2, 1.2),
        anomaly("search", SLOW, 0.1, 0.8),
        anomaly("mail", SLOW, 0.1, 0.4),
    ];
    let told = told(&all);
    assert_eq!(told[0], "search > shop 0.70");
    assert_eq!(told[1], "mail > shop 0.30");
}

#[test]
fn failures_of_each_second_and_shares_that_fail_are_followed_alike() {
    let rate = ("errors.rate", "{error}/s");
    let all = [anomaly("shop", rate, 0.1, 40.0), anomaly("mail", rate, 0.1, 40.0)];
    assert_eq!(told(&all)[0], "mail > shop 1.00");
    let works = ("availability", "%");
    let all = [
        anomaly("shop", works, 99.9, 60.0),
        anomaly("queue", works, 99.9, 60.0),
    ];
    assert_eq!(told(&all)[0], "queue > mail > shop 1.00");
}

#[test]
fn what_was_announced_of_a_suspect_stands_after_it() {
    let mut deployed = anomaly("search", SLOW, 0.1, 1.1);
    let note = |kind, id: &str| ContextNote {
        kind,
        id: id.into(),
        title: None,
        from: EventTime::from_secs(0),
        until: EventTime::from_secs(1),
    };
    deployed.context = vec![
        note(ContextKind::Deployment, "CHG-1"),
        note(ContextKind::Maintenance, "M-1"),
    ];
    let all = [anomaly("shop", SLOW, 0.2, 1.2), deployed];
    assert_eq!(
        told(&all)[..2],
        ["search > shop 1.00", "deployment CHG-1 > search > shop 0.00"]
    );
}

#[test]
fn the_order_of_the_anomalies_changes_nothing_and_what_measures_nothing_names_nobody() {
    let mut all = vec![
        anomaly("shop", SLOW, 0.2, 1.2),
        anomaly("search", SLOW, 0.1, 0.8),
        anomaly("mail", SLOW, 0.1, 0.4),
        anomaly("queue", ("queue.depth", "{message}"), 10.0, 4_000.0),
        anomaly("index", ("process.cpu.utilization", "1"), 0.2, 0.9),
    ];
    let first = told(&all);
    assert!(!first.is_empty() && first.len() <= CAUSES_MAX, "{first:?}");
    for _ in 0..all.len() {
        all.rotate_left(1);
        assert_eq!(told(&all), first);
    }
    let mut silent = anomaly("shop", SLOW, 0.2, 1.2);
    silent.channel = Channel::Silence;
    assert_eq!(told(&[silent]), [""; 0]);
    assert_eq!(told(&[anomaly("shop", ("visitors", "1"), 1.0, 9.0)]), [""; 0]);
    assert_eq!(told(&[]), [""; 0]);
}
