//! `forecall incidents …`: what subscribers see, for people, and what people say back.

mod adjustments;
mod area;
mod args;
mod remedies;
mod say;
pub(crate) mod show;
mod silences;
mod steer;
#[cfg(test)]
mod tests;
pub(crate) mod topic;
mod why;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_types::{EventTime, IncidentEvent, IncidentId};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::replay::time_text;
use crate::snapshots::now;
use crate::stop;
use crate::word::{self, ReadArgs, SayArgs, Speaker};
pub(crate) use area::scope_of;
pub(crate) use args::{IncidentsArgs, ScopeArgs, SeverityArg};
use args::{IncidentsCommand, ListArgs, TailArgs};
use say::Words;
pub(crate) use say::check_scope;
use steer::Steer;
use topic::{Strange, Topics, passes};

/// Between two looks for news; a look costs a question for each partition.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Lines put in order at once; events as JSON, some 10 KiB each, take 40 MiB.
const LINES_MAX: usize = 4_096;

/// The log and what is read on it under a configuration.
struct Desk {
    settings: Settings,
    log: KafkaLog,
}

impl Desk {
    fn open(config: &Path) -> anyhow::Result<Self> {
        let (settings, log) = word::connect(config)?;
        Ok(Self { settings, log })
    }

    fn topics(&self) -> Topics<'_> {
        Topics {
            log: &self.log,
            names: self.settings.topic_names(),
            strange: Strange::default(),
        }
    }
}

pub(crate) fn run(args: IncidentsArgs) -> anyhow::Result<ExitCode> {
    let result = dispatch(args.command);
    // `… | head` has seen enough.
    let is_closed = |e: &anyhow::Error| {
        let io = e.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    };
    match result {
        Err(error) if !is_closed(&error) => Err(error),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

fn dispatch(command: IncidentsCommand) -> anyhow::Result<()> {
    let moment = |text: &str, is_ahead| moment(text, is_ahead, now());
    match command {
        IncidentsCommand::Tail(args) => {
            let since = args.since.as_deref().map(|t| moment(t, false)).transpose()?;
            tail(&args, since)
        }
        IncidentsCommand::List(args) => {
            let since = args.since.as_deref().map(|t| moment(t, false)).transpose()?;
            list(&args, since)
        }
        IncidentsCommand::Show(one) => reading(&one.read, |_, topics, out| {
            show::one(&topics.history(&one.id)?, one.read.json, out)
        }),
        IncidentsCommand::Explain(one) => reading(&one.read, |settings, topics, out| {
            let why = why::of(topics, &one.id, settings)?;
            if one.read.json {
                Ok(writeln!(out, "{}", why::json(&why))?)
            } else {
                why::tell(&why, out)
            }
        }),
        IncidentsCommand::Feedback {
            id,
            verdict,
            onset,
            ended,
            say,
        } => {
            let past = |text: Option<String>| text.as_deref().map(|t| moment(t, false)).transpose();
            let truth = (past(onset)?, past(ended)?);
            on(&say, Words::Verdict(id, verdict.into(), truth))
        }
        IncidentsCommand::Ack { id, say } => on(&say, Words::Acknowledge(id)),
        IncidentsCommand::Step { id, code, say } => on(&say, Words::Step(id, code)),
        IncidentsCommand::Eta { id, time, say } => on(&say, Words::Eta(id, moment(&time, true)?)),
        IncidentsCommand::Attribute {
            id,
            responsibility,
            say,
        } => on(&say, Words::Attribute(id, responsibility.into())),
        IncidentsCommand::Declare { scope, severity, say } => on(
            &say,
            Words::Declare(area::scope_of(scope, &say)?, severity.into()),
        ),
        IncidentsCommand::Merge { id, into, say } => on(&say, Words::Steer(Steer::Merge(id, into))),
        IncidentsCommand::Split {
            id,
            services,
            regions,
            say,
        } => {
            let parts = (services.into_iter().collect(), regions.into_iter().collect());
            on(&say, Words::Steer(Steer::Split(id, parts)))
        }
        IncidentsCommand::Plan {
            scope,
            from,
            until,
            label,
            say,
        } => {
            let times = (moment(&from, true)?, moment(&until, true)?);
            on(
                &say,
                Words::Steer(Steer::Plan(area::scope_of(scope, &say)?, times, label)),
            )
        }
        IncidentsCommand::Retract { id, say } => on(&say, Words::Retract(id)),
        IncidentsCommand::Close { id, say } => on(&say, Words::Close(id)),
        IncidentsCommand::Silence { matchers, say } => {
            let until = matchers.until.as_deref().or(matchers.span.as_deref());
            let until = moment(until.unwrap_or_default(), true)?;
            on(&say, Words::Steer(Steer::silence(matchers, until)))
        }
        IncidentsCommand::Unsilence { id, say } => on(&say, Words::Steer(Steer::Unsilence(id))),
        IncidentsCommand::Silences(args) => reading(&args.read, |_, topics, out| {
            let all = silences::in_force(topics, args.domain.as_ref(), now())?;
            silences::list(&all, args.read.json, out)
        }),
        IncidentsCommand::Adjustments(args) => reading(&args.read, |_, topics, out| {
            let all = adjustments::in_force(topics.all(&args.filter)?, now());
            adjustments::list(&all, now(), args.read.json, out)
        }),
        IncidentsCommand::Remedies(args) => reading(&args.read, |_, topics, out| {
            let all = topics.all(&args.filter)?;
            remedies::list(&all, args.waiting, args.read.json, out)
        }),
        // One of the two is given, and not both.
        IncidentsCommand::Remedy {
            id,
            rule,
            approve,
            reject: _,
            say,
        } => on(&say, Words::Steer(Steer::Remedy(id, rule, approve))),
        IncidentsCommand::RemediesOff { undo, say } => on(&say, Words::Steer(Steer::Remedies(undo))),
        IncidentsCommand::Review { id, problem, say } => on(&say, Words::Review(id, problem)),
    }
}

/// Opens the topics and answers to standard output.
fn reading(
    read: &ReadArgs,
    answer: impl FnOnce(&Settings, &Topics<'_>, &mut dyn Write) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let desk = Desk::open(&read.config)?;
    let topics = desk.topics();
    answer(&desk.settings, &topics, &mut std::io::stdout().lock())?;
    remark(&topics.strange)
}

/// Says what wasn't understood, beside the answer.
fn remark(strange: &Strange) -> anyhow::Result<()> {
    match strange.count() {
        0 => Ok(()),
        n => Ok(writeln!(
            std::io::stderr(),
            "forecall: {n} records are no events of incidents that this version knows, and were passed over"
        )?),
    }
}

/// A time, or a span from now on (`is_ahead`) or before now.
pub(crate) fn moment(text: &str, is_ahead: bool, now: EventTime) -> anyhow::Result<EventTime> {
    if let Ok(span) = text.parse::<SignedDuration>() {
        let nanos = i64::try_from(span.as_nanos()).ok().filter(|n| *n >= 0);
        let nanos = nanos.with_context(|| format!("`{text}` is no span: write 45m or 2h"))?;
        let nanos = if is_ahead { nanos } else { -nanos };
        return Ok(EventTime::from_nanos(now.nanos().saturating_add(nanos)));
    }
    time_text::parse(text, &TimeZone::UTC)
        .with_context(|| format!("`{text}` is neither a time (2026-11-29T06:00:00Z) nor a span (45m, 2h)"))
}

fn tail(args: &TailArgs, since: Option<EventTime>) -> anyhow::Result<()> {
    let stop = stop::on_signal()?;
    reading(&args.read, |_, topics, out| {
        let mut follow = topics.follow(since.is_none())?;
        loop {
            let mut lines = Lines::default();
            let mut failed = Ok(());
            topics.news(&mut follow, since.unwrap_or(EventTime::MIN), &mut |event, raw| {
                if failed.is_ok() && passes(&args.filter, &event.incident) {
                    failed = lines.add(&event, raw, args.read.json, out);
                }
            })?;
            failed?;
            lines.write(out)?;
            if args.once || stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    })
}

/// Lines of one look, so that they come in the order of time: a topic is read partition by partition.
#[derive(Default)]
struct Lines(Vec<(EventTime, Vec<u8>)>);

impl Lines {
    fn add(
        &mut self,
        event: &IncidentEvent,
        raw: &[u8],
        json: bool,
        out: &mut dyn Write,
    ) -> anyhow::Result<()> {
        let mut line = Vec::new();
        show::event(event, raw, json, &mut line)?;
        self.0.push((event.incident.at, line));
        if self.0.len() < LINES_MAX {
            return Ok(());
        }
        self.write(out)
    }

    fn write(&mut self, out: &mut dyn Write) -> anyhow::Result<()> {
        self.0.sort_by_key(|(at, _)| *at);
        for (_, line) in self.0.drain(..) {
            out.write_all(&line)?;
        }
        Ok(out.flush()?)
    }
}

fn list(args: &ListArgs, since: Option<EventTime>) -> anyhow::Result<()> {
    reading(&args.read, |_, topics, out| {
        let mut incidents = if args.all {
            topics.all(&args.filter)?
        } else {
            topics.open(&args.filter)?
        };
        incidents.retain(|i| since.is_none_or(|since| i.at >= since));
        show::list(&incidents, args.read.json, out)
    })
}

/// A step of an incident, by its code.
pub(crate) fn step(id: IncidentId, code: String, args: &SayArgs) -> anyhow::Result<()> {
    on(args, Words::Step(id, code))
}

/// When an incident is expected to be over.
pub(crate) fn eta(id: IncidentId, eta: EventTime, args: &SayArgs) -> anyhow::Result<()> {
    on(args, Words::Eta(id, eta))
}

/// Says something of an incident to the stages, and what became of that to standard output.
fn on(args: &SayArgs, words: Words) -> anyhow::Result<()> {
    reading(&args.read, |settings, topics, out| {
        let draft = say::draft(words, &Speaker::of(args, now()), topics, settings)?;
        word::speak(topics.log, settings, "incidents", &draft, args, out)
    })
}
