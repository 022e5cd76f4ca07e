//! A queue's own parameters, found beside its work: a [fit](super::fit) in small pieces, over a bounded past, by event time.
//!
//! What is fitted is the past in half hours: parameters are rates of change, so that they hold for shorter intervals too, and a quarter
//! of a year takes 11 KiB at most. Of the parameters those are fitted that show within a day, many times each day, to the next interval; of the others a
//! quarter of a year says less than the priors. A fit begins once there are three weeks and then every week; each piece of it is the cost of a few
//! points, so that no tick of a stage waits for a whole one. The same counts give the same parameters, whatever the pieces.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::baseline::{NEAR, Parameters};
use super::calendar::{Calendar, Place};
use super::fit::{Aim, DAYS_MIN, cost};
use super::simplex::Simplex;

/// The past is kept in intervals of at least this.
const STEP: Duration = Duration::from_secs(1800);
/// Days of it: a quarter of a year, at most 11 KiB in a snapshot.
const DAYS_MAX: usize = 91;
/// Days from one fit to the next.
const EVERY_DAYS: u32 = 7;
/// Evaluations of the first fit, and of a later one, which begins where the last one ended; and the first step of each.
const EVALUATIONS: (usize, usize) = (80, 50);
const FIRST_STEP: (f64, f64) = (0.7, 0.35);

/// A day's counts, each one more than counted; 0 where one is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    day: i64,
    counts: Vec<u32>,
}

/// The interval that is being added up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Part {
    slot: u16,
    calls: f64,
    counted: u16,
}

/// The past of one queue, and the search for its parameters.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Tuner {
    days: VecDeque<Day>,
    today: Option<Day>,
    part: Part,
    /// Days with counts so far, and how many there were when the last fit began.
    seen: u32,
    begun_at: Option<u32>,
    search: Option<Search>,
    fits: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Search {
    simplex: Simplex<NEAR>,
    /// Later days are no part of it.
    until: i64,
}

impl Tuner {
    /// Fits that ended.
    pub(super) const fn fits(&self) -> u32 {
        self.fits
    }

    /// Takes in an interval, in order of time; `None` where its count is missing or masked.
    pub(super) fn learn(&mut self, calendar: &Calendar, place: Place, count: Option<f64>) {
        let parts = calendar.parts_of(STEP);
        let slot = place.slot / parts;
        if self
            .today
            .as_ref()
            .is_some_and(|today| (place.day, slot) < (today.day, self.part.slot))
        {
            return;
        }
        if self.today.as_ref().is_some_and(|today| today.day < place.day) {
            self.end_day(parts);
        }
        if self.today.is_none() {
            let slots = calendar.slots().div_ceil(usize::from(parts));
            let counts = vec![0; slots];
            self.today = Some(Day {
                day: place.day,
                counts,
            });
            self.part = Part {
                slot,
                ..Part::default()
            };
        }
        if self.part.slot != slot {
            self.end_part(parts);
            self.part.slot = slot;
        }
        if let Some(count) = count.filter(|count| count.is_finite() && *count >= 0.0) {
            self.part.calls += count;
            self.part.counted += 1;
        }
    }

    fn end_part(&mut self, parts: u16) {
        let Part { slot, calls, counted } = std::mem::take(&mut self.part);
        let place = self
            .today
            .as_mut()
            .and_then(|today| today.counts.get_mut(usize::from(slot)));
        if let Some(place) = place.filter(|_| counted == parts) {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to the type's range"
            )]
            let calls = calls.round().clamp(0.0, 4_000_000_000.0) as u32;
            *place = calls + 1;
        }
    }

    fn end_day(&mut self, parts: u16) {
        self.end_part(parts);
        let Some(today) = self.today.take() else { return };
        if today.counts.iter().all(|count| *count == 0) {
            return;
        }
        self.days.push_back(today);
        self.seen = self.seen.saturating_add(1);
        // What a search stands on stays under it for a week more.
        let most = DAYS_MAX + self.search.as_ref().map_or(0, |_| 7);
        while self.days.len() > most {
            self.days.pop_front();
        }
    }

    /// Whether there is anything to search for.
    pub(super) fn is_due(&self) -> bool {
        let has_enough = u32::try_from(self.days.len()).is_ok_and(|days| days >= DAYS_MIN);
        let is_time = self
            .begun_at
            .is_none_or(|begun_at| self.seen.saturating_sub(begun_at) >= EVERY_DAYS);
        self.search.is_some() || (has_enough && is_time)
    }

    fn rows(&self, until: i64) -> Vec<(Place, Option<f64>)> {
        let days = self.days.iter().filter(|day| day.day < until);
        days.flat_map(|day| {
            let slots = (0_u16..).zip(&day.counts);
            slots.filter_map(|(slot, count)| {
                // A missing one is passed over: closed hours that a feed leaves out aren't hours without a count.
                let count = count.checked_sub(1).map(f64::from)?;
                Some((Calendar::place_of(day.day, slot), Some(count)))
            })
        })
        .collect()
    }

    /// Searches on for so many evaluations; says the parameters where the search ends. `present` are those the queue has.
    pub(super) fn work(
        &mut self,
        calendar: &Calendar,
        present: Parameters,
        evaluations: usize,
    ) -> Option<Parameters> {
        if !self.is_due() {
            return None;
        }
        let until = self.days.back().map_or(i64::MIN, |day| day.day + 1);
        let mut search = self.search.take().unwrap_or_else(|| {
            let is_first = self.begun_at.is_none();
            self.begun_at = Some(self.seen);
            let (step, evaluations) = if is_first {
                (FIRST_STEP.0, EVALUATIONS.0)
            } else {
                (FIRST_STEP.1, EVALUATIONS.1)
            };
            let simplex = Simplex::new(present.near(), step, evaluations);
            Search { simplex, until }
        });
        let coarse = calendar.coarser(calendar.parts_of(STEP));
        let rows = self.rows(search.until);
        let days = self.days.iter().filter(|day| day.day < search.until).count();
        let days = u32::try_from(days).unwrap_or(u32::MAX);
        for _ in 0..evaluations {
            let Some(point) = search.simplex.wanted() else {
                self.fits = self.fits.saturating_add(1);
                return Some(Parameters::bound(present.with_near(search.simplex.best())));
            };
            let point = present.with_near(point);
            search.simplex.tell(cost(&coarse, &rows, &point, days, Aim::Near));
        }
        self.search = Some(search);
        None
    }
}

#[cfg(test)]
mod tests;
