//! Events as lines that a person reads.

use forecall_types::{EventTime, Incident, IncidentEvent, Language, Notice};

use crate::demo::board::place;

/// Tehran has had no summer time since 2022.
const TEHRAN_OFFSET: i64 = 12_600;

/// The clock on the wall in Tehran.
pub(crate) fn clock(at: EventTime) -> String {
    let day = (at.secs() + TEHRAN_OFFSET).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", day / 3_600, day / 60 % 60, day % 60)
}

/// Without the seconds.
pub(crate) fn clock_short(at: EventTime) -> String {
    clock(at).chars().take(5).collect()
}

/// `internet in Isfahan`.
pub(crate) fn scope(incident: &Incident) -> String {
    let services: Vec<&str> = incident
        .scope
        .services
        .iter()
        .map(forecall_types::ServiceName::as_str)
        .collect();
    let regions: Vec<&str> = incident.scope.regions.iter().map(|r| place(r.as_str())).collect();
    format!("{} in {}", services.join(", "), regions.join(", "))
}

pub(crate) fn incident(event: &IncidentEvent) -> String {
    let i = &event.incident;
    let onset = match (i.onset_observed, i.onset_predicted) {
        (Some(at), _) => format!(", hit since {}", clock_short(at)),
        (None, Some(at)) => format!(", expected at {}", clock_short(at)),
        (None, None) => String::new(),
    };
    format!(
        "incident {:<9} {} · {} · P {:.2}{onset} · {}",
        event.change.as_str(),
        scope(i),
        i.severity.as_str(),
        i.probability.get(),
        i.reason
    )
}

pub(crate) fn notice(notice: &Notice) -> String {
    let channels: Vec<String> = notice
        .channels
        .iter()
        .map(|(c, n)| format!("{} {n}", c.as_str()))
        .collect();
    let withheld: Vec<String> = notice
        .withheld
        .iter()
        .map(|(r, n)| format!("{} {n}", r.as_str()))
        .collect();
    let rest = if withheld.is_empty() {
        String::new()
    } else {
        format!(" · not told: {}", withheld.join(", "))
    };
    let sent = if channels.is_empty() {
        "nobody".to_owned()
    } else {
        channels.join(", ")
    };
    format!(
        "notice   {:<9} {} to {sent} of {}{rest}",
        notice.state.as_str(),
        notice.stage.as_str(),
        notice.audience
    )
}

/// The text of a notice in each language: of text messages, where there are any.
pub(crate) fn words(notice: &Notice) -> Vec<String> {
    Language::ALL
        .iter()
        .filter_map(|language| {
            notice
                .texts
                .iter()
                .filter(|t| t.language == *language)
                .min_by_key(|t| t.channel)
        })
        .map(|text| format!("{}: {}", text.language.as_str(), text.body.replace('\n', " ⏎ ")))
        .collect()
}

/// `21.5 min`, or `–`.
pub(crate) fn minutes(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |m| format!("{m:.1} min"))
}

/// `93.1 %`, or `–`.
pub(crate) fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}
