//! What is said of notices, checked against what their topics hold.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use forecall_config::Settings;
use forecall_log::{Log, TopicPartition};
use forecall_outreach::{EndRefused, may_tell_end, step_mistake};
use forecall_types::{
    Action, Compensation, DomainName, EventTime, HoldReason, IncidentId, IntentState, Notice, NoticeStage,
    Remark, Scope, Severity,
};
use forecall_wire::event::{TopicId, decode_command};

use super::read::{each, is_waiting, newest_of_all, ramp_has_stopped, waits_for, waits_for_a_person};
use crate::replay::time_text;
use crate::snapshots::now;
use crate::word::{self, Draft, SayArgs, Speaker, command_draft};

/// Digits of a fingerprint that must be given at least: nobody types so many by chance.
const TEXT_DIGITS_MIN: usize = 8;

/// What is to be said, of which domain, and what makes the same words said later another command.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) action: Action,
    pub(super) domain: DomainName,
    pub(super) stand: i64,
}

impl Said {
    /// Of a notice as it stands: said again after it has changed, it is another word.
    fn of(notice: &Notice, action: Action) -> Self {
        Self {
            action,
            domain: notice.domain.clone(),
            stand: i64::from(notice.revision),
        }
    }
}

pub(super) fn draft(said: Said, from: &Speaker<'_>, settings: &Settings) -> anyhow::Result<Draft> {
    from.check()?;
    let stand = said.stand.to_le_bytes();
    command_draft(said.domain, said.action, &stand, from, &settings.topic_names())
}

pub(super) fn speak(
    log: &dyn Log,
    settings: &Settings,
    args: &SayArgs,
    said: Said,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let draft = draft(said, &Speaker::of(args, now()), settings)?;
    word::speak(log, settings, "notices", &draft, args, out)
}

/// The text that was read is the one that it has now.
fn same_text(notice: &Notice, text: &str) -> anyhow::Result<()> {
    let text = text.to_ascii_lowercase();
    let id = &notice.id;
    ensure!(
        text.len() >= TEXT_DIGITS_MIN && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "--text needs {TEXT_DIGITS_MIN} or more hexadecimal digits of the text that was read: `forecall notices show {id}`"
    );
    ensure!(
        notice.text_fingerprint.starts_with(&text),
        "{id} has another text now: read it again with `forecall notices show {id}`"
    );
    Ok(())
}

/// # Errors
/// Another text than the notice has now, too few of its digits, or nothing that waits for a person.
pub(super) fn approval(notice: &Notice, text: &str) -> anyhow::Result<Said> {
    same_text(notice, text)?;
    ensure!(
        waits_for_a_person(notice),
        "{} is {}, and nobody waits for an approval of it",
        notice.id,
        notice.state.as_str()
    );
    let action = Action::Approve {
        notice: notice.id.clone(),
        text: Arc::clone(&notice.text_fingerprint),
    };
    Ok(Said {
        stand: 0,
        ..Said::of(notice, action)
    })
}

/// # Errors
/// It is a correction, held already, or all of it has gone.
pub(super) fn hold(notice: &Notice, reason: Remark) -> anyhow::Result<Said> {
    let id = &notice.id;
    ensure!(
        notice.stage != NoticeStage::Retraction,
        "{id} is a correction: it isn't held back by itself; `forecall notices kill` stops all"
    );
    ensure!(
        !waits_for(notice, HoldReason::Person),
        "{id} is held back already ({}): `forecall notices approve` or `send` lets it go",
        notice.reason
    );
    ensure!(
        is_waiting(notice),
        "{id} is {}: nothing of it is left to hold; `forecall notices retract {id}` takes it back from those it reached",
        notice.state.as_str()
    );
    let action = Action::Hold {
        notice: id.clone(),
        reason,
    };
    Ok(Said::of(notice, action))
}

/// # Errors
/// Another text, or what it waits for can't be passed.
pub(super) fn release(notice: &Notice, text: &str) -> anyhow::Result<Said> {
    same_text(notice, text)?;
    let (id, digits) = (&notice.id, &notice.text_fingerprint);
    if waits_for(notice, HoldReason::Killed) {
        bail!("the kill switch is on, and {id} doesn't go past it: `forecall notices kill --undo`");
    }
    if waits_for(notice, HoldReason::Approval) || ramp_has_stopped(notice) {
        bail!(
            "{id} waits for an approval ({}): `forecall notices approve {id} --text {digits}`",
            notice.reason
        );
    }
    let delayed = [
        HoldReason::Person,
        HoldReason::QuietHours,
        HoldReason::HoldOut,
        HoldReason::Ramp,
    ];
    ensure!(
        delayed.into_iter().any(|reason| waits_for(notice, reason)),
        "nothing of {id} waits for what a person can let go: `forecall notices explain {id}`"
    );
    let action = Action::Send {
        notice: id.clone(),
        text: Arc::clone(digits),
    };
    Ok(Said::of(notice, action))
}

fn reached(notice: &Notice) -> u64 {
    let states = [
        IntentState::Planned,
        IntentState::Sending,
        IntentState::Accepted,
        IntentState::Delivered,
        IntentState::Unknown,
    ];
    let counts = states.iter().filter_map(|state| notice.progress.get(state));
    counts.sum()
}

const fn is_closing(stage: NoticeStage) -> bool {
    match stage {
        NoticeStage::Resolved | NoticeStage::AllClear | NoticeStage::Averted | NoticeStage::Retraction => {
            true
        }
        NoticeStage::Predicted | NoticeStage::Confirmed | NoticeStage::Progress | NoticeStage::EtaChanged => {
            false
        }
    }
}

/// # Errors
/// It is an end or a correction, or it has reached nobody.
pub(super) fn take_back(notice: &Notice) -> anyhow::Result<Said> {
    let id = &notice.id;
    ensure!(
        !is_closing(notice.stage),
        "{id} is {}: an end isn't taken back; where it still fails, `forecall incidents declare` tells so",
        notice.stage.as_str()
    );
    ensure!(
        reached(notice) > 0,
        "{id} has reached nobody: `forecall notices hold {id}` keeps it back"
    );
    let action = Action::TakeBack { notice: id.clone() };
    // Once in its life.
    Ok(Said {
        stand: 0,
        ..Said::of(notice, action)
    })
}

/// The newest revision of each notice of an incident; at least one.
pub(super) fn of_incident(
    log: &dyn Log,
    settings: &Settings,
    incident: &IncidentId,
) -> anyhow::Result<Vec<Notice>> {
    let notices = newest_of_all(log, settings, TopicId::Notices, &|n| n.incident == *incident)?;
    ensure!(
        !notices.is_empty(),
        "nothing was ever to be told of {incident}: `forecall notices list --all` names the notices there are"
    );
    Ok(notices)
}

/// What was told last of an incident, apart from its end.
pub(super) fn told_last(log: &dyn Log, settings: &Settings, incident: &IncidentId) -> anyhow::Result<Notice> {
    let notices = of_incident(log, settings, incident)?;
    let told = |n: &Notice| !is_closing(n.stage) && reached(n) > 0;
    match notices.into_iter().rev().find(told) {
        Some(notice) => Ok(notice),
        None => bail!("nobody was told of {incident}: there is nothing to take back"),
    }
}

/// # Errors
/// What the words may not say, or nobody was told of the trouble.
pub(super) fn step(notices: &[Notice], (fa, en): (Remark, Remark)) -> anyhow::Result<Said> {
    if let Some(mistake) = step_mistake(fa.as_str(), en.as_str()) {
        bail!("{mistake}");
    }
    let Some(told) = notices
        .iter()
        .rev()
        .find(|n| !is_closing(n.stage) && reached(n) > 0)
    else {
        bail!("nobody was told of the trouble: there is nobody to tell a step");
    };
    let action = Action::Say {
        incident: told.incident.clone(),
        fa,
        en,
    };
    Ok(Said::of(told, action))
}

/// # Errors
/// The end isn't told any more: too many changes, or later after sooner.
pub(super) fn check_end(
    log: &dyn Log,
    settings: &Settings,
    incident: &IncidentId,
    end: EventTime,
) -> anyhow::Result<()> {
    let mut told: BTreeSet<(EventTime, EventTime)> = BTreeSet::new();
    each(log, settings, TopicId::Notices, &mut |_, notice| {
        if let Some(notice) = notice.filter(|n| n.incident == *incident && n.intents > 0)
            && let Some(eta) = notice.eta
        {
            told.insert((notice.at, eta));
        }
    })?;
    let mut ends: Vec<EventTime> = told.into_iter().map(|(_, eta)| eta).collect();
    ends.dedup();
    let most = settings.outreach.promise.end_changes_max;
    let why = match may_tell_end(&ends, end, most) {
        Ok(()) => return Ok(()),
        Err(EndRefused::TooOften) => format!("the end was changed {most} times"),
        Err(EndRefused::LaterAfterSooner) => "a later end after a sooner one".to_owned(),
    };
    let ends: Vec<String> = ends.into_iter().map(time_text::write).collect();
    bail!(
        "customers aren't told another time ({why}; they were told {}): they hear that it takes longer, without one. Tell what was done with `forecall notices step {incident}`; for your own teams alone, `forecall incidents eta {incident}`",
        ends.join(", then ")
    )
}

/// # Errors
/// It is over, or the settings have no budget for it.
pub(super) fn compensation(
    notices: &[Notice],
    settings: &Settings,
    what: Compensation,
) -> anyhow::Result<Said> {
    let newest = notices.last().context("no notice")?;
    let incident = &newest.incident;
    let unit = what.unit.as_str();
    let Some(budget) = settings.outreach.compensation_budget.get(&what.unit) else {
        bail!(
            "`outreach.compensation_budget` has nothing in {unit}: whoever answers for it names the most per incident there"
        );
    };
    let told: u64 = notices
        .iter()
        .filter(|n| matches!(n.stage, NoticeStage::Predicted | NoticeStage::Confirmed))
        .map(reached)
        .sum();
    let all = told.saturating_mul(what.amount);
    ensure!(
        all <= *budget,
        "{told} people get {all} {unit} together, above `outreach.compensation_budget` of {budget}"
    );
    let is_over = notices
        .iter()
        .any(|n| is_closing(n.stage) && n.at >= newest.at && reached(n) > 0);
    ensure!(
        !is_over,
        "{incident} is over, and its end was told without: grant it outside of forecall"
    );
    let action = Action::Compensate {
        incident: incident.clone(),
        compensation: what,
    };
    Ok(Said {
        action,
        domain: newest.domain.clone(),
        stand: 0,
    })
}

/// Other teams that said the same.
pub(super) fn others(
    log: &dyn Log,
    settings: &Settings,
    action: &Action,
    by: &str,
) -> anyhow::Result<Vec<String>> {
    let topic = settings.topic_names().name(TopicId::Commands);
    let count = i32::try_from(log.bounds(&topic)?.len()).context("too many partitions")?;
    let mut teams = BTreeSet::new();
    for partition in 0..count {
        log.read(&TopicPartition::new(&topic, partition), 0, &mut |record| {
            let Some(value) = record.value else { return };
            if let Ok(command) = decode_command(record.headers.get(), value)
                && command.action == *action
                && *command.by != *by
            {
                teams.insert(command.by.to_string());
            }
        })?;
    }
    Ok(teams.into_iter().collect())
}

pub(super) fn drill(scope: Scope, severity: Severity, minutes: u32, settings: &Settings) -> Said {
    Said {
        action: Action::Drill {
            scope,
            severity,
            minutes,
        },
        domain: settings.domain.clone(),
        // Each rehearsal is one of its own.
        stand: now().nanos(),
    }
}

/// # Errors
/// It is no rehearsal.
pub(super) fn end_drill(notices: &[Notice], incident: IncidentId) -> anyhow::Result<Said> {
    let newest = notices.last().filter(|n| n.simulated);
    let Some(newest) = newest else {
        bail!("{incident} is no rehearsal: `forecall incidents close {incident}` ends an incident");
    };
    Ok(Said {
        action: Action::EndDrill { incident },
        domain: newest.domain.clone(),
        stand: 0,
    })
}
