use std::sync::Arc;

use expect_test::expect;
use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_stage::{Effects, Stage as _};
use forecall_types::{
    CorrelateEntry, DomainName, EventTime, Heartbeat, Labels, Position, Reading, SampleBatch, SamplesRecord,
    SourcePartition, Watermark,
};
use forecall_wire::event::{Encoded, encode_correlate_entry};

use super::model::{ANOMALY_BYTES, HEARTBEAT_BYTES, Load, POINTS, Plan, SNAPSHOT_BYTES, Whence};
use super::page;

fn load(series: f64, every: f64) -> Load {
    Load {
        series,
        points_per_second: series / every,
        is_otlp: true,
        is_keyed: false,
        cores: 2.0,
        memory_gib: 4.0,
        domains: 1.0,
        replication: 3.0,
        calls_per_hour: 1_200.0,
        aht: 240.0,
        customers_hit: 90_000.0,
        messages_per_second: 100.0,
    }
}

#[test]
fn each_figure_stands_where_it_is_said_to_come_from() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    for point in POINTS {
        let Whence::Bench { row, written } = point.from else {
            continue;
        };
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with(row)).collect();
        assert_eq!(rows.len(), 1, "{}: rows `{row}`", point.what);
        assert!(
            rows[0].contains(written),
            "{}: `{written}` in {}",
            point.what,
            rows[0]
        );
        let number: String = written
            .chars()
            .filter(|c| c.is_ascii_digit() || matches!(c, '.' | ' '))
            .collect();
        let is_it = number
            .split(' ')
            .any(|n| n.parse::<f64>().is_ok_and(|n| (n - point.value).abs() < 1e-9));
        assert!(is_it, "{}: {} isn't in `{written}`", point.what, point.value);
    }
}

/// Within a tenth: what is written changes with each field.
fn is_off(what: &str, measured: f64, constant: f64) -> Option<String> {
    let is_near = (measured / constant - 1.0).abs() <= 0.1;
    (!is_near).then(|| format!("{what}: measured {measured:.0}, the constant is {constant}"))
}

fn bytes(encoded: &Encoded) -> f64 {
    let headers: usize = encoded
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    f64::from(u32::try_from(encoded.key.len() + encoded.value.len() + headers).unwrap())
}

/// A value of the day at a minute: no two series alike.
fn value(series: i64, minute: i64) -> f64 {
    let small = |n: i64| f64::from(i32::try_from(n).unwrap());
    let noise = small((series * 7_919 + minute * 104_729) % 1_000) / 1_000.0;
    50.0 + 20.0 * (small(minute % 1_440) / 1_440.0 * std::f64::consts::TAU).sin() + noise
}

fn record(minute: i64, series: i64, change: impl Fn(i64) -> f64) -> SamplesRecord {
    let at = EventTime::from_secs(1_800_000_000 + minute * 60);
    let mut batch = SampleBatch::default();
    for n in 0..series {
        // Ten series an entity, as in the benchmark.
        let entity = format!("host-{:05}.tehran.example.ir", n / 10);
        let resource = Labels::from_pairs([("service.name", "internet"), ("host.name", &entity)]);
        let metric = format!("system.network.quantity.{}", n % 10);
        batch.push(
            &metric,
            &resource,
            &Labels::default(),
            at,
            Reading::Gauge(value(n, minute) + change(n)),
        );
    }
    SamplesRecord {
        domain: DomainName::new("isp").unwrap(),
        origin: Position {
            topic: Arc::from("telemetry"),
            partition: 0,
            offset: minute,
        },
        appended_at: at,
        batch,
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
    }
}

#[test]
fn what_code_writes_is_written_again() {
    const SERIES: i64 = 200;
    let source = SourcePartition {
        topic: Arc::from("telemetry"),
        partition: 0,
    };
    let mut stage = DetectStage::new(Arc::new(DetectSettings::default()), source.clone());
    let mut effects = Effects::default();
    for minute in 0..1_440 {
        stage.step(&record(minute, SERIES, |_| 0.0), &mut effects);
    }
    let snapshot = f64::from(u32::try_from(stage.save().unwrap().len()).unwrap());
    let snapshot = is_off("snapshot", snapshot / 200.0, SNAPSHOT_BYTES.value);

    let _ = effects.drain();
    for minute in 1_440..1_460 {
        stage.step(
            &record(minute, SERIES, |n| if n < 20 { 500.0 } else { 0.0 }),
            &mut effects,
        );
    }
    let sizes: Vec<f64> = effects
        .outputs()
        .iter()
        .filter_map(|output| match output {
            DetectOutput::Anomaly(anomaly) => {
                let entry = CorrelateEntry::Anomaly(anomaly.clone());
                Some(bytes(&encode_correlate_entry(&entry).unwrap()))
            }
            DetectOutput::Summary(_) | DetectOutput::Scored(_) | DetectOutput::Heartbeat(_) => None,
        })
        .collect();
    assert!(sizes.len() >= 20, "{} events", sizes.len());
    let mean = sizes.iter().sum::<f64>() / f64::from(u32::try_from(sizes.len()).unwrap());
    let anomaly = is_off("anomaly event", mean, ANOMALY_BYTES.value);

    let heartbeat = Heartbeat {
        domain: DomainName::new("isp").unwrap(),
        source,
        next_offset: 123_456_789,
        watermark: Watermark::at(EventTime::from_secs(1_800_000_000)),
        idle: false,
        silent_until: None,
        caught_up: true,
    };
    let encoded = encode_correlate_entry(&CorrelateEntry::Heartbeat(heartbeat)).unwrap();
    let heartbeat = is_off("heartbeat", bytes(&encoded), HEARTBEAT_BYTES.value);
    let off: Vec<String> = [snapshot, anomaly, heartbeat].into_iter().flatten().collect();
    assert!(off.is_empty(), "{}", off.join("; "));
}

#[test]
fn twice_the_load_takes_twice_of_what_grows_with_it() {
    let (one, two) = (Plan::of(&load(1e6, 15.0)), Plan::of(&load(2e6, 15.0)));
    for (what, one, two) in [
        ("cpu", one.cpu, two.cpu),
        ("snapshots", one.snapshots_gib, two.snapshots_gib),
        ("samples", one.samples_gib, two.samples_gib),
    ] {
        assert!((two / one - 2.0).abs() < 1e-9, "{what}: {one} {two}");
    }
    assert!(two.partitions >= 2e6 / 60_000.0 && two.partitions % 12.0 == 0.0);
    // More processes have less each to bring back.
    let mut wide = load(2e6, 15.0);
    wide.memory_gib = 2.0;
    assert!(Plan::of(&wide).processes > two.processes);
    assert!(Plan::of(&wide).restart_seconds < two.restart_seconds);
    for plan in [one, two, Plan::of(&wide)] {
        assert!(plan.process_gib <= plan.load.memory_gib, "{plan:?}");
        assert!(plan.cores <= plan.processes * plan.load.cores, "{plan:?}");
    }
    let mut keyed = load(1e6, 15.0);
    keyed.is_keyed = true;
    let keyed = Plan::of(&keyed);
    assert!(keyed.cpu < one.cpu && keyed.samples_gib == 0.0 && keyed.written_mb < one.written_mb);
}

#[test]
fn the_page_reads_so() {
    let plan = Plan::of(&load(2e6, 15.0));
    let text = page::text(&plan);
    let rows: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).collect();
    expect![[r#"
        load          2,000,000 series, 133,334 points/s, OTLP, re-keyed by forecall
        processes     1 of `forecall detect`, each with 2 cores and 4 GiB
        cores         0.4 together, 50 % busy
        memory        3.2 GiB together, 3.2 GiB a process, a third of it spare for the time of a snapshot
        partitions    36: of the telemetry and of `topics.partitions`
        snapshots     6.8 GiB in `state.store` or `state.path`
        after a kill  7 s until the same slot has its memory back, 36 s until others have
        network       12.0 MB/s read from the brokers, 1.4 MB/s written to them
        Kafka         966 GiB forecall.samples.v1, 67 GiB forecall.anomalies.v1, all 3 copies
        agents        94 on duty, 135 scheduled, for 1,200 calls an hour of 240 s: 80 % in 20 s
        telling       15 min until 90,000 customers are told, at 100 messages/s"#]]
    .assert_eq(&rows.join("\n"));
    let json = page::json(&plan);
    assert_eq!(json["processes"], plan.processes);
    assert_eq!(json["measured"].as_array().map(Vec::len), Some(POINTS.len()));
}
