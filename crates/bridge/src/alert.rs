use std::collections::BTreeMap;

use forecall_types::{EventTime, Incident, IncidentId, IncidentState, RegionCode, Severity, WorkStage};

use crate::words;

/// Names of a label at most: an incident of a hundred regions isn't routed by all of them.
const NAMES_MAX: usize = 8;
/// Suspects and series shown: what fits on a telephone.
const SHOWN_MAX: usize = 3;
/// Characters of a sentence: PagerDuty takes 1,024 of a summary.
const SENTENCE_CHARS_MAX: usize = 1_000;

/// What is to be done about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is expected or there.
    Open,
    /// So, and a person has taken it on.
    Acknowledged,
    /// It is over, or was none.
    Over,
}

/// An incident in neutral words: labels by which targets know it again and route it, and what may change from one revision to
/// the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The incident.
    pub incident: IncidentId,
    /// Its revision.
    pub revision: u32,
    /// What is to be done.
    pub phase: Phase,
    /// How bad it is now.
    pub severity: Severity,
    /// Never change over an incident's life: a target that sees others sees another alert.
    pub labels: BTreeMap<&'static str, String>,
    /// May change.
    pub annotations: BTreeMap<&'static str, String>,
    /// When it was first published.
    pub starts_at: EventTime,
    /// When it was over.
    pub ends_at: Option<EventTime>,
    /// Event time of this revision.
    pub at: EventTime,
    /// A page about it.
    pub link: Option<String>,
}

impl Alert {
    /// What a target is told at this revision. `labels` are those of the first telling, if there was one.
    pub fn of(
        incident: &Incident,
        labels: Option<&BTreeMap<&'static str, String>>,
        link: Option<&str>,
    ) -> Self {
        let phase = match (incident.state.is_open(), &incident.acknowledged) {
            (false, _) => Phase::Over,
            (true, Some(_)) => Phase::Acknowledged,
            (true, None) => Phase::Open,
        };
        let ends_at = (phase == Phase::Over).then(|| incident.resolved_at.unwrap_or(incident.at));
        Self {
            incident: incident.id.clone(),
            revision: incident.revision,
            phase,
            severity: incident.severity,
            labels: labels.cloned().unwrap_or_else(|| first_labels(incident)),
            annotations: annotations(incident),
            starts_at: incident.opened_at,
            ends_at: ends_at.map(|end| end.max(incident.opened_at)),
            at: incident.at,
            link: link.map(|link| link.replace("{incident}", incident.id.as_str())),
        }
    }

    /// The same at each try, another at each revision: a receiver that has seen it may drop it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.incident, self.revision)
    }

    /// A label, or nothing.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// An annotation, or nothing.
    pub(crate) fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }
}

fn first_labels(incident: &Incident) -> BTreeMap<&'static str, String> {
    let scope = &incident.scope;
    BTreeMap::from([
        ("alertname", "ForecallIncident".to_owned()),
        ("domain", incident.domain.to_string()),
        ("incident", incident.id.to_string()),
        (
            "service",
            words::joined(scope.services.iter().map(|s| s.as_str()), NAMES_MAX),
        ),
        (
            "region",
            words::joined(scope.regions.iter().map(RegionCode::as_str), NAMES_MAX),
        ),
        ("severity", words::severity(incident.severity).to_owned()),
    ])
}

/// How an incident stands, in a few words.
fn standing(incident: &Incident) -> String {
    if let Some(work) = &incident.work {
        return match work.stage {
            WorkStage::Announced => format!("announced from {}", words::time(work.starts_at)),
            WorkStage::Started => format!("under way until {}", words::time(work.ends_at)),
            WorkStage::Overrun => "takes longer than was announced".to_owned(),
            WorkStage::Ended => "over".to_owned(),
            WorkStage::Cancelled => "cancelled".to_owned(),
        };
    }
    match incident.state {
        IncidentState::Predicted => {
            let onset = incident
                .onset_predicted
                .map_or_else(String::new, |at| format!(", onset {}", words::time(at)));
            format!(
                "predicted, {} likely{onset}",
                words::percent(incident.probability.get())
            )
        }
        IncidentState::Confirmed => "customers are hit".to_owned(),
        IncidentState::Averted => "averted".to_owned(),
        IncidentState::Retracted => "retracted: it was none".to_owned(),
        IncidentState::Expired => "did not come".to_owned(),
        IncidentState::Resolved | IncidentState::Reviewed => "over".to_owned(),
        IncidentState::Merged => "goes on as another incident".to_owned(),
    }
}

fn annotations(incident: &Incident) -> BTreeMap<&'static str, String> {
    let scope = &incident.scope;
    let services = words::joined(scope.services.iter().map(|s| s.as_str()), NAMES_MAX);
    let regions = words::joined(scope.regions.iter().map(RegionCode::as_str), NAMES_MAX);
    let place = if regions.is_empty() {
        String::new()
    } else {
        format!(" in {regions}")
    };
    let summary = format!(
        "{} of {services}{place}: {}",
        words::kind(incident.kind),
        standing(incident)
    );
    let causes = incident.causes.iter().take(SHOWN_MAX);
    let causes: Vec<String> = causes
        .map(|c| format!("{} ({})", c.node, words::percent(c.share)))
        .collect();
    let series = incident.evidence.iter().take(SHOWN_MAX);
    let series: Vec<String> = series
        .map(|e| format!("{} is {}, expected {}", e.series.metric, e.observed, e.expected))
        .collect();
    let mut all = BTreeMap::from([
        ("summary", words::shortened(&summary, SENTENCE_CHARS_MAX)),
        (
            "description",
            words::shortened(&incident.reason, SENTENCE_CHARS_MAX),
        ),
        ("state", incident.state.as_str().to_owned()),
        ("impact", incident.severity.as_str().to_owned()),
        ("kind", incident.kind.as_str().to_owned()),
        ("probability", format!("{:.2}", incident.probability.get())),
        ("revision", incident.revision.to_string()),
        ("services", services),
        ("regions", regions),
    ]);
    let moments = [
        ("onset_predicted", incident.onset_predicted),
        ("onset_observed", incident.onset_observed),
        ("eta", incident.eta),
    ];
    for (name, at) in moments {
        if let Some(at) = at {
            all.insert(name, words::time(at));
        }
    }
    if let Some((from, to)) = incident.onset_interval {
        all.insert(
            "onset_interval",
            format!("{} / {}", words::time(from), words::time(to)),
        );
    }
    if let Some(customers) = scope.customers_estimated {
        all.insert("customers_estimated", customers.to_string());
    }
    if let Some(taken) = &incident.acknowledged {
        all.insert("acknowledged_by", taken.by.to_string());
    }
    for (name, lines) in [("causes", causes), ("evidence", series)] {
        if !lines.is_empty() {
            all.insert(name, words::shortened(&lines.join("; "), SENTENCE_CHARS_MAX));
        }
    }
    all.retain(|_, text| !text.is_empty());
    all
}
