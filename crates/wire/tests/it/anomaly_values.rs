//! Arbitrary anomalies, and what incidents make of many, for the round trips.

use forecall_types::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::values::{band, channel, lineage, name, number, score, series, text, time};

fn context() -> impl Strategy<Value = ContextNote> {
    let kind = select(ContextKind::ALL.to_vec());
    (kind, text(), option::of(text()), time(), time()).prop_map(|(kind, id, title, from, until)| {
        ContextNote {
            kind,
            id,
            title,
            from,
            until,
        }
    })
}

fn usual() -> impl Strategy<Value = Usual> {
    (number(), number()).prop_map(|(mean, sd)| Usual { mean, sd })
}

fn traffic() -> impl Strategy<Value = Traffic> {
    (number(), number()).prop_map(|(usual, now)| Traffic { usual, now })
}

fn siblings() -> impl Strategy<Value = Siblings> {
    let shared =
        (text(), text(), any::<u32>(), any::<u32>()).prop_map(|(label, value, series, values)| SharedLabel {
            label,
            value,
            series,
            values,
        });
    (any::<i32>(), any::<u32>(), vec(shared, 0..3)).prop_map(|(partition, series, shared)| Siblings {
        partition,
        series,
        shared,
    })
}

pub(crate) fn dimension() -> impl Strategy<Value = Dimension> {
    let counts = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>());
    (text(), vec(text(), 0..3), text(), counts).prop_map(|(label, values, metric, counts)| {
        let (abnormal_with, abnormal, series_with, series) = counts;
        Dimension {
            label,
            values,
            metric,
            abnormal_with,
            abnormal,
            series_with,
            series,
        }
    })
}

pub(crate) fn anomaly() -> impl Strategy<Value = Anomaly> {
    let state = select(vec![
        AnomalyState::Opened,
        AnomalyState::Updated,
        AnomalyState::Closed,
    ]);
    let direction = select(vec![Direction::Up, Direction::Down]);
    let head = (
        name(),
        any::<u32>(),
        state,
        name(),
        series(),
        channel(),
        direction,
    );
    let numbers = (score(), number(), number(), band(), any::<u32>(), number());
    (
        head,
        time(),
        time(),
        numbers,
        vec((time(), number()), 0..4),
        vec(ahead(), 0..4),
        lineage(),
        (
            vec(context(), 0..3),
            option::of(siblings()),
            option::of(usual()),
            option::of(traffic()),
        ),
    )
        .prop_map(
            |(
                (id, revision, state, domain, series, channel, direction),
                from,
                at,
                numbers,
                window,
                ahead,
                lineage,
                (context, siblings, usual, traffic),
            )| {
                let (score, observed, expected, band, samples, slope) = numbers;
                Anomaly {
                    id,
                    revision,
                    state,
                    domain,
                    series,
                    channel,
                    direction,
                    from,
                    at,
                    score,
                    observed,
                    expected,
                    band,
                    samples,
                    slope,
                    window,
                    ahead,
                    lineage,
                    context,
                    siblings,
                    usual,
                    traffic,
                }
            },
        )
}

fn ahead() -> impl Strategy<Value = Ahead> {
    (time(), number(), number(), number()).prop_map(|(at, expected, lower, upper)| Ahead {
        at,
        expected,
        lower,
        upper,
    })
}
