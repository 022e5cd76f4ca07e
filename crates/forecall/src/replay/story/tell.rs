//! A story in words and as JSON.

use std::io::Write;
use std::time::Duration;

use forecall_incident::explain::{Explanation, Ground};
use forecall_types::{Anomaly, AnomalyState, Direction, EventTime, Incident};
use serde_json::{Value, json};

use super::changes::{Changed, between, share};
use super::{Cited, Revision, Sign, Story};
use crate::incidents::show::{lineage, number, place, series};
use crate::replay::time_text;

/// Steps written for people; all are in the JSON.
const STEPS_SHOWN: usize = 200;
/// Values of records written out for people.
const VALUES_SHOWN: usize = 6;

/// The kind of a step that cites records.
pub(super) const RECORDS: &str = "records";

/// What one step is of.
pub(super) enum Of<'s> {
    /// The abnormal records of an anomaly.
    Records(&'s Sign),
    Anomaly(&'s Anomaly),
    /// The probability has come to the threshold, and stays.
    Crossed(&'s Revision, f64),
    Revision(&'s Revision, Vec<Changed>),
    Word(&'s super::Word),
}

/// A step of a story.
pub(super) struct Step<'s> {
    pub(super) at: EventTime,
    pub(super) of: Of<'s>,
}

/// As events name it.
pub(super) const fn state(state: AnomalyState) -> &'static str {
    match state {
        AnomalyState::Opened => "opened",
        AnomalyState::Updated => "updated",
        AnomalyState::Closed => "closed",
    }
}

const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "up",
        Direction::Down => "down",
    }
}

/// The steps in order of time; of one time, records before what is said of them.
pub(super) fn steps(story: &Story) -> Vec<Step<'_>> {
    let mut steps: Vec<(EventTime, u8, Of<'_>)> = Vec::new();
    for sign in &story.signs {
        if let Some(first) = sign.first() {
            steps.push((first.from, 0, Of::Records(sign)));
        }
        let mut highest = f64::NEG_INFINITY;
        for anomaly in &sign.revisions {
            let is_news = anomaly.state != AnomalyState::Updated || anomaly.score.get() > highest;
            highest = highest.max(anomaly.score.get());
            if is_news {
                steps.push((anomaly.at, 1, Of::Anomaly(anomaly)));
            }
        }
    }
    let mut before: Option<&Incident> = None;
    for revision in &story.revisions {
        let now = &revision.event.incident;
        if let Some(why) = revision.why.as_ref().filter(|_| before.is_none())
            && why.ground == Ground::Foreseen
        {
            let since = now.at.minus(why.lasting);
            steps.push((since, 2, Of::Crossed(revision, why.threshold)));
        }
        steps.push((now.at, 3, Of::Revision(revision, between(before, now))));
        before = Some(now);
    }
    for word in &story.words {
        steps.push((word.at, 4, Of::Word(word)));
    }
    steps.sort_by_key(|(at, kind, _)| (*at, *kind));
    steps.into_iter().map(|(at, _, of)| Step { at, of }).collect()
}

/// `99.2 at 10:03:00Z (9.1 to 14.2 is normal, score 7.1)`.
fn value(one: &Cited) -> String {
    let normal = one.band.map_or_else(String::new, |(low, high)| {
        format!(", normal {} to {}", number(low), number(high))
    });
    let score = one
        .score
        .map_or_else(String::new, |score| format!(", score {}", number(score)));
    format!(
        "{} = {}{normal}{score} ({})",
        time_text::write(one.at),
        number(one.value),
        one.place
    )
}

/// The records to name: the first, the most surprising, the last.
fn telling(records: &[Cited]) -> Vec<&Cited> {
    if records.len() <= VALUES_SHOWN {
        return records.iter().collect();
    }
    let top = records
        .iter()
        .enumerate()
        .max_by(|(a, x), (b, y)| {
            let score = |one: &Cited| one.score.unwrap_or(f64::NEG_INFINITY);
            score(x).total_cmp(&score(y)).then(b.cmp(a))
        })
        .map_or(0, |(n, _)| n);
    let keep = |n: usize| n < VALUES_SHOWN / 2 || n == top || n + 1 >= records.len();
    records
        .iter()
        .enumerate()
        .filter(|(n, _)| keep(*n))
        .map(|(_, one)| one)
        .collect()
}

fn records(sign: &Sign) -> Vec<String> {
    let name = sign
        .first()
        .map(|first| series(&first.series))
        .unwrap_or_default();
    let mut lines = vec![format!("{name}: {}", lineage(&sign.lineage))];
    let told = telling(&sign.records);
    let hidden = sign.records.len() - told.len();
    lines.extend(told.into_iter().map(|one| format!("  {}", value(one))));
    if hidden > 0 {
        lines.push(format!("  and {hidden} more, see --json"));
    }
    if !sign.missing.is_empty() {
        lines.push(format!("  {}", sign.missing));
    }
    lines
}

fn anomaly(a: &Anomaly) -> Vec<String> {
    vec![format!(
        "{} {} of {}: {} {}, score {}, {} where {} was expected ({} to {}), {} abnormal samples since {}",
        a.id,
        state(a.state),
        series(&a.series),
        a.channel.as_str(),
        direction(a.direction),
        number(a.score.get()),
        number(a.observed),
        number(a.expected),
        number(a.band.low),
        number(a.band.high),
        a.samples,
        time_text::write(a.from),
    )]
}

/// What the opening and the confirming revision stood on.
fn ground(why: &Explanation) -> String {
    match &why.ground {
        Ground::Foreseen => format!(
            "foreseen: the probability stood at {} or above for {} s",
            why.threshold,
            why.lasting.as_secs()
        ),
        Ground::Measured(by) if by.is_empty() => "measured".to_owned(),
        Ground::Measured(by) => {
            let ids: Vec<String> = by.iter().map(ToString::to_string).collect();
            format!(
                "measured: each of {} would have confirmed it alone",
                ids.join(", ")
            )
        }
        Ground::Declared(by) => format!("by a person's word ({by})"),
        Ground::Planned(by) => format!("planned work, announced by {by}"),
        Ground::Over => "it was over".to_owned(),
    }
}

/// The terms of the sum behind the probability.
fn terms(incident: &Incident) -> String {
    let terms: Vec<String> = incident
        .contributions
        .iter()
        .map(|c| format!("{} {:+.2}", c.term.as_str(), c.value))
        .collect();
    terms.join(", ")
}

fn revision(revision: &Revision, changes: &[Changed]) -> Vec<String> {
    let i = &revision.event.incident;
    let mut lines = vec![format!(
        "revision {}, {}: {}",
        i.revision,
        revision.event.change.as_str(),
        i.reason
    )];
    if let Some(by) = &revision.by {
        let same = match revision.same {
            Some(true) => "re-created to the byte",
            Some(false) => "re-created, and it differs",
            None => "not re-created",
        };
        lines.push(format!("  brought by {by}; {same}"));
    } else if revision.same.is_none() && i.simulated {
        // A run's own folder: nothing to compare with.
    } else {
        lines.push("  not re-created".to_owned());
    }
    if let Some(why) = &revision.why {
        lines.push(format!("  {}", ground(why)));
    }
    lines.extend(changes.iter().map(|change| format!("  {}", change.text())));
    if revision.why.is_some() && !i.contributions.is_empty() {
        lines.push(format!("  log-odds: {}", terms(i)));
    }
    lines
}

/// Kind and lines of a step.
fn lines(of: &Of<'_>) -> (&'static str, Vec<String>) {
    match of {
        Of::Records(sign) => (RECORDS, records(sign)),
        Of::Anomaly(a) => ("anomaly", anomaly(a)),
        Of::Crossed(revision, threshold) => (
            "probability",
            vec![format!(
                "at {threshold} or above from here on, up to the {} that was told",
                share(revision.event.incident.probability.get())
            )],
        ),
        Of::Revision(one, changes) => ("incident", revision(one, changes)),
        Of::Word(word) => ("notice", vec![format!("{} {}", word.id, word.text)]),
    }
}

/// A revision that says again what the one before said; its number.
fn quiet(step: &Step<'_>) -> Option<u32> {
    match &step.of {
        Of::Revision(one, changes) if changes.is_empty() && one.why.is_none() && one.same != Some(false) => {
            Some(one.event.incident.revision)
        }
        Of::Revision(..) | Of::Records(_) | Of::Anomaly(_) | Of::Crossed(..) | Of::Word(_) => None,
    }
}

/// Each step as people read it; revisions without news in one.
pub(super) fn told(steps: &[Step<'_>]) -> Vec<(EventTime, &'static str, Vec<String>)> {
    let mut all: Vec<(EventTime, &'static str, Vec<String>)> = Vec::new();
    let mut silent: Option<(EventTime, u32)> = None;
    for step in steps {
        let Some(number) = quiet(step) else {
            silent = None;
            let (kind, lines) = lines(&step.of);
            all.push((step.at, kind, lines));
            continue;
        };
        let (first_at, first) = *silent.get_or_insert((step.at, number));
        if first == number {
            let line = format!("revision {number}: nothing has changed but the time");
            all.push((step.at, "incident", vec![line]));
        } else if let Some((at, _, lines)) = all.last_mut() {
            *at = first_at;
            *lines = vec![format!(
                "revisions {first} to {number}, up to {}: nothing has changed but the time",
                time_text::write(step.at)
            )];
        }
    }
    all
}

/// First and last words on the whole.
pub(super) fn head(story: &Story) -> Vec<String> {
    let Some(last) = story.revisions.last().map(|r| &r.event.incident) else {
        return Vec::new();
    };
    let mut head = vec![format!(
        "{}: {}, {} {} of {}; {} revisions, {} anomalies, {} records",
        story.id,
        last.state.as_str(),
        last.severity.as_str(),
        last.kind.as_str(),
        place(last),
        story.revisions.len(),
        story.signs.len(),
        last.lineage.records(),
    )];
    let told = story.revisions.first().map(|r| r.event.incident.at);
    if let (Some(told), Some(hit)) = (told, last.onset_observed) {
        head.push(lead(told, hit));
    }
    head.push(format!("From {}; {}.", story.from, story.recreated));
    head.push(format!(
        "Judged by forecall {}, settings {}.",
        last.version, last.settings
    ));
    head
}

fn lead(told: EventTime, hit: EventTime) -> String {
    let seconds = hit.seconds_from(told);
    let span = crate::replay::judge::span_text(seconds.abs());
    let word = if seconds >= 0.0 { "before" } else { "after" };
    format!("First told {span} {word} customers were hit.")
}

/// For people.
pub(super) fn text(story: &Story, out: &mut dyn Write) -> anyhow::Result<()> {
    for line in head(story) {
        writeln!(out, "{line}")?;
    }
    let all = told(&steps(story));
    for (at, kind, lines) in all.iter().take(STEPS_SHOWN) {
        let at = time_text::write(*at);
        for (n, line) in lines.iter().enumerate() {
            if n == 0 {
                writeln!(out, "\n{at}  {kind}\n  {line}")?;
            } else {
                writeln!(out, "  {line}")?;
            }
        }
    }
    if all.len() > STEPS_SHOWN {
        writeln!(out, "\n… and {} more steps, see --json", all.len() - STEPS_SHOWN)?;
    }
    Ok(())
}

fn cited(one: &Cited) -> Value {
    let (low, high) = one.band.unzip();
    json!({
        "place": one.place, "at": time_text::write(one.at), "value": one.value, "score": one.score,
        "lower": low, "upper": high,
    })
}

fn ranges(sign: &Sign) -> Value {
    let range = |r: &forecall_types::LineageRange| json!({"topic": r.topic, "partition": r.partition, "from": r.from, "to": r.to});
    json!({
        "coarse": sign.lineage.is_coarse(),
        "ranges": sign.lineage.ranges().iter().map(range).collect::<Vec<_>>(),
    })
}

fn step(step: &Step<'_>) -> Value {
    let at = time_text::write(step.at);
    match &step.of {
        Of::Records(sign) => json!({
            "at": at, "kind": "records", "anomaly": sign.first().map(|a| a.id.as_str()),
            "series": sign.first().map(|a| series(&a.series)), "lineage": ranges(sign),
            "records": sign.records.iter().map(cited).collect::<Vec<_>>(),
            "missing": (!sign.missing.is_empty()).then_some(&sign.missing),
        }),
        Of::Anomaly(a) => json!({
            "at": at, "kind": "anomaly", "anomaly": a.id, "revision": a.revision, "state": state(a.state),
            "series": series(&a.series), "channel": a.channel.as_str(), "direction": direction(a.direction),
            "from": time_text::write(a.from), "score": a.score.get(), "observed": a.observed, "expected": a.expected,
            "lower": a.band.low, "upper": a.band.high, "samples": a.samples,
            "window": a.window.iter().map(|(at, v)| json!([time_text::write(*at), v])).collect::<Vec<_>>(),
        }),
        Of::Crossed(revision, threshold) => json!({
            "at": at, "kind": "probability", "threshold": threshold,
            "probability": revision.event.incident.probability.get(),
        }),
        Of::Revision(revision, changes) => {
            let i = &revision.event.incident;
            let changes = changes
                .iter()
                .map(|c| json!({"what": c.what, "was": c.was, "is": c.is}));
            let terms = i
                .contributions
                .iter()
                .map(|c| json!({"term": c.term.as_str(), "log_odds": c.value}));
            json!({
                "at": at, "kind": "incident", "revision": i.revision, "change": revision.event.change.as_str(),
                "state": i.state.as_str(), "probability": i.probability.get(), "reason": i.reason,
                "by": revision.by, "same": revision.same, "ground": revision.why.as_ref().map(ground),
                "changes": changes.collect::<Vec<_>>(), "terms": terms.collect::<Vec<_>>(),
            })
        }
        Of::Word(word) => json!({"at": at, "kind": "notice", "notice": word.id, "text": word.text}),
    }
}

/// `{"incident":…,"steps":[…]}`.
pub(super) fn json(story: &Story) -> Value {
    let last = story.revisions.last().map(|r| &r.event.incident);
    let lasting = story
        .revisions
        .first()
        .and_then(|r| r.why.as_ref())
        .map(|why| (why.threshold, why.lasting));
    json!({
        "incident": story.id, "from": story.from, "recreated": story.recreated, "differs": story.differs,
        "state": last.map(|i| i.state.as_str()), "threshold": lasting.map(|(threshold, _)| threshold),
        "lasting_seconds": lasting.map(|(_, lasting): (f64, Duration)| lasting.as_secs()),
        "version": last.map(|i| i.version.to_string()), "settings": last.map(|i| i.settings.to_string()),
        "steps": steps(story).iter().map(step).collect::<Vec<_>>(), "remarks": story.remarks,
    })
}
