//! What must come out, computed anew from the input by slow and plain code that shares nothing with the stage.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A record of the input as it stands on its partition.
#[derive(Debug, Clone)]
pub(crate) struct Stands {
    pub(crate) offset: i64,
    pub(crate) value: Option<Vec<u8>>,
}

/// One output that must stand on the partition of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Key and begin of the window: each closes once.
    pub(crate) identity: String,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Everything that follows from one partition of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Truth {
    /// In order.
    pub(crate) outputs: Vec<Expected>,
    /// Offset and bytes of what can't be read, in order.
    pub(crate) letters: Vec<(i64, Vec<u8>)>,
    /// The memory at the end, line by line.
    pub(crate) state: String,
    /// Records read, and good ones that were refused.
    pub(crate) records: u64,
    pub(crate) refused: u64,
}

struct Taken {
    key: String,
    window: i64,
    value: i64,
}

struct Key {
    name: String,
    seqs: Vec<u64>,
    sum: i64,
    mean: f64,
}

/// Reads a whole partition in order.
pub(crate) fn truth(records: &[Stands]) -> Truth {
    let mut truth = Truth::default();
    let mut newest: Option<i64> = None;
    let mut keys: Vec<Key> = Vec::new();
    let mut open: Vec<Taken> = Vec::new();
    let (mut accepted, mut late, mut duplicate, mut future) = (0_u64, 0_u64, 0_u64, 0_u64);
    for record in records {
        truth.records += 1;
        let Some(bytes) = &record.value else {
            continue;
        };
        let Some((name, seq, at, value)) = fields(bytes) else {
            truth.letters.push((record.offset, bytes.clone()));
            continue;
        };
        let window = at.div_euclid(500) * 500;
        let place = keys.iter().position(|key| key.name == name);
        if let Some(newest) = newest {
            if at - newest > 10_000 {
                future += 1;
                continue;
            }
            if place
                .and_then(|p| keys.get(p))
                .is_some_and(|key| is_seen(key, seq))
            {
                duplicate += 1;
                continue;
            }
            if window + 500 + 400 <= newest {
                late += 1;
                continue;
            }
        }
        accepted += 1;
        let place = place.unwrap_or_else(|| {
            keys.push(Key {
                name: name.clone(),
                seqs: Vec::new(),
                sum: 0,
                mean: 0.0,
            });
            keys.len() - 1
        });
        if let Some(key) = keys.get_mut(place) {
            let behind = key.seqs.iter().rposition(|s| *s < seq).map_or(0, |i| i + 1);
            key.seqs.insert(behind, seq);
            key.sum += value;
            #[allow(clippy::cast_precision_loss, reason = "the feeder's values are below 1,000")]
            let value = value as f64;
            key.mean += (value - key.mean) / 8.0;
        }
        open.push(Taken {
            key: name,
            window,
            value,
        });
        let now = newest.map_or(at, |newest| if at > newest { at } else { newest });
        newest = Some(now);
        close(&mut open, &keys, now - 400, &mut truth.outputs);
    }
    truth.refused = late + duplicate + future;
    let newest = newest.map_or("-".to_owned(), |ms| ms.to_string());
    truth.state = format!(
        "newest {newest} ordinal {} accepted {accepted} late {late} duplicate {duplicate} future {future}\n",
        truth.outputs.len()
    );
    truth.state.push_str(&lines(keys, &open));
    truth
}

/// Key, sequence number, time and value, if all are there and good.
fn fields(bytes: &[u8]) -> Option<(String, u64, i64, i64)> {
    let document: Value = serde_json::from_slice(bytes).ok()?;
    let value = document.get("value")?.as_i64().filter(|value| *value >= 0)?;
    Some((
        document.get("key")?.as_str()?.to_owned(),
        document.get("seq")?.as_u64()?,
        document.get("ts")?.as_i64()?,
        value,
    ))
}

/// Among the 64 largest, or, where there are so many, below all of them.
fn is_seen(key: &Key, seq: u64) -> bool {
    let recent = key
        .seqs
        .get(key.seqs.len().saturating_sub(64)..)
        .unwrap_or_default();
    recent.contains(&seq) || (recent.len() == 64 && recent.iter().all(|s| seq < *s))
}

/// Takes the windows out that the watermark has passed.
fn close(open: &mut Vec<Taken>, keys: &[Key], watermark: i64, outputs: &mut Vec<Expected>) {
    let mut ended: Vec<(i64, String)> = Vec::new();
    for taken in open.iter() {
        if taken.window + 500 <= watermark {
            ended.push((taken.window, taken.key.clone()));
        }
    }
    ended.sort();
    ended.dedup();
    for (window, key) in ended {
        let (mut count, mut sum) = (0_u64, 0_i64);
        for taken in open.iter() {
            if taken.window == window && taken.key == key {
                count += 1;
                sum += taken.value;
            }
        }
        open.retain(|taken| taken.window != window || taken.key != key);
        let Some(about) = keys.iter().find(|k| k.name == key) else {
            continue;
        };
        let ordinal = outputs.len() + 1;
        let last = about.seqs.last().copied().unwrap_or(0);
        let mean = about.mean.to_bits();
        outputs.push(Expected {
            identity: format!("{key}@{window}"),
            value: format!(
                r#"{{"key":"{key}","window":{window},"count":{count},"sum":{sum},"ordinal":{ordinal},"all":{},"total":{},"last":{last},"mean":"{mean:016x}"}}"#,
                about.seqs.len(),
                about.sum
            ),
            key,
        });
    }
}

fn lines(mut keys: Vec<Key>, open: &[Taken]) -> String {
    let mut text = String::new();
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    for key in keys {
        let recent = key
            .seqs
            .get(key.seqs.len().saturating_sub(64)..)
            .unwrap_or_default();
        let recent: Vec<String> = recent.iter().map(u64::to_string).collect();
        let last = key.seqs.last().copied().unwrap_or(0);
        text.push_str(&format!(
            "key {} count {} sum {} last {last} mean {:016x} recent {}\n",
            key.name,
            key.seqs.len(),
            key.sum,
            key.mean.to_bits(),
            recent.join(",")
        ));
    }
    let mut windows: Vec<(i64, &str)> = open
        .iter()
        .map(|taken| (taken.window, taken.key.as_str()))
        .collect();
    windows.sort_unstable();
    windows.dedup();
    for (window, key) in windows {
        let inside: Vec<i64> = open
            .iter()
            .filter(|taken| taken.window == window && taken.key == key)
            .map(|taken| taken.value)
            .collect();
        let sum: i64 = inside.iter().sum();
        text.push_str(&format!("window {window} {key} {} {sum}\n", inside.len()));
    }
    text
}

/// One hash over everything that must come out of all partitions.
pub(crate) fn hash(truths: &[Truth]) -> String {
    let mut hash = Sha256::new();
    for truth in truths {
        for output in &truth.outputs {
            hash.update(&output.key);
            hash.update([0]);
            hash.update(&output.value);
            hash.update([0]);
        }
        for (offset, bytes) in &truth.letters {
            hash.update(offset.to_le_bytes());
            hash.update(bytes);
        }
        hash.update(&truth.state);
    }
    let bytes = hash.finalize();
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use forecall_stage::{Effects, Stage as _};

    use super::*;
    use crate::adapter::decode;
    use crate::input::Input;
    use crate::tally::Tally;

    fn record(offset: i64, seq: u64, at: i64, value: i64) -> Stands {
        let text = format!(r#"{{"key":"a","seq":{seq},"ts":{at},"value":{value}}}"#);
        Stands {
            offset,
            value: Some(text.into_bytes()),
        }
    }

    #[test]
    fn by_hand() {
        let truth = truth(&[
            record(0, 1, 1_000, 8),
            record(1, 2, 1_499, 16),
            record(2, 2, 1_499, 16),      // duplicate
            record(3, 3, 900_000_000, 1), // far ahead
            Stands {
                offset: 5,
                value: Some(b"{".to_vec()),
            },
            Stands {
                offset: 6,
                value: None,
            },
            record(7, 4, 1_900, 0), // the watermark is at 1,500: the first window ends
            record(8, 5, 1_499, 1), // late
        ]);
        let values: Vec<&str> = truth.outputs.iter().map(|o| o.value.as_str()).collect();
        // Mean: 8/8 = 1, then 1 + 15/8 = 2.875, then 2.875 × 7/8.
        let mean = (2.875_f64 * 0.875).to_bits();
        assert_eq!(
            values,
            [format!(
                r#"{{"key":"a","window":1000,"count":2,"sum":24,"ordinal":1,"all":3,"total":24,"last":4,"mean":"{mean:016x}"}}"#
            )]
        );
        assert_eq!(truth.letters, [(5, b"{".to_vec())]);
        assert_eq!((truth.records, truth.refused), (8, 3));
        assert_eq!(
            truth.state,
            format!(
                "newest 1900 ordinal 1 accepted 3 late 1 duplicate 1 future 1\n\
                 key a count 3 sum 24 last 4 mean {mean:016x} recent 1,2,4\n\
                 window 1500 a 1 0\n"
            )
        );
    }

    #[test]
    fn the_stage_and_the_oracle_agree_on_any_seed() {
        for seed in 0..20 {
            let mut input = Input::new(seed, 500);
            let mut partitions: Vec<Vec<Stands>> = vec![Vec::new(); 8];
            for offset in 0..6_000 {
                let fed = input.next();
                let partition = partitions
                    .get_mut(usize::try_from(fed.partition).unwrap())
                    .unwrap();
                partition.push(Stands {
                    offset,
                    value: fed.value,
                });
            }
            for records in &partitions {
                let mut tally = Tally::default();
                let mut effects = Effects::default();
                let mut letters = Vec::new();
                for record in records {
                    match decode(record.value.as_deref()) {
                        Ok(Some(sale)) => tally.step(&sale, &mut effects),
                        Ok(None) => {}
                        Err(_) => letters.push((record.offset, record.value.clone().unwrap())),
                    }
                }
                let truth = truth(records);
                let stage: Vec<_> = effects.outputs().iter().map(|c| c.text.clone()).collect();
                let oracle: Vec<_> = truth.outputs.iter().map(|o| o.value.clone()).collect();
                assert_eq!(stage, oracle, "seed {seed}");
                assert_eq!(tally.text(), truth.state, "seed {seed}");
                assert_eq!(letters, truth.letters);
                assert_eq!(u64::try_from(effects.rejects().len()).unwrap(), truth.refused);
                assert!(
                    truth.outputs.len() > 20 && truth.refused > 5,
                    "the seed shows something"
                );
            }
        }
    }
}
