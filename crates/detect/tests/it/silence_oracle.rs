//! Silences by a naive oracle's word, who works them out from the list of all that was measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
use forecall_stage::Stage;
use forecall_types::{Anomaly, AnomalyState, Channel, Fingerprint, Reading, SamplesRecord, SeriesKey};
use proptest::prelude::*;

use super::{anomalies, domain, key, record, run, stage};

/// What is measured in the tests by chance: a list of (second, series), in order.
type Measured = Vec<(i64, usize)>;

/// Least silence, score and samples of these tests: small, so that a short run shows much.
fn small() -> DetectSettings {
    DetectSettings {
        silence_min_samples: 32,
        silence_spoken_seconds: 400,
        silence_score: 2.5,
        silence_min_intervals: 3,
        silence_min_seconds: 150,
        silence_close_seconds: 600,
        habituation_seconds: 900,
        ..DetectSettings::default()
    }
}

/// Series of chance: of which entity, after how many steps of ten seconds each speaks, and for how long it doesn't.
fn measured() -> impl Strategy<Value = (Vec<usize>, Measured)> {
    let runs = proptest::collection::vec((20_i64..120, 1_i64..80), 1..5);
    let series = proptest::collection::vec(
        (
            0_usize..3,
            prop_oneof![3 => Just(1_i64), 1 => 2_i64..4],
            runs,
            any::<bool>(),
        ),
        2..6,
    );
    let pauses = proptest::collection::vec((0_i64..250, 1_i64..30), 0..2);
    (series, pauses).prop_map(|(series, pauses)| {
        let mut all = Measured::new();
        for (number, (_, pace, runs, _)) in series.iter().enumerate() {
            let mut at = 0;
            for (on, off) in runs {
                all.extend(
                    (at..at + on)
                        .filter(|step| step % pace == 0)
                        .map(|step| (10 * step, number)),
                );
                at += on + off;
            }
        }
        // All of them keep still at times; and what is measured ends, so that every gap is kept exactly.
        all.retain(|(at, _)| {
            *at < 2_500
                && pauses
                    .iter()
                    .all(|(from, len)| !(10 * from..10 * (from + len)).contains(at))
        });
        all.sort_unstable();
        // Some entities stop at the same time in all their series.
        let ends: Vec<bool> = (0..3)
            .map(|entity| series.iter().any(|s| s.0 == entity && s.3))
            .collect();
        all.retain(|(at, number)| !ends[series[*number].0] || *at < 1_500);
        (series.iter().map(|s| s.0).collect(), all)
    })
}

fn keys(entities: &[usize]) -> Vec<SeriesKey> {
    let of = |(number, entity): (usize, &usize)| key(&format!("m{number}"), "", &format!("e{entity}"));
    entities.iter().enumerate().map(of).collect()
}

fn as_records(keys: &[SeriesKey], measured: &[(i64, usize)]) -> Vec<SamplesRecord> {
    let mut by_time: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (at, number) in measured {
        by_time.entry(*at).or_default().push(*number);
    }
    by_time
        .into_iter()
        .map(|(at, numbers)| {
            let rows: Vec<_> = numbers
                .iter()
                .map(|n| (keys[*n].clone(), at, Reading::Gauge(1.0)))
                .collect();
            record(at, at, &rows)
        })
        .collect()
}

/// What is known of one series.
#[derive(Clone, Default)]
struct Known {
    /// All its samples so far.
    times: Vec<i64>,
    /// The longest silence it kept, as it is kept.
    longest: f64,
    /// When it is looked at next.
    look: Option<i64>,
}

/// (When, whether it began, name, since when).
type Silence = (i64, bool, String, i64);

/// Works all silences out, step by step, from the list of all samples.
struct Oracle<'a> {
    entities: &'a [usize],
    keys: &'a [SeriesKey],
    settings: DetectSettings,
    /// Up to each second: how many of its topic count.
    counted: Vec<i64>,
    end: i64,
    known: Vec<Known>,
    /// Of an entity: since when it is silent that was told last, and whether that was soon after the one before.
    told: BTreeMap<usize, (i64, bool)>,
    /// Of an entity: since when it was silent, where that was told and is waited for no more.
    given_up: BTreeMap<usize, i64>,
    /// Of an entity, or of a single series of it: in the name of which series, and since when.
    open: BTreeMap<(usize, bool), (usize, i64)>,
    all: Vec<Silence>,
}

impl<'a> Oracle<'a> {
    fn new(entities: &'a [usize], keys: &'a [SeriesKey], measured: &[(i64, usize)]) -> Self {
        // The topic's time goes as far as the newest sample, less the lateness; of a leap a minute counts, or twice the usual one.
        let mut newest: Vec<i64> = measured.iter().map(|(at, _)| *at - 10).collect();
        newest.dedup();
        let end = newest.last().copied().unwrap_or(0);
        let mut usual = 0_i64;
        // Nanoseconds of each leap that count.
        let mosts: Vec<i64> = newest
            .windows(2)
            .map(|pair| {
                let leap = (pair[1] - pair[0]) * 1_000_000_000;
                let most = (2 * usual / 1_000_000_000).max(60) * 1_000_000_000;
                usual += (leap.min(most) - usual) / 16;
                most
            })
            .collect();
        let counts = |second: i64| {
            let leap = newest.partition_point(|at| *at <= second);
            let Some(leap) = leap.checked_sub(1) else {
                return true;
            };
            let most = mosts.get(leap).copied().unwrap_or(60_000_000_000);
            (second - newest[leap]) * 1_000_000_000 < most
        };
        let mut counted = vec![0];
        for second in 0..end.max(0) {
            counted.push(counted[counted.len() - 1] + i64::from(counts(second)));
        }
        Self {
            entities,
            keys,
            settings: small(),
            counted,
            end,
            known: vec![Known::default(); keys.len()],
            told: BTreeMap::new(),
            given_up: BTreeMap::new(),
            open: BTreeMap::new(),
            all: Vec::new(),
        }
    }

    fn run(&self, from: i64, to: i64) -> i64 {
        let upto = |t: i64| {
            let within = self.counted[usize::try_from(t.min(self.end).max(0)).unwrap()];
            within + (t - self.end).max(0)
        };
        (upto(to) - upto(from)).max(0)
    }

    fn least(&self) -> i64 {
        i64::from(self.settings.silence_min_seconds)
    }

    fn id(&self, number: usize) -> u128 {
        Fingerprint::of(domain().as_str().as_bytes()).as_u128() ^ self.keys[number].fingerprint().as_u128()
    }

    fn say(&mut self, at: i64, begins: bool, (number, since): (usize, i64), alone: bool) {
        let metric = if alone {
            format!("m{number}.silence")
        } else {
            "telemetry.silence".to_owned()
        };
        let name = format!("{metric} e{}", self.entities[number]);
        self.all.push((at, begins, name, since));
    }

    /// When the series is looked at next, if ever.
    fn look(&mut self, number: usize, now: i64) -> Option<i64> {
        let entity = self.entities[number];
        for alone in [false, true] {
            if let Some(open) = self.open.get(&(entity, alone)).copied().filter(|o| o.0 == number) {
                // Given up: it is how things are, and will be known.
                self.open.remove(&(entity, alone));
                self.told.remove(&entity);
                if !alone {
                    self.given_up.insert(entity, open.1);
                }
                self.say(now, false, open, alone);
                return None;
            }
        }
        let last = *self.known[number].times.last().unwrap();
        let silent = self.run(last, now);
        if silent < self.least() {
            return Some(up(real(now + self.least() - silent)));
        }
        let limit = self.limit(number)?;
        if real(silent) < limit {
            return Some(up(real(now - silent) + limit));
        }
        let of_entity = (0..self.keys.len()).filter(|n| self.entities[*n] == entity);
        let newest = of_entity
            .filter_map(|n| self.known[n].times.last().copied())
            .max()
            .unwrap();
        let (alone, together) = (real(self.run(last, newest)), real(self.run(newest, now)));
        if alone < limit && together < limit {
            let again = (limit / 16.0).max(60.0).min(limit - together);
            return Some(up(real(now) + again));
        }
        let (since, alone) = if alone >= limit {
            (last, true)
        } else {
            (newest, false)
        };
        let is_known = !alone && self.given_up.get(&entity).is_some_and(|since| newest <= *since);
        if is_known || self.open.contains_key(&(entity, alone)) {
            return None;
        }
        let within = i64::from(self.settings.habituation_seconds);
        let soon = self
            .told
            .get(&entity)
            .is_some_and(|(before, _)| since - before < within);
        self.told.insert(entity, (since, soon));
        self.open.insert((entity, alone), (number, since));
        self.say(now, true, (number, since), alone);
        Some(now + i64::from(self.settings.silence_close_seconds))
    }

    fn hear(&mut self, number: usize, at: i64) {
        let (entity, least) = (self.entities[number], self.least());
        let before = self.known[number].times.last().copied();
        if before.is_none_or(|before| at - before >= least) {
            for alone in [false, true] {
                let open = self.open.get(&(entity, alone)).copied();
                if let Some(open) = open.filter(|o| !alone || o.0 == number) {
                    self.open.remove(&(entity, alone));
                    self.say(at, false, open, alone);
                    self.known[open.0].look = Some(up(real(at + least)));
                }
            }
            if let Some(before) = before {
                let told = self.told.get(&entity);
                let is_told = told.is_some_and(|(since, soon)| !soon && (before..at).contains(since));
                let gap = self.run(before, at);
                if gap >= least && !is_told {
                    let kept = libm::exp2((4.0 * libm::log2(real(gap))).ceil() / 4.0);
                    self.known[number].longest = self.known[number].longest.max(kept);
                }
            }
            self.known[number].look = Some(up(real(at + least)));
        }
        self.known[number].times.push(at);
    }

    /// The silence that is told of a series, in seconds; `None`: it isn't regular enough.
    fn limit(&self, number: usize) -> Option<f64> {
        let (known, s) = (&self.known[number], &self.settings);
        let n = u32::try_from(known.times.len()).unwrap();
        let gaps = known.times.windows(2).rev().take(31).map(|w| w[1] - w[0]);
        let mut gaps: Vec<f64> = gaps.map(real).collect();
        gaps.sort_by(f64::total_cmp);
        let usual = *gaps.get(gaps.len() / 2)?;
        let longest = gaps.last()?.max(known.longest);
        let spoken = usual * f64::from(n);
        if n < s.silence_min_samples || spoken < f64::from(s.silence_spoken_seconds) {
            return None;
        }
        // Beyond the longest of n gaps lies the chance (0 + 1/2) / (n + 1); half of all lie beyond the usual one.
        let at_longest = libm::log10(2.0 * (f64::from(n) + 1.0));
        let steepness = if longest > usual {
            at_longest / libm::log10(longest / usual)
        } else {
            f64::INFINITY
        };
        let credit = libm::log10(usual.max(10.0) / 10.0).min(s.slow_credit_max);
        let wanted = (s.silence_score - credit - at_longest).max(0.0);
        let by_score = longest * libm::exp10(wanted / steepness.clamp(1.5, 6.0));
        let by_count = usual * f64::from(s.silence_min_intervals);
        Some(by_score.max(by_count).max(f64::from(s.silence_min_seconds)))
    }

    fn all(mut self, measured: &[(i64, usize)]) -> Vec<Silence> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_by_key(|n| self.id(*n));
        for now in (0..self.end.max(0) + 10).step_by(10) {
            // Samples of this time come after what is looked at now.
            for number in order
                .iter()
                .copied()
                .filter(|_| now <= self.end)
                .collect::<Vec<_>>()
            {
                if self.known[number].look == Some(now) {
                    self.known[number].look = self.look(number, now);
                }
            }
            // The last ones wait for a watermark that never comes.
            for number in order
                .iter()
                .copied()
                .filter(|_| now < self.end)
                .collect::<Vec<_>>()
            {
                if measured.binary_search(&(now, number)).is_ok() {
                    self.hear(number, now);
                }
            }
        }
        self.all
    }
}

/// The next whole ten seconds; nanoseconds are whole in the stage.
#[allow(clippy::cast_possible_truncation, reason = "a few thousand seconds")]
fn up(at: f64) -> i64 {
    let seconds = ((at * 1e9).floor() / 1e9).ceil() as i64;
    (seconds + 9).div_euclid(10) * 10
}

fn real(n: i64) -> f64 {
    f64::from(i32::try_from(n).unwrap())
}

fn summary(told: &[&Anomaly]) -> Vec<Silence> {
    told.iter()
        .filter(|a| a.channel == Channel::Silence)
        .map(|a| {
            let name = format!(
                "{} {}",
                a.series.metric,
                a.series.resource.get("service.name").unwrap()
            );
            (a.at.secs(), a.state == AnomalyState::Opened, name, a.from.secs())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_told_is_what_all_samples_say((entities, measured) in measured(), cut in any::<prop::sample::Index>()) {
        let keys = keys(&entities);
        let records = as_records(&keys, &measured);
        prop_assume!(records.len() > 1);
        let (outputs, rejects) = run(&mut stage(small()), &records);
        prop_assert!(rejects.is_empty());
        let got = summary(&anomalies(&outputs));
        prop_assert_eq!(&got, &Oracle::new(&entities, &keys, &measured).all(&measured));

        // Saved and loaded in the middle it goes on the same, and what comes later has changed nothing.
        let cut = cut.index(records.len());
        let mut first = stage(small());
        let mut halves = run(&mut first, &records[..cut]).0;
        prop_assert_eq!(&halves[..], &outputs[..halves.len()]);
        let saved = first.save().unwrap();
        let mut second = DetectStage::load(Arc::new(small()), &saved).unwrap();
        prop_assert_eq!(second.save().unwrap(), saved);
        halves.extend(run(&mut second, &records[cut..]).0);
        prop_assert_eq!(halves, outputs);
    }

    #[test]
    fn samples_of_others_that_come_later_change_nothing_told((entities, measured) in measured(), more in proptest::collection::vec((0_i64..250, 0_usize..4), 1..60)) {
        let mut keys = keys(&entities);
        let (before, _) = run(&mut stage(small()), &as_records(&keys, &measured));
        let others = keys.len();
        keys.extend((0..4).map(|n| key("other", "", &format!("o{n}"))));
        let end = measured.last().map_or(0, |(at, _)| *at);
        let later = more.into_iter().map(|(step, n)| (end + 10 + 10 * step, others + n));
        let mut all = measured.clone();
        all.extend(later);
        all.sort_unstable();
        all.dedup();
        let (after, _) = run(&mut stage(small()), &as_records(&keys, &all));
        let is_of_then = |o: &&DetectOutput| matches!(o, DetectOutput::Anomaly(a) if a.at.secs() < end - 10);
        prop_assert_eq!(before.iter().filter(is_of_then).collect::<Vec<_>>(), after.iter().filter(is_of_then).collect::<Vec<_>>());
    }
}
