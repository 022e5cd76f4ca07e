//! Notices as text and as JSON.

use std::io::Write;

use forecall_types::{
    ContactChannel, EventTime, HoldOutEnd, HoldOutTrial, HoldReason, IncidentId, IntentState, Notice,
};
use serde_json::{Value, json};

use super::read::{waits_for, waits_for_a_person};
use crate::replay::time_text;

/// A list of notices, a line each.
pub(super) fn list(
    notices: &[Notice],
    json: bool,
    now: EventTime,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = notices.iter().map(row).collect();
        return Ok(writeln!(out, "{}", json!({ "notices": rows }))?);
    }
    writeln!(
        out,
        "{:<20} {:<12} {:<10} {:<20} {:>9} {:>9} {:>6} not told",
        "notice", "stage", "state", "incident", "in scope", "planned", "age"
    )?;
    for notice in notices {
        let withheld: Vec<String> = notice
            .withheld
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(why, count)| format!("{} {count}", why.as_str()))
            .collect();
        writeln!(
            out,
            "{:<20} {:<12} {:<10} {:<20} {:>9} {:>9} {:>6} {}{}",
            notice.id.as_str(),
            notice.stage.as_str(),
            notice.state.as_str(),
            notice.incident.as_str(),
            notice.audience,
            notice.intents,
            age(notice.at, now),
            if withheld.is_empty() {
                "-".to_owned()
            } else {
                withheld.join(", ")
            },
            if notice.simulated { " (simulated)" } else { "" }
        )?;
    }
    Ok(())
}

fn age(at: EventTime, now: EventTime) -> String {
    let seconds = now.since(at).as_secs();
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// What came of those who waited.
fn hold_out(trial: &HoldOutTrial, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "hold-out until {}: of {} told at once {} got in touch, of {} told later {}",
        time_text::write(trial.until),
        trial.told,
        trial.told_contacts,
        trial.held_out,
        trial.held_out_contacts
    )?;
    if let Some(ended) = trial.ended {
        let who = match ended {
            HoldOutEnd::WaitingHarms => "more of those who waited got in touch",
            HoldOutEnd::TellingHarms => "more of those who were told got in touch",
        };
        writeln!(
            out,
            "with it the hold-out has ended itself: {who}; nobody waits until it is declared anew (another purpose, last day or owner)"
        )?;
    }
    Ok(())
}

/// One notice with its words.
pub(super) fn one(notice: &Notice, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        return Ok(writeln!(out, "{}", row(notice))?);
    }
    writeln!(
        out,
        "{} revision {}: {} {} of {}, {}",
        notice.id,
        notice.revision,
        notice.stage.as_str(),
        notice.state.as_str(),
        notice.incident,
        time_text::write(notice.at)
    )?;
    writeln!(out, "why: {}", notice.reason)?;
    writeln!(
        out,
        "in scope {}, planned {}{}",
        notice.audience,
        notice.intents,
        counts(
            ": ",
            notice.channels.iter().map(|(channel, n)| (channel.as_str(), *n))
        )
    )?;
    if notice.intents > 0 {
        let states = IntentState::ALL.into_iter();
        let told = states.map(|s| (s.as_str(), notice.progress.get(&s).copied().unwrap_or(0)));
        writeln!(out, "so far{}", counts(" ", told))?;
    }
    let withheld = notice.withheld.iter().map(|(why, n)| (why.as_str(), *n));
    let withheld = counts("", withheld);
    if !withheld.is_empty() {
        writeln!(
            out,
            "not told: {withheld} (`forecall notices explain {}`)",
            notice.id
        )?;
    }
    for (what, at) in [
        ("over, as told, by", notice.eta),
        ("next news promised by", notice.next_update),
        ("first taken by a gateway", notice.first_accepted_at),
    ] {
        if let Some(at) = at {
            writeln!(out, "{what} {}", time_text::write(at))?;
        }
    }
    if let Some(trial) = &notice.hold_out {
        hold_out(trial, out)?;
    }
    if notice.untrue > 0 {
        writeln!(out, "{} wrote that it isn't true", notice.untrue)?;
    }
    if let Some(ramp) = &notice.ramp {
        let stopped = ramp
            .stopped
            .map_or(String::new(), |why| format!("; stopped by {}", why.as_str()));
        writeln!(
            out,
            "ramp at {:.0} % of the people: {} reached, {} failed, {} want no more, {} say it isn't true{stopped}{}",
            ramp.share.get() * 100.0,
            ramp.reached,
            ramp.failed,
            ramp.stops,
            ramp.untrue,
            if ramp.over { "; over" } else { "" }
        )?;
    }
    let call = if notice.no_call_needed {
        "says that no call is needed"
    } else {
        "doesn't say that no call is needed"
    };
    writeln!(out, "text {} ({call})", notice.text_fingerprint)?;
    words(notice, out)?;
    let (id, text) = (&notice.id, &notice.text_fingerprint);
    let delayed = [HoldReason::QuietHours, HoldReason::HoldOut, HoldReason::Ramp];
    if waits_for_a_person(notice) {
        writeln!(
            out,
            "\nto let it go: forecall notices approve {id} --text {text} --by TEAM"
        )?;
    } else if delayed.into_iter().any(|reason| waits_for(notice, reason)) {
        writeln!(
            out,
            "\nto let it go now: forecall notices send {id} --text {text} --by TEAM"
        )?;
    }
    Ok(())
}

fn words(notice: &Notice, out: &mut dyn Write) -> anyhow::Result<()> {
    for text in &notice.texts {
        writeln!(
            out,
            "\n--- {} {}, {} {}",
            text.language.as_str(),
            text.channel.as_str(),
            text.parts,
            if text.parts == 1 { "part" } else { "parts" }
        )?;
        if let Some(subject) = &text.subject {
            writeln!(out, "{subject}\n")?;
        }
        writeln!(out, "{}", text.body.trim_end())?;
    }
    Ok(())
}

/// `sms 3, email 2`, after `before`; nothing where all are 0.
fn counts<'a>(before: &str, all: impl Iterator<Item = (&'a str, u64)>) -> String {
    let told: Vec<String> = all
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!("{what} {count}"))
        .collect();
    if told.is_empty() {
        String::new()
    } else {
        format!("{before}{}", told.join(", "))
    }
}

/// What would be told of an incident.
pub(super) fn preview(
    incident: &IncidentId,
    notices: &[Notice],
    part_price: Option<u64>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if json {
        let rows: Vec<Value> = notices
            .iter()
            .map(|notice| {
                let mut row = row(notice);
                let (people, parts) = parts_at_most(notice);
                if let Some(row) = row.as_object_mut() {
                    row.insert("people_at_most".into(), people.into());
                    row.insert("parts_at_most".into(), parts.into());
                    let cost = part_price.map(|price| parts.saturating_mul(price));
                    row.insert("cost_at_most".into(), cost.into());
                }
                row
            })
            .collect();
        return Ok(writeln!(
            out,
            "{}",
            json!({"incident": incident, "notices": rows})
        )?);
    }
    if notices.is_empty() {
        writeln!(
            out,
            "nothing of {incident} waits to be told: `forecall notices list --all --incident {incident}` tells what was"
        )?;
    }
    for (number, notice) in notices.iter().enumerate() {
        if number > 0 {
            writeln!(out, "\n================\n")?;
        }
        one(notice, false, out)?;
        let (people, parts) = parts_at_most(notice);
        let cost = part_price.map_or(String::new(), |price| {
            format!(", a cost of {} at most", parts.saturating_mul(price))
        });
        writeln!(
            out,
            "\nleft to tell: {people} people, {parts} message parts at most (the longest text, to all by text message){cost}"
        )?;
    }
    Ok(())
}

/// People who may still be told, and the message parts that takes if all of them get the longest text message.
fn parts_at_most(notice: &Notice) -> (u64, u64) {
    let held = notice.withheld.iter().filter(|(why, _)| why.is_hold());
    let people: u64 = held.map(|(_, count)| *count).sum();
    let sms = notice.texts.iter().filter(|t| t.channel == ContactChannel::Sms);
    let parts = sms.map(|text| u64::from(text.parts)).max().unwrap_or(0);
    (people, people.saturating_mul(parts))
}

/// A reason in words, and what would change it.
const fn reason(why: HoldReason) -> (&'static str, &'static str) {
    match why {
        HoldReason::Approval => (
            "the text waits for a person's approval",
            "`forecall notices approve`, or `outreach.approval` for small and certain ones",
        ),
        HoldReason::QuietHours => (
            "it is night where they are",
            "they hear in the morning, if it is still true (`outreach.quiet`); `forecall notices send` of two teams, where it may wake",
        ),
        HoldReason::Unreachable => (
            "every channel they have needs what has failed",
            "they hear when a channel works again, if it is still true",
        ),
        HoldReason::Killed => ("the kill switch is on", "`forecall notices kill --undo`"),
        HoldReason::HoldOut => (
            "told later, at random, so that the effect of telling is measured",
            "the end of the delay, or `forecall notices send`",
        ),
        HoldReason::Ramp => (
            "told in a later step of the ramp, or it has stopped itself",
            "the next step (`outreach.ramp`), or `forecall notices send`; if it has stopped, `forecall notices approve`",
        ),
        HoldReason::Person => (
            "a person holds it back",
            "`forecall notices approve` or `send` of its text",
        ),
        HoldReason::NoConsent => (
            "they haven't agreed to messages of this purpose",
            "the directory's `consents`",
        ),
        HoldReason::OptedOut => ("they have opted out (STOP)", "their own word"),
        HoldReason::NoChannel => (
            "no address of theirs is known on a channel that is set up",
            "the directory's addresses, `gateways`",
        ),
        HoldReason::Policy => (
            "customers aren't told of this stage at this certainty",
            "`outreach.predicted`: that trouble is confirmed",
        ),
        HoldReason::Pilot => ("outside the pilot", "`outreach.predicted.pilot_share`"),
        HoldReason::Cap => (
            "they have had as many messages as are allowed",
            "`outreach.caps`; closings always go",
        ),
        HoldReason::EmptyScope => (
            "nobody is in the scope, or the scope is unknown",
            "the incident's services and regions, the directory's",
        ),
        HoldReason::Simulated => ("a replay or a simulation", "nothing: it is never sent"),
        HoldReason::Stale => (
            "it was no longer true when it could have gone",
            "nothing: later news says how it stands",
        ),
    }
}

/// Why people are not told.
pub(super) fn explain(notice: &Notice, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let withheld = notice.withheld.iter().filter(|(_, count)| **count > 0);
    if json {
        let rows: Vec<Value> = withheld
            .map(|(why, count)| {
                let (words, change) = reason(*why);
                json!({"reason": why.as_str(), "customers": count, "is_hold": why.is_hold(), "why": words, "changed_by": change})
            })
            .collect();
        let told = json!({
            "notice": notice.id, "stage": notice.stage.as_str(), "state": notice.state.as_str(),
            "audience": notice.audience, "intents": notice.intents, "why": notice.reason, "withheld": rows,
        });
        return Ok(writeln!(out, "{told}")?);
    }
    writeln!(
        out,
        "{} ({}, {}): {} in scope, {} planned; {}",
        notice.id,
        notice.stage.as_str(),
        notice.state.as_str(),
        notice.audience,
        notice.intents,
        notice.reason
    )?;
    let mut is_any = false;
    for (why, count) in withheld {
        is_any = true;
        let (words, change) = reason(*why);
        let fate = if why.is_hold() { "held" } else { "not told" };
        writeln!(
            out,
            "{count:>9} {fate} ({}): {words}. Changed by: {change}",
            why.as_str()
        )?;
    }
    if !is_any {
        writeln!(out, "nobody is left out")?;
    }
    Ok(())
}

fn row(notice: &Notice) -> Value {
    let texts: Vec<Value> = notice
        .texts
        .iter()
        .map(|text| {
            json!({
                "language": text.language.as_str(), "channel": text.channel.as_str(), "subject": text.subject,
                "body": text.body, "parts": text.parts,
            })
        })
        .collect();
    let map = |pairs: Vec<(&'static str, u64)>| {
        let pairs = pairs
            .into_iter()
            .map(|(name, n)| (name.to_owned(), Value::from(n)));
        Value::Object(pairs.collect())
    };
    json!({
        "id": notice.id, "revision": notice.revision, "domain": notice.domain, "incident": notice.incident,
        "stage": notice.stage.as_str(), "state": notice.state.as_str(), "at": time_text::write(notice.at),
        "audience": notice.audience, "intents": notice.intents,
        "progress": map(notice.progress.iter().map(|(s, n)| (s.as_str(), *n)).collect()),
        "withheld": map(notice.withheld.iter().map(|(w, n)| (w.as_str(), *n)).collect()),
        "channels": map(notice.channels.iter().map(|(c, n)| (c.as_str(), *n)).collect()),
        "text": &*notice.text_fingerprint, "texts": texts, "no_call_needed": notice.no_call_needed,
        "next_update": notice.next_update.map(time_text::write), "eta": notice.eta.map(time_text::write),
        "hold_out": notice.hold_out.as_ref().map(|t| json!({
            "from": time_text::write(t.from), "until": time_text::write(t.until), "told": t.told,
            "told_contacts": t.told_contacts, "held_out": t.held_out, "held_out_contacts": t.held_out_contacts,
            "ended": t.ended.map(|why| why.as_str()),
        })),
        "ramp": notice.ramp.as_ref().map(|r| json!({
            "share": r.share.get(), "reached": r.reached, "failed": r.failed, "stops": r.stops,
            "untrue": r.untrue, "over": r.over,
            "stopped": r.stopped.map(|why| why.as_str()),
        })),
        "untrue": notice.untrue,
        "first_accepted_at": notice.first_accepted_at.map(time_text::write), "why": notice.reason,
        "simulated": notice.simulated,
    })
}
