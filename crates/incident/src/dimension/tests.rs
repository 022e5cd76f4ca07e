use forecall_types::{
    AnomalyId, AnomalyState, Band, Channel, Direction, DomainName, EventTime, Fingerprint, Labels, Lineage,
    Score, SharedLabel, Siblings,
};
use proptest::prelude::*;

use super::*;
use crate::topology_file::TopologyFile;

/// One series of a made-up fleet.
#[derive(Debug, Clone)]
struct Host {
    region: &'static str,
    partition: i32,
    labels: Vec<(&'static str, String)>,
    is_hit: bool,
}

/// Forty hosts of the shop: every tenth has version 2.1 and a few more 2.0, racks of eight, a name each.
fn fleet(is_hit: impl Fn(usize) -> bool) -> Vec<Host> {
    let version = |i: usize| match i % 10 {
        0 => "2.1",
        1 | 2 => "2.0",
        _ => "1.9",
    };
    let labels = |i: usize| {
        vec![
            ("host", format!("h{i:02}")),
            ("rack", format!("r{}", i / 8)),
            ("version", version(i).to_owned()),
        ]
    };
    let host = |i| Host {
        region: "IR-10",
        partition: 0,
        labels: labels(i),
        is_hit: is_hit(i),
    };
    (0..40).map(host).collect()
}

fn has(host: &Host, label: &str, value: &str) -> bool {
    host.labels.iter().any(|(l, v)| *l == label && v == value)
}

/// The anomalies of those that are hit, with the counts that `detect` would give.
fn anomalies(fleet: &[Host], metrics: &[&str]) -> Vec<Anomaly> {
    let beside = |host: &Host| {
        let (region, partition) = (host.region, host.partition);
        let near = fleet
            .iter()
            .filter(move |o| o.region == region && o.partition == partition);
        near.collect::<Vec<&Host>>()
    };
    let mut told = Vec::new();
    for (host, metric) in fleet
        .iter()
        .filter(|h| h.is_hit)
        .flat_map(|h| metrics.iter().map(move |m| (h, *m)))
    {
        let near = beside(host);
        let shared = host.labels.iter().map(|(label, value)| {
            let of = |h: &&&Host| has(h, label, value);
            let all = near.iter().flat_map(|h| &h.labels).filter(|(l, _)| l == label);
            SharedLabel {
                label: Arc::from(*label),
                value: Arc::from(value.as_str()),
                series: u32::try_from(near.iter().filter(of).count()).unwrap(),
                values: u32::try_from(all.map(|(_, v)| v).collect::<BTreeSet<_>>().len()).unwrap(),
            }
        });
        let mut resource = Labels::from_pairs([("service.name", "shop"), ("region", host.region)]);
        for (label, value) in &host.labels {
            resource.set(label, value);
        }
        let name = format!("{metric} {:?}", host.labels);
        told.push(Anomaly {
            id: AnomalyId::derived(Fingerprint::of(name.as_bytes())),
            revision: 1,
            state: AnomalyState::Opened,
            domain: DomainName::new("test").unwrap(),
            series: Arc::new(SeriesKey {
                metric: Arc::from(metric),
                unit: Arc::from("1"),
                resource,
                labels: Labels::default(),
            }),
            channel: Channel::Shift,
            direction: Direction::Up,
            from: EventTime::from_secs(60),
            at: EventTime::from_secs(120),
            score: Score::clamped(6.0),
            observed: 1.0,
            expected: 0.0,
            band: Band { low: 0.0, high: 0.1 },
            samples: 3,
            slope: 0.0,
            window: Vec::new(),
            ahead: Vec::new(),
            context: Vec::new(),
            siblings: Some(Siblings {
                partition: host.partition,
                series: u32::try_from(near.len()).unwrap(),
                shared: shared.collect(),
            }),
            usual: None,
            traffic: None,
            lineage: Lineage::default(),
        });
    }
    told
}

fn said(anomalies: &[Anomaly]) -> Vec<String> {
    let topology = Topology::check(&TopologyFile::default()).unwrap();
    let line = |d: &Dimension| {
        format!(
            "{}={} {}/{} of {}/{}",
            d.label,
            d.values.join("|"),
            d.abnormal_with,
            d.abnormal,
            d.series_with,
            d.series
        )
    };
    dimensions(anomalies.iter(), &topology).iter().map(line).collect()
}

fn told(fleet: &[Host]) -> Vec<String> {
    said(&anomalies(fleet, &["errors"]))
}

#[test]
fn a_version_that_fails_is_named_and_hosts_and_racks_are_not() {
    assert_eq!(told(&fleet(|i| i % 10 == 0)), ["version=2.1 4/4 of 4/40"]);
    // One of them gets no requests, and one elsewhere fails by itself.
    let mixed = fleet(|i| i % 10 <= 2 && i != 30 || i == 7);
    assert_eq!(told(&mixed), ["version=2.0|2.1 11/12 of 12/40"]);
}

#[test]
fn two_values_that_fail_are_both_named() {
    assert_eq!(told(&fleet(|i| i % 10 <= 2)), ["version=2.0|2.1 12/12 of 12/40"]);
}

#[test]
fn nothing_is_named_where_all_fail_or_few_do() {
    assert!(told(&fleet(|_| true)).is_empty());
    assert!(told(&fleet(|i| i == 10)).is_empty());
    // Two of a rack of eight are chance.
    assert!(told(&fleet(|i| i == 0 || i == 1)).is_empty());
}

/// Any five hosts are told from the others by their names: that explains nothing.
#[test]
fn names_of_their_own_explain_nothing() {
    let scattered = fleet(|i| [3, 13, 22, 29, 38].contains(&i));
    assert!(told(&scattered).is_empty(), "{:?}", told(&scattered));
}

/// A series that is abnormal in two ways, or twice, is one series; a metric that shows it better speaks.
#[test]
fn a_series_counts_once_and_the_clearest_metric_speaks() {
    let mut twice = anomalies(&fleet(|i| i % 10 == 0), &["errors"]);
    let mut again = twice.clone();
    for anomaly in &mut again {
        anomaly.id = AnomalyId::derived(Fingerprint::of(anomaly.id.as_str().as_bytes()));
        anomaly.channel = Channel::Spike;
    }
    twice.append(&mut again);
    assert_eq!(said(&twice), ["version=2.1 4/4 of 4/40"]);
    let mut other = anomalies(&fleet(|i| i % 10 == 0 || i == 7 || i == 19), &["latency"]);
    other.append(&mut twice);
    assert_eq!(said(&other), ["version=2.1 4/4 of 4/40"]);
}

/// Counts of partitions and regions add up; of those where nothing with the value is known, nothing is said.
#[test]
fn partitions_and_regions_add_up() {
    let mut all = fleet(|i| i % 10 == 0);
    for (i, host) in all.iter_mut().enumerate() {
        host.partition = i32::try_from(i % 2).unwrap();
    }
    // Versions lie on one partition each by chance of the numbers: the other's are all well and not heard of.
    assert_eq!(told(&all), ["version=2.1 4/4 of 4/20"]);
    for (i, host) in all.iter_mut().enumerate() {
        host.partition = i32::try_from(i / 20).unwrap();
        host.region = if i < 20 { "IR-10" } else { "IR-07" };
    }
    assert_eq!(told(&all), ["version=2.1 4/4 of 4/40"]);
}

/// Draws by lot from a hundred fleets with labels that have nothing to do with it: one incident in five hundred may name one.
#[test]
fn chance_is_hardly_ever_named() {
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut named, runs) = (0, 4_000);
    for _ in 0..runs {
        let hits = 2 + next(8);
        let labels = ["a", "b", "c", "d"];
        let kinds: Vec<u64> = labels.iter().map(|_| 2 + next(9)).collect();
        let mut hosts: Vec<Host> = (0..40)
            .map(|i| Host {
                region: "IR-10",
                partition: 0,
                labels: labels
                    .iter()
                    .zip(&kinds)
                    .map(|(label, of)| (*label, next(*of).to_string()))
                    .chain([("host", format!("h{i}"))])
                    .collect(),
                is_hit: false,
            })
            .collect();
        for _ in 0..hits {
            let one = usize::try_from(next(40)).unwrap();
            hosts[one].is_hit = true;
        }
        named += i32::from(!told(&hosts).is_empty());
    }
    assert!(named <= runs / 500, "{named} of {runs}");
}

proptest! {
    #[test]
    fn it_hangs_on_no_order(hit in proptest::collection::vec(any::<bool>(), 40), turn in 0_usize..40) {
        let fleet = fleet(|i| hit[i]);
        let mut all = anomalies(&fleet, &["errors", "latency"]);
        let before = said(&all);
        let turn = turn % all.len().max(1);
        all.rotate_left(turn);
        all.reverse();
        prop_assert_eq!(before, said(&all));
    }

    /// Counts from other times than the anomalies never make more abnormal ones than there are.
    #[test]
    fn tables_add_up(hit in proptest::collection::vec(any::<bool>(), 40), counted in 0_u32..50) {
        let fleet = fleet(|i| hit[i]);
        let mut all = anomalies(&fleet, &["errors"]);
        for anomaly in &mut all {
            anomaly.siblings.as_mut().unwrap().series = counted;
        }
        let topology = Topology::check(&TopologyFile::default()).unwrap();
        for d in dimensions(all.iter(), &topology) {
            prop_assert!(d.abnormal_with <= d.abnormal && d.abnormal_with <= d.series_with && d.series_with < d.series);
            prop_assert!(d.abnormal - d.abnormal_with <= d.series - d.series_with);
        }
    }
}
