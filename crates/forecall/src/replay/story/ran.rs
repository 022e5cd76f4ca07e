//! A story out of the folder of a run.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use csv::StringRecord;
use forecall_config::Settings;
use forecall_incident::explain::{Heard, explain};
use forecall_types::{CorrelateEntry, EventTime, IncidentEvent, IncidentId, IncidentState};
use forecall_wire::event::{decode_correlate_entry, decode_incident_event};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::{Cited, RECORDS_MAX, Revision, Sign, Story, Word};
use crate::incidents::show::place;
use crate::replay::folder::Folder;
use crate::replay::time_text;
use crate::replay::told::names_of;

/// Incidents named where the one asked for isn't there.
const OTHERS_MAX: usize = 8;

/// A line of a file of events.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    data: Value,
}

impl Line {
    /// The headers it had on its topic, as far as decoding asks for them.
    fn headers(&self) -> [(&'static str, &str); 4] {
        [
            ("ce_specversion", "1.0"),
            ("ce_source", "replay"),
            ("ce_id", &self.id),
            ("ce_type", &self.kind),
        ]
    }
}

/// Each line of a file, with its place in errors.
fn lines(folder: &Path, name: &str, take: &mut dyn FnMut(Line) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let path = folder.join(name);
    let file = File::open(&path).with_context(|| format!("failed to open {}", path.display()))?;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let place = || format!("{}:{number}", path.display());
        let line: Line = serde_json::from_str(&line.with_context(place)?).with_context(place)?;
        take(line).with_context(place)?;
    }
    Ok(())
}

/// Reads all that a folder tells of an incident.
pub(super) fn read(path: &Path, id: &IncidentId) -> anyhow::Result<Story> {
    let folder = Folder::read(path)?;
    let settings = Settings::from_yaml("config.lock.yaml", &folder.config)?;
    let revisions = revisions(path, id, &settings)?;
    let mut signs = signs(path, &revisions)?;
    let zone = folder.field("zone").and_then(Value::as_str).unwrap_or("UTC");
    let zone = TimeZone::get(zone).with_context(|| format!("no time zone is called {zone}"))?;
    cite(&folder, &zone, &mut signs)?;
    Ok(Story {
        id: id.clone(),
        from: path.display().to_string(),
        words: words(path, id)?,
        revisions,
        signs,
        recreated: "as the run wrote it, whose files are those its manifest names; nothing was computed anew"
            .to_owned(),
        differs: false,
        remarks: Vec::new(),
    })
}

fn revisions(path: &Path, id: &IncidentId, settings: &Settings) -> anyhow::Result<Vec<Revision>> {
    let (mut found, mut heard) = (Vec::new(), Heard::default());
    let mut others: BTreeMap<IncidentId, String> = BTreeMap::new();
    let mut is_confirmed = false;
    lines(path, "incidents.jsonl", &mut |line| {
        let value = serde_json::to_vec(&line.data)?;
        let event: IncidentEvent = decode_incident_event(&line.headers(), &value)
            .map_err(|reject| anyhow!("{}: {}", reject.reason, reject.detail))?;
        let i = &event.incident;
        if i.id == *id {
            let confirms = !is_confirmed && i.state == IncidentState::Confirmed;
            is_confirmed |= confirms;
            let why = (confirms || found.is_empty()).then(|| explain(i, &heard.of(i), &settings.correlate));
            heard.end(i);
            found.push(Revision {
                event,
                by: None,
                same: None,
                why,
            });
            return Ok(());
        }
        heard.end(i);
        others
            .entry(i.id.clone())
            .or_insert_with(|| format!("{} {}, {}", i.id, time_text::write(i.opened_at), place(i)));
        Ok(())
    })?;
    if found.is_empty() {
        let more = others.len().saturating_sub(OTHERS_MAX);
        let named: Vec<String> = others.into_values().take(OTHERS_MAX).collect();
        if named.is_empty() {
            bail!("no incident is called {id}: there was none at all");
        }
        let more = if more > 0 {
            format!(
                "\n  … and {more} more in {}",
                path.join("incidents.jsonl").display()
            )
        } else {
            String::new()
        };
        bail!(
            "no incident is called {id}; there are\n  {}{more}",
            named.join("\n  ")
        );
    }
    Ok(found)
}

fn signs(path: &Path, revisions: &[Revision]) -> anyhow::Result<Vec<Sign>> {
    let named = Story::named(revisions);
    let mut signs: Vec<Sign> = Vec::new();
    lines(path, "anomalies.jsonl", &mut |line| {
        // Most lines are of others: the id is looked at before the rest is taken apart.
        let is_named = line
            .data
            .get("id")
            .and_then(Value::as_str)
            .is_some_and(|id| named.iter().any(|n| n.as_str() == id));
        if !is_named {
            return Ok(());
        }
        let value = serde_json::to_vec(&line.data)?;
        let entry = decode_correlate_entry(&line.headers(), &value)
            .map_err(|reject| anyhow!("{}: {}", reject.reason, reject.detail))?;
        if let CorrelateEntry::Anomaly(anomaly) = entry {
            match signs.iter_mut().find(|sign| sign.is(&anomaly.id)) {
                Some(sign) => sign.hear(*anomaly),
                None => signs.push(Sign::new(*anomaly)),
            }
        }
        Ok(())
    })?;
    Ok(signs)
}

fn words(path: &Path, id: &IncidentId) -> anyhow::Result<Vec<Word>> {
    let mut words = Vec::new();
    lines(path, "notices.jsonl", &mut |line| {
        let text = |field: &str| line.data.get(field).and_then(Value::as_str).unwrap_or_default();
        if text("incident") != id.as_str() {
            return Ok(());
        }
        let at = time_text::parse(text("at"), &TimeZone::UTC).context("a notice without a time")?;
        let audience = line.data.get("audience").and_then(Value::as_u64).unwrap_or(0);
        words.push(Word {
            at,
            id: text("id").to_owned(),
            text: format!(
                "{} for {audience} customers: {}. {}",
                text("stage"),
                text("state"),
                text("reason")
            ),
        });
        Ok(())
    })?;
    Ok(words)
}

/// Of each input file, its path and the number of its first row among all rows.
fn first_rows(folder: &Folder) -> BTreeMap<String, (u64, u64)> {
    let mut first = 0;
    let inputs = folder.field("inputs").and_then(Value::as_array);
    let mut places = BTreeMap::new();
    for input in inputs.map_or(&[][..], Vec::as_slice) {
        let rows = input.get("rows").and_then(Value::as_u64).unwrap_or(0);
        if let Some(path) = input.get("path").and_then(Value::as_str) {
            places.insert(path.to_owned(), (first, rows));
        }
        first += rows;
    }
    places
}

/// Whether a lineage names this row of all rows, and as what.
fn named(sign: &Sign, row: u64, places: &BTreeMap<String, (u64, u64)>) -> Option<String> {
    sign.lineage.ranges().iter().find_map(|range| {
        let (first, rows) = places.get(&*range.topic)?;
        let own = row.checked_sub(*first).filter(|own| own < rows)?;
        let own_signed = i64::try_from(own).ok()?;
        (range.from..=range.to)
            .contains(&own_signed)
            .then(|| format!("{} row {}", range.topic, own + 1))
    })
}

/// A row of `scores.csv`.
fn cited(record: &StringRecord, zone: &TimeZone, place: String) -> Option<Cited> {
    let number = |column: usize| record.get(column)?.parse::<f64>().ok();
    Some(Cited {
        place,
        at: time_text::parse(record.get(0)?, zone)?,
        value: number(2)?,
        score: number(3),
        band: number(4).zip(number(5)),
    })
}

/// Finds the records of every lineage among the rows that were scored: by number where files of rows were the input, else by
/// series and time.
fn cite(folder: &Folder, zone: &TimeZone, signs: &mut [Sign]) -> anyhow::Result<()> {
    let path = folder.path.join("scores.csv");
    let failed = || format!("failed to read {}", path.display());
    let places = first_rows(folder);
    let names: Vec<_> = signs
        .iter()
        .map(|sign| sign.first().map(|first| names_of(&first.series)))
        .collect();
    let spans: Vec<Option<(EventTime, EventTime)>> = signs.iter().map(Sign::span).collect();
    let mut near: Vec<Vec<Cited>> = signs.iter().map(|_| Vec::new()).collect();
    let mut reader = csv::Reader::from_path(&path).with_context(failed)?;
    let (mut record, mut row) = (StringRecord::new(), 0_u64);
    while reader.read_record(&mut record).with_context(failed)? {
        let series = record.get(1).unwrap_or_default();
        for (((sign, names), span), near) in signs.iter_mut().zip(&names).zip(&spans).zip(&mut near) {
            if !names
                .as_ref()
                .is_some_and(|(plain, full)| **plain == *series || **full == *series)
            {
                continue;
            }
            if let Some(place) = named(sign, row, &places) {
                if sign.records.len() < RECORDS_MAX {
                    sign.records.extend(cited(&record, zone, place));
                }
            } else if near.len() < RECORDS_MAX
                && let Some(one) = cited(&record, zone, series.to_owned())
                && span.is_some_and(|(from, to)| (from..=to).contains(&one.at))
            {
                near.push(one);
            }
        }
        row += 1;
    }
    for (sign, near) in signs.iter_mut().zip(near) {
        if sign.records.is_empty() && !near.is_empty() {
            sign.records = near;
            "these are the rows of its series in its time; the records are named by their offsets above"
                .clone_into(&mut sign.missing);
        } else if sign.records.is_empty() {
            "no sample was abnormal: it tells of samples that didn't come, or of a group"
                .clone_into(&mut sign.missing);
        } else if sign.records.len() >= RECORDS_MAX {
            sign.missing = format!("only the first {RECORDS_MAX} are shown");
        }
        sign.records.sort_by_key(|r| r.at);
    }
    Ok(())
}
