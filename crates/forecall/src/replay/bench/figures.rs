//! Figures of rows that are labelled.

use forecall_backtest::alerts::{self, Counts, Span};
use forecall_backtest::ranges::Ranges;
use forecall_backtest::vus;
use forecall_types::EventTime;

use super::{Line, Scored};

/// A score from which a range is told, where none is opened by the shipped policy: one in a thousand.
const LOUD: f64 = 3.0;

/// A series with its labels and what was said of it.
pub(super) struct Judged<'j> {
    pub(super) points: &'j [(EventTime, f64)],
    pub(super) labels: &'j [bool],
    pub(super) scored: &'j Scored,
}

impl<'j> Judged<'j> {
    /// All series of a set, each with what belongs to it, in their order.
    pub(super) fn all(
        points: impl IntoIterator<Item = &'j Vec<(EventTime, f64)>>,
        labels: &'j [Vec<bool>],
        scored: &'j [Scored],
    ) -> Vec<Self> {
        let all = points.into_iter().zip(labels).zip(scored);
        all.map(|((points, labels), scored)| Self {
            points,
            labels,
            scored,
        })
        .collect()
    }
}

impl Judged<'_> {
    fn times(&self) -> Vec<EventTime> {
        self.points.iter().map(|(at, _)| *at).collect()
    }

    /// Rows in which an anomaly is open, one range each.
    fn told(&self) -> Vec<Span> {
        let mut out: Vec<Span> = Vec::new();
        let mut is_on = false;
        for (row, (opened, open)) in self.scored.opened.iter().zip(&self.scored.open).enumerate() {
            if *opened {
                out.push((row, row));
            } else if let Some((_, end)) = out.last_mut().filter(|_| *open && is_on) {
                *end = row;
            }
            is_on = *opened || (*open && is_on);
        }
        out
    }

    fn loud(&self) -> Vec<Span> {
        let flags: Vec<bool> = self.scored.score.iter().map(|score| *score >= LOUD).collect();
        vus::events(&flags)
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
    (count > 0).then(|| values.iter().sum::<f64>() / f64::from(count))
}

fn ranges(what: &str, of: Ranges) -> [Line; 3] {
    let labelled = format!("of {} labelled ranges", of.labelled);
    [
        Line::new(
            format!("range precision, {what}"),
            of.precision(),
            format!("of {} told ranges", of.told),
        ),
        Line::new(format!("range recall, {what}"), of.recall(), labelled),
        Line::new(format!("range F1, {what}"), of.f1(), ""),
    ]
}

fn at_budget(what: &str, counts: Counts) -> [Line; 3] {
    let alerts = format!(
        "of {} alerts, {:.3} a series-day",
        counts.alerts,
        counts.alerts_a_day()
    );
    [
        Line::new(
            format!("event precision, {what}"),
            (counts.alerts > 0.0).then(|| counts.precision()),
            alerts,
        ),
        Line::new(
            format!("event recall, {what}"),
            (counts.events > 0.0).then(|| counts.recall()),
            format!("of {} labelled events", counts.events),
        ),
        Line::new(
            format!("event F1, {what}"),
            (counts.events > 0.0).then(|| counts.f1()),
            "",
        ),
    ]
}

/// Range-based figures and VUS-PR.
pub(super) fn by_ranges(all: &[Judged<'_>]) -> Vec<Line> {
    let truth: Vec<Vec<Span>> = all.iter().map(|one| vus::events(one.labels)).collect();
    let sum = |told: Vec<Vec<Span>>| {
        Ranges::sum(
            told.iter()
                .zip(&truth)
                .map(|(told, truth)| Ranges::of(truth, told)),
        )
    };
    let mut lines: Vec<Line> = ranges("as shipped", sum(all.iter().map(Judged::told).collect())).into();
    lines.extend(ranges(
        "score of 3 or more",
        sum(all.iter().map(Judged::loud).collect()),
    ));
    let volumes: Vec<f64> = all
        .iter()
        .filter_map(|one| {
            let values: Vec<f64> = one.points.iter().map(|(_, v)| *v).collect();
            vus::vus_pr(one.labels, &one.scored.score, vus::period(&values))
        })
        .collect();
    lines.push(Line::new(
        "VUS-PR",
        mean(&volumes),
        format!("mean of the {} series that have labels", volumes.len()),
    ));
    lines
}

/// Events: as shipped, and by the threshold that keeps within a budget of alerts.
pub(super) fn by_events(all: &[Judged<'_>], budget: f64) -> Vec<Line> {
    let truth: Vec<Vec<Span>> = all.iter().map(|one| vus::events(one.labels)).collect();
    let times: Vec<Vec<EventTime>> = all.iter().map(Judged::times).collect();
    let each = || all.iter().zip(&truth).zip(&times);
    let shipped = Counts::sum(each().map(|((one, truth), times)| alerts::count(times, truth, &one.told())));
    let thresholds = alerts::thresholds(all.iter().map(|one| one.scored.score.as_slice()));
    let at: Vec<Counts> = thresholds
        .iter()
        .map(|threshold| {
            Counts::sum(each().map(|((one, truth), times)| {
                let flags = one.scored.score.iter().map(|score| score >= threshold);
                alerts::count(times, truth, &alerts::spans(times, flags))
            }))
        })
        .collect();
    let mut lines: Vec<Line> = at_budget("as shipped", shipped).into();
    lines.extend(at_budget(
        &format!("at {budget} alerts a series-day"),
        alerts::within_budget(&at, budget),
    ));
    lines
}
