//! `forecall topics migrate`: a keyed topic, or a log of forecall's, has grown.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;

use anyhow::{bail, ensure};
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::{Log as _, crash};
use forecall_observe::{Health, Metrics};
use forecall_runtime::topics::{Layout, TopicUse, remember_layout, remembered_layout, topic_uses};
use forecall_runtime::{Migration, Remedy, Roles, Surroundings, SystemClock, remedy_of};
use forecall_wire::event::TopicId;
use serde_json::json;

use crate::audit::ledger;
use crate::snapshots::{nobody_reads, now, store};
use crate::stop;

const RUNBOOK: &str = "docs/runbooks/grown-topic.md";

/// What is to be done, and by whose word.
struct Job<'a> {
    settings: &'a Settings,
    log: &'a KafkaLog,
    topic: &'a str,
    reason: &'a str,
    before: Layout,
    there: i32,
}

/// Takes on the new partitions of `topic`.
///
/// # Errors
/// It hasn't grown, a process still uses it, records are left to read, or log, ledger or snapshots refuse.
pub(crate) fn run(
    settings: &Settings,
    log: &KafkaLog,
    topic: &str,
    reason: &str,
    drain: bool,
) -> anyhow::Result<()> {
    let uses: Vec<TopicUse> = topic_uses(settings, Roles::ALL)
        .into_iter()
        .filter(|u| u.topic == topic)
        .collect();
    ensure!(
        uses.iter().any(|u| u.part.has_layout()),
        "topic {topic} is neither keyed nor a log of forecall's: its new partitions are picked up without this"
    );
    let there = i32::try_from(log.bounds(topic)?.len()).unwrap_or(i32::MAX);
    let topics = BTreeSet::from([topic.to_owned()]);
    let Some(before) = remembered_layout(settings, log, &topics)?.get(topic).copied() else {
        bail!(
            "nothing is remembered of {topic}: a start takes its {there} partitions as they are. If keys have moved, read \
             {RUNBOOK} first"
        );
    };
    if before.seen == there {
        writeln!(
            std::io::stdout(),
            "{topic} has {there} partitions, as before: nothing to do"
        )?;
        return Ok(());
    }
    ensure!(
        before.seen < there,
        "{topic} had {} partitions and has {there}: it was made again, which no migration mends: {RUNBOOK}, \"made again\"",
        before.seen
    );
    let job = Job {
        settings,
        log,
        topic,
        reason,
        before,
        there,
    };
    let users: BTreeSet<&str> = uses.iter().map(|u| u.stage).collect();
    let told = match remedy_of(settings, topic) {
        Remedy::Divide(stage) => job.divide(stage, users, drain)?,
        Remedy::Keep => job.keep()?,
        Remedy::Forget => job.forget(&users)?,
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

impl Job<'_> {
    fn keep(&self) -> anyhow::Result<String> {
        let Self { topic, there, .. } = self;
        let used = self.before.used;
        self.take_on(Layout { used, seen: *there })?;
        Ok(format!(
            "{topic}: {there} partitions, {used} of them in use as before; the others stay empty, so that nobody's story moves"
        ))
    }

    fn forget(&self, users: &BTreeSet<&str>) -> anyhow::Result<String> {
        self.nobody_uses(users)?;
        let Self { topic, there, .. } = self;
        self.take_on(Layout::whole(*there))?;
        Ok(format!(
            "{topic}: {there} partitions from now on ({} before). Its keys are its producer's, so forecall can't know which \
             series have moved: those warm up anew, and what they left behind closes by silence",
            self.before.used
        ))
    }

    fn nobody_uses(&self, users: &BTreeSet<&str>) -> anyhow::Result<()> {
        users
            .iter()
            .try_for_each(|user| nobody_reads(self.settings, self.log, user))
    }

    fn divide(&self, stage: &'static str, mut users: BTreeSet<&str>, drain: bool) -> anyhow::Result<String> {
        if self.topic == self.settings.topic_names().name(TopicId::Anomalies) {
            users.insert("correlate-intake");
        }
        self.nobody_uses(&users)?;
        let around = Surroundings {
            log: Arc::new(self.log.clone()),
            clock: Arc::new(SystemClock),
            metrics: Metrics::new(),
            health: Health::default(),
            slot: 0,
            scores: None,
            peers: None,
        };
        let snapshots = store(self.settings)?;
        let migration = Migration {
            settings: self.settings,
            around: &around,
            snapshots: &snapshots,
            topic: self.topic,
            used: self.before.used,
            there: self.there,
            reason: self.reason,
            at: now(),
        };
        if !migration.is_put_aside(stage)? {
            let left = migration.left_to_read(stage)?;
            if !left.is_empty() && !drain {
                let places: Vec<String> = left.iter().map(|(place, n)| format!("{place}: {n}")).collect();
                bail!(
                    "{stage} has not read {} to its end; left are {}. Say --drain: {stage} reads them here, and publishes what \
                     it finds",
                    self.topic,
                    places.join(", ")
                );
            }
            migration.drain(stage, stop::on_signal()?.as_ref())?;
        }
        let divided = migration.divide(stage)?;
        // The last step: before it no process starts, and a second call goes on.
        self.take_on(Layout::whole(self.there))?;
        crash::point("layout_written");
        migration.clean(stage)?;
        let lost = match divided.lost {
            0 => String::new(),
            n => format!("; {n} series found no room on their partition and warm up anew"),
        };
        let kept = if divided.before {
            "all its memory, as an earlier call had divided it".to_owned()
        } else {
            let of = if stage == "detect" { "series" } else { "domain(s)" };
            format!("the memory of {} {of}", divided.keys)
        };
        Ok(format!(
            "{}: {} partitions from now on ({} before); {stage} goes on with {kept}, each where it belongs now{lost}",
            self.topic, self.there, self.before.used,
        ))
    }

    /// Notes what is done, and only then does it: who is ended between the two notes it twice, and never leaves it out.
    fn take_on(&self, layout: Layout) -> anyhow::Result<()> {
        if let Some(mut ledger) = ledger(self.settings)? {
            ledger.note(&json!({
                "kind": "migrate", "topic": self.topic, "before": self.before.used, "partitions": self.there,
                "used": layout.used, "reason": self.reason, "at": now().nanos(),
            }))?;
        }
        let identity = format!("{}.layout.migrate", self.settings.group);
        let layouts = BTreeMap::from([(self.topic.to_owned(), layout)]);
        Ok(remember_layout(self.settings, self.log, &identity, &layouts)?)
    }
}
