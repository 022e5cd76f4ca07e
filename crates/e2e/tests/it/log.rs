//! The log on a real Kafka keeps the promises that the in-process one keeps.

mod line;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use forecall_kafka::{KafkaLog, KafkaSettings, MembershipKind};
use forecall_log::{
    Assignment, ChooseStart, Committed, GatherLimits, Handler, Log, LogError, Member, Membership, OutRecord,
    Outcome, RecordRef, Start, TooLong, TopicPartition, TopicSpec, Transaction, Writer, partition_of_key,
};

/// Far above what any step takes on a busy machine; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);
const SOON: GatherLimits = GatherLimits {
    records_max: 1_000,
    bytes_max: 1 << 20,
    wait: Duration::from_millis(100),
};

struct FromCommitted;
impl ChooseStart for FromCommitted {
    fn choose(&self, _: &TopicPartition, committed: Option<&Committed>) -> Start {
        committed.map_or(Start::Earliest, |c| Start::Offset(c.next_offset))
    }
}

struct From(i64);
impl ChooseStart for From {
    fn choose(&self, _: &TopicPartition, _: Option<&Committed>) -> Start {
        Start::Offset(self.0)
    }
}

/// What a member was told, in order; `values` is what has been gathered and not made void.
#[derive(Default)]
struct Seen {
    told: Vec<String>,
    values: BTreeMap<i32, Vec<String>>,
    next: BTreeMap<i32, i64>,
    committed: Vec<Option<Committed>>,
    headers: Vec<(String, String)>,
}

impl Seen {
    fn count(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }

    fn of(&self, partition: i32) -> Vec<&str> {
        self.values
            .get(&partition)
            .map(|v| v.iter().map(String::as_str).collect())
            .unwrap_or_default()
    }
}

impl Handler for Seen {
    fn assigned(&mut self, a: &Assignment) {
        self.told.push(format!("+{}", a.partition.partition));
        self.committed.push(a.committed.clone());
    }
    fn revoked(&mut self, p: &TopicPartition, _: bool) {
        self.told.push(format!("-{}", p.partition));
        self.values.remove(&p.partition);
        self.next.remove(&p.partition);
    }
    fn record(&mut self, r: &RecordRef<'_>) {
        assert!(
            r.appended_at.secs() > 1_600_000_000,
            "stamped with {:?}",
            r.appended_at
        );
        let value = String::from_utf8_lossy(r.value.unwrap_or_default()).into_owned();
        self.values.entry(r.partition).or_default().push(value);
        self.next.insert(r.partition, r.offset + 1);
        for (name, bytes) in r.headers.get() {
            self.headers
                .push(((*name).to_owned(), String::from_utf8_lossy(bytes).into_owned()));
        }
    }
}

/// A log, and names that no other test and no other run has.
struct Bed {
    log: KafkaLog,
    name: String,
    writer: Box<dyn Writer>,
}

fn settings() -> KafkaSettings {
    let address = std::env::var("FORECALL_E2E_KAFKA")
        .expect("FORECALL_E2E_KAFKA names no broker: run `cargo xtask test`, which starts one");
    KafkaSettings {
        // So that a claim nobody gives back ends soon; the broker that `xtask` starts allows it.
        session_timeout_ms: 3_000,
        heartbeat_interval_ms: 500,
        ..KafkaSettings::plaintext(&address)
    }
}

fn connect() -> KafkaLog {
    KafkaLog::connect(settings()).unwrap()
}

fn bed(partitions: i32) -> Bed {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let name = format!("e2e-{}-{}", now.as_nanos(), NEXT.fetch_add(1, Ordering::Relaxed));
    let log = connect();
    let topics = [
        TopicSpec::new(&format!("{name}.in"), partitions),
        TopicSpec::new(&format!("{name}.out"), 1),
    ];
    assert_eq!(log.create_topics(&topics).unwrap().len(), 2);
    let writer = log.writer(&format!("{name}.writer")).unwrap();
    Bed { log, name, writer }
}

impl Bed {
    fn input(&self) -> String {
        format!("{}.in", self.name)
    }

    fn output(&self) -> String {
        format!("{}.out", self.name)
    }

    fn group(&self) -> String {
        format!("{}.group", self.name)
    }

    fn put(&mut self, partition: i32, values: &[&str]) {
        let records = values.iter().map(|v| to(&self.input(), partition, v)).collect();
        self.writer
            .commit(&Transaction {
                records,
                positions: vec![],
            })
            .unwrap();
    }

    fn join_with(&self, log: &KafkaLog, instance: &str, start: Arc<dyn ChooseStart>) -> Box<dyn Member> {
        let membership = Membership {
            group: self.group(),
            instance: format!("{}.{instance}", self.name),
            topics: vec![self.input()],
            is_static: true,
        };
        log.join(&membership, start).unwrap()
    }

    fn join(&self, instance: &str) -> Box<dyn Member> {
        self.join_with(&self.log, instance, Arc::new(FromCommitted))
    }

    /// A transaction that says "done" and moves one partition on.
    fn read_to(&self, partition: i32, next_offset: i64, metadata: &str) -> Transaction {
        Transaction {
            records: vec![OutRecord::new(&self.output(), b"k".to_vec(), b"done".to_vec())],
            positions: vec![(
                TopicPartition::new(&self.input(), partition),
                Committed {
                    next_offset,
                    metadata: metadata.into(),
                },
            )],
        }
    }

    /// Committed records of a partition. A commit is answered before its marker stands in every partition, so a last
    /// transaction is written and awaited: where it can be read, all before it are decided.
    fn published(&mut self, topic: &str, partition: i32) -> Vec<String> {
        let records = vec![to(topic, partition, END)];
        self.writer
            .commit(&Transaction {
                records,
                positions: vec![],
            })
            .unwrap();
        let begun = Instant::now();
        loop {
            let mut values = Vec::new();
            self.log
                .read(&TopicPartition::new(topic, partition), 0, &mut |r| {
                    values.push(String::from_utf8_lossy(r.value.unwrap_or_default()).into_owned());
                })
                .unwrap();
            if values.last().is_some_and(|v| v == END) {
                values.retain(|v| v != END);
                return values;
            }
            assert!(begun.elapsed() < PATIENCE, "{values:?}");
        }
    }

    /// Waits until a partition's bounds are these.
    fn await_bounds(&self, partition: &TopicPartition, bounds: (i64, i64)) {
        let begun = Instant::now();
        while self.log.bounds(&partition.topic).unwrap()[usize::try_from(partition.partition).unwrap()]
            != bounds
        {
            assert!(
                begun.elapsed() < PATIENCE,
                "{:?}",
                self.log.bounds(&partition.topic)
            );
        }
    }
}

/// Ends a reading of [`Bed::published`]; no test writes it otherwise.
const END: &str = "<end>";

fn to(topic: &str, partition: i32, value: &str) -> OutRecord {
    OutRecord {
        partition: Some(partition),
        ..OutRecord::new(topic, b"k".to_vec(), value.into())
    }
}

/// Lets the members gather in turn until `enough` says so.
fn gather_until(
    members: &mut [(&mut dyn Member, &mut Seen)],
    enough: impl Fn(&[(&mut dyn Member, &mut Seen)]) -> bool,
) {
    let begun = Instant::now();
    while !enough(members) {
        assert!(
            begun.elapsed() < PATIENCE,
            "{:?}",
            members
                .iter()
                .map(|(_, s)| (&s.told, &s.values))
                .collect::<Vec<_>>()
        );
        for (member, seen) in members.iter_mut() {
            member.gather(&SOON, *seen).unwrap();
        }
    }
}

fn gather(member: &mut dyn Member, count: usize) -> Seen {
    let mut seen = Seen::default();
    gather_until(&mut [(member, &mut seen)], |m| m[0].1.count() >= count);
    seen
}

#[test]
fn what_was_not_committed_is_read_again_and_what_was_is_not() {
    let mut bed = bed(1);
    bed.put(0, &["a", "b"]);
    let mut first = bed.join("m");
    let seen = gather(first.as_mut(), 2);
    assert_eq!(seen.of(0), ["a", "b"]);
    assert_eq!((seen.told, seen.committed), (vec!["+0".to_owned()], vec![None]));
    first.begin_commit(bed.read_to(0, 1, "digest-1")).unwrap();
    assert_eq!(first.await_commit().unwrap(), Outcome::Committed);
    first.leave().unwrap();

    let begun = Instant::now();
    let mut second = bed.join("m");
    let seen = gather(second.as_mut(), 1);
    println!("a static member was back after {:?}", begun.elapsed());
    assert_eq!(seen.of(0), ["b"]);
    let committed = Committed {
        next_offset: 1,
        metadata: "digest-1".into(),
    };
    assert_eq!(
        seen.committed,
        [Some(committed.clone())],
        "the text beside the position comes back"
    );
    let place = TopicPartition::new(&bed.input(), 0);
    let nobody = TopicPartition::new(&bed.output(), 0);
    assert_eq!(
        bed.log.committed(&bed.group(), &[place, nobody]).unwrap(),
        [Some(committed), None]
    );
    assert_eq!(bed.published(&bed.output(), 0), ["done"]);
}

#[test]
fn a_second_process_of_one_slot_fences_the_first() {
    let mut bed = bed(1);
    bed.put(0, &["a"]);
    let mut zombie = bed.join("m");
    gather(zombie.as_mut(), 1);
    let other_process = connect();
    let mut newer = bed.join_with(&other_process, "m", Arc::new(FromCommitted));
    let result = zombie
        .begin_commit(bed.read_to(0, 1, "zombie"))
        .and_then(|()| zombie.await_commit());
    assert!(matches!(result, Err(LogError::Fenced { .. })), "{result:?}");
    assert_eq!(gather(newer.as_mut(), 1).of(0), ["a"]);
    newer.begin_commit(bed.read_to(0, 1, "newer")).unwrap();
    assert_eq!(newer.await_commit().unwrap(), Outcome::Committed);
    assert_eq!(bed.published(&bed.output(), 0), ["done"], "once");

    let identity = format!("{}.w", bed.name);
    let mut old = bed.log.writer(&identity).unwrap();
    let mut new = other_process.writer(&identity).unwrap();
    let transaction = Transaction {
        records: vec![to(&bed.output(), 0, "w")],
        positions: vec![],
    };
    let result = old.commit(&transaction);
    assert!(matches!(result, Err(LogError::Fenced { .. })), "{result:?}");
    new.commit(&transaction).unwrap();
    assert_eq!(bed.published(&bed.output(), 0), ["done", "w"]);
}

#[test]
fn two_members_share_the_partitions_and_a_stale_commit_leaves_nothing_behind() {
    let mut bed = bed(2);
    bed.put(0, &["a"]);
    bed.put(1, &["b"]);
    let mut first = bed.join("m1");
    let mut seen_first = gather(first.as_mut(), 2);
    let mut second = bed.join("m2");
    let mut seen_second = Seen::default();
    gather_until(
        &mut [
            (first.as_mut(), &mut seen_first),
            (second.as_mut(), &mut seen_second),
        ],
        |m| {
            m[0].1.of(0) == ["a"]
                && m[1].1.of(1) == ["b"]
                && m[0].1.values.len() == 1
                && m[1].1.values.len() == 1
        },
    );
    assert_eq!(
        seen_first.told,
        ["+0", "+1", "-0", "-1", "+0"],
        "all is given back, then shared"
    );
    assert_eq!(seen_second.told, ["+1"]);

    first.begin_commit(bed.read_to(1, 1, "stale")).unwrap();
    assert_eq!(first.await_commit().unwrap(), Outcome::NotOwner);
    assert_eq!(bed.published(&bed.output(), 0), [""; 0], "nothing published");
    second.begin_commit(bed.read_to(1, 1, "owner")).unwrap();
    assert_eq!(second.await_commit().unwrap(), Outcome::Committed);
    first.begin_commit(bed.read_to(0, 1, "owner")).unwrap();
    assert_eq!(first.await_commit().unwrap(), Outcome::Committed);
    assert_eq!(bed.published(&bed.output(), 0), ["done", "done"]);
}

#[test]
fn a_rebalance_waits_for_a_member_that_is_between_gathering_and_committing() {
    let mut bed = bed(1);
    bed.put(0, &["a"]);
    let mut sleeper = bed.join("m1");
    gather(sleeper.as_mut(), 1);
    let membership = Membership {
        group: bed.group(),
        instance: format!("{}.m0", bed.name),
        topics: vec![bed.input()],
        is_static: true,
    };
    let mut heir = bed.log.join(&membership, Arc::new(FromCommitted)).unwrap();
    let mut seen = Seen::default();
    let begun = Instant::now();
    // While the sleeper doesn't gather, it can't give its partition back: the rebalance waits, and its commit stands.
    while begun.elapsed() < Duration::from_secs(2) {
        heir.gather(&SOON, &mut seen).unwrap();
    }
    assert_eq!(
        seen.told, [""; 0],
        "nothing is taken from a member that is between gathering and committing"
    );
    sleeper.begin_commit(bed.read_to(0, 1, "late")).unwrap();
    assert_eq!(sleeper.await_commit().unwrap(), Outcome::Committed);
    let mut seen_sleeper = Seen::default();
    gather_until(
        &mut [(sleeper.as_mut(), &mut seen_sleeper), (heir.as_mut(), &mut seen)],
        |m| m[1].1.told == ["+0"],
    );
    assert_eq!(
        seen.committed,
        [Some(Committed {
            next_offset: 1,
            metadata: "late".into()
        })]
    );
    assert_eq!(bed.published(&bed.output(), 0), ["done"]);
}

#[test]
fn a_transaction_that_the_broker_ended_is_found_out_and_repeated_once() {
    let mut bed = bed(1);
    bed.put(0, &["a"]);
    let hasty = KafkaSettings {
        transaction_timeout_ms: 1_000,
        ..settings()
    };
    let mut member = bed.join_with(&KafkaLog::connect(hasty).unwrap(), "m", Arc::new(FromCommitted));
    gather(member.as_mut(), 1);
    member.begin_commit(bed.read_to(0, 1, "slow")).unwrap();
    // The broker looks every ten seconds for transactions that took too long, and aborts them.
    std::thread::sleep(Duration::from_millis(11_500));
    assert_eq!(member.await_commit().unwrap(), Outcome::Committed);
    assert_eq!(
        bed.published(&bed.output(), 0),
        ["done"],
        "once, though it was sent twice"
    );
    let place = TopicPartition::new(&bed.input(), 0);
    let wanted = Committed {
        next_offset: 1,
        metadata: "slow".into(),
    };
    assert_eq!(bed.log.committed(&bed.group(), &[place]).unwrap(), [Some(wanted)]);
}

#[test]
fn a_member_that_slept_too_long_is_no_longer_the_owner() {
    for membership in [MembershipKind::Static, MembershipKind::Dynamic] {
        let mut bed = bed(1);
        bed.put(0, &["a"]);
        let mut strict = KafkaSettings {
            membership,
            ..settings()
        };
        strict.extra.insert("max.poll.interval.ms".into(), "3000".into());
        let mut sleeper = bed.join_with(&KafkaLog::connect(strict).unwrap(), "m1", Arc::new(FromCommitted));
        gather(sleeper.as_mut(), 1);
        // The sleeper gathers nothing more, so the group gives it up.
        let mut heir = bed.join("m2");
        assert_eq!(gather(heir.as_mut(), 1).of(0), ["a"]);
        sleeper.begin_commit(bed.read_to(0, 1, "sleeper")).unwrap();
        assert_eq!(
            sleeper.await_commit().unwrap(),
            Outcome::NotOwner,
            "{membership:?}"
        );
        assert_eq!(bed.published(&bed.output(), 0), [""; 0]);
        heir.begin_commit(bed.read_to(0, 1, "heir")).unwrap();
        assert_eq!(heir.await_commit().unwrap(), Outcome::Committed);
        assert_eq!(bed.published(&bed.output(), 0), ["done"]);
    }
}

#[test]
fn a_transaction_is_whole_or_not_at_all_over_several_topics() {
    let mut bed = bed(2);
    let (input, output) = (bed.input(), bed.output());
    let records = vec![to(&input, 0, "x"), to(&input, 1, "y"), to(&output, 0, "z")];
    bed.writer
        .commit(&Transaction {
            records,
            positions: vec![],
        })
        .unwrap();
    assert_eq!(bed.published(&input, 0), ["x"]);
    assert_eq!(bed.published(&input, 1), ["y"]);
    assert_eq!(bed.published(&output, 0), ["z"]);

    let missing = Transaction {
        records: vec![
            to(&output, 0, "lost"),
            OutRecord::new("e2e-nowhere", vec![], vec![]),
        ],
        positions: vec![],
    };
    assert!(matches!(
        bed.writer.commit(&missing),
        Err(LogError::NoTopic { .. })
    ));
    let error = bed
        .writer
        .commit(&Transaction {
            records: vec![to(&output, 0, "lost"), to(&output, 7, "v")],
            positions: vec![],
        })
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("topic `{output}` has 1 partitions, none is 7")
    );
    let huge = OutRecord::new(&output, vec![], vec![b'x'; 3 << 20]);
    let error = bed
        .writer
        .commit(&Transaction {
            records: vec![to(&output, 0, "lost"), huge],
            positions: vec![],
        })
        .unwrap_err();
    assert!(
        matches!(error, LogError::Fatal { .. }) && error.to_string().contains("3145728 bytes"),
        "{error}"
    );
    bed.writer
        .commit(&Transaction {
            records: vec![to(&output, 0, "after")],
            positions: vec![],
        })
        .unwrap();
    assert_eq!(
        bed.published(&output, 0),
        ["z", "after"],
        "of what failed nothing is seen"
    );
}

#[test]
fn a_record_that_the_broker_alone_finds_too_large_is_fatal_and_named() {
    let mut bed = bed(1);
    let small = format!("{}.small", bed.name);
    let mut spec = TopicSpec::new(&small, 1);
    spec.settings.push(("max.message.bytes".into(), "1000".into()));
    bed.log.create_topics(&[spec]).unwrap();
    let noise: Vec<u8> = (0..5_000_u32)
        .map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let records = vec![
        to(&bed.output(), 0, "lost"),
        OutRecord::new(&small, vec![], noise.clone()),
    ];
    let error = bed
        .writer
        .commit(&Transaction {
            records,
            positions: vec![],
        })
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, LogError::Fatal { .. }) && text.contains(&small) && text.contains("5000 bytes"),
        "{text}"
    );
    assert_eq!(bed.published(&bed.output(), 0), [""; 0]);

    // A member, which would try the same for ever, goes on without the record and tells of it.
    bed.put(0, &["a"]);
    let mut member = bed.join("m");
    gather(member.as_mut(), 1);
    let mut transaction = bed.read_to(0, 1, "told");
    transaction
        .records
        .insert(0, OutRecord::new(&small, vec![], noise));
    member.begin_commit(transaction).unwrap();
    assert_eq!(member.await_commit().unwrap(), Outcome::Committed);
    let [TooLong { topic, bytes }] = member.take_too_long().try_into().unwrap();
    assert_eq!((&*topic, bytes), (small.as_str(), 5_000));
    assert_eq!(bed.published(&bed.output(), 0), ["done"]);
}

#[test]
fn a_writer_hands_in_positions_for_a_group_without_members() {
    let mut bed = bed(1);
    bed.put(0, &["a"]);
    let group = format!("{}.alone", bed.name);
    for (next, text) in [(1, "seq=1"), (2, "seq=2")] {
        let transaction = bed.read_to(0, next, text);
        bed.writer.commit_for(&group, &transaction).unwrap();
        let place = TopicPartition::new(&bed.input(), 0);
        let wanted = Committed {
            next_offset: next,
            metadata: text.into(),
        };
        assert_eq!(bed.log.committed(&group, &[place]).unwrap(), [Some(wanted)]);
    }
    assert_eq!(bed.published(&bed.output(), 0), ["done", "done"]);
    assert!(
        bed.writer.commit(&bed.read_to(0, 3, "")).is_err(),
        "positions without a group"
    );
}

#[test]
fn keys_go_where_the_house_says_and_headers_and_tombstones_come_through() {
    let mut bed = bed(12);
    let input = bed.input();
    let keys: Vec<Vec<u8>> = (0..200_u32)
        .map(|i| format!("entity-{i}").into_bytes())
        .chain([vec![], vec![0], vec![255, 254, 253], "ارومیه".into()])
        .collect();
    let mut records: Vec<OutRecord> = keys
        .iter()
        .map(|k| OutRecord::new(&input, k.clone(), k.clone()))
        .collect();
    records.push(OutRecord {
        value: None,
        headers: vec![("ce_id".into(), b"1/2".to_vec()), ("ce_id".into(), vec![])],
        ..OutRecord::new(&input, b"gone".to_vec(), vec![])
    });
    bed.writer
        .commit(&Transaction {
            records,
            positions: vec![],
        })
        .unwrap();
    let (mut found, mut tombstones) = (0, Vec::new());
    for p in 0..12 {
        bed.published(&input, p);
        bed.log
            .read(&TopicPartition::new(&input, p), 0, &mut |r| {
                let key = r.key.expect("each record has a key");
                if r.value == Some(END.as_bytes()) {
                    return;
                }
                assert_eq!(partition_of_key(key, 12), p, "{key:?}");
                match r.value {
                    Some(value) => assert_eq!(value, key),
                    None => tombstones.push(format!("{:?}", r.headers)),
                }
                found += 1;
            })
            .unwrap();
    }
    assert_eq!(found, keys.len() + 1);
    assert_eq!(tombstones, [r#"[("ce_id", [49, 47, 50]), ("ce_id", [])]"#]);
}

#[test]
fn reading_and_bounds_end_where_the_log_stands() {
    let mut bed = bed(1);
    let place = TopicPartition::new(&bed.input(), 0);
    let read = |bed: &Bed, from| {
        let mut offsets = Vec::new();
        bed.log
            .read(&place, from, &mut |r| offsets.push(r.offset))
            .unwrap();
        offsets
    };
    assert_eq!(read(&bed, 0), [0; 0], "an empty partition");
    bed.put(0, &["a", "b"]);
    bed.put(0, &["c"]);
    // Each transaction's marker takes an offset.
    bed.await_bounds(&place, (0, 5));
    assert_eq!(read(&bed, 0), [0, 1, 3]);
    assert_eq!(read(&bed, 1), [1, 3]);
    assert_eq!(read(&bed, 4), [0; 0], "only a marker is left");
    assert_eq!(read(&bed, 5), [0; 0]);
    assert!(matches!(
        bed.log.bounds("e2e-nowhere"),
        Err(LogError::NoTopic { .. })
    ));
    let nowhere = bed
        .log
        .read(&TopicPartition::new("e2e-nowhere", 0), 0, &mut |_| ());
    assert!(matches!(nowhere, Err(LogError::NoTopic { .. })));
}

#[test]
fn a_member_knows_the_end_and_a_paused_partition_gives_nothing() {
    let mut bed = bed(2);
    bed.put(0, &["a", "b"]);
    let place = TopicPartition::new(&bed.input(), 0);
    let mut member = bed.join("m");
    let mut seen = gather(member.as_mut(), 2);
    gather_until(&mut [(member.as_mut(), &mut seen)], |m| {
        m[0].0.end_offset(&place) == Some(2)
    });
    member.pause(&place, true).unwrap();
    bed.put(0, &["held"]);
    bed.put(1, &["other"]);
    gather_until(&mut [(member.as_mut(), &mut seen)], |m| m[0].1.of(1) == ["other"]);
    member.gather(&SOON, &mut seen).unwrap();
    assert_eq!(seen.of(0), ["a", "b"]);
    member.pause(&place, false).unwrap();
    gather_until(&mut [(member.as_mut(), &mut seen)], |m| {
        m[0].1.of(0) == ["a", "b", "held"]
    });
}

#[test]
fn a_position_that_is_no_longer_kept_is_never_reset_in_silence() {
    let mut bed = bed(1);
    bed.put(0, &["a"]);
    bed.await_bounds(&TopicPartition::new(&bed.input(), 0), (0, 2));
    let mut member = bed.join_with(&bed.log, "m", Arc::new(From(1_000)));
    let begun = Instant::now();
    let error = loop {
        assert!(begun.elapsed() < PATIENCE);
        if let Err(error) = member.gather(&SOON, &mut Seen::default()) {
            break error;
        }
    };
    assert!(matches!(error, LogError::Fatal { .. }), "{error}");
    let expected = format!("{}/0 at 1000, kept are 0 to 2", bed.input());
    assert!(error.to_string().contains(&expected), "{error}");
}

#[test]
fn topics_are_made_once_compared_and_described() {
    let bed = bed(3);
    let compacted = format!("{}.state", bed.name);
    let mut spec = TopicSpec::new(&compacted, 2);
    spec.settings = vec![
        ("cleanup.policy".into(), "compact".into()),
        ("retention.ms".into(), "60000".into()),
    ];
    assert_eq!(
        bed.log
            .create_topics(&[TopicSpec::new(&bed.input(), 3), spec.clone()])
            .unwrap(),
        [compacted.as_str()]
    );
    assert_eq!(bed.log.create_topics(&[spec]).unwrap(), [""; 0]);
    let error = bed
        .log
        .create_topics(&[TopicSpec::new(&bed.input(), 4)])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "topic `{}` exists with 3 partitions, 4 are asked for",
            bed.input()
        )
    );
    let states = bed
        .log
        .describe(&[compacted.clone(), "e2e-nowhere".into()])
        .unwrap();
    let [state] = states.as_slice() else {
        panic!("one of the two exists: {states:?}");
    };
    assert_eq!(
        (&state.name, state.partitions, state.replication),
        (&compacted, 2, 1)
    );
    assert!(state.is_cleaned_by("compact") && !state.is_cleaned_by("delete"));
    assert_eq!(state.retention_ms(), Some(60_000));
    let membership = Membership {
        group: bed.group(),
        instance: bed.name.clone(),
        topics: vec!["e2e-nowhere".into()],
        is_static: true,
    };
    let result = bed.log.join(&membership, Arc::new(FromCommitted));
    assert!(matches!(result.map(drop), Err(LogError::NoTopic { topic }) if topic == "e2e-nowhere"));
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    settings();
    // Port 1 of this machine: nobody listens there.
    let absent = KafkaSettings {
        connect_timeout_ms: 300,
        ..KafkaSettings::plaintext("127.0.0.1:1")
    };
    let error = KafkaLog::connect(absent).unwrap_err();
    assert!(matches!(error, LogError::Retriable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("no kafka broker answers at 127.0.0.1:1 (`plaintext`): "),
        "{error}"
    );
}

/// Not a bound, a figure: `--nocapture` shows it.
#[test]
fn the_median_transaction_is_quick_enough_for_batches() {
    let mut bed = bed(1);
    bed.put(0, &["a"; 60]);
    let mut member = bed.join("m");
    let seen = gather(member.as_mut(), 60);
    assert_eq!(seen.next[&0], 60);
    let mut times: Vec<Duration> = (1..=60)
        .map(|next| {
            let begun = Instant::now();
            member.begin_commit(bed.read_to(0, next, "digest")).unwrap();
            assert_eq!(member.await_commit().unwrap(), Outcome::Committed);
            begun.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "transaction of one record and one position: median {:?}, slowest {:?}",
        times[30], times[59]
    );
    assert_eq!(bed.published(&bed.output(), 0).len(), 60);
    assert!(times[30] < PATIENCE / 10);
}
