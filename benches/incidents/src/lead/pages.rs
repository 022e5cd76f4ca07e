//! What somebody on call gets for so many pages a day: how many of them are worth it, and how much trouble they tell of.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::rivals::Rival;
use super::score::{Alert, wilson};
use super::told::Arm;
use super::world::{Event, HORIZON, MINUTES, SCORED_FROM};
use super::{Judged, Z_95};

/// Pages a day for all services and regions together.
pub(crate) const BUDGETS: [u32; 3] = [1, 5, 20];
/// Share of a team's pages that may be false: as shipped, and for who wants to be woken by nothing but what is certain.
pub(crate) const FALSE_SHARES: [f64; 2] = [0.5, 0.001];
/// As shipped.
pub(crate) const THRESHOLD: f64 = 0.6;

/// Within the horizon before customers are hit, or while they are.
pub(crate) fn is_worth(alert: &Alert, event: &Event) -> bool {
    let from = event.onset.min(event.impact.saturating_sub(HORIZON));
    alert.touches(event) && (from..=event.end).contains(&alert.minute)
}

/// Figures of one method at one budget.
#[derive(Debug, Clone, Default)]
struct Figures {
    days: f64,
    pages: usize,
    worth_it: usize,
    troubles: usize,
    /// Minutes from the impact to the first page of each trouble that has one; below 0: before it.
    delays: Vec<i64>,
}

impl Figures {
    fn of(worlds: &Judged<'_>, alerts: &[Alert]) -> Self {
        let mut figures = Self::default();
        for (world, events) in worlds {
            figures.days += (MINUTES - SCORED_FROM) as f64 / 1_440.0;
            let scored = |a: &&Alert| a.world == *world && a.minute >= SCORED_FROM;
            let mine: Vec<&Alert> = alerts.iter().filter(scored).collect();
            figures.pages += mine.len();
            figures.worth_it += mine
                .iter()
                .filter(|a| events.iter().any(|e| is_worth(a, e)))
                .count();
            figures.troubles += events.len();
            for event in *events {
                let first = mine.iter().filter(|a| is_worth(a, event)).map(|a| a.minute).min();
                figures
                    .delays
                    .extend(first.map(|m| m as i64 - event.impact as i64));
            }
        }
        figures.delays.sort_unstable();
        figures
    }

    fn a_day(&self) -> f64 {
        self.pages as f64 / self.days.max(1e-9)
    }

    fn precision(&self) -> f64 {
        self.worth_it as f64 / self.pages.max(1) as f64
    }

    fn recall(&self) -> f64 {
        self.delays.len() as f64 / self.troubles.max(1) as f64
    }

    fn delay(&self) -> Option<i64> {
        self.delays.get(self.delays.len() / 2).copied()
    }
}

/// Rows of forecall, whose budget holds by itself, and of rivals at the settings that told of most within it on the first half.
pub(crate) fn table(
    arms: &[Arm],
    rivals: &[Rival],
    (choosing, judged): (&Judged<'_>, &Judged<'_>),
) -> (String, Value) {
    let mut text = String::from(
        "\nPages for all services together; a page is worth it from an hour before customers are hit until it is over:\n\n\
         | pages a day | method | settings | paged a day | precision [95 %] | recall [95 %] | median minutes after the impact |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut rows = Vec::new();
    let mut row = |budget: u32, method: &str, settings: &str, alerts: &[Alert]| {
        let figures = Figures::of(judged, alerts);
        let precision = wilson((figures.worth_it, figures.pages), Z_95);
        let recall = wilson((figures.delays.len(), figures.troubles), Z_95);
        let delay = figures.delay();
        let _ = writeln!(
            text,
            "| {budget} | {method} | {settings} | {:.2} | {:.3} [{:.3}, {:.3}] | {:.3} [{:.3}, {:.3}] | {} |",
            figures.a_day(),
            figures.precision(),
            precision.0,
            precision.1,
            figures.recall(),
            recall.0,
            recall.1,
            delay.map_or_else(|| "–".to_owned(), |d| d.to_string()),
        );
        rows.push(json!({
            "pages_a_day": budget,
            "method": method,
            "settings": settings,
            "paged_a_day": figures.a_day(),
            "precision": figures.precision(),
            "precision_95": precision,
            "recall": figures.recall(),
            "recall_95": recall,
            "minutes_after_impact_median": delay,
        }));
    };
    for budget in BUDGETS {
        for arm in arms {
            if let Some((pages, false_share)) = arm.pages
                && pages == budget
            {
                row(
                    budget,
                    arm.name(),
                    &format!("{false_share} may be false"),
                    &arm.alerts,
                );
            }
        }
        let mut methods: Vec<&str> = rivals.iter().map(|rival| rival.method).collect();
        methods.sort_unstable();
        methods.dedup();
        for method in methods {
            let of = rivals.iter().filter(|rival| rival.method == method);
            let best = of
                .map(|rival| (rival, Figures::of(choosing, &rival.alerts)))
                .max_by(|(_, a), (_, b)| {
                    let key = |f: &Figures| {
                        let within = f.a_day() <= f64::from(budget);
                        (within, if within { f.recall() } else { -f.a_day() })
                    };
                    let (a, b) = (key(a), key(b));
                    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
                });
            if let Some((rival, _)) = best {
                row(budget, method, &rival.settings, &rival.alerts);
            }
        }
    }
    (text, Value::from(rows))
}
