//! `forecall notices …`: what customers are told, for those who answer for it, and what they say to it.

mod args;
mod read;
mod say;
mod show;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::process::ExitCode;

use forecall_config::Settings;
use forecall_log::Log;
use forecall_types::{Action, DomainName, IncidentId, Notice};
use forecall_wire::event::TopicId;

pub(crate) use args::NoticesArgs;
use args::{DrillArgs, NoticesCommand, Target};
use say::Said;

use crate::incidents;
use crate::snapshots::now;
use crate::word::{self, ReadArgs, SayArgs, Speaker, connect};

pub(crate) fn run(args: NoticesArgs) -> anyhow::Result<ExitCode> {
    dispatch(args.command)?;
    Ok(ExitCode::SUCCESS)
}

fn dispatch(command: NoticesCommand) -> anyhow::Result<()> {
    match command {
        NoticesCommand::List(args) => reading(&args.read, |settings, log, out| {
            show::list(&read::listed(log, settings, &args)?, args.read.json, now(), out)
        }),
        NoticesCommand::Show(args) => reading(&args.read, |settings, log, out| {
            show::one(&read::newest(log, settings, &args.id)?, args.read.json, out)
        }),
        NoticesCommand::Preview {
            incident,
            part_price,
            read,
        } => reading(&read, |settings, log, out| {
            let waits = |notice: &Notice| notice.incident == incident && read::is_waiting(notice);
            let notices = read::newest_of_all(log, settings, TopicId::NoticesState, &waits)?;
            show::preview(&incident, &notices, part_price, read.json, out)
        }),
        NoticesCommand::Explain(args) => reading(&args.read, |settings, log, out| {
            show::explain(&read::newest(log, settings, &args.id)?, args.read.json, out)
        }),
        NoticesCommand::Approve(args) => saying(&args.say, |settings, log| {
            let notice = read::newest(log, settings, &args.id)?;
            say::approval(&notice, &args.text)
        }),
        NoticesCommand::Hold { id, reason, say } => saying(&say, |settings, log| {
            say::hold(&read::newest(log, settings, &id)?, reason)
        }),
        NoticesCommand::Send(args) => saying(&args.say, |settings, log| {
            say::release(&read::newest(log, settings, &args.id)?, &args.text)
        }),
        NoticesCommand::Step {
            id,
            code,
            fa,
            en,
            say,
        } => match (code, fa.zip(en)) {
            (_, Some(words)) => saying(&say, |settings, log| {
                let notices = say::of_incident(log, settings, &incident_of(log, settings, id)?)?;
                say::step(&notices, words)
            }),
            (code, None) => {
                let id = resolved(id, &say)?;
                incidents::step(id, code.unwrap_or_default(), &say)
            }
        },
        NoticesCommand::Eta { id, time, say } => {
            let eta = incidents::moment(&time, true, now())?;
            let (settings, log) = connect(&say.read.config)?;
            let id = incident_of(&log, &settings, id)?;
            say::check_end(&log, &settings, &id, eta)?;
            incidents::eta(id, eta, &say)
        }
        NoticesCommand::Retract { id, say } => saying(&say, |settings, log| {
            let notice = match id {
                Target::Notice(id) => read::newest(log, settings, &id)?,
                Target::Incident(id) => say::told_last(log, settings, &id)?,
            };
            say::take_back(&notice)
        }),
        NoticesCommand::Compensate {
            id,
            amount,
            unit,
            say,
        } => compensate(id, (amount, unit), &say),
        NoticesCommand::Drill { scope, say } => drill(scope, &say),
        NoticesCommand::Kill(args) => saying(&args.say, |settings, _| {
            Ok(Said {
                action: Action::Kill { on: !args.undo },
                domain: args.domain.unwrap_or_else(|| settings.domain.clone()),
                // Each turn of the switch is one of its own: whoever turns it means it.
                stand: now().nanos(),
            })
        }),
    }
}

/// Opens the topics and answers to standard output.
fn reading(
    args: &ReadArgs,
    answer: impl FnOnce(&Settings, &dyn Log, &mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (settings, log) = connect(&args.config)?;
    answer(&settings, &log, &mut std::io::stdout().lock())
}

/// Says it, and what became of that to standard output.
fn saying(
    args: &SayArgs,
    what: impl FnOnce(&Settings, &dyn Log) -> anyhow::Result<Said>,
) -> anyhow::Result<()> {
    let (settings, log) = connect(&args.read.config)?;
    let said = what(&settings, &log)?;
    say::speak(&log, &settings, args, said, &mut std::io::stdout().lock())
}

/// The incident that is meant.
fn incident_of(log: &dyn Log, settings: &Settings, id: Target) -> anyhow::Result<IncidentId> {
    match id {
        Target::Incident(id) => Ok(id),
        Target::Notice(id) => Ok(read::newest(log, settings, &id)?.incident),
    }
}

fn resolved(id: Target, args: &SayArgs) -> anyhow::Result<IncidentId> {
    match id {
        Target::Incident(id) => Ok(id),
        Target::Notice(_) => {
            let (settings, log) = connect(&args.read.config)?;
            incident_of(&log, &settings, id)
        }
    }
}

fn compensate(id: Target, (amount, unit): (u64, args::UnitArg), args: &SayArgs) -> anyhow::Result<()> {
    let (settings, log) = connect(&args.read.config)?;
    let incident = incident_of(&log, &settings, id)?;
    let what = forecall_types::Compensation {
        amount,
        unit: unit.into(),
    };
    let notices = say::of_incident(&log, &settings, &incident)?;
    let said = say::compensation(&notices, &settings, what)?;
    let others = say::others(&log, &settings, &said.action, &args.by)?;
    let mut out = std::io::stdout().lock();
    say::speak(&log, &settings, args, said, &mut out)?;
    if !args.read.json {
        let told = if others.is_empty() {
            "another team has to say the same before the end: only then the closing text tells it".to_owned()
        } else {
            format!("{} said the same: the closing text tells it", others.join(", "))
        };
        writeln!(out, "{told}")?;
    }
    Ok(())
}

fn drill(args: DrillArgs, say: &SayArgs) -> anyhow::Result<()> {
    let (settings, log) = connect(&say.read.config)?;
    let mut out = std::io::stdout().lock();
    if let Some(incident) = args.end {
        let domain = say::of_incident(&log, &settings, &incident)?;
        return say::speak(&log, &settings, say, say::end_drill(&domain, incident)?, &mut out);
    }
    let scope = incidents::scope_of(args.scope, say)?;
    incidents::check_scope(&scope, &settings)?;
    let said = say::drill(scope, args.severity.into(), args.minutes, &settings);
    let domain: DomainName = said.domain.clone();
    let draft = say::draft(said, &Speaker::of(say, now()), &settings)?;
    word::speak(&log, &settings, "notices", &draft, say, &mut out)?;
    if let (word::Draft::Record { key, .. }, false) = (&draft, say.read.json) {
        let incident = forecall_outreach::drill_incident(&domain, key);
        let people = settings.outreach.drill_people.len();
        writeln!(
            out,
            "its incident is {incident}, {people} test people are named: forecall notices list --all --incident {incident}"
        )?;
    }
    Ok(())
}
