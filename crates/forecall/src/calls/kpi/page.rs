//! The page of figures: one file that needs nothing else.

use std::fmt::Write as _;

use forecall_outreach::calls::kpi::{Rate, Tally};

use super::{Findings, figures, lead, share};
use crate::calls::page::{bars, escaped, head, row, whole};

/// Groups drawn and listed: more are in kpi.csv.
const SHOWN_MAX: usize = 400;

fn table(tally: &Tally, found: &Findings) -> String {
    let mut html = format!("<table>{}", head(&["", "", "of"]));
    for figure in figures(tally, found.rules) {
        html += &row(&[figure.words.clone(), figure.shown(), figure.denominator()]);
    }
    html + "</table>"
}

fn beside(tally: &Tally) -> String {
    format!(
        "<p><small>{:.0} calls: {:.0} answered ({:.0} with a wait that isn't known, in no service level), {:.0} gave up, {:.0} left otherwise, {:.0} \
call-backs and {:.0} without a known end, which are in no rate. {:.0} calls couldn't be followed for repeats. {:.0} answers were off their scale. Issues whose seven days \
aren't over are in no rate.</small></p>",
        tally.calls,
        tally.answered,
        tally.answered_without_wait,
        tally.abandoned,
        tally.left,
        tally.callbacks,
        tally.open,
        tally.not_followed,
        tally.scores.off_scale
    )
}

/// Words, unit, what is drawn, and its factor.
type Picture = (&'static str, &'static str, fn(&Tally) -> Rate, f64);

fn drawn(found: &Findings, queue: &str) -> String {
    let of_queue: Vec<(&str, &Tally)> = found
        .by_group
        .iter()
        .filter(|(group, _)| group.queue == queue)
        .map(|(group, tally)| (group.span.as_str(), tally))
        .collect();
    if of_queue.len() < 2 {
        return String::new();
    }
    let shown = of_queue.split_at(of_queue.len().saturating_sub(SHOWN_MAX)).1;
    let mut html = String::new();
    let pictures: [Picture; 3] = [
        (
            "Answered in time, of all queued",
            " %",
            Tally::service_level_of_offered,
            100.0,
        ),
        ("Gave up, of all queued", " %", Tally::abandonment, 100.0),
        ("Mean wait of those answered", " s", Tally::asa, 1.0),
    ];
    for (words, unit, rate, factor) in pictures {
        let values: Vec<(String, Option<f64>)> = shown
            .iter()
            .map(|(span, tally)| ((*span).to_owned(), rate(tally).value().map(|v| v * factor)))
            .collect();
        let top = if unit == " %" && words.starts_with("Answered") {
            100.0
        } else {
            values.iter().filter_map(|(_, v)| *v).fold(1.0, f64::max)
        };
        let _ = write!(html, "<h3>{words}</h3>{}", bars(&values, top, unit, words));
    }
    html
}

fn incidents(found: &Findings) -> String {
    if found.incidents.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h2>Incidents</h2><p>Alert lead: from the publication to the impact. Notice lead: from the first accepted notice to the first interval in which the calls \
since the beginning exceed the baseline's 99 % quantile. Negative: too late. Told before contact: of customers with a contact or a notice; who was held out, suppressed or out of reach \
stays in.</p><table>{}",
        head(&[
            "incident",
            "alert lead",
            "notice lead",
            "told before contact",
            "of",
            "of those who made a contact",
            "of"
        ])
    );
    for (name, one) in &found.incidents {
        html += &row(&[
            name.clone(),
            lead(one.leads.alert_seconds()),
            lead(one.leads.notice_seconds()),
            share(one.told.told_before, one.told.of),
            one.told.of.to_string(),
            share(one.told.told_before_contact, one.told.with_contact),
            one.told.with_contact.to_string(),
        ]);
    }
    html + "</table>"
}

/// The whole page.
pub(super) fn page(found: &Findings) -> String {
    let mut body = format!(
        "{}{}{}",
        table(&found.all, found),
        beside(&found.all),
        incidents(found)
    );
    for (queue, tally) in &found.by_queue {
        let _ = write!(body, "<h2>{}</h2>", escaped(queue));
        if found.by_queue.len() > 1 {
            body += &table(tally, found);
        }
        body += &drawn(found, queue);
    }
    whole("Figures of the contact centre", &body)
}
