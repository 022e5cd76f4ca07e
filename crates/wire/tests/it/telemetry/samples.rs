use std::sync::Arc;

use forecall_types::{
    ContextKind, ContextParts, ContextRecord, DomainName, EventTime, Labels, Position, Reading, RejectReason,
    SampleBatch, SamplesRecord, SeriesKey, SourceMark, SourcePartition, SourcePulse, SourceTopic,
    Temporality,
};
use forecall_wire::telemetry::{Format, samples};
use proptest::prelude::*;
use proptest::sample::select;

use super::{decoded, samples_text, source};

/// A reading that owns its lists.
#[derive(Debug, Clone)]
enum Owned {
    Gauge(f64),
    Sum(f64, bool, bool, Option<i64>),
    Histogram(Vec<u64>, Option<f64>, bool, Option<i64>),
    Summary(Vec<(f64, f64)>, f64, u64, Option<i64>),
    Events(u64),
}

fn finite() -> impl Strategy<Value = f64> {
    prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::SUBNORMAL
}

fn reading() -> impl Strategy<Value = Owned> {
    let start = || prop::option::of(any::<i64>());
    prop_oneof![
        finite().prop_map(Owned::Gauge),
        (finite(), any::<bool>(), any::<bool>(), start()).prop_map(|(v, d, m, s)| Owned::Sum(v, d, m, s)),
        (
            prop::collection::vec(any::<u64>(), 1..6),
            prop::option::of(finite()),
            any::<bool>(),
            start()
        )
            .prop_map(|(counts, sum, d, s)| Owned::Histogram(counts, sum, d, s)),
        (
            prop::collection::vec((0.0..=1.0, finite()), 0..4),
            finite(),
            any::<u64>(),
            start()
        )
            .prop_map(|(q, sum, count, s)| Owned::Summary(q, sum, count, s)),
        any::<u64>().prop_map(Owned::Events),
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::vec(("[a-cش]{1,2}", "[xyم]{0,2}"), 0..4).prop_map(Labels::from_pairs)
}

fn push(batch: &mut SampleBatch, key: &SeriesKey, at: i64, reading: &Owned) {
    let (at, time) = (EventTime::from_nanos(at), |s: &Option<i64>| {
        s.map(EventTime::from_nanos)
    });
    let temporality = |delta: bool| {
        if delta {
            Temporality::Delta
        } else {
            Temporality::Cumulative
        }
    };
    match reading {
        Owned::Gauge(value) => batch.push_key(key, at, Reading::Gauge(*value)),
        Owned::Sum(value, delta, monotonic, start) => batch.push_key(
            key,
            at,
            Reading::Sum {
                value: *value,
                temporality: temporality(*delta),
                monotonic: *monotonic,
                start: time(start),
            },
        ),
        Owned::Histogram(counts, sum, delta, start) => {
            let bounds: Vec<f64> = (1..counts.len())
                .map(|i| f64::from(u32::try_from(i).unwrap()))
                .collect();
            let reading = Reading::Histogram {
                bounds: &bounds,
                counts,
                sum: *sum,
                temporality: temporality(*delta),
                start: time(start),
            };
            batch.push_key(key, at, reading);
        }
        Owned::Summary(quantiles, sum, count, start) => batch.push_key(
            key,
            at,
            Reading::Summary {
                quantiles,
                sum: *sum,
                count: *count,
                start: time(start),
            },
        ),
        Owned::Events(count) => batch.push_key(key, at, Reading::Events { count: *count }),
    }
}

prop_compose! {
    fn pulse()(
        caught_up in any::<bool>(),
        silent_until in prop::option::of(any::<i64>()),
        topics in prop::collection::vec(("[tuv]", any::<u32>()), 0..3),
    ) -> SourcePulse {
        SourcePulse {
            caught_up,
            silent_until: silent_until.map(EventTime::from_nanos),
            topics: topics
                .into_iter()
                .map(|(topic, partitions)| SourceTopic { topic: Arc::from(topic), partitions })
                .collect(),
        }
    }
}

prop_compose! {
    fn mark()(
        (topic, partition) in ("[tu]", any::<i32>()),
        newest in prop::option::of(any::<i64>()),
        pulse in prop::option::of(pulse()),
    ) -> SourceMark {
        SourceMark {
            source: SourcePartition { topic: Arc::from(topic), partition },
            newest: newest.map(EventTime::from_nanos),
            pulse,
        }
    }
}

prop_compose! {
    fn context()(
        kind in select(ContextKind::ALL.to_vec()),
        (id, title) in ("[a-z0-9/-]{1,9}", prop::option::of("[ -~]{0,9}")),
        (from, seconds) in (-1_000_000_000_000_i64..1_000_000_000_000, 0_u64..600_000),
        (name, pattern) in ("[a-c]", "x[*y]{0,4}"),
        more in prop::collection::btree_map("[d-f]", "[*y]{1,4}", 0..3),
    ) -> ContextRecord {
        let from = EventTime::from_nanos(from);
        let mut matches = more;
        matches.insert(name, pattern);
        ContextRecord::new(ContextParts {
            kind,
            id,
            from,
            until: from.plus(std::time::Duration::from_secs(seconds)),
            matches,
            title,
        })
        .unwrap()
    }
}

prop_compose! {
    fn some_record()(
        rows in prop::collection::vec((("[mn]", "[su]?"), labels(), labels(), any::<i64>(), reading()), 0..30),
        marks in prop::collection::vec(mark(), 0..4),
        contexts in prop::collection::vec(context(), 0..3),
        (partition, offset, appended) in (any::<i32>(), any::<i64>(), any::<i64>()),
    ) -> SamplesRecord {
        let mut batch = SampleBatch::default();
        for ((metric, unit), resource, labels, at, reading) in rows {
            let key = SeriesKey { metric: Arc::from(metric), unit: Arc::from(unit), resource, labels };
            push(&mut batch, &key, at, &reading);
        }
        SamplesRecord {
            domain: DomainName::new("isp").unwrap(),
            origin: Position { topic: Arc::from("otlp_metrics"), partition, offset },
            appended_at: EventTime::from_nanos(appended),
            batch,
            marks,
            contexts,
            links: Vec::new(),
        }
    }
}

fn same(a: &SamplesRecord, b: &SamplesRecord) {
    assert_eq!(
        (&a.domain, &a.origin, a.appended_at, &a.marks, &a.contexts),
        (&b.domain, &b.origin, b.appended_at, &b.marks, &b.contexts)
    );
    assert_eq!(samples_text(a), samples_text(b));
    let ids = |r: &SamplesRecord| {
        r.batch
            .rows()
            .iter()
            .map(|row| (row.series, row.entity))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(a), ids(b));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(record in some_record()) {
        let bytes = samples::encode(&record);
        let back = samples::decode(&bytes).unwrap();
        same(&record, &back);
        prop_assert_eq!(samples::encode(&back), bytes);
    }

    #[test]
    fn no_part_of_a_record_is_a_record(record in some_record(), cut in any::<prop::sample::Index>()) {
        let bytes = samples::encode(&record);
        let cut = cut.index(bytes.len());
        prop_assert!(samples::decode(&bytes[..cut]).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(record in some_record(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = samples::encode(&record);
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(record) = samples::decode(&bytes) {
            same(&record, &samples::decode(&samples::encode(&record)).unwrap());
        }
    }
}

#[test]
fn refused_points_are_not_carried() {
    let text = decoded(
        &source(Format::FlatJson),
        br#"[{"ts":1,"series":"a","value":1},{"ts":1,"series":"a"}]"#,
    );
    assert!(text.contains("refused"), "{text}");
    let mut batch = SampleBatch::default();
    batch.reject(forecall_types::Reject::new(RejectReason::BadValue, "x"));
    let record = SamplesRecord {
        domain: DomainName::new("isp").unwrap(),
        origin: Position {
            topic: Arc::from("t"),
            partition: 0,
            offset: 0,
        },
        appended_at: EventTime::from_secs(0),
        batch,
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
    };
    assert!(
        samples::decode(&samples::encode(&record))
            .unwrap()
            .batch
            .rejects()
            .is_empty()
    );
}

/// A few bytes that claim to stand for very much.
#[test]
fn counts_beyond_the_bytes_are_refused_before_anything_is_allocated() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for prefix in [&[][..], &[0], &[1, 1, b'a', 1]] {
        let mut bytes = vec![samples::VERSION];
        bytes.extend_from_slice(prefix);
        bytes.extend_from_slice(&huge);
        assert_eq!(
            samples::decode(&bytes).unwrap_err().reason,
            RejectReason::Malformed,
            "{prefix:?}"
        );
    }
}

#[test]
fn a_point_of_one_series_takes_few_bytes() {
    let mut batch = SampleBatch::default();
    let resource = Labels::from_pairs([("service.name", "internet"), ("region", "IR-10")]);
    for second in 0..100 {
        batch.push(
            "m",
            &resource,
            &Labels::default(),
            EventTime::from_secs(1_767_225_600 + second),
            Reading::Gauge(1.0),
        );
    }
    let record = SamplesRecord {
        domain: DomainName::new("isp").unwrap(),
        origin: Position {
            topic: Arc::from("t"),
            partition: 0,
            offset: 0,
        },
        appended_at: EventTime::from_secs(1_767_225_600),
        batch,
        marks: Vec::new(),
        contexts: Vec::new(),
        links: Vec::new(),
    };
    let bytes = samples::encode(&record).len();
    assert!(bytes < 100 * 16 + 100, "{bytes} bytes for 100 points");
}

/// What a log still holds from before an upgrade.
#[test]
fn marks_of_the_version_before_are_read() {
    let mark = |idle: u8| {
        let mut bytes = vec![samples::VERSION_BEFORE, 2, 3, b'i', b's', b'p', 1, b't', 0];
        bytes.extend_from_slice(&[0, 1, 0, 10, 0, 1, 1, 6, 14, idle, 0, 0]);
        samples::decode(&bytes).map(|record| record.marks)
    };
    let expected = |pulse| SourceMark {
        source: SourcePartition {
            topic: Arc::from("t"),
            partition: 3,
        },
        newest: Some(EventTime::from_nanos(7)),
        pulse,
    };
    assert_eq!(mark(0).unwrap(), [expected(None)]);
    let idle = SourcePulse {
        caught_up: true,
        silent_until: Some(EventTime::MAX),
        topics: Vec::new(),
    };
    assert_eq!(mark(1).unwrap(), [expected(Some(idle))]);
    assert!(mark(2).is_err());
}
