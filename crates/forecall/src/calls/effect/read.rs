//! Files of a hold-out, read into counts of incidents.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use forecall_outreach::calls::effect::Arms;
use forecall_outreach::calls::effect::cost::Spent;
use forecall_outreach::calls::effect::trial::{
    Arm, ArmCounts, Assignment, Contact, Deed, IncidentCounts, Trial,
};
use forecall_types::EventTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::calls::sheet::{Row, Sheet};

/// Columns that divide people.
const DIMENSIONS: [&str; 4] = ["service", "region", "language", "channel"];

/// One incident.
pub(super) struct Incident {
    pub(super) counts: IncidentCounts,
    pub(super) month: String,
    pub(super) spent: Spent,
}

/// What the files say.
pub(super) struct Measured {
    pub(super) incidents: Vec<Incident>,
    pub(super) dimensions: Vec<String>,
    pub(super) dispersion: f64,
    /// Contacts in no incident's window.
    pub(super) elsewhere: Option<u64>,
    /// Messages were counted, not taken to be one a person told.
    pub(super) is_spent_given: bool,
}

fn month(at: EventTime, zone: &TimeZone) -> String {
    Timestamp::from_second(at.secs()).map_or_else(
        |_| "no date".to_owned(),
        |t| t.to_zoned(zone.clone()).strftime("%Y-%m").to_string(),
    )
}

#[allow(clippy::cast_precision_loss, reason = "numbers of people")]
fn incident(counts: IncidentCounts, month: String) -> Incident {
    // One message a person told and one a person held out, at the release: who isn't reached costs nothing, so this is the most.
    let messages = (counts.told.people + counts.held_out.people) as f64;
    Incident {
        counts,
        month,
        spent: Spent {
            messages,
            compensation: 0.0,
        },
    }
}

fn dimensions(sheet: &Sheet, but: &[&str]) -> Vec<&'static str> {
    DIMENSIONS
        .into_iter()
        .filter(|name| sheet.has(name) && !but.contains(name))
        .collect()
}

fn segments(row: &Row<'_>, dimensions: &[&str]) -> Vec<Arc<str>> {
    dimensions
        .iter()
        .map(|name| Arc::from(row.text(name).unwrap_or("not known")))
        .collect()
}

/// Assignments and contacts, person by person.
pub(super) fn people(assignments: &Path, contacts: &Path, zone: &TimeZone) -> anyhow::Result<Measured> {
    let needed = ["incident", "customer", "arm", "assigned_at", "released_at"];
    let sheet = Sheet::open(assignments, &needed, zone)?;
    let dimensions = dimensions(&sheet, &[]);
    let mut trial = Trial::new(dimensions.len());
    sheet.each(|row| {
        let customer = row.need("customer")?;
        let assignment = Assignment {
            incident: row.need("incident")?.into(),
            customer: customer.into(),
            unit: row.text("unit").unwrap_or(customer).into(),
            arm: row.word(
                "arm",
                &[
                    ("told", Arm::Told),
                    ("held_out", Arm::HeldOut),
                    ("hold_out", Arm::HeldOut),
                ],
            )?,
            at: row.need_time("assigned_at")?,
            released_at: row.time("released_at")?,
            segments: segments(row, &dimensions),
        };
        trial.assign(assignment).map_err(|why| row.wrong(why))
    })?;
    let sheet = Sheet::open(contacts, &["at", "customer"], zone)?;
    let has_deed = sheet.has("deed");
    sheet.each(|row| {
        let deed = if has_deed && row.text("deed").is_some() {
            row.word(
                "deed",
                &[
                    ("contact", Deed::Contact),
                    ("opt_out", Deed::OptOut),
                    ("complaint", Deed::Complaint),
                ],
            )?
        } else {
            Deed::Contact
        };
        trial.contact(&Contact {
            at: row.need_time("at")?,
            customer: row.text("customer"),
            channel: row.text("channel").unwrap_or("call"),
            deed,
        });
        Ok(())
    })?;
    let incidents = trial
        .incidents()
        .into_iter()
        .map(|counts| {
            let month = month(counts.from, zone);
            incident(counts, month)
        })
        .collect();
    Ok(Measured {
        incidents,
        dimensions: dimensions.iter().map(|d| (*d).to_owned()).collect(),
        dispersion: trial.dispersion(),
        elsewhere: Some(trial.elsewhere),
        is_spent_given: false,
    })
}

/// Counts, one row an incident, or one row for each segment of it.
pub(super) fn counts(path: &Path, zone: &TimeZone) -> anyhow::Result<Measured> {
    let needed = [
        "incident",
        "told",
        "held_out",
        "told_contacts",
        "held_out_contacts",
    ];
    let sheet = Sheet::open(path, &needed, zone)?;
    let dimensions = dimensions(&sheet, &[]);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut all: Vec<(IncidentCounts, bool)> = Vec::new();
    sheet.each(|row| {
        let name = row.need("incident")?;
        let arms = Arms {
            told: row.need_count("told")?,
            held_out: row.need_count("held_out")?,
            told_contacts: row.need_count("told_contacts")?,
            held_out_contacts: row.need_count("held_out_contacts")?,
        };
        arms.check().map_err(|why| row.wrong(why))?;
        let at = row.time("at")?;
        let number = *names.entry(name.to_owned()).or_insert_with(|| {
            let order = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let counts = IncidentCounts {
                incident: name.into(),
                from: at.unwrap_or(EventTime::from_secs(order)),
                window: None,
                told: ArmCounts::default(),
                held_out: ArmCounts::default(),
                unmatched: 0,
                segments: vec![BTreeMap::new(); dimensions.len()],
            };
            all.push((counts, at.is_some()));
            all.len() - 1
        });
        let Some((counts, _)) = all.get_mut(number) else {
            return Ok(());
        };
        counts.told.people += arms.told;
        counts.told.with_contact += arms.told_contacts;
        counts.told.contacts += row.count("contacts")?.unwrap_or(arms.told_contacts);
        counts.held_out.people += arms.held_out;
        counts.held_out.with_contact += arms.held_out_contacts;
        counts.held_out.contacts += arms.held_out_contacts;
        counts.unmatched += row.count("unmatched")?.unwrap_or(0);
        for (of, segment) in counts.segments.iter_mut().zip(segments(row, &dimensions)) {
            let sum = of.entry(segment).or_default();
            *sum = sum.plus(arms);
        }
        Ok(())
    })?;
    if all.iter().all(|(_, is_dated)| *is_dated) {
        all.sort_by(|(a, _), (b, _)| (a.from, &a.incident).cmp(&(b.from, &b.incident)));
    }
    let incidents = all
        .into_iter()
        .map(|(counts, is_dated)| {
            let month = if is_dated {
                month(counts.from, zone)
            } else {
                "no date".to_owned()
            };
            incident(counts, month)
        })
        .collect();
    Ok(Measured {
        incidents,
        dimensions: dimensions.iter().map(|d| (*d).to_owned()).collect(),
        dispersion: 1.0,
        elsewhere: None,
        is_spent_given: false,
    })
}

/// What was spent on the incidents.
pub(super) fn spent(path: &Path, zone: &TimeZone, measured: &mut Measured) -> anyhow::Result<()> {
    let sheet = Sheet::open(path, &["incident", "messages", "compensation"], zone)?;
    let mut by_name = BTreeMap::new();
    sheet.each(|row| {
        let spent = Spent {
            messages: row.amount("messages")?.unwrap_or(0.0),
            compensation: row.amount("compensation")?.unwrap_or(0.0),
        };
        by_name.insert(row.need("incident")?.to_owned(), spent);
        Ok(())
    })?;
    for one in &mut measured.incidents {
        if let Some(spent) = by_name.get(one.counts.incident.as_ref()) {
            one.spent = *spent;
        }
    }
    measured.is_spent_given = true;
    Ok(())
}
