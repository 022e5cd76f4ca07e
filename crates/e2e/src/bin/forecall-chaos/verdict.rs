//! Compares what stands on the topics with what must stand there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::oracle::{Expected, Truth};

/// A letter as it was found: partition and offset of its source, bytes.
pub(crate) type Letter = (i32, i64, Vec<u8>);

/// Everything that is wrong, counted. All zero: exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) missing: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    pub(crate) different: u64,
    pub(crate) letters_missing: u64,
    pub(crate) letters_doubled: u64,
    pub(crate) letters_different: u64,
    pub(crate) wrong_states: u64,
    pub(crate) wrong_counts: u64,
    /// The first few, in words.
    pub(crate) examples: Vec<String>,
}

/// Enough to begin a search with.
const EXAMPLES_MAX: usize = 12;

impl Verdict {
    pub(crate) fn is_exact(&self) -> bool {
        let Self {
            missing,
            doubled,
            out_of_order,
            different,
            letters_missing,
            letters_doubled,
            letters_different,
            wrong_states,
            wrong_counts,
            examples: _,
        } = self;
        [
            missing,
            doubled,
            out_of_order,
            different,
            letters_missing,
            letters_doubled,
            letters_different,
            wrong_states,
            wrong_counts,
        ]
        .iter()
        .all(|count| **count == 0)
    }

    pub(crate) fn example(&mut self, what: String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(what);
        }
    }

    /// Outputs of one partition, in the order in which they stand.
    pub(crate) fn outputs(&mut self, partition: i32, expected: &[Expected], found: &[(String, String)]) {
        let places: BTreeMap<&str, usize> = expected
            .iter()
            .enumerate()
            .map(|(place, e)| (e.identity.as_str(), place))
            .collect();
        let wanted: BTreeMap<usize, (&str, &str)> = expected
            .iter()
            .map(|e| (e.key.as_str(), e.value.as_str()))
            .enumerate()
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(key, value)| {
                let place = identity(value).and_then(|i| places.get(i.as_str()).copied());
                (place, (key.as_str(), value.as_str()))
            })
            .collect();
        let faults = faults(&wanted, &found, |place, (_, value)| {
            format!("output {place:?} of partition {partition}: {value}")
        });
        let counts = [&mut self.missing, &mut self.doubled, &mut self.different];
        add(counts, &faults);
        faults.into_iter().for_each(|(_, what)| self.example(what));
        let (mut behind, mut seen) = (0, BTreeSet::new());
        for (place, (_, value)) in found {
            let Some(place) = place.filter(|place| seen.insert(*place)) else {
                continue;
            };
            if place < behind {
                self.out_of_order += 1;
                self.example(format!("output partition {partition}: too late {value}"));
            }
            behind = behind.max(place);
        }
    }

    /// Dead letters of all partitions, in any order.
    pub(crate) fn letters(&mut self, truths: &[Truth], found: &[Letter]) {
        let mut wanted: BTreeMap<(i32, i64), &[u8]> = BTreeMap::new();
        for (partition, truth) in (0..).zip(truths) {
            for (offset, bytes) in &truth.letters {
                wanted.insert((partition, *offset), bytes);
            }
        }
        let found: Vec<_> = found
            .iter()
            .map(|(partition, offset, bytes)| (Some((*partition, *offset)), bytes.as_slice()))
            .collect();
        let faults = faults(&wanted, &found, |place, _| format!("dead letter of {place:?}"));
        let counts = [
            &mut self.letters_missing,
            &mut self.letters_doubled,
            &mut self.letters_different,
        ];
        add(counts, &faults);
        faults.into_iter().for_each(|(_, what)| self.example(what));
    }

    /// The memory of one partition at the end; `None`: there is none at the committed position.
    pub(crate) fn state(&mut self, partition: i32, expected: &str, found: Option<&str>) {
        if found == Some(expected) {
            return;
        }
        self.wrong_states += 1;
        let difference = match found {
            None => "there is none at the committed position".to_owned(),
            Some(found) => found
                .lines()
                .zip(expected.lines())
                .find(|(f, e)| f != e)
                .map_or("it has other lines".to_owned(), |(f, e)| {
                    format!("`{f}` instead of `{e}`")
                }),
        };
        self.example(format!("memory of partition {partition}: {difference}"));
    }
}

/// What may be wrong with one thing that must stand once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Missing,
    Doubled,
    /// Other than it must be, or expected by nobody.
    Different,
}

/// Compares what stands with what must stand; a place of `None` is expected by nobody.
fn faults<K: Ord + Copy, V: PartialEq + Copy>(
    wanted: &BTreeMap<K, V>,
    found: &[(Option<K>, V)],
    describe: impl Fn(Option<K>, V) -> String,
) -> Vec<(Fault, String)> {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (place, value) in found {
        let known = place.and_then(|place| Some((place, wanted.get(&place)?)));
        let fault = match known {
            None => Some((Fault::Different, "nobody expects")),
            Some((place, _)) if !seen.insert(place) => Some((Fault::Doubled, "a second time")),
            Some((_, wanted)) if wanted != value => Some((Fault::Different, "another than expected:")),
            Some(_) => None,
        };
        faults.extend(fault.map(|(fault, word)| (fault, format!("{word} {}", describe(*place, *value)))));
    }
    let missing = wanted.iter().filter(|(place, _)| !seen.contains(place));
    faults.extend(missing.map(|(place, value)| {
        let what = format!("missing {}", describe(Some(*place), *value));
        (Fault::Missing, what)
    }));
    faults
}

/// Adds to the counts of what is missing, doubled and different.
fn add([missing, doubled, different]: [&mut u64; 3], faults: &[(Fault, String)]) {
    for (fault, _) in faults {
        match fault {
            Fault::Missing => *missing += 1,
            Fault::Doubled => *doubled += 1,
            Fault::Different => *different += 1,
        }
    }
}

/// `key@window` of an output.
fn identity(value: &str) -> Option<String> {
    let document: serde_json::Value = serde_json::from_str(value).ok()?;
    Some(format!(
        "{}@{}",
        document.get("key")?.as_str()?,
        document.get("window")?.as_i64()?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(window: i64, count: u64) -> (String, String) {
        (
            "a".to_owned(),
            format!(r#"{{"key":"a","window":{window},"count":{count}}}"#),
        )
    }

    fn expected(windows: &[i64]) -> Vec<Expected> {
        windows
            .iter()
            .map(|window| Expected {
                identity: format!("a@{window}"),
                key: "a".to_owned(),
                value: output(*window, 1).1,
            })
            .collect()
    }

    /// missing, doubled, out of order, different
    fn check(found: &[(i64, u64)], counts: [u64; 4]) {
        let found: Vec<_> = found
            .iter()
            .map(|(window, count)| output(*window, *count))
            .collect();
        let mut verdict = Verdict::default();
        verdict.outputs(0, &expected(&[1, 2, 3]), &found);
        assert_eq!(
            [
                verdict.missing,
                verdict.doubled,
                verdict.out_of_order,
                verdict.different
            ],
            counts,
            "{verdict:?}"
        );
        assert_eq!(verdict.is_exact(), counts == [0; 4]);
    }

    #[test]
    fn every_fault_has_its_own_count() {
        check(&[(1, 1), (2, 1), (3, 1)], [0, 0, 0, 0]);
        check(&[(1, 1), (3, 1)], [1, 0, 0, 0]);
        check(&[(1, 1), (2, 1), (2, 1), (3, 1)], [0, 1, 0, 0]);
        check(&[(2, 1), (1, 1), (3, 1)], [0, 0, 1, 0]);
        check(&[(1, 1), (2, 9), (3, 1)], [0, 0, 0, 1]);
        check(&[(1, 1), (2, 1), (3, 1), (4, 1)], [0, 0, 0, 1]);
        check(&[], [3, 0, 0, 0]);
    }

    #[test]
    fn letters_and_memory_are_judged() {
        let truth = Truth {
            letters: vec![(3, b"x".to_vec()), (5, b"y".to_vec())],
            ..Truth::default()
        };
        let judge = |found: &[Letter]| {
            let mut verdict = Verdict::default();
            verdict.letters(&[Truth::default(), truth.clone()], found);
            [
                verdict.letters_missing,
                verdict.letters_doubled,
                verdict.letters_different,
            ]
        };
        let (x, y) = ((1, 3, b"x".to_vec()), (1, 5, b"y".to_vec()));
        assert_eq!(judge(&[y.clone(), x.clone()]), [0, 0, 0]);
        assert_eq!(judge(&[x.clone(), x.clone()]), [1, 1, 0]);
        assert_eq!(judge(&[x, (1, 5, b"z".to_vec())]), [0, 0, 1]);
        let mut verdict = Verdict::default();
        verdict.state(0, "a\nb\n", Some("a\nb\n"));
        verdict.state(1, "a\nb\n", Some("a\nc\n"));
        verdict.state(2, "a\nb\n", None);
        assert_eq!(verdict.wrong_states, 2);
    }
}
