//! Sentences for an SRE. The same facts give the same bytes.

use forecall_types::{Cause, Channel, ContextNote, EventTime, Evidence, Incident, IncidentId, Scope};

use crate::predict::{Onset, Weighed};

/// Pieces of evidence named in a reason; the event lists more.
const NAMED_MAX: usize = 3;
/// `detect` names the silence of a series by its metric, that of a whole entity `telemetry.silence`.
const SILENCE_SUFFIX: &str = ".silence";
/// A slope is worth a word when ten minutes of it move the value by this share.
const MOVING_SHARE: f64 = 0.05;

/// A number with three significant digits, without trailing zeros: `230`, `2.1`, `0.0357`, `1.2e9`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    if size < 1e-300 {
        return "0".into();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = [1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3]
        .iter()
        .position(|&from| size >= from)
        .unwrap_or(6);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `14:07 UTC`.
pub(crate) fn clock(at: EventTime) -> String {
    let minute = at.secs().div_euclid(60).rem_euclid(24 * 60);
    format!("{:02}:{:02} UTC", minute / 60, minute % 60)
}

/// `14:07 UTC`; where it is on another day than `now`, `2026-12-02 14:07 UTC`.
pub(crate) fn moment(at: EventTime, now: EventTime) -> String {
    let day = |at: EventTime| at.secs().div_euclid(86_400);
    if day(at) == day(now) {
        return clock(at);
    }
    let (year, month, day) = civil(day(at));
    format!("{year:04}-{month:02}-{day:02} {}", clock(at))
}

/// Year, month and day of a day counted from 1970-01-01: Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*.
const fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// `internet, tv in IR-10`.
pub(crate) fn place(scope: &Scope) -> String {
    let services: Vec<&str> = scope.services.iter().map(|s| s.as_str()).collect();
    let regions: Vec<&str> = scope.regions.iter().map(|r| r.as_str()).collect();
    format!("{} in {}", services.join(", "), regions.join(", "))
}

/// The strongest evidence: `http.duration at 230 ms, expected 40 ± 6, rising; …`. Empty when there is none.
pub(crate) fn evidence(all: &[Weighed]) -> String {
    let counts = |w: &&Weighed| w.evidence.active && w.evidence.muted_by.is_none();
    let active = all.iter().filter(counts);
    let named: Vec<String> = active.clone().take(NAMED_MAX).map(one).collect();
    let more = active.count().saturating_sub(NAMED_MAX);
    let mut text = named.join("; ");
    if more > 0 {
        text.push_str(&format!("; {more} more"));
    }
    text
}

/// `cpu at 91 (by the verdict on inc_…) doesn't count`; empty where all that is abnormal counts.
pub(crate) fn muted(all: &[Weighed]) -> String {
    let of = |w: &Weighed| Some((w.evidence.active, w.evidence.muted_by.clone()?));
    let muted = all
        .iter()
        .filter_map(|w| Some((w, of(w).filter(|(active, _)| *active)?.1)));
    let one = |(w, by): (&Weighed, IncidentId)| {
        let (metric, observed) = (&w.evidence.series.metric, number(w.evidence.observed));
        format!("{metric} at {observed} (by the verdict on {by})")
    };
    let mut named: Vec<String> = muted.clone().take(NAMED_MAX).map(one).collect();
    let more = muted.count().saturating_sub(NAMED_MAX);
    if more > 0 {
        named.push(format!("{more} more"));
    }
    if let Some(last) = named.last_mut() {
        last.push_str(" not counted");
    }
    named.join(", ")
}

/// A silence by what is silent and since when: `nothing of cpu measured since 14:07 UTC, usually every 10 s`.
fn silence(e: &Evidence) -> String {
    let of = match e.series.metric.strip_suffix(SILENCE_SUFFIX) {
        Some("telemetry") | None => String::new(),
        Some(metric) => format!(" of {metric}"),
    };
    format!(
        "nothing{of} measured since {}, usually every {} s",
        clock(e.from),
        number(e.expected)
    )
}

/// What was announced last: `, during deployment CHG-4711`; empty where nothing was.
pub(crate) fn announced(context: &[ContextNote]) -> String {
    context.first().map_or_else(String::new, |note| {
        format!(", during {} {}", note.kind.as_str().replace('_', " "), note.id)
    })
}

fn one(weighed: &Weighed) -> String {
    let e = &weighed.evidence;
    if e.channel == Channel::Silence {
        return silence(e) + &weighed.announced;
    }
    let unit = match e.series.unit.as_ref() {
        "" | "1" => String::new(),
        unit if unit.starts_with('{') => String::new(),
        unit => format!(" {unit}"),
    };
    let half = (e.band.high - e.band.low) / 2.0;
    let moved = weighed.slope * 600.0;
    let moving = if moved > e.observed.abs() * MOVING_SHARE {
        ", rising"
    } else if moved < -e.observed.abs() * MOVING_SHARE {
        ", falling"
    } else {
        ""
    };
    let by = if e.channel == Channel::Peer {
        " by its peers"
    } else {
        ""
    };
    format!(
        "{} at {}{unit}, expected {} ± {}{by}{moving}{}",
        e.series.metric,
        number(e.observed),
        number(e.expected),
        number(half),
        weighed.announced,
    )
}

/// `cause likely access (62 % of it)`; empty where only the services of the scope themselves are suspected.
pub(crate) fn suspected(incident: &Incident) -> String {
    let is_touched = |cause: &Cause| {
        let mut services = incident.scope.services.iter();
        services.any(|service| service.as_str() == &*cause.node)
    };
    let first = incident.causes.first().filter(|cause| !is_touched(cause));
    first.map_or_else(String::new, |cause| {
        format!("cause likely {} ({:.0} % of it)", cause.node, cause.share * 100.0)
    })
}

/// `hit is version=2.1 (3 of 4, of the 36 others 0)`; empty where no label tells who is hit.
pub(crate) fn shared(incident: &Incident) -> String {
    let clearest = incident.dimensions.first();
    clearest.map_or_else(String::new, |d| {
        let values: Vec<String> = d
            .values
            .iter()
            .map(|value| format!("{}={value}", d.label))
            .collect();
        format!(
            "hit is {} ({} of {}, of the {} others {})",
            values.join(" or "),
            d.abnormal_with,
            d.series_with,
            d.series.saturating_sub(d.series_with),
            d.abnormal.saturating_sub(d.abnormal_with)
        )
    })
}

/// `loss expected to pass 5 at 14:32 UTC (between 14:25 and 14:50 UTC)`; `None` where it isn't known what passes what.
pub(crate) fn limit_passed(onset: &Onset) -> Option<String> {
    let passes = onset.passes.as_ref()?;
    let (metric, limit) = (&passes.metric, number(passes.limit));
    let earliest = clock(onset.earliest);
    let within = if passes.until {
        let from = earliest.trim_end_matches(" UTC");
        format!("between {from} and {}", clock(onset.latest))
    } else {
        format!("not before {earliest}")
    };
    Some(format!(
        "{metric} expected to pass {limit} at {} ({within})",
        clock(onset.at)
    ))
}

/// Parts joined to one sentence, empty ones left out.
pub(crate) fn sentence(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    parts.join("; ")
}

/// Adds a part to a reason, which may say no more than the place yet.
pub(crate) fn add(reason: &mut String, part: &str) {
    if !part.is_empty() && !reason.ends_with(": ") {
        reason.push_str("; ");
    }
    reason.push_str(part);
}

#[cfg(test)]
mod tests {
    use forecall_types::ContextKind;

    use super::*;
    use crate::way::Passes;

    #[test]
    fn what_was_announced_last_is_named() {
        let note = |kind, id: &str| ContextNote {
            kind,
            id: std::sync::Arc::from(id),
            title: None,
            from: EventTime::from_secs(0),
            until: EventTime::from_secs(1),
        };
        let notes = [
            note(ContextKind::LoadTest, "l"),
            note(ContextKind::Deployment, "d"),
        ];
        assert_eq!(announced(&notes), ", during load test l");
        assert_eq!(announced(&[]), "");
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (230.0, "230"),
            (2.1, "2.1"),
            (0.035_67, "0.0357"),
            (40.0, "40"),
            (1_234.5, "1234"),
            (99.96, "100"),
            (-0.5, "-0.5"),
            (0.0, "0"),
            (1.2e9, "1.20e9"),
            (1e-6, "1.00e-6"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_limit_is_told_with_its_interval() {
        let at = |minute: i64| EventTime::from_secs(60 * (14 * 60 + minute));
        let onset = |until| Onset {
            at: at(32),
            earliest: at(25),
            latest: at(50),
            passes: Some(Passes {
                metric: "loss".into(),
                limit: 0.95,
                until,
            }),
        };
        assert_eq!(
            limit_passed(&onset(true)).unwrap(),
            "loss expected to pass 0.95 at 14:32 UTC (between 14:25 and 14:50 UTC)"
        );
        assert_eq!(
            limit_passed(&onset(false)).unwrap(),
            "loss expected to pass 0.95 at 14:32 UTC (not before 14:25 UTC)"
        );
        assert_eq!(
            limit_passed(&Onset {
                passes: None,
                ..onset(true)
            }),
            None
        );
    }

    #[test]
    fn days_are_told_by_their_date() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (20_789, (2026, 12, 2)),
            (20_878, (2027, 3, 1)),
        ] {
            assert_eq!(civil(days), date, "{days}");
        }
    }

    #[test]
    fn the_clock_wraps_at_midnight_and_before_the_epoch() {
        assert_eq!(
            clock(EventTime::from_secs(86_400 + 14 * 3_600 + 7 * 60 + 59)),
            "14:07 UTC"
        );
        assert_eq!(clock(EventTime::from_secs(-60)), "23:59 UTC");
    }
}
