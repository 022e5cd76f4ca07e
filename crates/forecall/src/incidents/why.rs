//! Why an incident was opened, and what would have made it not fire.

use std::io::Write;

use forecall_config::Settings;
use forecall_incident::explain::{Counts, Explanation, Ground, Weighing, Without, explain};
use forecall_types::{AnomalyId, Evidence, Incident, IncidentId};
use serde_json::{Value, json};

use super::show;
use super::topic::Topics;
use crate::replay::time_text;

/// A revision and why it stands so.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) incident: Incident,
    pub(super) explanation: Explanation,
}

/// The revisions that opened and confirmed an incident, explained.
#[derive(Debug)]
pub(super) struct Why {
    pub(super) told: Vec<Told>,
    /// The configuration's digest, where the incident was judged by another.
    pub(super) other_settings: Option<String>,
    /// The first revision is no longer kept: what opened it isn't known.
    pub(super) is_cut: bool,
}

/// Reads and explains.
///
/// # Errors
/// The topic holds nothing of it; the log refuses.
pub(super) fn of(topics: &Topics<'_>, id: &IncidentId, settings: &Settings) -> anyhow::Result<Why> {
    let history = topics.history(id)?;
    let first = history.first.incident;
    let confirmed = history.confirmed.map(|event| event.incident);
    let later = confirmed.filter(|c| c.revision != first.revision);
    let digest = settings.digest.to_string();
    let is_cut = first.revision != 1;
    let mut told: Vec<Told> = Vec::new();
    for incident in [first].into_iter().chain(later) {
        let heard = topics.heard_before(&incident)?.of(&incident);
        let explanation = explain(&incident, &heard, &settings.correlate);
        told.push(Told {
            incident,
            explanation,
        });
    }
    let other_settings = told
        .iter()
        .any(|t| *t.incident.settings != *digest)
        .then_some(digest);
    Ok(Why {
        told,
        other_settings,
        is_cut,
    })
}

fn find<'i>(incident: &'i Incident, id: &AnomalyId) -> Option<&'i Evidence> {
    incident.evidence.iter().find(|e| e.anomaly == *id)
}

/// `loss{…} and queue{…}`.
fn named(incident: &Incident, ids: &[AnomalyId]) -> String {
    let series = |id| find(incident, id).map_or_else(|| id.to_string(), |e| show::series(&e.series));
    let names: Vec<String> = ids.iter().map(series).collect();
    names.join(" and ")
}

/// For people.
pub(super) fn tell(why: &Why, out: &mut dyn Write) -> anyhow::Result<()> {
    for (n, told) in why.told.iter().enumerate() {
        if n > 0 {
            writeln!(out)?;
        }
        one(told, out)?;
    }
    if why.is_cut {
        writeln!(
            out,
            "\nWhat opened it is no longer kept: the oldest revision there is has been explained."
        )?;
    }
    if let Some(digest) = &why.other_settings {
        writeln!(
            out,
            "\nThis configuration has the digest {digest}: threshold, limits and what is said of them are its own, not those \
             the incident was judged by."
        )?;
    }
    Ok(())
}

fn one(told: &Told, out: &mut dyn Write) -> anyhow::Result<()> {
    let (i, e) = (&told.incident, &told.explanation);
    writeln!(
        out,
        "{}, revision {}, {}: {}",
        i.id,
        i.revision,
        time_text::write(i.at),
        i.state.as_str()
    )?;
    writeln!(out, "{}", i.reason)?;
    match &e.ground {
        Ground::Foreseen => writeln!(
            out,
            "Predicted: the probability {:.3} stood at {} or above for {} s.",
            i.probability.get(),
            e.threshold,
            e.lasting.as_secs()
        )?,
        Ground::Declared(by) => writeln!(
            out,
            "Confirmed by a person's word ({by}). No evidence was asked for: without the word it would not have been."
        )?,
        Ground::Measured(by) if by.is_empty() => writeln!(
            out,
            "Confirmed by what was measured; by this configuration none of the evidence named is beyond its limit."
        )?,
        Ground::Measured(by) => writeln!(
            out,
            "Confirmed by what was measured. Each of these may confirm alone, and without them it would not have been: {}.",
            named(i, by)
        )?,
        Ground::Planned(by) => writeln!(
            out,
            "Planned work, announced by {by}. No evidence was asked for: its time alone brings it on."
        )?,
        Ground::Over => writeln!(out, "It had ended.")?,
    }
    match &e.weighing {
        Some(weighing) => sum(i, weighing, e.threshold, out)?,
        None => {
            writeln!(
                out,
                "Its probability was set by that, not by a sum. The evidence, with its share of the weight:"
            )?;
            for evidence in &i.evidence {
                let over = if evidence.active { "" } else { "; over" };
                writeln!(
                    out,
                    "  {:>3.0} %  {}{over}",
                    evidence.weight * 100.0,
                    show::evidence(evidence)
                )?;
            }
        }
    }
    writeln!(out, "From {}.", show::lineage(&i.lineage))?;
    Ok(writeln!(
        out,
        "Judged by forecall {}, settings {}.",
        i.version, i.settings
    )?)
}

fn sum(i: &Incident, w: &Weighing, threshold: f64, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "log-odds")?;
    writeln!(out, "  {:>+6.2}         without any evidence", w.bias)?;
    for (weight, evidence) in w.evidence.iter().zip(&i.evidence) {
        let note = match weight.counts {
            Counts::Yes => {
                let p = weight.probability_without.get();
                let decides = if weight.decides {
                    ", and nothing predicted"
                } else {
                    ""
                };
                format!("without it p = {p:.3}{decides}")
            }
            Counts::Over => "over: it doesn't count".to_owned(),
            Counts::Heard => "doesn't count: a prediction that stood on it has ended".to_owned(),
            Counts::Muted => muted(evidence),
        };
        writeln!(
            out,
            "  {:>+6.2} {:>5.0} %  {} [{note}]",
            weight.log_odds,
            weight.share * 100.0,
            show::evidence(evidence)
        )?;
    }
    if w.breadth > 0.0 {
        writeln!(
            out,
            "  {:>+6.2}         {} different metrics",
            w.breadth, w.metrics
        )?;
    }
    if w.calibration != 0.0 {
        writeln!(
            out,
            "  {:>+6.2}         learnt from what came of such sums",
            w.calibration
        )?;
    }
    if w.verdicts != 0.0 {
        writeln!(
            out,
            "  {:>+6.2}         by verdicts on earlier incidents here",
            w.verdicts
        )?;
    }
    writeln!(
        out,
        "  {:>+6.2}         together: p = {:.3}",
        w.log_odds,
        i.probability.get()
    )?;
    match &w.without {
        Without::Under => writeln!(
            out,
            "It is under the threshold {threshold}: this would not predict anything now."
        )?,
        Without::These {
            anomalies,
            probability,
            fewest,
        } => writeln!(
            out,
            "It would not have fired without {} (p = {:.3}{}).",
            named(i, anomalies),
            probability.get(),
            if *fewest { "; no smaller set would do" } else { "" }
        )?,
        Without::Nothing => writeln!(
            out,
            "It would have fired without any evidence: the threshold {threshold} is that low."
        )?,
    }
    Ok(())
}

/// `{"id":…,"revisions":[…]}`.
pub(super) fn json(why: &Why) -> Value {
    let revisions: Vec<Value> = why.told.iter().map(revision).collect();
    json!({
        "id": why.told.first().map(|t| t.incident.id.as_str()),
        "revisions": revisions,
        "opening_is_kept": !why.is_cut,
        "settings_here": why.other_settings,
    })
}

fn revision(told: &Told) -> Value {
    let (i, e) = (&told.incident, &told.explanation);
    let ground = match &e.ground {
        Ground::Foreseen => json!({"kind": "foreseen"}),
        Ground::Measured(by) => json!({"kind": "measured", "anomalies": by}),
        Ground::Declared(by) => json!({"kind": "declared", "by": by}),
        Ground::Planned(by) => json!({"kind": "planned", "by": by}),
        Ground::Over => json!({"kind": "over"}),
    };
    let ranges = i.lineage.ranges().iter();
    let ranges =
        ranges.map(|r| json!({"topic": r.topic, "partition": r.partition, "from": r.from, "to": r.to}));
    json!({
        "revision": i.revision, "at": time_text::write(i.at), "state": i.state.as_str(), "reason": i.reason,
        "probability": i.probability.get(), "threshold": e.threshold, "lasting_seconds": e.lasting.as_secs(),
        "ground": ground, "sum": e.weighing.as_ref().map(|w| weighing(i, w)),
        "lineage": {"coarse": i.lineage.is_coarse(), "ranges": ranges.collect::<Vec<_>>()},
        "version": i.version, "settings": i.settings,
    })
}

fn muted(evidence: &Evidence) -> String {
    let by = evidence.muted_by.as_ref().map_or("", |id| id.as_str());
    format!("doesn't count, by the verdict on {by}")
}

fn weighing(i: &Incident, w: &Weighing) -> Value {
    let weights = w.evidence.iter().zip(&i.evidence).map(|(weight, evidence)| {
        json!({
            "anomaly": weight.anomaly, "series": show::series(&evidence.series), "log_odds": weight.log_odds,
            "share": weight.share, "probability_without": weight.probability_without.get(), "decides": weight.decides,
            "counts": match weight.counts {
                Counts::Yes => "yes",
                Counts::Over => "over",
                Counts::Heard => "heard",
                Counts::Muted => "muted",
            },
        })
    });
    let without = match &w.without {
        Without::Under => json!({"kind": "under"}),
        Without::These {
            anomalies,
            probability,
            fewest,
        } => {
            json!({"kind": "these", "anomalies": anomalies, "probability": probability.get(), "fewest": fewest})
        }
        Without::Nothing => json!({"kind": "nothing"}),
    };
    json!({
        "bias": w.bias, "metrics": w.metrics, "breadth": w.breadth, "calibration": w.calibration,
        "verdicts": w.verdicts, "log_odds": w.log_odds,
        "evidence": weights.collect::<Vec<_>>(), "without": without,
    })
}
