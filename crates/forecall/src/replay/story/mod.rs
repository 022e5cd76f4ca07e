//! `forecall replay --incident ID`: one incident, step by step, from the records it came from to its last word.
//!
//! An incident names its anomalies, and these the records they came from (their lineage). Out of files the run is made again,
//! or read where it was written. Out of live topics `correlate` is stepped through its own log once more, so that every
//! revision is re-created and names the very record that brought it; the source's records are read by their offsets.

mod changes;
mod live;
mod page;
mod ran;
mod tell;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use forecall_incident::explain::Explanation;
use forecall_types::{Anomaly, AnomalyId, EventTime, IncidentEvent, IncidentId, Lineage};

use super::args::ReplayArgs;
use super::output::MANIFEST;
use super::{complain, replay};

/// Records shown of one anomaly: one that lasts a day by the minute has 1,440.
const RECORDS_MAX: usize = 2_000;
/// The exit code where what was re-created differs from what was published.
const EXIT_DIFFERS: u8 = 1;

/// A record of an anomaly's lineage, as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cited {
    /// `file row 12` or `topic/partition@offset`.
    pub(super) place: String,
    pub(super) at: EventTime,
    pub(super) value: f64,
    pub(super) score: Option<f64>,
    pub(super) band: Option<(f64, f64)>,
}

/// An anomaly that the incident stood on.
#[derive(Debug)]
pub(super) struct Sign {
    /// In order.
    pub(super) revisions: Vec<Anomaly>,
    pub(super) lineage: Lineage,
    /// In order of time, at most [`RECORDS_MAX`].
    pub(super) records: Vec<Cited>,
    /// Why some or all records aren't shown; empty: all are.
    pub(super) missing: String,
}

impl Sign {
    fn new(first: Anomaly) -> Self {
        Self {
            lineage: first.lineage.clone(),
            revisions: vec![first],
            records: Vec::new(),
            missing: String::new(),
        }
    }

    fn hear(&mut self, next: Anomaly) {
        self.lineage.merge(&next.lineage);
        self.revisions.push(next);
    }

    pub(super) fn first(&self) -> Option<&Anomaly> {
        self.revisions.first()
    }

    fn is(&self, id: &AnomalyId) -> bool {
        self.first().is_some_and(|first| first.id == *id)
    }

    /// First and last moment that it tells of.
    fn span(&self) -> Option<(EventTime, EventTime)> {
        let from = self.revisions.iter().map(|a| a.from).min()?;
        Some((from, self.revisions.iter().map(|a| a.at).max()?))
    }
}

/// One revision of the incident.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) event: IncidentEvent,
    /// The record of correlate's log that brought it, where that is known.
    pub(super) by: Option<String>,
    /// Whether re-creating gave the very bytes; `None`: not tried, or not kept.
    pub(super) same: Option<bool>,
    /// Of the revision that opened it and the one that confirmed it.
    pub(super) why: Option<Explanation>,
}

/// A word of a notice on it.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) at: EventTime,
    pub(super) id: String,
    pub(super) text: String,
}

/// All that is known of how it arose.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) id: IncidentId,
    /// Where it was read: a folder, or topics.
    pub(super) from: String,
    pub(super) revisions: Vec<Revision>,
    pub(super) signs: Vec<Sign>,
    pub(super) words: Vec<Word>,
    /// How the re-creation went, in words.
    pub(super) recreated: String,
    /// Whether something re-created isn't what was published.
    pub(super) differs: bool,
    pub(super) remarks: Vec<String>,
}

impl Story {
    /// Every anomaly that any revision names as evidence.
    fn named(revisions: &[Revision]) -> std::collections::BTreeSet<AnomalyId> {
        let evidence = revisions.iter().flat_map(|r| &r.event.incident.evidence);
        evidence.map(|e| e.anomaly.clone()).collect()
    }
}

pub(super) fn run(args: &ReplayArgs, id: &IncidentId) -> anyhow::Result<ExitCode> {
    let story = match &args.input {
        None => {
            let config = args
                .config
                .as_deref()
                .context("--incident without --input reads live topics: say --config, with `kafka:` in it")?;
            live::read(config, id)?
        }
        Some(input) if Path::new(input).join(MANIFEST).is_file() => ran::read(Path::new(input), id)?,
        Some(_) => again(args, id)?,
    };
    if let Some(path) = &args.html {
        std::fs::write(path, page::page(&story))
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    for remark in &story.remarks {
        complain(remark);
    }
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", tell::json(&story))?;
    } else {
        tell::text(&story, &mut out)?;
    }
    Ok(if story.differs {
        ExitCode::from(EXIT_DIFFERS)
    } else {
        ExitCode::SUCCESS
    })
}

/// A folder of results that goes when it is let go.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        // What can't be removed is for the system's own broom; the story is told all the same.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the input again and tells of it.
fn again(args: &ReplayArgs, id: &IncidentId) -> anyhow::Result<Story> {
    let (folder, _passing) = match &args.out {
        Some(out) => (out.clone(), None),
        None => {
            let folder = std::env::temp_dir().join(format!("forecall-replay-{}", std::process::id()));
            (folder.clone(), Some(Passing(folder)))
        }
    };
    let inner = ReplayArgs {
        out: Some(folder.clone()),
        incident: None,
        html: None,
        no_report: args.out.is_none() || args.no_report,
        no_channels: args.out.is_none() || args.no_channels,
        ..args.clone()
    };
    let run = replay(&inner, super::Says::Nothing)?;
    if !run.complete {
        bail!("stopped by a signal before the end of the input");
    }
    let mut story = ran::read(&folder, id)?;
    "re-created: this run made it again from the records of the input".clone_into(&mut story.recreated);
    if args.out.is_none() {
        story.from = args.input().to_owned();
    }
    Ok(story)
}
