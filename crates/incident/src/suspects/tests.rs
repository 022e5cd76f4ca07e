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
        usual: None,
        traffic: None,
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

fn with_traffic(mut anomaly: Anomaly, usual: f64, now: f64) -> Anomaly {
    anomaly.traffic = Some(Traffic { usual, now });
    anomaly
}

#[test]
fn an_excess_weighs_by_the_requests_that_had_it() {
    // As slow as each other, but of ten requests one goes to mail.
    let all = [
        with_traffic(anomaly("shop", SLOW, 0.2, 1.2), 10.0, 10.0),
        with_traffic(anomaly("search", SLOW, 0.1, 1.1), 9.0, 9.0),
        with_traffic(anomaly("mail", SLOW, 0.1, 1.1), 1.0, 1.0),
    ];
    assert_eq!(told(&all)[..2], ["search > shop 0.90", "mail > shop 0.10"]);
    let of = |anomaly: &Anomaly, now| with_traffic(anomaly.clone(), now, now);
    let swapped = [all[0].clone(), of(&all[1], 1.0), of(&all[2], 9.0)];
    assert_eq!(told(&swapped)[..2], ["mail > shop 0.90", "search > shop 0.10"]);
}

#[test]
fn hosts_of_a_service_add_up_and_several_figures_of_one_dont() {
    let on = |host: &str, name: &str, of: (&str, &str), each: f64| {
        let mut one = with_traffic(anomaly(name, of, 0.1, 1.0), each, each);
        let mut series = (*one.series).clone();
        series.resource.set("host", host);
        one.series = Arc::new(series);
        one.id = AnomalyId::derived(Fingerprint::of(format!("{name} {host} {}", of.0).as_bytes()));
        one
    };
    let p95 = ("http.server.request.duration.p95", "s");
    let all = [
        with_traffic(anomaly("shop", SLOW, 0.2, 1.1), 8.0, 8.0),
        on("a", "search", SLOW, 2.0),
        on("b", "search", SLOW, 2.0),
        on("a", "mail", SLOW, 4.0),
        on("a", "mail", p95, 4.0),
    ];
    assert_eq!(told(&all)[..2], ["mail > shop 0.50", "search > shop 0.50"]);
}

#[test]
fn what_a_service_sees_of_another_speaks_of_the_other() {
    let seen = |label: &str, metric: &str, peer: &str| {
        let mut one = anomaly("shop", (metric, "s"), 0.1, 1.0);
        let mut series = (*one.series).clone();
        series.labels.set(label, peer);
        one.series = Arc::new(series);
        one
    };
    let shop = anomaly("shop", SLOW, 0.2, 1.1);
    for (label, metric) in [
        ("service.peer.name", "http.client.request.duration"),
        ("peer.service", "rpc.duration"),
        ("server.address", "http.client.request.duration"),
    ] {
        let all = [shop.clone(), seen(label, metric, "mail")];
        assert_eq!(told(&all)[0], "mail > shop 1.00", "{label}");
        // Where the shop doesn't tell how slow it is, nobody can say how much of that it is.
        assert_eq!(told(&all[1..])[0], "mail > shop 0.00", "{label}");
    }
    // A server's own address, itself, and a name that nobody declared.
    for (label, metric, peer) in [
        ("server.address", "http.server.duration", "mail"),
        ("peer.service", "rpc.duration", "shop"),
        ("peer.service", "rpc.duration", "elsewhere"),
    ] {
        assert_eq!(
            told(&[seen(label, metric, peer)]),
            ["shop 1.00"],
            "{label} {metric} {peer}"
        );
    }
}

#[test]
fn failures_a_second_are_shares_of_the_requests_beside_them() {
    let rate = ("errors.rate", "{error}/s");
    let share = ("error.ratio", "1");
    // Half of 40 requests a second fail at the shop; mail fails as many, which is all that it is asked.
    let all = [
        with_traffic(anomaly("shop", share, 0.001, 0.5), 40.0, 40.0),
        with_traffic(anomaly("mail", rate, 0.01, 20.0), 20.0, 20.0),
    ];
    let told = told(&all);
    assert!(
        told[0].starts_with("mail > shop") && told[0].ends_with("1.00"),
        "{told:?}"
    );
}

#[test]
fn seconds_and_milliseconds_are_one_measure() {
    let shop = anomaly("shop", SLOW, 0.2, 1.2);
    for slow in [
        anomaly("search", ("http.server.request.duration", "ms"), 100.0, 1_100.0),
        anomaly(
            "search",
            ("http_request_duration_milliseconds", ""),
            100.0,
            1_100.0,
        ),
        anomaly("search", ("latency_us", "1"), 1e5, 1.1e6),
    ] {
        assert_eq!(
            told(&[shop.clone(), slow.clone()])[0],
            "search > shop 1.00",
            "{:?}",
            slow.series
        );
    }
}

#[test]
fn what_costs_customers_most_is_asked_about_where_they_show_nothing_yet() {
    let slow = |seconds: f64, each| with_traffic(anomaly("search", SLOW, 0.1, 0.1 + seconds), each, each);
    let fails =
        |share: f64, each| with_traffic(anomaly("mail", ("error.ratio", "1"), 0.0, share), each, each);
    // A fifth of a second for each of 20 a second; half of 2 a second fail: 4 seconds against one.
    assert_eq!(
        told(&[slow(0.2, 20.0), fails(0.5, 2.0)])[..2],
        ["search > shop 0.80", "mail > shop 0.20"]
    );
    assert_eq!(told(&[slow(0.2, 2.0), fails(0.5, 20.0)])[0], "mail > shop 0.96");
    // As soon as the shop itself fails it is failures that are asked about.
    let shop = with_traffic(anomaly("shop", ("error.ratio", "1"), 0.0, 0.05), 20.0, 20.0);
    assert_eq!(
        told(&[slow(0.2, 20.0), fails(0.5, 2.0), shop]),
        ["mail > shop 1.00"]
    );
}

#[test]
fn what_is_usual_counts_not_what_the_channel_expected() {
    // Of a new shape the value before is expected, which is of the trouble already.
    let mut shape = anomaly("search", SLOW, 1.0, 1.0);
    shape.channel = Channel::Shape;
    shape.band = Band { low: 1.0, high: 1.0 };
    shape.window = vec![(EventTime::from_secs(600), 1.0), (EventTime::from_secs(660), 1.0)];
    assert_eq!(told(&[shape.clone()]), [""; 0]);
    shape.usual = Some(Usual { mean: 0.1, sd: 0.02 });
    assert_eq!(told(&[shape])[0], "search > shop 1.00");
}
