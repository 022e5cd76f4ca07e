//! Alerts against labelled events: what is found, what is false, at which budget.

use std::time::Duration;

use forecall_types::EventTime;

use crate::figure::whole;

/// Alerts nearer to each other than this are one: a person is told once.
pub const MERGE: Duration = Duration::from_secs(600);

/// First and last row of an alert.
pub type Span = (usize, usize);

/// What alerts have met; sums over files.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    /// Labelled events.
    pub events: f64,
    /// Events that an alert of their own met.
    pub found: f64,
    /// Alerts.
    pub alerts: f64,
    /// Alerts that met no event.
    pub false_alerts: f64,
    /// Length of what was looked at.
    pub days: f64,
}

impl Counts {
    /// Of several files together.
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |a, b| Self {
            events: a.events + b.events,
            found: a.found + b.found,
            alerts: a.alerts + b.alerts,
            false_alerts: a.false_alerts + b.false_alerts,
            days: a.days + b.days,
        })
    }

    /// The harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        // 2 TP / (2 TP + FP + FN)
        let wrong = self.false_alerts + self.events - self.found;
        if self.found > 0.0 {
            2.0 * self.found / (2.0 * self.found + wrong)
        } else {
            0.0
        }
    }

    /// Of events, those found.
    pub fn recall(&self) -> f64 {
        self.found / self.events.max(1.0)
    }

    /// Of alerts, those that met an event; none: 1.
    pub fn precision(&self) -> f64 {
        1.0 - self.false_alerts / self.alerts.max(1.0)
    }

    /// Alerts a day.
    pub fn alerts_a_day(&self) -> f64 {
        self.alerts / self.days.max(f64::MIN_POSITIVE)
    }
}

/// Flagged rows as alerts: rows in a row, and those less than [`MERGE`] apart.
pub fn spans(times: &[EventTime], flags: impl Iterator<Item = bool>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    let mut last = EventTime::MIN;
    for ((row, at), _) in times.iter().enumerate().zip(flags).filter(|(_, flag)| *flag) {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == row || at.since(last) <= MERGE => *end = row,
            Some(_) | None => out.push((row, row)),
        }
        last = *at;
    }
    out
}

/// Judges alerts. One alert finds one event at most, the first it meets that no other has found: else one that never ends
/// would find them all. An alert that meets an event is not false.
pub fn count(times: &[EventTime], events: &[Span], alerts: &[Span]) -> Counts {
    let mut found = vec![false; events.len()];
    let mut false_alerts = 0.0;
    for (from, to) in alerts {
        let first = events.partition_point(|(_, end)| end < from);
        let mut met = events
            .iter()
            .zip(&mut found)
            .skip(first)
            .take_while(|((start, _), _)| start <= to)
            .peekable();
        if met.peek().is_none() {
            false_alerts += 1.0;
        } else if let Some((_, open)) = met.find(|(_, found)| !**found) {
            *open = true;
        }
    }
    let span = times
        .first()
        .zip(times.last())
        .map_or(Duration::ZERO, |(a, b)| b.since(*a));
    Counts {
        events: whole(events.len()),
        found: whole(found.iter().filter(|f| **f).count()),
        alerts: whole(alerts.len()),
        false_alerts,
        days: span.as_secs_f64() / 86_400.0,
    }
}

/// Counts of one file at each threshold.
pub fn at_thresholds(
    times: &[EventTime],
    events: &[Span],
    scores: &[f64],
    thresholds: &[f64],
) -> Vec<Counts> {
    thresholds
        .iter()
        .map(|threshold| {
            count(
                times,
                events,
                &spans(times, scores.iter().map(|s| s >= threshold)),
            )
        })
        .collect()
}

/// Counts at the last threshold, from the highest down, before the budget of alerts a day is first overrun.
pub fn within_budget(at: &[Counts], alerts_a_day: f64) -> Counts {
    let good = at
        .iter()
        .take_while(|counts| counts.alerts_a_day() <= alerts_a_day);
    good.last().copied().unwrap_or_else(|| {
        let none = at.first().copied().unwrap_or_default();
        Counts {
            found: 0.0,
            alerts: 0.0,
            false_alerts: 0.0,
            ..none
        }
    })
}

/// Thresholds worth trying, falling: the scores at ranks that grow by about 2 %.
pub fn thresholds<'s>(scores: impl Iterator<Item = &'s [f64]>) -> Vec<f64> {
    let mut all: Vec<f64> = scores.flatten().copied().collect();
    all.sort_by(|a, b| b.total_cmp(a));
    let mut out: Vec<f64> = Vec::new();
    let mut rank = 0_usize;
    while let Some(score) = all.get(rank) {
        if out.last().is_none_or(|last| score < last) {
            out.push(*score);
        }
        rank += 1 + rank / 50;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: i64) -> Vec<EventTime> {
        (0..n).map(|i| EventTime::from_secs(i * 60)).collect()
    }

    fn flagged(rows: &[usize]) -> impl Iterator<Item = bool> {
        (0..200).map(move |i| rows.contains(&i))
    }

    #[test]
    fn near_alerts_are_one() {
        assert_eq!(
            spans(&minutes(200), flagged(&[5, 6, 16, 27])),
            [(5, 16), (27, 27)]
        );
    }

    #[test]
    fn an_alert_that_never_ends_finds_one_event() {
        let events = [(20, 25), (60, 70), (100, 100)];
        let times = minutes(200);
        let got = count(&times, &events, &[(0, 199)]);
        assert_eq!((got.found, got.false_alerts, got.events), (1.0, 0.0, 3.0));
        let got = count(&times, &events, &[(0, 3), (22, 23), (25, 61), (101, 120)]);
        assert_eq!((got.found, got.false_alerts), (2.0, 2.0));
        assert!((got.f1() - 4.0 / 7.0).abs() < 1e-12);
        assert!((got.recall() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn the_budget_ends_where_it_is_first_overrun() {
        let at = |alerts: f64, found: f64| Counts {
            events: 9.0,
            found,
            alerts,
            false_alerts: 0.0,
            days: 1.0,
        };
        let steps = [at(1.0, 1.0), at(2.0, 2.0), at(5.0, 4.0), at(2.0, 9.0)];
        assert_eq!(within_budget(&steps, 3.0), steps[1]);
        assert!(within_budget(&steps, 0.5).found.abs() < 1e-12);
    }
}
