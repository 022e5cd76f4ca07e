//! The page of an analysis: one file that needs nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Findings, percent, sentences};
use crate::calls::page::{Whisker, band, escaped, head, row, whiskers, whole};

/// Incidents drawn: more are no longer told apart.
const SHOWN_MAX: usize = 60;

fn span(own: (f64, f64, f64)) -> String {
    format!("{:.0} ({:.0} to {:.0})", own.0, own.1, own.2)
}

/// The scale, in per cent, that holds most of what is drawn.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((0.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let up = |v: f64| (v / 20.0).ceil() * 20.0;
    (-up(-low).clamp(20.0, 200.0), up(high).clamp(20.0, 100.0))
}

fn path(found: &Findings) -> String {
    let points: Vec<(f64, f64, f64)> = found
        .looks
        .iter()
        .map(|look| {
            (
                100.0 * look.interval.low.unwrap_or(-10.0),
                100.0 * look.middle,
                100.0 * look.interval.high.unwrap_or(1.0),
            )
        })
        .collect();
    band(
        &points,
        (-100.0, 100.0),
        " %",
        "reduction and always-valid interval after each incident",
    )
}

fn forest(found: &Findings) -> String {
    let from = found.own.len().saturating_sub(SHOWN_MAX);
    let mut rows: Vec<Whisker> = found
        .measured
        .incidents
        .iter()
        .zip(&found.own)
        .skip(from)
        .map(|(one, own)| whisker(&one.counts.incident, own.quantiles))
        .collect();
    let r = &found.reading;
    rows.push(whisker("the next incident", r.next_incident.quantiles));
    rows.push(whisker("a typical incident", r.reduction.quantiles));
    let range = range(rows.iter().flat_map(|w| [w.low, w.high]));
    whiskers(
        &rows,
        range,
        " %",
        "reduction of each incident, drawn to the others'",
    )
}

fn whisker(name: &str, quantiles: [f64; 3]) -> Whisker {
    let [low, middle, high] = quantiles;
    Whisker {
        name: name.chars().take(32).collect(),
        low: 100.0 * low,
        middle: 100.0 * middle,
        high: 100.0 * high,
    }
}

fn segments(found: &Findings) -> String {
    let mut html = String::new();
    for (dimension, all) in &found.segments {
        let _ = write!(
            html,
            "<h3>{}</h3><table>{}",
            escaped(dimension),
            head(&[
                "",
                "told",
                "with contact",
                "held out",
                "with contact",
                "fewer contacts",
                "95 %",
                "enough by itself"
            ])
        );
        for (segment, own) in all {
            let [low, middle, high] = own.reduction.quantiles;
            html += &row(&[
                segment.clone(),
                own.arms.told.to_string(),
                own.arms.told_contacts.to_string(),
                own.arms.held_out.to_string(),
                own.arms.held_out_contacts.to_string(),
                percent(middle),
                format!("{} to {}", percent(low), percent(high)),
                if own.is_enough {
                    "yes"
                } else {
                    "no: it says what all say"
                }
                .to_owned(),
            ]);
        }
        html += "</table>";
    }
    if !html.is_empty() {
        html.insert_str(0, "<h2>By segment</h2><p>Each is drawn to the others by as much as it knows little. Who looks for the best segment finds chance.</p>");
    }
    html
}

fn months(found: &Findings) -> String {
    let mut html = format!(
        "<h2>By month</h2><table>{}",
        head(&[
            "month",
            "incidents",
            "contacts kept away (95 %)",
            "agent minutes (95 %)",
            "messages",
            "compensation",
            "return (95 %)"
        ])
    );
    for (month, own) in &found.avoided.groups {
        let of = || found.measured.incidents.iter().filter(|one| one.month == *month);
        let money = found.money(*own, of());
        let or = |text: Option<String>| text.unwrap_or_else(|| "no prices".to_owned());
        html += &row(&[
            month.clone(),
            of().count().to_string(),
            span((own.mean, own.low, own.high)),
            or(money.map(|m| span((m.agent_minutes.mean, m.agent_minutes.low, m.agent_minutes.high)))),
            or(money.map(|m| format!("{:.2}", m.messages))),
            or(money.map(|m| format!("{:.2}", m.compensation))),
            or(money.map(|m| span((m.all.mean, m.all.low, m.all.high)))),
        ]);
    }
    html + "</table>"
}

fn incidents(found: &Findings) -> String {
    let mut html = format!(
        "<h2>Counts</h2><table>{}",
        head(&[
            "incident",
            "told",
            "with contact",
            "held out",
            "with contact",
            "unmatched",
            "later, told",
            "later, held out",
            "opt-outs",
            "complaints",
            "kept away (95 %)"
        ])
    );
    let rows = found.measured.incidents.iter().zip(&found.avoided.incidents);
    for (one, own) in rows {
        let c = &one.counts;
        let beside = |told: u64, held: u64| format!("{told} / {held}");
        html += &row(&[
            c.incident.to_string(),
            c.told.people.to_string(),
            c.told.with_contact.to_string(),
            c.held_out.people.to_string(),
            c.held_out.with_contact.to_string(),
            c.unmatched.to_string(),
            c.told.later.to_string(),
            c.held_out.later.to_string(),
            beside(c.told.opt_outs, c.held_out.opt_outs),
            beside(c.told.complaints, c.held_out.complaints),
            span((own.mean, own.low, own.high)),
        ]);
    }
    html + "</table>" + &channels(found)
}

fn channels(found: &Findings) -> String {
    let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for one in &found.measured.incidents {
        for (channel, count) in &one.counts.told.by_channel {
            all.entry(channel).or_default().0 += count;
        }
        for (channel, count) in &one.counts.held_out.by_channel {
            all.entry(channel).or_default().1 += count;
        }
    }
    if all.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h3>Contacts up to the release, by channel</h3><table>{}",
        head(&["channel", "of those told", "of those held out"])
    );
    for (channel, (told, held)) in all {
        html += &row(&[channel.to_owned(), told.to_string(), held.to_string()]);
    }
    html + "</table>"
}

/// The whole page.
pub(super) fn page(found: &Findings) -> String {
    let mut lines = sentences(found).into_iter();
    let verdict = lines.next().unwrap_or_default();
    let rest: String = lines.map(|line| format!("<li>{}</li>", escaped(&line))).collect();
    let body = format!(
        "<p class=\"verdict\">{}</p><ul>{rest}</ul>\
<h2>What was known after each incident</h2><p>Line: fewer contacts, in a typical incident. Band: what isn't ruled out, however often one has looked. \
The verdict changes when the band leaves the dashed line of no effect; below it notices bring more contacts than they keep away.</p>{}\
<h2>Each incident</h2><p>Drawn to the others by as much as its own hold-out says little. Line: 95 %.</p>{}{}{}{}\
<p><small>What is measured: people with a contact between their assignment and the hold-out's release, told against held out, as they were \
assigned, reached or not. Later contacts stand apart. Contacts varied {:.2} times as much as those of people by themselves; incidents differ \
by {:.2} (standard deviation of the log rate ratio).{}</small></p>",
        escaped(&verdict),
        path(found),
        forest(found),
        months(found),
        segments(found),
        incidents(found),
        found.dispersion,
        found.reading.spread,
        if found.measured.is_spent_given || found.prices.is_none() {
            ""
        } else {
            " Messages are taken to be one a person: give --spent for those counted."
        }
    );
    whole("Did the notices help?", &body)
}
