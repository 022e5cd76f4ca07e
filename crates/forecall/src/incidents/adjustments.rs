//! What people's verdicts change now, as the newest revisions of the incidents they were given on tell it.

use std::io::Write;

use forecall_incident::adjustment_in_words;
use forecall_types::{Adjustment, EventTime, Incident};
use serde_json::{Value, json};

use super::show;
use crate::replay::time_text;

/// Those in force at `now`, the first to end first.
pub(super) fn in_force(all: Vec<Incident>, now: EventTime) -> Vec<(Incident, Adjustment)> {
    let with = all.into_iter().filter_map(|mut incident| {
        let adjustment = incident.adjustment.take()?;
        (adjustment.until > now).then_some((incident, adjustment))
    });
    let mut all: Vec<(Incident, Adjustment)> = with.collect();
    all.sort_by(|(i, a), (j, b)| (a.until, &i.id).cmp(&(b.until, &j.id)));
    all
}

/// A line each; as JSON `{"adjustments":[…]}`.
pub(super) fn list(
    all: &[(Incident, Adjustment)],
    now: EventTime,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = all.iter().map(row).collect();
        return Ok(writeln!(out, "{}", json!({ "adjustments": rows }))?);
    }
    if all.is_empty() {
        return Ok(writeln!(out, "No verdict changes anything now.")?);
    }
    for (incident, adjustment) in all {
        writeln!(
            out,
            "{} {:<11} {}: {}",
            incident.id,
            adjustment.verdict.as_str().replace('_', "-"),
            show::place(incident),
            adjustment_in_words(adjustment, now)
        )?;
    }
    Ok(())
}

fn row((incident, adjustment): &(Incident, Adjustment)) -> Value {
    let exception = |e: &forecall_types::Exception| {
        json!({
            "metric": e.metric, "series": e.series.as_ref().map(|s| show::series(s)),
            "channel": e.channel.map(|c| c.as_str()), "direction": e.direction, "score_max": e.score_max.map(|s| s.get()),
            "value_min": e.value_min, "value_max": e.value_max,
        })
    };
    json!({
        "incident": incident.id, "domain": incident.domain, "services": incident.scope.services,
        "regions": incident.scope.regions, "verdict": adjustment.verdict.as_str(), "at": time_text::write(adjustment.at),
        "until": time_text::write(adjustment.until), "prior": adjustment.prior,
        "daily": adjustment.daily.map(|part| json!({"from": part.from, "to": part.to})),
        "exceptions": adjustment.exceptions.iter().map(exception).collect::<Vec<Value>>(),
    })
}
