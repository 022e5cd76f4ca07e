//! What only a real broker can show: lost answers, silent connections, somebody else's transactions, limits of topics.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use forecall_e2e::proxy::{Proxy, Trick};
use forecall_kafka::{KafkaLog, KafkaSettings, watchdog_count};
use forecall_log::{Log as _, OutRecord, TopicPartition, TopicSpec, Transaction};
use forecall_wire::event::TOPICS;

use super::{FromCommitted, bed, gather, gather_until, settings, to};
use crate::broker::OpenTransaction;
use crate::process::told;

/// The line to the broker that can be made to fail; one test at a time has it.
fn line() -> MutexGuard<'static, Proxy> {
    static LINE: OnceLock<Mutex<Proxy>> = OnceLock::new();
    let line = LINE.get_or_init(|| {
        let ports = told("FORECALL_E2E_KAFKA_LINE");
        let (port, to) = ports.split_once(' ').unwrap();
        let held_for = Duration::from_secs(20);
        Mutex::new(Proxy::start(port.parse().unwrap(), to.parse().unwrap(), held_for).unwrap())
    });
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_an_older_open_transaction_hides_is_undecided_and_not_written_twice() {
    let mut bed = bed(1);
    let output = bed.output();
    let line = line();
    let waiting = KafkaSettings {
        bootstrap_servers: line.address(),
        // A lost answer is given up after this long.
        transaction_timeout_ms: 2_000,
        ..settings()
    };
    let mut writer = KafkaLog::connect(waiting)
        .unwrap()
        .writer(&format!("{}.w", bed.name))
        .unwrap();
    // Somebody else's transaction is open on the same partition, and lies before ours.
    let older = OpenTransaction::begin(&format!("{}.older", bed.name), &output);
    let held = line.held();
    line.arm(Trick::LoseAnswer);
    let is_open = Arc::new(AtomicBool::new(true));
    let told_open = Arc::clone(&is_open);
    let ending = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(12));
        told_open.store(false, Ordering::SeqCst);
        older.commit();
    });
    let begun = Instant::now();
    writer
        .commit(&Transaction {
            records: vec![to(&output, 0, "ours")],
            positions: vec![],
        })
        .unwrap();
    println!("decided after {:?}", begun.elapsed());
    assert!(
        !is_open.load(Ordering::SeqCst),
        "decided before it could be seen whether it stands"
    );
    ending.join().unwrap();
    assert_eq!(line.held(), held + 1, "the answer was lost");
    assert_eq!(bed.published(&output, 0), ["older", "ours"]);
}

#[test]
fn a_reader_that_falls_silent_at_a_partitions_end_joins_anew() {
    let mut bed = bed(1);
    let line = line();
    let watched = KafkaSettings {
        bootstrap_servers: line.address(),
        watchdog_ms: 4_000,
        ..settings()
    };
    let place = TopicPartition::new(&bed.input(), 0);
    bed.put(0, &["a"]);
    let mut member = bed.join_with(&KafkaLog::connect(watched).unwrap(), "m", Arc::new(FromCommitted));
    let mut seen = gather(member.as_mut(), 1);
    gather_until(&mut [(member.as_mut(), &mut seen)], |m| {
        m[0].0.end_offset(&place) == Some(1)
    });
    let rejoined = watchdog_count();
    line.silence_fetching();
    bed.put(0, &["b"]);
    // The library itself would notice after a minute.
    gather_until(&mut [(member.as_mut(), &mut seen)], |m| {
        m[0].1.of(0) == ["a", "b"]
    });
    assert!(watchdog_count() > rejoined);
    assert!(seen.told.join("").starts_with("+0-0+0"), "{:?}", seen.told);
}

#[test]
fn batches_fit_into_the_smallest_of_our_topics_and_the_longest_record_goes_out_too() {
    let mut bed = bed(1);
    let limits = || {
        TOPICS
            .iter()
            .map(|topic| usize::try_from(topic.record_bytes_max).unwrap())
    };
    let (least, most) = (limits().min().unwrap(), limits().max().unwrap());
    let names = [least, most].map(|bytes| {
        let name = format!("{}.{bytes}", bed.name);
        let mut spec = TopicSpec::new(&name, 1);
        spec.settings
            .push(("max.message.bytes".into(), bytes.to_string()));
        bed.log.create_topics(&[spec]).unwrap();
        name
    });
    // Noise, which compression gains nothing of; together four times what a batch of the first topic may have.
    let noise = |bytes: usize| -> Vec<u8> {
        let words = (0..).map(|i: u64| (i ^ i << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        words.flat_map(|word| [word[1], word[2]]).take(bytes).collect()
    };
    let mut records = vec![OutRecord::new(&names[0], vec![], noise(least / 5)); 20];
    // Room for the batch's own bytes.
    records.push(OutRecord::new(&names[1], vec![], noise(most - 1_000)));
    let transaction = Transaction {
        records,
        positions: vec![],
    };
    bed.writer.commit(&transaction).unwrap();
    for (name, count) in names.iter().zip([20, 1]) {
        // Each record, and the transaction's marker.
        bed.await_bounds(&TopicPartition::new(name, 0), (0, count + 1));
    }
}
