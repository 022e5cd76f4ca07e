//! Looks at everything a start needs, outside the process: broker, topics, rights, positions, clocks, ledger, snapshots,
//! gateways. It changes nothing but a probe file that it removes, and sends nothing to anybody.

mod gateways;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::ExitCode;

use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_log::{Log as _, LogError, TopicPartition};
use forecall_runtime::topics::{TopicUse, look_at_topics, topic_uses};
use forecall_runtime::{Finding, Roles, Severity, SnapshotStore};
use forecall_types::{CorrelateEntry, EventTime};
use forecall_wire::event::{TopicId, decode_correlate_entry};
use serde_json::json;

use crate::acls;
use crate::audit;
use crate::cli::DoctorArgs;
use crate::snapshots::now;

/// Beyond this a tick would be refused (60 s); half of it is worth a look.
const SKEW_DOUBTFUL: f64 = 30.0;
const SKEW_WRONG: f64 = 60.0;
/// Ticks are looked for in so many of the newest records of a partition.
const TICKS_AMONG: i64 = 200;
/// Exit codes: all well, something is doubtful, something is wrong.
const DOUBTFUL: u8 = 1;
const WRONG: u8 = 2;

pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(&args.config)?;
    if let Some(principal) = &args.acls {
        std::io::stdout().write_all(acls::commands(&acls::needed(&settings), principal).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut findings = vec![Finding::fine(
        "configuration",
        format!("{} is right", args.config.display()),
    )];
    for warning in &settings.warnings {
        findings.push(Finding::doubtful("configuration", &warning.what, ""));
    }
    broker(&settings, &mut findings);
    snapshots(&settings, &mut findings);
    ledger(&settings, &mut findings);
    gateways::look_at(&settings, &mut findings);
    let worst = findings.iter().map(|f| f.severity).max();
    if args.json {
        let rows: Vec<_> = findings
            .iter()
            .map(|f| json!({"severity": f.severity.as_str(), "subject": f.subject, "what": f.what, "remedy": f.remedy}))
            .collect();
        let ok = worst < Some(Severity::Wrong);
        writeln!(std::io::stdout(), "{}", json!({"ok": ok, "findings": rows}))?;
    } else {
        table(&findings)?;
    }
    Ok(match worst {
        Some(Severity::Wrong) => ExitCode::from(WRONG),
        Some(Severity::Doubtful) => ExitCode::from(DOUBTFUL),
        Some(Severity::Fine) | None => ExitCode::SUCCESS,
    })
}

fn table(findings: &[Finding]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in findings {
        writeln!(
            out,
            "{:<9} {:<42} {}",
            finding.severity.as_str(),
            finding.subject,
            finding.what
        )?;
        if !finding.remedy.is_empty() {
            writeln!(out, "{:<52} remedy: {}", "", finding.remedy)?;
        }
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    writeln!(
        out,
        "{} fine, {} doubtful, {} wrong",
        count(Severity::Fine),
        count(Severity::Doubtful),
        count(Severity::Wrong)
    )
}

/// A question that could not be asked is a finding too: mostly a missing right.
fn unanswered(subject: &str, error: &LogError) -> Finding {
    let what = anyhow::Error::msg(error.to_string());
    let cause = std::error::Error::source(error).map_or_else(String::new, |e| format!(": {e}"));
    Finding::wrong(
        subject,
        format!("{what}{cause}"),
        "`forecall doctor --acls User:…` prints the rights that are needed; the broker's log says who was refused what",
    )
}

fn broker(settings: &Settings, findings: &mut Vec<Finding>) {
    let Some(kafka) = settings.kafka.clone() else {
        findings.push(Finding::wrong(
            "broker",
            "the configuration has no `kafka:`",
            "demo and replay need none; everything else does",
        ));
        return;
    };
    let address = kafka.bootstrap_servers.clone();
    let log = match KafkaLog::connect(kafka) {
        Ok(log) => log,
        Err(error) => {
            findings.push(unanswered("broker", &error));
            return;
        }
    };
    findings.push(Finding::fine("broker", format!("answers at {address}")));
    match look_at_topics(settings, &log, Roles::ALL) {
        Ok((topics, _)) => findings.extend(topics),
        Err(error) => findings.push(unanswered("topics", &error)),
    }
    let uses: Vec<TopicUse> = topic_uses(settings, Roles::ALL)
        .into_iter()
        .filter(|u| u.part.is_read())
        .collect();
    for one in &uses {
        if let Err(error) = position(settings, &log, one, findings) {
            findings.push(unanswered(
                &format!("group {}.{}", settings.group, one.stage),
                &error,
            ));
            // Each further question might wait for its time-out, to say the same.
            break;
        }
    }
    match log.writer(&format!("{}.doctor", settings.group)) {
        Ok(_) => findings.push(Finding::fine(
            format!("transactional id {}.*", settings.group),
            "transactions are allowed",
        )),
        Err(error) => findings.push(unanswered(
            &format!("transactional id {}.*", settings.group),
            &error,
        )),
    }
    hosts(settings, &log, &uses, findings);
    skew(settings, &log, findings);
}

/// Whether what is committed still lies within what the topic holds.
fn position(
    settings: &Settings,
    log: &KafkaLog,
    one: &TopicUse,
    findings: &mut Vec<Finding>,
) -> Result<(), LogError> {
    let bounds = match log.bounds(&one.topic) {
        Ok(bounds) => bounds,
        // Told already.
        Err(LogError::NoTopic { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    let places: Vec<TopicPartition> = (0_i32..)
        .zip(&bounds)
        .map(|(p, _)| TopicPartition::new(&one.topic, p))
        .collect();
    // The right to read the topic shows only when it is read.
    if let (Some(place), Some((_, end))) = (places.first(), bounds.first()) {
        log.read(place, (end - 1).max(0), &mut |_| {})?;
    }
    if one.stage == "outreach" {
        return Ok(());
    }
    let group = format!("{}.{}", settings.group, one.stage);
    let committed = log.committed(&group, &places)?;
    // Asked again, because a stage that runs has gone on meanwhile.
    let bounds = log.bounds(&one.topic)?;
    let mut lag = 0;
    let mut begun = 0;
    for ((place, at), (oldest, end)) in places.iter().zip(committed).zip(&bounds) {
        let Some(at) = at else { continue };
        begun += 1;
        lag += (end - at.next_offset).max(0);
        if at.next_offset < *oldest {
            findings.push(Finding::wrong(
                format!("group {group}"),
                format!(
                    "{place}: it stands at {}, the oldest record kept is {oldest}: {} records are gone unread",
                    at.next_offset,
                    oldest - at.next_offset
                ),
                "docs/runbooks/offset-out-of-range.md",
            ));
        } else if at.next_offset > *end {
            findings.push(Finding::wrong(
                format!("group {group}"),
                format!(
                    "{place}: it stands at {}, the topic ends at {end}: it was made again",
                    at.next_offset
                ),
                "docs/runbooks/offset-out-of-range.md",
            ));
        }
    }
    findings.push(Finding::fine(
        format!("group {group}"),
        format!(
            "{}: {begun} of {} partitions begun, lag {lag}",
            one.topic,
            places.len()
        ),
    ));
    Ok(())
}

/// A local folder serves one host.
fn hosts(settings: &Settings, log: &KafkaLog, uses: &[TopicUse], findings: &mut Vec<Finding>) {
    let stages: BTreeSet<&str> = uses.iter().map(|u| u.stage).collect();
    let mut hosts: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for stage in stages {
        match log.members(&format!("{}.{stage}", settings.group)) {
            Ok(members) => {
                for member in members {
                    hosts.entry(member.host).or_default().insert(stage);
                }
            }
            Err(error) => {
                findings.push(unanswered("hosts", &error));
                return;
            }
        }
    }
    let names: Vec<&str> = hosts.keys().map(String::as_str).collect();
    findings.push(match names.as_slice() {
        [] => Finding::fine("hosts", "no stage runs at present"),
        [one] => Finding::fine("hosts", format!("all stages run on {one}")),
        several if settings.state.store.is_some() => Finding::fine(
            "hosts",
            format!("stages run on {} hosts ({}), which share `state.store`", several.len(), several.join(", ")),
        ),
        several => Finding::wrong(
            "hosts",
            format!(
                "stages run on {} hosts ({}), and `state.path` is a local folder: a partition that moves would leave its memory \
                 behind",
                several.len(),
                several.join(", ")
            ),
            "run them on one host, set `state.store`, or put `state.path` on a file system they share",
        ),
    });
}

/// The newest tick beside the time at which the broker took it.
fn skew(settings: &Settings, log: &KafkaLog, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "clock";
    let topic = settings.topic_names().name(TopicId::Anomalies);
    let by_broker = log
        .describe(std::slice::from_ref(&topic))
        .ok()
        .and_then(|found| found.into_iter().next())
        .and_then(|state| state.settings.get("message.timestamp.type").cloned());
    if by_broker.as_deref() != Some("LogAppendTime") {
        findings.push(Finding::fine(
            SUBJECT,
            format!("not known: {topic} has not `message.timestamp.type=LogAppendTime`, so no record tells the broker's time"),
        ));
        return;
    }
    let mut newest: Option<(EventTime, EventTime)> = None;
    for (number, (oldest, end)) in (0_i32..).zip(log.bounds(&topic).unwrap_or_default()) {
        let place = TopicPartition::new(&topic, number);
        let read = log.read(&place, (end - TICKS_AMONG).max(oldest), &mut |record| {
            let value = record.value.unwrap_or_default();
            if let Ok(CorrelateEntry::Tick(tick)) = decode_correlate_entry(record.headers.get(), value)
                && newest.is_none_or(|(_, taken)| record.appended_at > taken)
            {
                newest = Some((tick.at, record.appended_at));
            }
        });
        if let Err(error) = read {
            findings.push(unanswered(SUBJECT, &error));
            return;
        }
    }
    let Some((tick, taken)) = newest else {
        findings.push(Finding::fine(SUBJECT, "not known: no tick was written yet"));
        return;
    };
    let ahead = tick.seconds_from(taken);
    let what = format!(
        "the host of correlate is {ahead:+.1} s off the broker (its last tick, whole seconds and the commit included)"
    );
    findings.push(if ahead.abs() > SKEW_WRONG {
        Finding::wrong(
            SUBJECT,
            what,
            "let both follow the same time servers (chrony, systemd-timesyncd)",
        )
    } else if ahead.abs() > SKEW_DOUBTFUL {
        Finding::doubtful(SUBJECT, what, "let both follow the same time servers")
    } else {
        Finding::fine(SUBJECT, what)
    });
    let here = now().seconds_from(taken);
    if here < -SKEW_DOUBTFUL {
        findings.push(Finding::doubtful(
            SUBJECT,
            format!("this host is {:.0} s behind the broker", -here),
            "let both follow the same time servers",
        ));
    }
}

fn snapshots(settings: &Settings, findings: &mut Vec<Finding>) {
    let store = SnapshotStore::existing(settings);
    let place = match &store {
        Ok(Some(store)) => store.place().to_owned(),
        Ok(None) | Err(_) => settings.state.path.display().to_string(),
    };
    let subject = format!("snapshots {place}");
    if matches!(store, Ok(None)) {
        // Not made here: the login that runs forecall should own it.
        let parent = settings.state.path.ancestors().find(|p| p.is_dir());
        findings.push(Finding::fine(
            subject,
            format!(
                "not there yet: the start makes it below {}",
                parent.map_or_else(|| ".".to_owned(), |p| p.display().to_string())
            ),
        ));
        return;
    }
    let mend = if settings.state.store.is_some() {
        "mend the store, its login or `state.store`"
    } else {
        "mend the folder"
    };
    let store = match store {
        Ok(Some(store)) => store,
        Ok(None) => return,
        Err(error) => {
            findings.push(Finding::wrong(
                subject,
                format!("{:#}", anyhow::Error::from(error)),
                mend,
            ));
            return;
        }
    };
    if let Err(error) = store.probe() {
        findings.push(Finding::wrong(
            subject,
            format!("{:#}", anyhow::Error::from(error)),
            if settings.state.store.is_some() {
                mend
            } else {
                "is the disk full, or does it belong to another login?"
            },
        ));
        return;
    }
    let mut damaged = 0;
    let mut whole = 0;
    let listed = store.partitions().and_then(|partitions| {
        for (stage, partition) in partitions {
            for entry in store.entries(&stage, &partition)? {
                if entry.header.is_ok() {
                    whole += 1;
                } else {
                    damaged += 1;
                }
            }
        }
        Ok(())
    });
    findings.push(match listed {
        Err(error) => Finding::wrong(subject, format!("{:#}", anyhow::Error::from(error)), mend),
        Ok(()) if damaged > 0 => Finding::doubtful(
            subject,
            format!("{damaged} of {} snapshots are damaged", damaged + whole),
            "`forecall snapshots list` names them; the start takes the one before; look at the disk",
        ),
        Ok(()) => Finding::fine(subject, format!("writable, {whole} snapshots, all whole")),
    });
}

fn ledger(settings: &Settings, findings: &mut Vec<Finding>) {
    let subject = format!("ledger {}", settings.ledger.path.display());
    findings.push(match audit::ledger(settings) {
        Ok(None) => Finding::fine(
            subject,
            "not on this host, or not made yet, or no `ledger.master_key`: outreach makes it",
        ),
        Ok(Some(ledger)) => match audit::chain(&ledger) {
            Ok((true, words)) => Finding::fine(
                subject,
                format!("opens with this key; its audit chain is {words}"),
            ),
            Ok((false, words)) => Finding::wrong(
                subject,
                format!("its audit chain is {words}"),
                "docs/runbooks/audit-residue.md, \"the chain\"",
            ),
            Err(error) => Finding::wrong(subject, format!("{error:#}"), "mend the file, or take the backup"),
        },
        Err(error) => Finding::wrong(
            subject,
            format!("{error:#}"),
            "the key of this ledger, or its backup",
        ),
    });
}
