//! Intervals by resampling files, with a fixed seed.

use forecall_bench_input::below;

const RESAMPLES: usize = 1_000;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// A figure and the interval that 95 of 100 resamples fall into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    /// `None` where there is nothing to resample.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Figure {
    pub(crate) const fn exact(value: f64) -> Self {
        Self {
            value,
            interval: None,
        }
    }

    /// Of a measure over files, given by their numbers; a resample holds some of them twice and some not.
    pub(crate) fn over(files: usize, measure: impl Fn(&[usize]) -> f64) -> Self {
        let all: Vec<usize> = (0..files).collect();
        let value = measure(&all);
        let mut state = SEED;
        let mut values: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let drawn: Vec<usize> = all.iter().map(|_| below(&mut state, files)).collect();
                measure(&drawn)
            })
            .filter(|value| value.is_finite())
            .collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((values.len() as f64 * share) as usize).copied();
        Self {
            value,
            interval: at(0.025).zip(at(0.975)),
        }
    }

    /// Of a mean.
    pub(crate) fn mean(values: &[f64]) -> Self {
        Self::over(values.len(), |drawn| {
            drawn.iter().map(|i| values[*i]).sum::<f64>() / drawn.len().max(1) as f64
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_lies_within_its_interval_and_comes_out_again() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let figure = Figure::mean(&values);
        let (low, high) = figure.interval.unwrap();
        assert!((figure.value - 19.5).abs() < 1e-12);
        // The standard error is 1.83.
        assert!(
            (15.0..17.0).contains(&low) && (22.0..24.5).contains(&high),
            "{low} {high}"
        );
        assert_eq!(figure, Figure::mean(&values));
    }
}
