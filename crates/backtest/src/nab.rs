//! The score of the Numenta Anomaly Benchmark: Lavin and Ahmad 2015, "Evaluating real-time anomaly detection algorithms",
//! in the form its leaderboard is made with (one threshold for all files by a full sweep).
//!
//! A file's first rows (15 %, at most 750) aren't scored. An alert within a window is worth the more the earlier it comes, and
//! only the earliest counts; one outside costs, less where it follows closely behind a window. A window without an alert costs
//! its whole weight. Points are put on a scale from 0, which saying nothing gives, to 100, which the first row of each window
//! gives.
//!
//! ```
//! use forecall_backtest::nab::{File, PROFILES, sweep};
//! use forecall_types::EventTime;
//!
//! let at = |row: i64| EventTime::from_secs(300 * row);
//! let times: Vec<EventTime> = (0..100).map(at).collect();
//! let file = File::new(&times, &[(at(60), at(69))]);
//! let scores: Vec<f64> = (15..100).map(|row| if row == 60 { 9.0 } else { 1.0 }).collect();
//! let (score, threshold) = sweep(&[(&file, &scores)], &PROFILES[0]);
//! assert_eq!((score.round(), threshold), (100.0, 9.0));
//! ```

use forecall_types::EventTime;

use crate::figure::whole;

/// What a find, a false alarm and a miss are worth.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// As people call it.
    pub name: &'static str,
    /// Its name in NAB's own files.
    pub published: &'static str,
    found: f64,
    false_alarm: f64,
    missed: f64,
}

/// The leaderboard's three.
pub const PROFILES: [Profile; 3] = [
    Profile {
        name: "standard",
        published: "standard",
        found: 1.0,
        false_alarm: 0.11,
        missed: 1.0,
    },
    Profile {
        name: "low FP",
        published: "reward_low_FP_rate",
        found: 1.0,
        false_alarm: 0.22,
        missed: 1.0,
    },
    Profile {
        name: "low FN",
        published: "reward_low_FN_rate",
        found: 1.0,
        false_alarm: 0.11,
        missed: 2.0,
    },
];

/// Share of a file's rows that aren't scored …
const PROBATION_SHARE: f64 = 0.15;
/// … of at most so many rows.
const PROBATION_ROWS_MAX: f64 = 5_000.0;

/// What an alert on one row is worth before weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Within a window 0 to 1, the earlier the more; else −1 to 0.
    reward: f64,
    /// The window it lies in, by its number in the file.
    window: Option<usize>,
}

/// A file's rows after probation.
#[derive(Debug, Clone)]
pub struct File {
    /// What an alert on each of them is worth.
    pub rows: Vec<Row>,
    /// Rows of probation.
    pub probation: usize,
    windows: usize,
}

/// 1 at the far left of a window, 0 at its right end, −1 far behind it.
fn sigmoid(position: f64) -> f64 {
    if position >= 3.0 {
        return -1.0;
    }
    2.0 / (1.0 + libm::exp(5.0 * position)) - 1.0
}

impl File {
    /// Of a file's times and windows, both ends of which are rows.
    pub fn new(times: &[EventTime], windows: &[(EventTime, EventTime)]) -> Self {
        let share = (PROBATION_SHARE * whole(times.len()))
            .floor()
            .min(PROBATION_SHARE * PROBATION_ROWS_MAX);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 750 by the bound above"
        )]
        let probation = share as usize;
        let best = sigmoid(-1.0);
        let place = |at: EventTime| times.iter().position(|t| *t == at);
        let mut rows = Vec::with_capacity(times.len());
        let mut next = 0;
        // The window that a row lies in: its number, its last row, its width; and its last moment.
        let mut inside: Option<(usize, usize, f64, EventTime)> = None;
        let mut behind: Option<(usize, f64)> = None;
        for (i, at) in times.iter().enumerate() {
            if let Some((from, to)) = windows.get(next)
                && at == from
                && let Some(right) = place(*to)
            {
                let left = place(*from).unwrap_or(i);
                inside = Some((next, right, whole((right + 1).saturating_sub(left)), *to));
                next += 1;
            }
            rows.push(match (inside, behind) {
                (Some((window, right, width, _)), _) => Row {
                    reward: sigmoid(-(whole(right) - whole(i) + 1.0) / width) / best,
                    window: Some(window),
                },
                (None, None) => Row {
                    reward: -1.0,
                    window: None,
                },
                (None, Some((right, width))) => Row {
                    reward: sigmoid((whole(i) - whole(right)).abs() / (width - 1.0)),
                    window: None,
                },
            });
            if let Some((_, _, width, end)) = inside
                && *at == end
            {
                behind = Some((i, width));
                inside = None;
            }
        }
        Self {
            rows: rows.split_off(probation),
            probation,
            windows: windows.len(),
        }
    }

    /// Points of these alerts, one flag a row after probation.
    pub fn points(&self, alerts: impl Iterator<Item = bool>, profile: &Profile) -> f64 {
        let mut tally = Tally::new(self, profile);
        for (row, _) in self.rows.iter().zip(alerts).filter(|(_, alert)| *alert) {
            tally.add(row);
        }
        tally.points
    }

    /// Points at each of the thresholds, which fall; `scores` are those after probation.
    pub fn points_at(&self, scores: &[f64], thresholds: &[f64], profile: &Profile) -> Vec<f64> {
        let mut order: Vec<(f64, &Row)> = scores.iter().copied().zip(&self.rows).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut order = order.into_iter().peekable();
        let mut tally = Tally::new(self, profile);
        thresholds
            .iter()
            .map(|threshold| {
                while let Some((_, row)) = order.next_if(|(score, _)| score >= threshold) {
                    tally.add(row);
                }
                tally.points
            })
            .collect()
    }
}

/// Points so far: each window counts by its earliest alert.
struct Tally<'p> {
    points: f64,
    best: Vec<f64>,
    profile: &'p Profile,
}

impl<'p> Tally<'p> {
    fn new(file: &File, profile: &'p Profile) -> Self {
        Self {
            points: -profile.missed * whole(file.windows),
            best: vec![-profile.missed; file.windows],
            profile,
        }
    }

    fn add(&mut self, row: &Row) {
        match row.window {
            None => self.points += row.reward * self.profile.false_alarm,
            Some(window) => {
                let worth = row.reward * self.profile.found;
                if let Some(best) = self.best.get_mut(window)
                    && worth > *best
                {
                    self.points += worth - *best;
                    *best = worth;
                }
            }
        }
    }
}

/// 0 for a detector that says nothing, 100 for a perfect one.
pub fn normalised(points: f64, windows: usize, profile: &Profile) -> f64 {
    let null = -profile.missed * whole(windows);
    let perfect = profile.found * whole(windows);
    100.0 * (points - null) / (perfect - null)
}

/// Windows of the files.
pub fn windows<'f>(files: impl Iterator<Item = &'f File>) -> usize {
    files.map(|file| file.windows).sum()
}

/// The best normalised score of one threshold for all files, over every threshold there is, and that threshold.
pub fn sweep(files: &[(&File, &[f64])], profile: &Profile) -> (f64, f64) {
    let mut rows: Vec<(f64, usize, &Row)> = files
        .iter()
        .enumerate()
        .flat_map(|(i, (file, scores))| {
            scores
                .iter()
                .zip(&file.rows)
                .map(move |(score, row)| (*score, i, row))
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut tallies: Vec<Tally<'_>> = files.iter().map(|(file, _)| Tally::new(file, profile)).collect();
    let mut points: f64 = tallies.iter().map(|tally| tally.points).sum();
    let (mut best, mut threshold) = (points, f64::INFINITY);
    for (i, (score, file, row)) in rows.iter().enumerate() {
        let Some(tally) = tallies.get_mut(*file) else {
            continue;
        };
        let before = tally.points;
        tally.add(row);
        points += tally.points - before;
        let is_last = rows.get(i + 1).is_none_or(|next| next.0 < *score);
        if is_last && points > best {
            (best, threshold) = (points, *score);
        }
    }
    (
        normalised(best, windows(files.iter().map(|(file, _)| *file)), profile),
        threshold,
    )
}

/// Alerts that come no sooner than `pause` rows after the one before.
pub fn with_pause(scores: &[f64], threshold: f64, pause: usize) -> impl Iterator<Item = bool> {
    let mut wait = 0_usize;
    scores.iter().map(move |score| {
        let alert = *score >= threshold && wait == 0;
        wait = if alert { pause } else { wait.saturating_sub(1) };
        alert
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(n: i64) -> Vec<EventTime> {
        (0..n).map(|i| EventTime::from_secs(i * 300)).collect()
    }

    fn file() -> File {
        let at = |i: i64| EventTime::from_secs(i * 300);
        File::new(&times(1_000), &[(at(400), at(499)), (at(800), at(899))])
    }

    fn normal(file: &File, alerts: &[usize], profile: &Profile) -> f64 {
        let mut flags = vec![false; file.rows.len()];
        for row in alerts {
            flags[row - file.probation] = true;
        }
        normalised(file.points(flags.into_iter(), profile), 2, profile)
    }

    #[test]
    fn nothing_is_worth_0_and_the_first_row_of_each_window_100() {
        let file = file();
        assert_eq!(file.probation, 150);
        for profile in &PROFILES {
            assert!(normal(&file, &[], profile).abs() < 1e-12);
            assert!((normal(&file, &[400, 800], profile) - 100.0).abs() < 1e-12);
        }
    }

    #[test]
    fn late_finds_are_worth_less_and_false_alarms_cost() {
        let file = file();
        let standard = &PROFILES[0];
        // 0.98661 of the left end: a find in the middle gives 2/(1+e^-2.55)-1 of it.
        let middle = (2.0 / (1.0 + libm::exp(-5.0 * 0.5)) - 1.0) / 0.986_614_298_151_43;
        assert!((normal(&file, &[450, 800], standard) - (100.0 * (3.0 + middle) / 4.0)).abs() < 1e-9);
        // Before any window: the whole weight. Right behind one: hardly anything.
        assert!((normal(&file, &[200], standard) + 100.0 * 0.11 / 4.0).abs() < 1e-12);
        assert!(normal(&file, &[500], standard) > -0.1);
        // A second alert in a window changes nothing, an earlier one does.
        let once = normal(&file, &[450], standard);
        assert!((normal(&file, &[450, 460], standard) - once).abs() < 1e-12);
        assert!(normal(&file, &[410, 450], standard) > once);
    }

    #[test]
    fn a_sweep_finds_what_trying_each_threshold_finds() {
        let file = file();
        let mut state = 7_u64;
        let scores: Vec<f64> = file
            .rows
            .iter()
            .map(|row| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let noise = f64::from((state >> 40) as u32 % 50);
                noise + if row.window.is_some() { 8.0 } else { 0.0 }
            })
            .collect();
        for profile in &PROFILES {
            let (found, threshold) = sweep(&[(&file, &scores)], profile);
            let all: Vec<f64> = (0..60).rev().map(f64::from).collect();
            let tried = all
                .iter()
                .map(|t| normalised(file.points(scores.iter().map(|s| s >= t), profile), 2, profile))
                .fold(0.0, f64::max);
            assert!((found - tried).abs() < 1e-9, "{found} {tried} at {threshold}");
            let grid = file.points_at(&scores, &all, profile);
            let best = grid
                .iter()
                .map(|p| normalised(*p, 2, profile))
                .fold(0.0, f64::max);
            assert!((found - best).abs() < 1e-9);
        }
    }

    #[test]
    fn a_pause_holds_alerts_back() {
        let flags: Vec<bool> = with_pause(&[1.0, 5.0, 5.0, 5.0, 0.0, 5.0], 3.0, 2).collect();
        assert_eq!(flags, [false, true, false, false, false, true]);
    }
}
