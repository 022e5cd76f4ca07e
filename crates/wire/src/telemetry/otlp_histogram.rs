use forecall_types::{EventTime, Reading, Reject, RejectReason};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

use super::json::{bad_value, malformed};
use super::otlp::{Series, is_unrecorded, start, temporality};
use super::points::Points;

/// Scales the specification allows an SDK to choose.
const SCALES: std::ops::RangeInclusive<i32> = -10..=20;

/// Keeps a point of an explicit histogram.
pub(super) fn explicit(
    points: &mut Points<'_>,
    series: &mut Series<'_>,
    point: &HistogramDataPoint,
    temporality_number: i32,
) {
    if is_unrecorded(point.flags) {
        return;
    }
    let checked = series
        .at(points, &point.attributes, point.time_unix_nano)
        .and_then(|at| {
            buckets_allowed(points, point.explicit_bounds.len())?;
            let counts = match (point.bucket_counts.len(), point.explicit_bounds.len()) {
                // Only the count and the sum were recorded: one bucket holds all.
                (0, 0) => vec![point.count],
                (counts, bounds) if counts == bounds + 1 => point.bucket_counts.clone(),
                _ => {
                    return Err(malformed(
                        "`bucketCounts` and `explicitBounds` don't fit together",
                    ));
                }
            };
            Ok((at, counts, temporality(temporality_number)?))
        });
    match checked {
        Ok((at, counts, temporality)) => points.push(
            &series.key,
            at,
            Reading::Histogram {
                bounds: &point.explicit_bounds,
                counts: &counts,
                sum: point.sum,
                temporality,
                start: start(point.start_time_unix_nano),
            },
        ),
        Err(reject) => points.refuse(reject),
    }
}

/// Keeps a point of an exponential histogram as one with explicit bounds.
pub(super) fn exponential(
    points: &mut Points<'_>,
    series: &mut Series<'_>,
    point: &ExponentialHistogramDataPoint,
    temporality_number: i32,
) {
    if is_unrecorded(point.flags) {
        return;
    }
    let converted = converted(points, series, point)
        .and_then(|(at, bounds, counts)| Ok((at, bounds, counts, temporality(temporality_number)?)));
    match converted {
        Ok((at, bounds, counts, temporality)) => points.push(
            &series.key,
            at,
            Reading::Histogram {
                bounds: &bounds,
                counts: &counts,
                sum: point.sum,
                temporality,
                start: start(point.start_time_unix_nano),
            },
        ),
        Err(reject) => points.refuse(reject),
    }
}

type Explicit = (EventTime, Vec<f64>, Vec<u64>);

fn converted(
    points: &Points<'_>,
    series: &mut Series<'_>,
    point: &ExponentialHistogramDataPoint,
) -> Result<Explicit, Reject> {
    let at = series.at(points, &point.attributes, point.time_unix_nano)?;
    if !SCALES.contains(&point.scale) {
        return Err(bad_value("scale"));
    }
    let (bounds, counts) = explicit_of(points, point)?;
    Ok((at, bounds, counts))
}

/// Bucket `i` of scale `s` holds values in (2^(i·2^-s), 2^((i+1)·2^-s)] and, on the negative side, their mirror image;
/// what is nearer to zero lies in the zero bucket between the two sides. See the specification of OpenTelemetry's
/// metrics data model, "ExponentialHistogram".
fn explicit_of(
    points: &Points<'_>,
    point: &ExponentialHistogramDataPoint,
) -> Result<(Vec<f64>, Vec<u64>), Reject> {
    let side = |buckets: Option<&Buckets>| -> Result<(Vec<f64>, Vec<u64>), Reject> {
        let Some(buckets) = buckets.filter(|b| b.bucket_counts.iter().any(|c| *c > 0)) else {
            return Ok((Vec::new(), Vec::new()));
        };
        buckets_allowed(points, buckets.bucket_counts.len())?;
        let bounds = (0..=buckets.bucket_counts.len())
            .map(|i| {
                let index = i64::from(buckets.offset) + i64::try_from(i).unwrap_or(i64::MAX);
                bound(index, point.scale)
            })
            .collect();
        Ok((bounds, buckets.bucket_counts.clone()))
    };
    let (negative_bounds, negative_counts) = side(point.negative.as_ref())?;
    let (positive_bounds, positive_counts) = side(point.positive.as_ref())?;
    // Nothing lies below the first bound, nor above the last.
    let mut bounds: Vec<f64> = negative_bounds.iter().rev().map(|b| -b).collect();
    let mut counts: Vec<u64> = Vec::with_capacity(negative_counts.len() + positive_counts.len() + 3);
    if !bounds.is_empty() {
        counts.push(0);
        counts.extend(negative_counts.iter().rev());
    }
    counts.push(point.zero_count);
    if positive_bounds.is_empty() {
        // The zero bucket reaches up to its threshold.
        bounds.push(point.zero_threshold);
    } else {
        bounds.extend_from_slice(&positive_bounds);
        counts.extend_from_slice(&positive_counts);
    }
    counts.push(0);
    Ok((bounds, counts))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an index beyond 2^53 gives an infinite bound, which is refused"
)]
fn bound(index: i64, scale: i32) -> f64 {
    libm::exp2(index as f64 * libm::exp2(-f64::from(scale)))
}

fn buckets_allowed(points: &Points<'_>, buckets: usize) -> Result<(), Reject> {
    let max = points.source().limits.buckets_max;
    if buckets > max {
        return Err(Reject::new(
            RejectReason::TooLarge,
            format!("{buckets} buckets, {max} are allowed"),
        ));
    }
    Ok(())
}
