//! Incidents in words and as JSON.

use std::fmt::Write as _;
use std::io::Write;

use forecall_types::{EventTime, Evidence, Incident, IncidentEvent, Lineage, SeriesKey, Silenced};
use serde_json::{Value, json};

use super::topic::{History, Line};
use crate::replay::time_text;

/// Positions named for people; all are in the JSON.
const RANGES_SHOWN: usize = 8;
/// Revisions named for people.
const LINES_SHOWN: usize = 40;

/// A number as people read it: four significant digits, without trailing zeros.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 1_000.0 {
        0
    } else if size >= 10.0 {
        1
    } else {
        3
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

pub(crate) fn place(incident: &Incident) -> String {
    let services: Vec<&str> = incident.scope.services.iter().map(|s| s.as_str()).collect();
    let regions: Vec<&str> = incident.scope.regions.iter().map(|r| r.as_str()).collect();
    format!("{} in {}", services.join(", "), regions.join(", "))
}

/// A series with its labels: `loss{cell.id="c1"}`.
pub(crate) fn series(key: &SeriesKey) -> String {
    let labels: Vec<String> = key
        .resource
        .iter()
        .chain(key.labels.iter())
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    if labels.is_empty() {
        key.metric.to_string()
    } else {
        format!("{}{{{}}}", key.metric, labels.join(","))
    }
}

/// `loss{…} at 2.2, expected 0.2 (0.1 to 0.3), score 9, spike since 2026-…`.
pub(crate) fn evidence(e: &Evidence) -> String {
    format!(
        "{} at {}, expected {} ({} to {}), score {}, {} since {}",
        series(&e.series),
        number(e.observed),
        number(e.expected),
        number(e.band.low),
        number(e.band.high),
        number(e.score.get()),
        e.channel.as_str(),
        time_text::write(e.from)
    )
}

/// The positions, shortened.
pub(crate) fn lineage(lineage: &Lineage) -> String {
    let ranges = lineage.ranges();
    let mut text = format!("{} records", lineage.records());
    if lineage.is_coarse() {
        text.push_str(" at most (coarse)");
    }
    for (i, range) in ranges.iter().take(RANGES_SHOWN).enumerate() {
        let sep = if i == 0 { ": " } else { ", " };
        // Writing to a String can't fail.
        let _ = write!(text, "{sep}{}/{} {}", range.topic, range.partition, range.from);
        if range.to != range.from {
            let _ = write!(text, "–{}", range.to);
        }
    }
    if ranges.len() > RANGES_SHOWN {
        let _ = write!(text, ", and {} ranges more", ranges.len() - RANGES_SHOWN);
    }
    text
}

/// One revision as a line: `2026-… predicted inc_…/1 p=0.73 moderate degradation: reason`; as JSON the event as it stands.
pub(super) fn event(
    event: &IncidentEvent,
    raw: &[u8],
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let i = &event.incident;
    if json {
        out.write_all(raw)?;
        return Ok(writeln!(out)?);
    }
    Ok(writeln!(
        out,
        "{} {:<9} {}/{} p={:.2} {} {}{}: {}",
        time_text::write(i.at),
        event.change.as_str(),
        i.id,
        i.revision,
        i.probability.get(),
        i.severity.as_str(),
        i.kind.as_str(),
        if i.simulated { " (simulated)" } else { "" },
        i.reason
    )?)
}

/// A table; as JSON `{"incidents":[…]}`.
pub(super) fn list(incidents: &[Incident], json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = incidents.iter().map(row).collect();
        return Ok(writeln!(out, "{}", json!({ "incidents": rows }))?);
    }
    writeln!(
        out,
        "{:<20} {:<10} {:>5} {:<9} {:<12} {:<20} {:<12} scope",
        "incident", "state", "p", "severity", "kind", "opened", "taken on by"
    )?;
    for i in incidents {
        writeln!(
            out,
            "{:<20} {:<10} {:>5.2} {:<9} {:<12} {:<20} {:<12} {}",
            i.id.as_str(),
            i.state.as_str(),
            i.probability.get(),
            i.severity.as_str(),
            i.kind.as_str(),
            time_text::write(i.opened_at),
            i.acknowledged.as_ref().map_or("-", |a| &a.by),
            place(i)
        )?;
    }
    Ok(())
}

fn time(at: Option<EventTime>) -> Value {
    at.map_or(Value::Null, |at| Value::from(time_text::write(at)))
}

fn row(i: &Incident) -> Value {
    json!({
        "id": i.id, "revision": i.revision, "domain": i.domain, "state": i.state.as_str(),
        "severity": i.severity.as_str(), "kind": i.kind.as_str(), "probability": i.probability.get(),
        "services": i.scope.services, "regions": i.scope.regions, "customers_estimated": i.scope.customers_estimated,
        "opened_at": time_text::write(i.opened_at), "at": time_text::write(i.at),
        "onset_predicted": time(i.onset_predicted), "onset_observed": time(i.onset_observed),
        "resolved_at": time(i.resolved_at), "eta": time(i.eta),
        "acknowledged_by": i.acknowledged.as_ref().map(|a| &*a.by), "simulated": i.simulated, "reason": i.reason,
    })
}

/// One incident; as JSON `{"incident":…,"revisions":[…]}`.
pub(super) fn one(history: &History, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        let incident: Value = serde_json::from_slice(&history.raw)?;
        let revisions: Vec<Value> = history.lines.iter().map(line).collect();
        let text =
            json!({"incident": incident, "revisions": revisions, "revisions_left_out": history.further});
        return Ok(writeln!(out, "{text}")?);
    }
    let i = &history.newest.incident;
    writeln!(
        out,
        "{}  {}, {} {}, p = {:.2}{}",
        i.id,
        i.state.as_str(),
        i.severity.as_str(),
        i.kind.as_str(),
        i.probability.get(),
        if i.simulated { "  (simulated)" } else { "" }
    )?;
    for (name, text) in facts(i) {
        writeln!(out, "{name:<12} {text}")?;
    }
    writeln!(out, "\nevidence, with its share of the weight")?;
    for e in &i.evidence {
        let over = if e.active { "" } else { "; over" };
        writeln!(out, "  {:>3.0} %  {}{over}", e.weight * 100.0, evidence(e))?;
    }
    if i.evidence.is_empty() {
        writeln!(out, "  none")?;
    }
    if !i.causes.is_empty() {
        writeln!(out, "\nsuspects")?;
    }
    for cause in &i.causes {
        writeln!(
            out,
            "  {:>3.0} %  {} by {}",
            cause.share * 100.0,
            cause.node,
            cause.path.join(" → ")
        )?;
    }
    if !i.dimensions.is_empty() {
        writeln!(out, "\nwho is hit")?;
    }
    for d in &i.dimensions {
        writeln!(
            out,
            "  {} {}: {} of {} series; of the {} others {} ({})",
            d.label,
            d.values.join(", "),
            d.abnormal_with,
            d.series_with,
            d.series.saturating_sub(d.series_with),
            d.abnormal.saturating_sub(d.abnormal_with),
            d.metric
        )?;
    }
    writeln!(out, "\nrevisions")?;
    let hidden = history.lines.len().saturating_sub(LINES_SHOWN);
    for (n, line) in history.lines.iter().enumerate() {
        // The beginning and the end say most.
        if hidden > 0 && n == LINES_SHOWN / 2 {
            writeln!(out, "  … {} more, see --json", hidden + history.further)?;
        }
        if n < LINES_SHOWN / 2 || n >= LINES_SHOWN / 2 + hidden {
            writeln!(
                out,
                "  {:>4} {} {:<9} p={:.2} {}",
                line.revision,
                time_text::write(line.at),
                line.change.as_str(),
                line.probability,
                line.reason
            )?;
        }
    }
    Ok(())
}

fn line(line: &Line) -> Value {
    json!({
        "revision": line.revision, "change": line.change.as_str(), "at": time_text::write(line.at),
        "probability": line.probability, "reason": line.reason,
    })
}

fn facts(i: &Incident) -> Vec<(&'static str, String)> {
    let mut facts = vec![("scope", place(i))];
    if !i.scope.elements.is_empty() {
        let elements: Vec<&str> = i.scope.elements.iter().map(|e| e.as_str()).collect();
        facts.push(("elements", elements.join(", ")));
    }
    if !i.scope.cells.is_empty() {
        let first = i.scope.cells.first().map(ToString::to_string).unwrap_or_default();
        facts.push((
            "area",
            format!("{} cells of H3, {first} among them", i.scope.cells.len()),
        ));
    }
    if let Some(customers) = i.scope.customers_estimated {
        facts.push(("customers", format!("{customers} expected to be hit")));
    }
    if let Some(work) = &i.work {
        facts.push((
            "work",
            format!(
                "{} by {}, {} to {}: {}",
                work.stage.as_str(),
                work.by,
                time_text::write(work.starts_at),
                time_text::write(work.ends_at),
                work.label
            ),
        ));
    }
    facts.push((
        "opened",
        format!(
            "{}; revision {} of {}",
            time_text::write(i.opened_at),
            i.revision,
            time_text::write(i.at)
        ),
    ));
    if let Some(onset) = i.onset_predicted {
        let within = i.onset_interval.map_or_else(String::new, |(from, to)| {
            format!(" ({} to {}, 80 %)", time_text::write(from), time_text::write(to))
        });
        facts.push(("expected", format!("{}{within}", time_text::write(onset))));
    }
    for (name, at) in [("hit", i.onset_observed), ("over", i.resolved_at), ("eta", i.eta)] {
        facts.extend(at.map(|at| (name, time_text::write(at))));
    }
    if let Some(ack) = &i.acknowledged {
        facts.push(("taken on", format!("by {}, {}", ack.by, time_text::write(ack.at))));
    }
    facts.push(("answers", i.responsibility.as_str().to_owned()));
    facts.extend(i.problem.as_ref().map(|p| ("problem", p.to_string())));
    let pages = i.paging.iter();
    facts.extend(pages.map(|p| ("page", format!("{} {}: {}", p.team, p.decision.as_str(), p.why))));
    if let Some(silenced) = &i.silenced {
        let until = time_text::write(silenced.until);
        let Silenced { id, by, reason, .. } = silenced;
        facts.push(("silenced", format!("until {until} by {by}: {reason} ({id})")));
    }
    if i.storm {
        facts.push(("storm", "it speaks for others".to_owned()));
    }
    facts.extend(i.parent.as_ref().map(|p| ("storm", format!("part of {p}"))));
    facts.extend(
        i.merged_into
            .as_ref()
            .map(|into| ("merged", format!("into {into}"))),
    );
    let steps = i.steps.iter();
    facts.extend(steps.map(|s| ("step", format!("{}, {}", s.code, time_text::write(s.at)))));
    let remedies = i.remedies.iter();
    facts.extend(remedies.map(|r| ("remedy", super::remedies::one(r))));
    facts.push(("why", i.reason.clone()));
    facts.push(("records", lineage(&i.lineage)));
    facts.push((
        "judged by",
        format!("forecall {}, settings {}", i.version, i.settings),
    ));
    facts
}
