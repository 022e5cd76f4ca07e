//! Remedies, as the topic of events tells them.

use std::io::Write;

use forecall_types::{Incident, Remedy, RemedyMode, RemedyStage};
use serde_json::{Value, json};

use crate::replay::time_text;

/// Those of all incidents given, the newest last; `waiting`: only those that wait for a word. As JSON `{"remedies":[…]}`.
pub(super) fn list(
    incidents: &[Incident],
    waiting: bool,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let waits = |r: &Remedy| r.stage == RemedyStage::Proposed && r.mode == RemedyMode::Run;
    let of = |i| move |r| (i, r);
    let all = incidents
        .iter()
        .flat_map(|i: &Incident| i.remedies.iter().map(of(i)));
    let mut all: Vec<(&Incident, &Remedy)> = all.filter(|(_, r)| !waiting || waits(r)).collect();
    all.sort_by(|(i, r), (j, s)| (r.at, &i.id, &r.rule).cmp(&(s.at, &j.id, &s.rule)));
    if json {
        let rows: Vec<Value> = all.iter().map(|(i, r)| row(i, r)).collect();
        return Ok(writeln!(out, "{}", json!({ "remedies": rows }))?);
    }
    writeln!(
        out,
        "{:<20} {:<20} {:<10} {:<20} {:<20} why",
        "incident", "remedy", "stage", "since", "until"
    )?;
    for (i, r) in all {
        writeln!(
            out,
            "{:<20} {:<20} {:<10} {:<20} {:<20} {}{}",
            i.id.as_str(),
            r.rule.as_str(),
            r.stage.as_str(),
            time_text::write(r.at),
            r.until.map_or_else(|| "-".to_owned(), time_text::write),
            r.why,
            if r.dry_run { " (dry run)" } else { "" }
        )?;
    }
    Ok(())
}

/// One of an incident: `restart-edge proposed since 2026-… until 2026-…: restarts the pool; waits for a word`.
pub(super) fn one(r: &Remedy) -> String {
    let until = r
        .until
        .map_or_else(String::new, |at| format!(" until {}", time_text::write(at)));
    let dry_run = if r.dry_run { ", dry run" } else { "" };
    let (rule, stage, since) = (&r.rule, r.stage.as_str(), time_text::write(r.at));
    format!(
        "{rule} {stage} since {since}{until}{dry_run}: {}; {}",
        r.label, r.why
    )
}

fn row(i: &Incident, r: &Remedy) -> Value {
    let approved = r.approved.as_ref();
    json!({
        "incident": i.id, "domain": i.domain, "state": i.state.as_str(), "simulated": i.simulated,
        "rule": r.rule, "label": r.label, "mode": r.mode.as_str(), "dry_run": r.dry_run, "stage": r.stage.as_str(),
        "revision": r.revision, "at": time_text::write(r.at), "by": &*r.by, "until": r.until.map(time_text::write),
        "approved": approved.map(|a| json!({"at": time_text::write(a.at), "by": &*a.by})),
        "outcome": r.outcome.map(forecall_types::RemedyOutcome::as_str), "status": r.status, "why": r.why,
    })
}
