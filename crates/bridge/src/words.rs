use forecall_types::{EventTime, IncidentKind, Severity};

/// RFC 3339 in UTC, as every target reads it.
pub(crate) fn time(at: EventTime) -> String {
    // 64 bits of nanoseconds are the years 1677 to 2262; jiff holds the years −9999 to 9999.
    jiff::Timestamp::from_nanosecond(i128::from(at.nanos()))
        .map(|t| t.to_string())
        .unwrap_or_default()
}

/// The four words that routes and PagerDuty know.
pub(crate) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Minor => "info",
        Severity::Moderate => "warning",
        Severity::Severe => "error",
        Severity::Extreme => "critical",
    }
}

pub(crate) const fn kind(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::Degradation => "Degradation",
        IncidentKind::Outage => "Outage",
        IncidentKind::Planned => "Planned work",
    }
}

/// A share as whole percent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// The beginning of a text, in whole characters.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Names joined by commas; at most so many of them.
pub(crate) fn joined<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> String {
    let all: Vec<&str> = names.collect();
    let shown = all.iter().take(most).copied().collect::<Vec<_>>().join(",");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown},+{more}"),
    }
}
