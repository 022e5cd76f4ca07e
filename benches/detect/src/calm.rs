//! False alarms on quiet data, against the rate that is stated.

use crate::bootstrap::Figure;
use crate::quiet::{DAYS, NATURES};
use crate::subject::{Method, STATED_FALSE_ALARMS_A_MONTH};
use crate::table::Table;

/// Rows that aren't counted at first: whoever starts cold doesn't know yet.
const SETTLING_ROWS: usize = 1_440;
/// Scores at which the share of samples is told against the chance that the score names.
const TOLD_SCORES: [f64; 2] = [3.0, 4.0];

/// Runs `series` months of each nature.
pub(crate) fn run(subject: &dyn Method, series: u64, table: &mut Table) {
    let mut all: Vec<f64> = Vec::new();
    for nature in &NATURES {
        let mut opened: Vec<f64> = Vec::new();
        let mut above = [0.0; TOLD_SCORES.len()];
        let mut rows = 0.0;
        for number in 0..series {
            let scored = subject.run(nature.metric, &nature.series(number));
            let counted = scored
                .opened
                .iter()
                .skip(SETTLING_ROWS)
                .filter(|opened| **opened)
                .count();
            let days = DAYS as f64 - SETTLING_ROWS as f64 / 1_440.0;
            opened.push(counted as f64 / days * 30.0);
            for score in scored.score.iter().skip(SETTLING_ROWS) {
                rows += 1.0;
                for (sum, least) in above.iter_mut().zip(TOLD_SCORES) {
                    *sum += f64::from(u8::from(score >= &least));
                }
            }
        }
        let rate = Figure::mean(&opened);
        table.add(
            "quiet",
            &format!("alarms a series-month: {}", nature.name),
            subject.name(),
            rate,
        );
        for (sum, least) in above.iter().zip(TOLD_SCORES) {
            let factor = sum / rows / 10_f64.powf(-least);
            let measure = format!("share of scores ≥ {least} / stated: {}", nature.name);
            table.add("quiet", &measure, subject.name(), Figure::exact(factor));
        }
        all.append(&mut opened);
    }
    let mean = Figure::mean(&all);
    let by = |value: f64| value / STATED_FALSE_ALARMS_A_MONTH;
    let factor = Figure {
        value: by(mean.value),
        interval: mean.interval.map(|(low, high)| (by(low), by(high))),
    };
    table.add(
        "quiet",
        "alarms, measured / stated: all natures",
        subject.name(),
        factor,
    );
}
