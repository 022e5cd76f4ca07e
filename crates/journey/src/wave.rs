use std::collections::{BTreeMap, BTreeSet};

use forecall_stats::binomial_tail;
use forecall_types::{Score, WaveState};
use serde::{Deserialize, Serialize};

use crate::rule::WaveTunables;
use crate::settings::{CUSTOMERS_COUNTED_MAX, Step, nanos};

/// Steps in scopes (rule, step, service, region) whose failures are counted together: a hundred rules in eighty regions. A
/// further one has no waves.
pub const WAVE_SCOPES_MAX: usize = 8_192;

/// Rule, step and scope.
pub(crate) type Place = (u16, u8, u16);

/// What is told of a wave; the stage adds names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    pub(crate) place: Place,
    pub(crate) opened: i64,
    pub(crate) from: i64,
    pub(crate) at: i64,
    pub(crate) revision: u32,
    pub(crate) state: WaveState,
    pub(crate) due: u64,
    pub(crate) failed: u64,
    pub(crate) usual: f64,
    pub(crate) score: Score,
    pub(crate) withheld: u64,
}

/// What a failure is part of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Failure {
    /// Nothing: it is told by itself.
    Alone,
    /// A wave, of which there may be news.
    InWave(Option<Told>),
    /// It is told by itself, and that its place can't be watched for waves.
    Unwatched,
}

/// A part of a window.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Part {
    passed: u64,
    failed: u64,
    /// Those who failed, up to the bound, in order.
    customers: Vec<u128>,
    /// A wave was open: it is no measure of what is usual.
    in_wave: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wave {
    opened: i64,
    from: i64,
    revision: u32,
    usual: f64,
    withheld: u64,
    /// Told again when so many are withheld.
    told_at: u64,
}

/// One step in one scope.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Watched {
    /// By number: time over the length of a part. Journeys that passed are counted where they were due.
    parts: BTreeMap<i64, Part>,
    /// What was seen before: due and failed, older ones counting less …
    usual: (f64, f64),
    /// … and up to which part.
    learnt: i64,
    wave: Option<Wave>,
}

/// Failures among those due within the window.
#[derive(Debug, Clone, Copy)]
struct Window {
    due: u64,
    failed: u64,
}

/// All steps in all scopes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Waves {
    watched: BTreeMap<Place, Watched>,
    /// When each open wave is looked at next.
    looks: BTreeSet<(i64, Place)>,
}

#[allow(
    clippy::cast_precision_loss,
    reason = "shares and weights need no more than 53 bits"
)]
const fn real(count: u64) -> f64 {
    count as f64
}

#[allow(
    clippy::cast_precision_loss,
    reason = "lengths of time in nanoseconds, as a share of days"
)]
const fn length(nanos: i64) -> f64 {
    nanos as f64
}

const DAY_NANOS: f64 = 86_400e9;

fn surprise(window: Window, usual: f64) -> Score {
    let tail = binomial_tail(window.failed, window.due, usual);
    if tail > 0.0 {
        Score::clamped(0.0 - libm::log10(tail))
    } else {
        Score::MAX
    }
}

impl Watched {
    /// Leaves behind what is older than the window, and learns from it.
    fn roll(&mut self, now: i64, step: &Step, waves: &WaveTunables) {
        let from = now.saturating_sub(step.parts - 1);
        while let Some(part) = self.parts.first_entry().filter(|part| *part.key() < from) {
            let (number, part) = part.remove_entry();
            if part.in_wave {
                continue;
            }
            let days = length(number.saturating_sub(self.learnt).saturating_mul(step.part)) / DAY_NANOS;
            let fade = libm::exp2(-(days.max(0.0) / waves.memory_days));
            self.learnt = self.learnt.max(number);
            self.usual.0 = self.usual.0 * fade + real(part.passed + part.failed);
            self.usual.1 = self.usual.1 * fade + real(part.failed);
        }
    }

    fn window(&self, now: i64, parts: i64) -> Window {
        let from = now.saturating_sub(parts - 1);
        let mut window = Window { due: 0, failed: 0 };
        for (_, part) in self.parts.range(from..=now) {
            window.due += part.passed + part.failed;
            window.failed += part.failed;
        }
        window
    }

    fn customers(&self, now: i64, parts: i64) -> u64 {
        let parts = self.parts.range(now.saturating_sub(parts - 1)..=now);
        let all: BTreeSet<u128> = parts
            .flat_map(|(_, part)| part.customers.iter().copied())
            .collect();
        u64::try_from(all.len()).unwrap_or(u64::MAX)
    }

    fn usual_share(&self, declared: f64, waves: &WaveTunables) -> f64 {
        (self.usual.1 + waves.usual_weight * declared) / (self.usual.0 + waves.usual_weight)
    }

    /// Whether so many failures are too many: within the whole window, or within its last parts alone, so that where thousands
    /// are due it isn't the good minutes before that decide. Then what was seen, and the first part of it.
    fn is_wave(&self, now: i64, step: &Step, usual: f64, waves: &WaveTunables) -> Option<(Window, i64)> {
        let lengths = [step.parts, step.parts.saturating_add(3) / 4, 1];
        lengths.into_iter().find_map(|parts| {
            let window = self.window(now, parts);
            let share = real(window.failed) / real(window.due.max(1));
            let is_many = window.failed >= waves.failed_min
                && share >= waves.share_min.max(waves.times_usual_min * usual)
                && surprise(window, usual).get() >= waves.open_score
                && self.customers(now, parts) >= waves.customers_min;
            is_many.then(|| (window, now.saturating_sub(parts - 1)))
        })
    }
}

impl Wave {
    fn told(&self, place: Place, state: WaveState, at: i64, window: Window) -> Told {
        Told {
            place,
            opened: self.opened,
            from: self.from,
            at,
            revision: self.revision,
            state,
            due: window.due,
            failed: window.failed,
            usual: self.usual,
            score: surprise(window, self.usual),
            withheld: self.withheld,
        }
    }
}

impl Waves {
    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.looks.len()
    }

    fn watched(&mut self, place: Place) -> Option<&mut Watched> {
        if !self.watched.contains_key(&place) && self.watched.len() >= WAVE_SCOPES_MAX {
            return None;
        }
        Some(self.watched.entry(place).or_default())
    }

    /// A journey passed a step at `at` that was due at `deadline`.
    pub(crate) fn pass(&mut self, place: Place, at: i64, deadline: i64, step: &Step, waves: &WaveTunables) {
        if let Some(watched) = self.watched(place) {
            watched.roll(at.div_euclid(step.part), step, waves);
            watched
                .parts
                .entry(deadline.div_euclid(step.part))
                .or_default()
                .passed += 1;
        }
    }

    /// A journey failed at a step.
    pub(crate) fn fail(
        &mut self,
        place: Place,
        at: i64,
        customer: u128,
        (step, declared): (&Step, f64),
        waves: &WaveTunables,
    ) -> Failure {
        let Some(watched) = self.watched(place) else {
            return Failure::Unwatched;
        };
        let now = at.div_euclid(step.part);
        watched.roll(now, step, waves);
        let part = watched.parts.entry(now).or_default();
        part.failed += 1;
        part.in_wave |= watched.wave.is_some();
        if u64::try_from(part.customers.len()).is_ok_and(|len| len < CUSTOMERS_COUNTED_MAX)
            && let Err(free) = part.customers.binary_search(&customer)
        {
            part.customers.insert(free, customer);
        }
        if let Some(wave) = &mut watched.wave {
            wave.withheld += 1;
            if wave.withheld < wave.told_at {
                return Failure::InWave(None);
            }
            (wave.revision, wave.told_at) = (wave.revision + 1, wave.told_at.saturating_mul(2));
            let wave = wave.clone();
            return Failure::InWave(Some(wave.told(
                place,
                WaveState::Updated,
                at,
                watched.window(now, step.parts),
            )));
        }
        let usual = watched.usual_share(declared, waves);
        let Some((window, from)) = watched.is_wave(now, step, usual, waves) else {
            return Failure::Alone;
        };
        for (_, part) in watched.parts.range_mut(..=now) {
            part.in_wave = true;
        }
        let wave = Wave {
            opened: at,
            from: from.saturating_mul(step.part),
            revision: 1,
            usual,
            // The one that showed it is told by it.
            withheld: 1,
            told_at: waves.failed_min.max(2),
        };
        let told = wave.told(place, WaveState::Opened, at, window);
        watched.wave = Some(wave);
        self.looks.insert(((now + 1).saturating_mul(step.part), place));
        Failure::InWave(Some(told))
    }

    /// When the next open wave is to be looked at.
    pub(crate) fn next_look(&self) -> Option<(i64, Place)> {
        self.looks.first().copied()
    }

    /// Looks at the wave whose turn it is; whether it is over.
    pub(crate) fn look(
        &mut self,
        (at, place): (i64, Place),
        step: &Step,
        waves: &WaveTunables,
    ) -> Option<Told> {
        self.looks.remove(&(at, place));
        let watched = self.watched.get_mut(&place)?;
        // The part that has just ended is the last of the window.
        let now = at.div_euclid(step.part).saturating_sub(1);
        watched.roll(now, step, waves);
        let window = watched.window(now, step.parts);
        let wave = watched.wave.as_mut()?;
        let is_old = at.saturating_sub(wave.opened) >= nanos(waves.hours_max.saturating_mul(3_600));
        let is_over = window.failed == 0 || surprise(window, wave.usual).get() < waves.close_score;
        if !is_old && !is_over {
            self.looks.insert((at.saturating_add(step.part), place));
            return None;
        }
        wave.revision += 1;
        let told = wave.told(place, WaveState::Closed, at, window);
        watched.wave = None;
        if !is_over {
            let share = real(window.failed) / real(window.due.max(1));
            let weight = real(window.due).max(10.0 * waves.usual_weight);
            watched.usual = (weight, weight * share);
            watched.learnt = now;
        }
        Some(told)
    }

    /// Those of rules as they are now. The others are forgotten; their open waves come back, to be told as closed.
    pub(crate) fn restore(&mut self, rename: impl Fn(Place) -> Option<Place>) -> Vec<Told> {
        let mut ended = Vec::new();
        for (place, watched) in std::mem::take(&mut self.watched) {
            if let Some(now) = rename(place) {
                self.watched.insert(now, watched);
            } else if let Some(wave) = watched.wave {
                let nothing = Window { due: 0, failed: 0 };
                let at = self
                    .looks
                    .iter()
                    .find(|(_, of)| *of == place)
                    .map_or(wave.opened, |(at, _)| *at);
                ended.push(wave.told(place, WaveState::Opened, at, nothing).closed());
            }
        }
        let looks = std::mem::take(&mut self.looks);
        self.looks = looks
            .into_iter()
            .filter_map(|(at, place)| Some((at, rename(place)?)))
            .collect();
        ended
    }
}
