//! Volume under the surface of range-based precision and recall: Paparrizos et al. 2022, "Volume under the surface: a new
//! accuracy evaluation measure for time-series anomaly detection", as TSB-AD computes it (250 thresholds, each width of
//! the tolerance from 0 to the series' own period).

use crate::figure::whole;

/// Thresholds, by rank.
const THRESHOLDS: usize = 250;
/// Period where none shows.
const PERIOD_DEFAULT: usize = 125;

/// Runs of labelled rows, both ends within.
pub fn events(labels: &[bool]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (i, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match out.last_mut() {
            Some((_, end)) if *end + 1 == i => *end = i,
            _ => out.push((i, i)),
        }
    }
    out
}

/// The lag of the highest peak of the autocorrelation of the first 20,000 values, as TSB-AD finds a series' period.
pub fn period(values: &[f64]) -> usize {
    const BASE: usize = 3;
    const LAGS: usize = 400;
    let values = values.get(..20_000).unwrap_or(values);
    let n = values.len();
    let mean = values.iter().sum::<f64>() / whole(n.max(1));
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let correlation: Vec<f64> = (BASE..=LAGS.min(n.saturating_sub(1)))
        .map(|lag| {
            centred
                .iter()
                .zip(centred.iter().skip(lag))
                .map(|(a, b)| a * b)
                .sum()
        })
        .collect();
    let peaks = correlation
        .windows(3)
        .enumerate()
        .filter_map(|(i, around)| match around {
            [before, here, after] if here > before && here > after => Some((i + 1, *here)),
            _ => None,
        });
    match peaks.max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((peak, _)) if (3..=300).contains(&peak) => peak + BASE,
        Some(_) | None => PERIOD_DEFAULT,
    }
}

/// Events widened by `half` rows on both sides, those that meet made one.
fn widened(events: &[(usize, usize)], half: usize, rows: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return out;
    };
    let mut from = first.0.saturating_sub(half);
    for ((_, end), (start, _)) in events.iter().zip(events.iter().skip(1)) {
        if end + 2 * half < *start {
            out.push((from, end + half));
            from = start - half;
        }
    }
    out.push((from, (last.1 + half).min(rows - 1)));
    out
}

/// Which threshold first takes in each row, and how many rows each threshold takes in.
fn ranks(scores: &[f64]) -> (Vec<usize>, Vec<f64>) {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let last = scores.len().saturating_sub(1);
    let step = whole(last) / whole(THRESHOLDS - 1);
    let place = |i: usize| {
        if i + 1 == THRESHOLDS {
            return last;
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to the last row"
        )]
        let place = (whole(i) * step) as usize;
        place
    };
    let thresholds: Vec<f64> = (0..THRESHOLDS)
        .filter_map(|i| sorted.get(place(i)).copied())
        .collect();
    let first: Vec<usize> = scores
        .iter()
        .map(|score| thresholds.partition_point(|threshold| threshold > score))
        .collect();
    let taken = cumulated(first.iter().map(|k| (*k, 1.0)));
    (first, taken)
}

fn cumulated(parts: impl Iterator<Item = (usize, f64)>) -> Vec<f64> {
    let mut sums = vec![0.0; THRESHOLDS];
    for (k, part) in parts {
        if let Some(sum) = sums.get_mut(k) {
            *sum += part;
        }
    }
    let mut so_far = 0.0;
    for sum in &mut sums {
        so_far += *sum;
        *sum = so_far;
    }
    sums
}

/// Labels that fall off towards both sides of the events, 0 within them, for one width; only rows it touches.
fn slopes(events: &[(usize, usize)], width: usize, soft: &mut [f64], touched: &mut Vec<usize>) {
    for row in touched.drain(..) {
        if let Some(soft) = soft.get_mut(row) {
            *soft = 0.0;
        }
    }
    let fall = |distance: usize| (1.0 - whole(distance) / whole(width)).sqrt();
    let half = width / 2;
    for (start, end) in events {
        let behind = end + 1..(end + half + 1).min(soft.len());
        let before = start.saturating_sub(half)..*start;
        let rows = behind
            .map(|row| (row, row - end))
            .chain(before.map(|row| (row, start - row)));
        for (row, distance) in rows {
            if let Some(soft) = soft.get_mut(row) {
                *soft += fall(distance);
                touched.push(row);
            }
        }
    }
    touched.sort_unstable();
    touched.dedup();
    for row in touched.iter() {
        if let Some(soft) = soft.get_mut(*row) {
            *soft = soft.min(1.0);
        }
    }
}

/// VUS-PR of scores against labels, row by row, with tolerances of 0 to `window` rows; `None` where nothing is labelled.
pub fn vus_pr(labels: &[bool], scores: &[f64], window: usize) -> Option<f64> {
    let events = events(labels);
    if events.is_empty() || labels.len() != scores.len() {
        return None;
    }
    let (first, taken) = ranks(scores);
    let labelled = whole(labels.iter().filter(|label| **label).count());
    let rows = || labels.iter().zip(&first);
    let hard = cumulated(rows().filter(|(label, _)| **label).map(|(_, k)| (*k, 1.0)));
    let mut soft = vec![0.0; labels.len()];
    let mut touched = Vec::new();
    let mut volume = 0.0;
    for width in 0..=window {
        slopes(&events, width, &mut soft, &mut touched);
        let outside = touched.iter().filter(|row| labels.get(**row) == Some(&false));
        let gained = cumulated(outside.filter_map(|row| Some((*first.get(*row)?, *soft.get(*row)?))));
        let ranges = widened(&events, width / 2, labels.len());
        let earliest = |(from, to): &(usize, usize)| {
            let within = first.get(*from..=*to).unwrap_or_default();
            (within.iter().copied().min().unwrap_or(THRESHOLDS), 1.0)
        };
        let met = cumulated(ranges.iter().map(earliest));
        let mut recalled_before = 0.0;
        for (((hard, gained), met), taken) in hard.iter().zip(&gained).zip(&met).zip(&taken) {
            let found = hard + gained;
            // Halfway between the hard labels and the softened ones, so that recall is neither too low nor too high.
            let wanted = f64::midpoint(labelled, labelled + gained);
            let recalled = (found / wanted).min(1.0) * met / whole(ranges.len());
            volume += (recalled - recalled_before) * found / taken;
            recalled_before = recalled;
        }
    }
    Some(volume / whole(window + 1))
}

#[cfg(test)]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some hundred rows"
)]
mod tests {
    use super::*;

    /// The definition, step by step, with arrays of the whole length for each threshold and width.
    fn by_definition(labels: &[bool], scores: &[f64], window: usize) -> f64 {
        let n = labels.len();
        let hard: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        let events = events(labels);
        let mut sorted = scores.to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        for width in 0..=window {
            let mut soft = hard.clone();
            for (start, end) in &events {
                let half = width / 2;
                for (row, label) in soft.iter_mut().enumerate() {
                    let distance = if row > *end {
                        row - end
                    } else {
                        start.saturating_sub(row)
                    };
                    if (1..=half).contains(&distance) {
                        *label += (1.0 - distance as f64 / width as f64).sqrt();
                    }
                }
            }
            soft.iter_mut().for_each(|s| *s = s.min(1.0));
            let ranges = widened(&events, width / 2, n);
            let mut before = 0.0;
            for i in 0..THRESHOLDS {
                let place = (i as f64 * (n - 1) as f64 / (THRESHOLDS - 1) as f64) as usize;
                let flags: Vec<f64> = scores
                    .iter()
                    .map(|s| f64::from(u8::from(*s >= sorted[place])))
                    .collect();
                let mut seen = soft.clone();
                let mut met = 0.0;
                for (from, to) in &ranges {
                    for row in *from..=*to {
                        seen[row] *= flags[row];
                    }
                    met += f64::from(u8::from(flags[*from..=*to].iter().any(|f| *f > 0.0)));
                }
                for (from, to) in &events {
                    seen[*from..=*to].fill(1.0);
                }
                let found: f64 = seen.iter().zip(&flags).map(|(a, b)| a * b).sum();
                let wanted = (hard.iter().sum::<f64>() + seen.iter().sum::<f64>()) / 2.0;
                let recalled = (found / wanted).min(1.0) * met / ranges.len() as f64;
                sum += (recalled - before) * found / flags.iter().sum::<f64>();
                before = recalled;
            }
        }
        sum / (window + 1) as f64
    }

    fn noise(state: &mut u64) -> f64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        f64::from((*state >> 33) as u32) / f64::from(1_u32 << 31)
    }

    #[test]
    fn it_is_the_definition() {
        let mut state = 1;
        for window in [0, 1, 2, 9, 30] {
            for round in 0..6 {
                let labels: Vec<bool> = (0..400)
                    .map(|i| (round == 0 && i < 5) || (i % 97 > 60 && i % 97 < 64 + round))
                    .collect();
                // Few levels, so that there are ties.
                let levels = [3.0, 20.0, 1e6][round % 3];
                let scores: Vec<f64> = labels
                    .iter()
                    .map(|l| ((noise(&mut state) + f64::from(u8::from(*l))) * levels).floor())
                    .collect();
                let quick = vus_pr(&labels, &scores, window).unwrap();
                let slow = by_definition(&labels, &scores, window);
                assert!((quick - slow).abs() < 1e-9, "{quick} {slow} at {window}, {round}");
            }
        }
    }

    #[test]
    fn a_perfect_score_is_near_1_and_a_blind_one_near_the_share_of_labels() {
        let labels: Vec<bool> = (0..5_000).map(|i| (2_000..2_250).contains(&i)).collect();
        let perfect: Vec<f64> = labels.iter().map(|l| f64::from(u8::from(*l))).collect();
        assert!(vus_pr(&labels, &perfect, 20).unwrap() > 0.95);
        let mut state = 5;
        let blind: Vec<f64> = labels.iter().map(|_| noise(&mut state)).collect();
        let got = vus_pr(&labels, &blind, 20).unwrap();
        assert!((0.03..0.12).contains(&got), "{got}");
        assert_eq!(vus_pr(&[false; 10], &[0.0; 10], 2), None);
    }

    #[test]
    fn the_period_shows() {
        let wave: Vec<f64> = (0..3_000)
            .map(|i| libm::sin(f64::from(i) * std::f64::consts::TAU / 60.0))
            .collect();
        assert_eq!(period(&wave), 60);
        assert_eq!(period(&[1.0; 50]), PERIOD_DEFAULT);
    }
}
