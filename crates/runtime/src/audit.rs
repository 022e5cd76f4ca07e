//! Conservation: for every partition, records in = stepped + dead-lettered + refused, recomputed from the topics and held
//! against the counters in the committed checkpoint.
//!
//! What can be recomputed from topics alone are the records that were read (they still stand there) and the dead letters
//! (each names its source position). The rest, stepped and refused, is what the counters make of the difference; they are
//! part of the state and of the digest's own checkpoint, so a re-reading doesn't count twice.

use std::collections::BTreeMap;

use forecall_config::Settings;
use forecall_ledger::Ledger;
use forecall_log::{Log, LogError, TopicPartition};
use forecall_stage::{Checkpoint, Counts};
use forecall_types::RejectReason;
use forecall_wire::event::TopicId;

use crate::host::HostError;
use crate::pipeline::Roles;
use crate::snapshots::SnapshotStore;
use crate::topics::{Part, TopicUse, topic_uses};

/// What the comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It doesn't: what is left over, in words.
    Residue(String),
    /// It can't be found out: why.
    Unknown(String),
}

/// The books of one partition as one stage read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conserved {
    /// The stage: the last word of its consumer group.
    pub stage: &'static str,
    /// The partition.
    pub partition: TopicPartition,
    /// First offset that was recounted.
    pub from: i64,
    /// The committed position.
    pub to: i64,
    /// Records that stand on the topic from there to there.
    pub records: u64,
    /// Dead letters that name a position from there to there.
    pub letters: u64,
    /// What the stage counted from there to there.
    pub counted: Counts,
    /// What the comparison came to.
    pub verdict: Verdict,
}

/// Where an audit looks.
pub struct Books<'a> {
    /// What is installed.
    pub settings: &'a Settings,
    /// The log.
    pub log: &'a dyn Log,
    /// Where outreach's position stands; `None`: not on this host.
    pub ledger: Option<&'a Ledger>,
    /// The snapshots: where the beginning of a topic is gone, counting begins at the oldest of them.
    pub snapshots: Option<&'a SnapshotStore>,
}

/// Dead letters by source partition: how many for each offset.
type Letters = BTreeMap<TopicPartition, BTreeMap<i64, u64>>;

/// Recomputes the books of every stage and partition. Processes may run meanwhile: only what is committed is looked at.
///
/// # Errors
/// The log, the ledger or the snapshots can't be read.
pub fn conservation(books: &Books<'_>) -> Result<Vec<Conserved>, HostError> {
    let uses: Vec<TopicUse> = topic_uses(books.settings, Roles::ALL)
        .into_iter()
        .filter(|u| u.part.is_read())
        .collect();
    let mut rows = Vec::new();
    // Positions first: what comes later is beyond them.
    for reading in &uses {
        rows.extend(committed(books, reading)?);
    }
    let (letters, letters_lost) = letters(books)?;
    for row in &mut rows {
        let readers = uses.iter().filter(|u| *u.topic == *row.partition.topic).count();
        recount(books, row, &letters, letters_lost, readers)?;
    }
    Ok(rows)
}

/// A row for each partition that has a committed position with counters.
fn committed(books: &Books<'_>, reading: &TopicUse) -> Result<Vec<Conserved>, HostError> {
    let bounds = match books.log.bounds(&reading.topic) {
        Ok(bounds) => bounds,
        Err(LogError::NoTopic { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let places: Vec<TopicPartition> = (0_i32..)
        .zip(&bounds)
        .map(|(p, _)| TopicPartition::new(&reading.topic, p))
        .collect();
    let group = format!("{}.{}", books.settings.group, reading.stage);
    let in_ledger = reading.stage == "outreach";
    let positions: Vec<Option<(i64, String)>> = match (in_ledger, books.ledger) {
        (false, _) => books
            .log
            .committed(&group, &places)?
            .into_iter()
            .map(|at| at.map(|at| (at.next_offset, at.metadata)))
            .collect(),
        (true, Some(ledger)) => places
            .iter()
            .map(|place| Ok(ledger.position(place)?.map(|p| (p.next_offset, p.checkpoint))))
            .collect::<Result<_, HostError>>()?,
        (true, None) => Vec::new(),
    };
    let mut rows = Vec::new();
    for ((place, position), (oldest, _)) in places.into_iter().zip(positions).zip(bounds) {
        let Some((to, text)) = position else { continue };
        rows.push(begun(books, reading, place, oldest, (to, &text))?);
    }
    if in_ledger && books.ledger.is_none() {
        rows.push(Conserved {
            stage: reading.stage,
            partition: TopicPartition::new(&reading.topic, 0),
            from: 0,
            to: 0,
            records: 0,
            letters: 0,
            counted: Counts::default(),
            verdict: Verdict::Unknown("its positions are in the ledger, which is not on this host".into()),
        });
    }
    Ok(rows)
}

fn minus(a: Counts, b: Counts) -> Option<Counts> {
    Some(Counts {
        records: a.records.checked_sub(b.records)?,
        dead_letters: a.dead_letters.checked_sub(b.dead_letters)?,
        refused: a.refused.checked_sub(b.refused)?,
        parts_refused: a.parts_refused.checked_sub(b.parts_refused)?,
    })
}

/// From where on the books of a partition can be recounted: its beginning, or the oldest snapshot after it.
fn begun(
    books: &Books<'_>,
    reading: &TopicUse,
    partition: TopicPartition,
    oldest: i64,
    (to, text): (i64, &str),
) -> Result<Conserved, HostError> {
    let mut row = Conserved {
        stage: reading.stage,
        partition,
        from: 0,
        to,
        records: 0,
        letters: 0,
        counted: Counts::default(),
        verdict: Verdict::Holds,
    };
    let unknown = |row: Conserved, why: &str| Conserved {
        verdict: Verdict::Unknown(why.to_owned()),
        ..row
    };
    let Ok(point) = text.parse::<Checkpoint>() else {
        return Ok(unknown(
            row,
            "another tool has set this position: it has no counters until the stage commits again",
        ));
    };
    if reading.part == Part::Directory {
        return Ok(unknown(row, "a compacted topic doesn't hold what was read"));
    }
    if oldest == 0 {
        row.counted = point.counts;
        return Ok(row);
    }
    let entries = books
        .snapshots
        .map(|store| store.entries(reading.stage, &row.partition))
        .transpose()?
        .unwrap_or_default();
    let base = entries
        .into_iter()
        .filter_map(|entry| entry.header.ok())
        .filter(|header| header.next_offset >= oldest && header.next_offset <= to)
        .find_map(|header| Some((header.next_offset, minus(point.counts, header.checkpoint.counts)?)));
    Ok(match base {
        Some((from, counted)) => Conserved { from, counted, ..row },
        None => unknown(
            Conserved { from: oldest, ..row },
            "the topic's beginning is gone, and no snapshot on this host says what had been counted",
        ),
    })
}

/// All dead letters, and whether the topic has lost some of its beginning.
fn letters(books: &Books<'_>) -> Result<(Letters, bool), HostError> {
    let topic = books.settings.topic_names().name(TopicId::DeadLetters);
    let mut letters = Letters::new();
    let mut lost = false;
    let bounds = match books.log.bounds(&topic) {
        Ok(bounds) => bounds,
        Err(LogError::NoTopic { .. }) => return Ok((letters, true)),
        Err(error) => return Err(error.into()),
    };
    for (number, (oldest, _)) in (0_i32..).zip(bounds) {
        lost |= oldest > 0;
        books
            .log
            .read(&TopicPartition::new(&topic, number), 0, &mut |record| {
                let text = |name| record.header(name).and_then(|v| std::str::from_utf8(v).ok());
                let position = text("forecall_source_topic")
                    .zip(text("forecall_source_partition").and_then(|t| t.parse().ok()))
                    .zip(text("forecall_source_offset").and_then(|t| t.parse().ok()));
                // A bridge's letter is of a record that the stages have read without fault.
                let is_bridge = text("forecall_reason") == Some(RejectReason::Undelivered.as_str());
                if let Some(((topic, partition), offset)) = position.filter(|_| !is_bridge) {
                    *letters
                        .entry(TopicPartition::new(topic, partition))
                        .or_default()
                        .entry(offset)
                        .or_default() += 1;
                }
            })?;
    }
    Ok((letters, lost))
}

fn recount(
    books: &Books<'_>,
    row: &mut Conserved,
    letters: &Letters,
    letters_lost: bool,
    readers: usize,
) -> Result<(), HostError> {
    if row.verdict != Verdict::Holds {
        return Ok(());
    }
    let (from, to) = (row.from, row.to);
    let mut records = 0_u64;
    books.log.read(&row.partition, from, &mut |record| {
        records += u64::from((from..to).contains(&record.offset));
    })?;
    row.records = records;
    let here = letters
        .get(&row.partition)
        .map(|all| all.range(from..to).map(|(_, n)| *n).collect::<Vec<_>>())
        .unwrap_or_default();
    // Outreach's dead letters go out before its database commits, so a crash may repeat them; where two stages read a topic,
    // a letter doesn't say whose it is.
    let (all, places) = (
        here.iter().sum::<u64>(),
        u64::try_from(here.len()).unwrap_or(u64::MAX),
    );
    let once = readers == 1 && row.stage != "outreach";
    row.letters = if once { all } else { places };
    row.verdict = verdict(row, letters_lost, readers > 1);
    Ok(())
}

fn verdict(row: &Conserved, letters_lost: bool, shared: bool) -> Verdict {
    let counted = row.counted;
    let mut residues = Vec::new();
    if counted.records != row.records {
        residues.push(format!(
            "{} records stand on the topic, {} were counted",
            row.records, counted.records
        ));
    }
    if counted.dead_letters + counted.refused > counted.records {
        residues.push("more was refused than read".to_owned());
    }
    let fewer = row.letters < counted.dead_letters;
    let differ = if shared {
        fewer
    } else {
        row.letters != counted.dead_letters
    };
    if differ && !(fewer && letters_lost) {
        residues.push(format!(
            "{} dead letters stand on their topic, {} were counted",
            row.letters, counted.dead_letters
        ));
    }
    if !residues.is_empty() {
        return Verdict::Residue(residues.join("; "));
    }
    if differ {
        return Verdict::Unknown("the dead-letter topic no longer holds all of them".into());
    }
    Verdict::Holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use forecall_log::{Committed, InProcess, OutRecord, Transaction};
    use forecall_stage::Digest;
    use forecall_types::Fingerprint;

    const CONFIG: &str = "
domain: isp
topics: {partitions: 1, replication: 1, dev: true}
sources: [{topic: probes, format: flat_json, keyed: true}]
";

    fn row(text: &str) -> Conserved {
        let settings = Settings::from_yaml("test.yaml", CONFIG).unwrap();
        let log = InProcess::default();
        let mut specs = crate::topic_specs(&settings, &settings.topic_names());
        specs.push(forecall_log::TopicSpec::new("probes", 1));
        log.create_topics(&specs).unwrap();
        let mut writer = log.writer("w").unwrap();
        let mut records: Vec<OutRecord> = (0..5)
            .map(|i| OutRecord::new("probes", b"k".to_vec(), vec![i]))
            .collect();
        // Two dead letters of ours, one of a record behind the committed position, one of another partition.
        for (partition, offset) in [(0, 1), (0, 2), (0, 4), (1, 1)] {
            let mut letter = OutRecord::new("forecall.dead-letters.v1", b"probes".to_vec(), b"x".to_vec());
            letter.headers = [
                ("forecall_source_topic", "probes".to_owned()),
                ("forecall_source_partition", partition.to_string()),
                ("forecall_source_offset", offset.to_string()),
            ]
            .map(|(n, v)| (n.to_owned(), v.into_bytes()))
            .to_vec();
            records.push(letter);
        }
        writer
            .commit(&Transaction {
                records,
                positions: vec![],
            })
            .unwrap();
        let at = Committed {
            next_offset: 4,
            metadata: text.to_owned(),
        };
        let positions = vec![(TopicPartition::new("probes", 0), at)];
        writer
            .commit_for(
                "forecall.detect",
                &Transaction {
                    records: vec![],
                    positions,
                },
            )
            .unwrap();
        let books = Books {
            settings: &settings,
            log: &log,
            ledger: None,
            snapshots: None,
        };
        let rows = conservation(&books).unwrap();
        let row = rows.into_iter().find(|r| &*r.partition.topic == "probes");
        row.expect("it has a committed position")
    }

    fn with(records: u64, dead_letters: u64, refused: u64) -> Verdict {
        let point = Checkpoint {
            version: 1,
            settings: Fingerprint::of(b""),
            digest: Digest::default(),
            counts: Counts {
                records,
                dead_letters,
                refused,
                parts_refused: 7,
            },
        };
        let row = row(&point.to_string());
        assert_eq!((row.from, row.to, row.records, row.letters), (0, 4, 4, 2));
        row.verdict
    }

    #[test]
    fn the_books_balance_or_say_where_they_do_not() {
        assert_eq!(with(4, 2, 1), Verdict::Holds);
        assert_eq!(with(4, 2, 0), Verdict::Holds);
        for (records, letters, refused, words) in [
            (3, 2, 0, "4 records stand on the topic, 3 were counted"),
            (5, 2, 0, "4 records stand on the topic, 5 were counted"),
            (4, 3, 0, "2 dead letters stand on their topic, 3 were counted"),
            (4, 1, 0, "2 dead letters stand on their topic, 1 were counted"),
            (4, 2, 3, "more was refused than read"),
        ] {
            assert_eq!(with(records, letters, refused), Verdict::Residue(words.into()));
        }
        assert!(matches!(row("seq 4").verdict, Verdict::Unknown(_)));
    }
}
