//! Files of a contact centre.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use forecall_outreach::calls::kpi::{Affected, Call, CallInterval, Leads, Outcome, Survey, excess_at};
use forecall_types::EventTime;
use jiff::tz::TimeZone;

use super::{IncidentFigures, KpiArgs};
use crate::calls::sheet::Sheet;

/// Calls of a file: 150 bytes each.
const CALLS_MAX: usize = 20_000_000;
/// Calls count for an incident's excess up to a day after it began.
const EXCESS_WITHIN: Duration = Duration::from_secs(86_400);
/// Contacts after an incident's end count for it up to this time.
const AFTER_END: Duration = Duration::from_secs(86_400);

/// One call as it was read.
pub(super) struct CallRow {
    pub(super) at: EventTime,
    pub(super) queue: Arc<str>,
    outcome: Outcome,
    wait: Option<Duration>,
    handle: Option<Duration>,
    customer: Option<Arc<str>>,
    issue: Option<Arc<str>>,
    incident: Option<Arc<str>>,
}

impl CallRow {
    pub(super) fn as_call(&self) -> Call<'_> {
        Call {
            at: self.at,
            outcome: self.outcome,
            wait: self.wait,
            handle: self.handle,
            customer: self.customer.as_deref(),
            issue: self.issue.as_deref(),
            incident: self.incident.as_deref(),
        }
    }
}

/// All calls, in order of time.
pub(super) fn calls(path: &Path, zone: &TimeZone) -> anyhow::Result<Vec<CallRow>> {
    let sheet = Sheet::open(path, &["arrived_at", "outcome"], zone)?;
    let mut known: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut kept = |text: Option<&str>| {
        let text = text?;
        if let Some(same) = known.get(text) {
            return Some(Arc::clone(same));
        }
        let text: Arc<str> = text.into();
        known.insert(Arc::clone(&text));
        Some(text)
    };
    let mut calls = Vec::new();
    sheet.each(|row| {
        if calls.len() >= CALLS_MAX {
            return Err(row.wrong(format!("more than {CALLS_MAX} calls: give months apart")));
        }
        calls.push(CallRow {
            at: row.need_time("arrived_at")?,
            queue: kept(row.text("queue")).unwrap_or_else(|| "all".into()),
            outcome: row.word(
                "outcome",
                &[
                    ("answered", Outcome::Answered),
                    ("abandoned", Outcome::Abandoned),
                    ("left", Outcome::Left),
                    ("callback", Outcome::Callback),
                    ("open", Outcome::Open),
                    ("offered", Outcome::Open),
                ],
            )?,
            wait: row.seconds("wait_seconds")?,
            handle: row.seconds("handle_seconds")?,
            customer: kept(row.text("customer")),
            issue: kept(row.text("issue")),
            incident: kept(row.text("incident")),
        });
        Ok(())
    })?;
    calls.sort_by_key(|call| call.at);
    Ok(calls)
}

pub(super) fn staff(
    path: &Path,
    zone: &TimeZone,
    mut to: impl FnMut(&str, EventTime, Duration),
) -> anyhow::Result<()> {
    Sheet::open(path, &["start", "available_seconds"], zone)?.each(|row| {
        if let Some(time) = row.seconds("available_seconds")? {
            to(row.text("queue").unwrap_or("all"), row.need_time("start")?, time);
        }
        Ok(())
    })
}

pub(super) fn surveys(
    path: &Path,
    zone: &TimeZone,
    mut to: impl FnMut(&str, EventTime, Survey),
) -> anyhow::Result<()> {
    Sheet::open(path, &["at"], zone)?.each(|row| {
        // An answer beyond a byte is off every scale, and counted so.
        let answer = |column: &str| {
            let answer = row.count(column)?;
            anyhow::Ok(answer.map(|answer| u8::try_from(answer).unwrap_or(u8::MAX)))
        };
        let survey = Survey {
            csat: answer("csat")?,
            nps: answer("nps")?,
            ces: answer("ces")?,
        };
        to(row.text("queue").unwrap_or("all"), row.need_time("at")?, survey);
        Ok(())
    })
}

struct IncidentRow {
    queue: Option<String>,
    impact_at: Option<EventTime>,
    published_at: Option<EventTime>,
    ended_at: Option<EventTime>,
}

impl IncidentRow {
    fn from(&self) -> Option<EventTime> {
        match (self.impact_at, self.published_at) {
            (Some(impact), Some(published)) => Some(impact.min(published)),
            (impact, published) => impact.or(published),
        }
    }
}

/// Figures of incidents; empty without a file of them.
pub(super) fn incidents(
    args: &KpiArgs,
    calls: &[CallRow],
) -> anyhow::Result<BTreeMap<String, IncidentFigures>> {
    let Some(path) = &args.incidents else {
        return Ok(BTreeMap::new());
    };
    let mut rows: BTreeMap<String, IncidentRow> = BTreeMap::new();
    Sheet::open(path, &["incident"], &args.zone)?.each(|row| {
        let one = IncidentRow {
            queue: row.text("queue").map(str::to_owned),
            impact_at: row.time("impact_at")?,
            published_at: row.time("published_at")?,
            ended_at: row.time("ended_at")?,
        };
        if rows.insert(row.need("incident")?.to_owned(), one).is_some() {
            return Err(row.wrong("this incident stands there already"));
        }
        Ok(())
    })?;
    let mut found: BTreeMap<String, IncidentFigures> = BTreeMap::new();
    for (name, row) in &rows {
        let leads = Leads {
            impact_at: row.impact_at,
            published_at: row.published_at,
            ..Leads::default()
        };
        found.insert(
            name.clone(),
            IncidentFigures {
                leads,
                ..IncidentFigures::default()
            },
        );
    }
    if let Some(audience) = &args.audience {
        told(audience, args, &rows, calls, &mut found)?;
    }
    if let Some(baseline) = &args.baseline {
        excess(baseline, args, &rows, calls, &mut found)?;
    }
    Ok(found)
}

/// Who was told before their own first contact.
fn told(
    path: &Path,
    args: &KpiArgs,
    rows: &BTreeMap<String, IncidentRow>,
    calls: &[CallRow],
    found: &mut BTreeMap<String, IncidentFigures>,
) -> anyhow::Result<()> {
    let mut by_customer: BTreeMap<&str, Vec<&CallRow>> = BTreeMap::new();
    for call in calls {
        if let Some(customer) = &call.customer {
            by_customer.entry(customer).or_default().push(call);
        }
    }
    Sheet::open(path, &["incident", "customer"], &args.zone)?.each(|row| {
        let name = row.need("incident")?;
        let (Some(own), Some(incident)) = (found.get_mut(name), rows.get(name)) else {
            return Err(row.wrong(format!("`{name}` isn't in the file of incidents")));
        };
        let accepted_at = row.time("accepted_at")?;
        let from = incident.from();
        let until = incident.ended_at.map(|end| end.plus(AFTER_END));
        // A call that names an incident is about that one; one that names none is, if it falls into its time.
        let is_related = |call: &CallRow| match &call.incident {
            Some(named) => named.as_ref() == name,
            None => {
                incident
                    .queue
                    .as_deref()
                    .is_none_or(|queue| *call.queue == *queue)
                    && from.is_some_and(|from| call.at >= from)
                    && until.is_none_or(|until| call.at < until)
            }
        };
        let own_calls = by_customer
            .get(row.need("customer")?)
            .map_or(&[][..], Vec::as_slice);
        let contact_at = own_calls.iter().find(|call| is_related(call)).map(|call| call.at);
        own.told.take(Affected {
            is_planned: row.text("notice") != Some("none"),
            accepted_at,
            contact_at,
        });
        if let Some(accepted) = accepted_at {
            let first = own.leads.first_accepted_at;
            own.leads.first_accepted_at = Some(first.map_or(accepted, |first| first.min(accepted)));
        }
        Ok(())
    })
}

/// When calls became more than usual.
fn excess(
    path: &Path,
    args: &KpiArgs,
    rows: &BTreeMap<String, IncidentRow>,
    calls: &[CallRow],
    found: &mut BTreeMap<String, IncidentFigures>,
) -> anyhow::Result<()> {
    let mut ordinary: Vec<(EventTime, f64)> = Vec::new();
    Sheet::open(path, &["target", "q99"], &args.zone)?.each(|row| {
        let quantile = row.amount("q99")?.ok_or_else(|| row.wrong("`q99` is empty"))?;
        ordinary.push((row.need_time("target")?, quantile));
        Ok(())
    })?;
    ordinary.sort_by_key(|(at, _)| *at);
    let step = ordinary
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some(b.0.since(a.0)),
            _ => None,
        })
        .filter(|step| !step.is_zero())
        .min();
    let Some(step) = step else {
        bail!("{} has fewer than two intervals", path.display());
    };
    for (name, row) in rows {
        let (Some(from), Some(own)) = (row.from(), found.get_mut(name)) else {
            continue;
        };
        let until = from.plus(EXCESS_WITHIN);
        let intervals: Vec<CallInterval> = ordinary
            .iter()
            .filter(|(at, _)| at.plus(step) > from && *at < until)
            .map(|(at, quantile)| {
                let end = at.plus(step);
                let first = calls.partition_point(|call| call.at < *at);
                let count = calls
                    .iter()
                    .skip(first)
                    .take_while(|call| call.at < end)
                    .filter(|call| row.queue.as_deref().is_none_or(|queue| *call.queue == *queue))
                    .count();
                #[allow(clippy::cast_precision_loss, reason = "counts of calls")]
                let counted = count as f64;
                CallInterval {
                    from: *at,
                    calls: counted,
                    ordinary_99: *quantile,
                }
            })
            .collect();
        let since = intervals.first().map_or(from, |first| first.from);
        own.leads.excess_at = excess_at(&intervals, since);
        own.step = Some(step);
    }
    Ok(())
}
