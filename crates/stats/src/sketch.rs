/// The `q` quantile of a histogram with explicit bounds, linear within the bucket, as Prometheus' `histogram_quantile`
/// has it: the first bucket begins at 0 (at its bound where that is not above 0), and in the last, open one the answer is
/// the highest bound.
///
/// `counts` has one more element than `bounds`; missing ones are 0. `None` without observations or bounds.
pub fn bucket_quantile(bounds: &[f64], counts: &[u64], q: f64) -> Option<f64> {
    let highest = *bounds.last()?;
    let total: u64 = counts.iter().fold(0, |sum, c| sum.saturating_add(*c));
    if total == 0 {
        return None;
    }
    let rank = q.clamp(0.0, 1.0) * number(total);
    let mut below = 0.0;
    let mut lower: Option<f64> = None;
    for (upper, count) in bounds.iter().zip(counts) {
        let count = number(*count);
        if count > 0.0 && below + count >= rank {
            let from = lower.unwrap_or(if *upper > 0.0 { 0.0 } else { *upper });
            return Some(from + (upper - from) * ((rank - below) / count).clamp(0.0, 1.0));
        }
        below += count;
        lower = Some(*upper);
    }
    Some(highest)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a quantile of more than 2^53 observations needs no single one of them"
)]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_prometheus_has_it() {
        let bounds = [0.1, 0.2, 0.4];
        assert_eq!(bucket_quantile(&bounds, &[0, 0, 0, 0], 0.5), None);
        assert_eq!(bucket_quantile(&[], &[5], 0.5), None);
        for (counts, q, want) in [
            ([10, 0, 0, 0], 0.5, 0.05),
            ([0, 10, 0, 0], 0.5, 0.15),
            ([5, 5, 0, 0], 0.5, 0.1),
            ([5, 0, 5, 0], 0.9, 0.36),
            ([1, 0, 0, 9], 0.99, 0.4),
        ] {
            let got = bucket_quantile(&bounds, &counts, q).unwrap();
            assert!((got - want).abs() < 1e-12, "{counts:?} {q}: {got}");
        }
    }

    proptest! {
        #[test]
        fn lies_in_the_bucket_of_the_sorted_observations(
            values in proptest::collection::vec(0.0_f64..100.0, 1..200),
            q in 0.01_f64..1.0,
        ) {
            let bounds: Vec<f64> = (1..=10).map(|i| f64::from(i) * 10.0).collect();
            let mut counts = vec![0_u64; 11];
            for v in &values {
                counts[bounds.partition_point(|b| b < v)] += 1;
            }
            let got = bucket_quantile(&bounds, &counts, q).unwrap();
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let truth = sorted[rank - 1];
            prop_assert!((got - truth).abs() <= 10.0 + 1e-9, "{got} {truth}");
        }
    }
}
