//! `forecall topology …`: what is known of services beside the settings, and what people say of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand, ValueEnum};
use forecall_config::Settings;
use forecall_log::{Log, TopicPartition};
use forecall_types::{
    DomainName, EventTime, NEEDS_MAX, Responsibility, ServiceName, ServiceRecord, TRACED_KEPT,
};
use forecall_wire::event::{TopicId, decode_service, encode_service};
use serde_json::{Value, json};

use crate::snapshots::now;
use crate::word;

/// Rows that are shown: as many as correlate takes of one domain, for some domains.
const ROWS_MAX: usize = 100_000;

#[derive(Debug, Args)]
pub(crate) struct TopologyArgs {
    #[command(subcommand)]
    command: TopologyCommand,
}

#[derive(Debug, Subcommand)]
enum TopologyCommand {
    /// Who needs whom: what was said on the topic, and what traces show.
    #[command(
        after_help = "Examples:\n  forecall topology show\n  forecall topology show --json | jq '.services[] | select(.traced_by)'\n  forecall topology show --dot | dot -Tsvg > topology.svg\n\nWhat the settings declare isn't shown: it stands in the configuration. What traces haven't shown for a week counts no more and is left out."
    )]
    Show(ShowArgs),
    /// Say what a service needs; replaces what was said of it so before.
    #[command(
        after_help = "Examples:\n  forecall topology say internet --needs access --needs radius --customer-facing true --responsibility own\n  forecall topology say radius --gone\n\nWhat the settings declare stays as it is declared. What traces show isn't touched by it."
    )]
    Say(SayArgs),
}

#[derive(Debug, Args)]
struct ReadArgs {
    /// The configuration.
    #[arg(long, short, default_value = "forecall.yaml", env = "FORECALL_CONFIG")]
    config: PathBuf,
    /// Domain of the services (default: all when shown, the configuration's when said).
    #[arg(long)]
    domain: Option<DomainName>,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// As a graph in the language of Graphviz.
    #[arg(long, conflicts_with = "json")]
    dot: bool,
}

#[derive(Debug, Args)]
struct SayArgs {
    /// The service, as `service.name` says it in telemetry.
    service: ServiceName,
    /// A service it needs; may be given several times.
    #[arg(long = "needs")]
    needs: Vec<ServiceName>,
    /// Whether customers use it by name.
    #[arg(long)]
    customer_facing: Option<bool>,
    /// Who answers where it is the cause of an incident.
    #[arg(long, value_enum)]
    responsibility: Option<ResponsibilityArg>,
    /// It is gone.
    #[arg(long, conflicts_with_all = ["needs", "customer_facing", "responsibility"])]
    gone: bool,
    /// Only show the record.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    read: ReadArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ResponsibilityArg {
    /// The operator.
    Own,
    /// A supplier.
    Supplier,
    /// The power grid.
    Power,
}

impl From<ResponsibilityArg> for Responsibility {
    fn from(said: ResponsibilityArg) -> Self {
        match said {
            ResponsibilityArg::Own => Self::Own,
            ResponsibilityArg::Supplier => Self::Supplier,
            ResponsibilityArg::Power => Self::Power,
        }
    }
}

pub(crate) fn run(args: TopologyArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match args.command {
        TopologyCommand::Show(args) => {
            let (settings, log) = word::connect(&args.read.config)?;
            let (said, strange) = read(&log, &settings, args.read.domain.as_ref())?;
            if args.read.json {
                writeln!(
                    out,
                    "{}",
                    json!({"services": said.iter().map(json_of).collect::<Vec<_>>(), "unreadable": strange})
                )?;
            } else if args.dot {
                out.write_all(dot(&said).as_bytes())?;
            } else {
                tell(&said, &mut out)?;
                if strange > 0 {
                    writeln!(
                        out,
                        "{strange} records are no services, or of a later version: left out"
                    )?;
                }
            }
        }
        TopologyCommand::Say(args) => {
            let (settings, log) = word::connect(&args.read.config)?;
            let record = record_of(&args, &settings, now())?;
            let encoded = encode_service(&record)?;
            let topic = settings.topic_names().name(TopicId::Topology);
            if !args.dry_run {
                let key = String::from_utf8_lossy(&encoded.key).into_owned();
                let out = word::record(&settings.topic_names(), TopicId::Topology, encoded.clone());
                word::publish(&log, &settings, ("topology", &key), out)?;
            }
            let text = String::from_utf8_lossy(&encoded.value);
            if args.read.json {
                let value: Value = serde_json::from_slice(&encoded.value)?;
                writeln!(
                    out,
                    "{}",
                    json!({"published": !args.dry_run, "topic": topic, "record": value})
                )?;
            } else if args.dry_run {
                writeln!(out, "would be said on {topic}: {text}")?;
            } else {
                writeln!(out, "said on {topic}: {text}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn record_of(args: &SayArgs, settings: &Settings, at: EventTime) -> anyhow::Result<ServiceRecord> {
    let depends_on: BTreeSet<ServiceName> = args.needs.iter().cloned().collect();
    ensure!(
        depends_on.len() <= NEEDS_MAX,
        "a service may need {NEEDS_MAX} others, and {} are given",
        depends_on.len()
    );
    ensure!(
        !depends_on.contains(&args.service),
        "{} can't need itself: leave out `--needs {}`",
        args.service,
        args.service
    );
    Ok(ServiceRecord {
        domain: args
            .read
            .domain
            .clone()
            .unwrap_or_else(|| settings.domain.clone()),
        service: args.service.clone(),
        at,
        traced_by: None,
        removed: args.gone,
        customer_facing: args.customer_facing,
        responsibility: args.responsibility.map(Into::into).unwrap_or_default(),
        depends_on,
    })
}

/// The newest of each key that still counts, by domain and service; and how many records couldn't be read.
fn read(
    log: &dyn Log,
    settings: &Settings,
    domain: Option<&DomainName>,
) -> anyhow::Result<(Vec<ServiceRecord>, usize)> {
    let topic = settings.topic_names().name(TopicId::Topology);
    let count = i32::try_from(log.bounds(&topic)?.len()).context("too many partitions")?;
    let mut newest: BTreeMap<Vec<u8>, ServiceRecord> = BTreeMap::new();
    let mut strange = 0;
    for partition in 0..count {
        log.read(&TopicPartition::new(&topic, partition), 0, &mut |record| {
            let (Some(key), Some(value)) = (record.key, record.value) else {
                return;
            };
            match decode_service(record.headers.get(), value) {
                Ok(said) if newest.len() < ROWS_MAX || newest.contains_key(key) => {
                    newest.insert(key.to_vec(), said);
                }
                Ok(_) | Err(_) => strange += 1,
            }
        })?;
    }
    let mut said: Vec<ServiceRecord> = newest.into_values().collect();
    let traced = said.iter().filter(|one| one.traced_by.is_some());
    let last = traced.map(|one| one.at).max();
    said.retain(|one| {
        let is_old = one.traced_by.is_some() && last.is_some_and(|last| last.since(one.at) > TRACED_KEPT);
        !one.removed && !is_old && domain.is_none_or(|domain| *domain == one.domain)
    });
    said.sort_by(|a, b| (&a.domain, &a.service, &a.traced_by).cmp(&(&b.domain, &b.service, &b.traced_by)));
    Ok((said, strange))
}

fn json_of(said: &ServiceRecord) -> Value {
    // As it stands on the topic.
    encode_service(said)
        .ok()
        .and_then(|encoded| serde_json::from_slice(&encoded.value).ok())
        .unwrap_or(Value::Null)
}

fn origin(said: &ServiceRecord) -> String {
    said.traced_by.as_ref().map_or_else(
        || "said".to_owned(),
        |from| format!("traces {}/{}", from.topic, from.partition),
    )
}

fn tell(said: &[ServiceRecord], out: &mut dyn Write) -> anyhow::Result<()> {
    if said.is_empty() {
        writeln!(
            out,
            "nothing was said: `forecall topology say`, or a source of `format: otlp_traces`"
        )?;
    }
    for one in said {
        let needs: Vec<&str> = one.depends_on.iter().map(|name| name.as_str()).collect();
        let facing = match one.customer_facing {
            Some(true) => ", customers use it",
            Some(false) => ", customers don't use it",
            None => "",
        };
        let answers = match one.responsibility {
            Responsibility::Unknown => String::new(),
            known => format!(", {} answers", known.as_str()),
        };
        let needs = if needs.is_empty() {
            "nothing".to_owned()
        } else {
            needs.join(", ")
        };
        writeln!(
            out,
            "{}/{} needs {needs}{facing}{answers} ({})",
            one.domain,
            one.service,
            origin(one)
        )?;
    }
    Ok(())
}

/// Graphviz; dashed is what traces show.
fn dot(said: &[ServiceRecord]) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let mut edges: BTreeMap<(String, String), bool> = BTreeMap::new();
    for one in said {
        for needed in &one.depends_on {
            let is_said = edges
                .entry((one.service.to_string(), needed.to_string()))
                .or_default();
            *is_said |= one.traced_by.is_none();
        }
    }
    let mut text = String::from("digraph topology {\n  rankdir=LR;\n");
    for one in said.iter().filter(|one| one.customer_facing == Some(true)) {
        let _ = writeln!(text, "  {} [shape=box];", quoted(one.service.as_str()));
    }
    for ((from, to), is_said) in edges {
        let style = if is_said { "" } else { " [style=dashed]" };
        let _ = writeln!(text, "  {} -> {}{style};", quoted(&from), quoted(&to));
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use forecall_log::{InProcess, OutRecord, TopicSpec, Transaction};
    use forecall_types::SourcePartition;

    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    fn said(service: &str, needs: &[&str], traced: bool, at: i64) -> ServiceRecord {
        ServiceRecord {
            domain: DomainName::new("shop").unwrap(),
            service: name(service),
            at: EventTime::from_secs(at),
            traced_by: traced.then(|| SourcePartition {
                topic: "traces".into(),
                partition: 1,
            }),
            removed: false,
            customer_facing: None,
            responsibility: Responsibility::Unknown,
            depends_on: needs.iter().map(|need| name(need)).collect(),
        }
    }

    fn settings() -> Settings {
        Settings::from_yaml("test", "domain: shop\n").unwrap()
    }

    fn shown(records: &[ServiceRecord]) -> (Vec<ServiceRecord>, usize) {
        let log = InProcess::default();
        log.create_topics(&[TopicSpec::new("forecall.topology.v1", 2)])
            .unwrap();
        let mut all: Vec<OutRecord> = records
            .iter()
            .map(|record| {
                let encoded = encode_service(record).unwrap();
                OutRecord {
                    headers: encoded.headers,
                    ..OutRecord::new("forecall.topology.v1", encoded.key, encoded.value)
                }
            })
            .collect();
        all.push(OutRecord::new(
            "forecall.topology.v1",
            b"x".to_vec(),
            b"{}".to_vec(),
        ));
        log.writer("test")
            .unwrap()
            .commit(&Transaction {
                records: all,
                positions: vec![],
            })
            .unwrap();
        read(&log, &settings(), None).unwrap()
    }

    #[test]
    fn the_newest_of_each_origin_is_shown_while_it_counts() {
        let week = 8 * 86_400;
        let gone = ServiceRecord {
            removed: true,
            ..said("gone", &[], false, 20)
        };
        let web = ServiceRecord {
            customer_facing: Some(true),
            responsibility: Responsibility::Own,
            ..said("web", &["cart", "pay \"x\""], false, 10)
        };
        let (known, strange) = shown(&[
            said("web", &["old"], false, 0),
            said("gone", &["web"], false, 0),
            said("forgotten", &["web"], true, 0),
            web,
            gone,
            said("cart", &["db"], true, week),
        ]);
        assert_eq!(strange, 1);
        let mut text = Vec::new();
        tell(&known, &mut text).unwrap();
        expect![[r#"
            shop/cart needs db (traces traces/1)
            shop/web needs cart, pay "x", customers use it, own answers (said)
        "#]]
        .assert_eq(&String::from_utf8(text).unwrap());
        expect![[r#"
            digraph topology {
              rankdir=LR;
              "web" [shape=box];
              "cart" -> "db" [style=dashed];
              "web" -> "cart";
              "web" -> "pay \"x\"";
            }
        "#]]
        .assert_eq(&dot(&known));
    }

    #[test]
    fn nobody_needs_itself() {
        let mut args = SayArgs {
            service: name("web"),
            needs: vec![name("cart"), name("web")],
            customer_facing: None,
            responsibility: Some(ResponsibilityArg::Supplier),
            gone: false,
            dry_run: true,
            read: ReadArgs {
                config: PathBuf::new(),
                domain: None,
                json: false,
            },
        };
        let refused = record_of(&args, &settings(), EventTime::from_secs(1)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "web can't need itself: leave out `--needs web`"
        );
        args.needs.pop();
        let record = record_of(&args, &settings(), EventTime::from_secs(1)).unwrap();
        let needs: Vec<&str> = record.depends_on.iter().map(|need| need.as_str()).collect();
        assert_eq!(
            (record.domain.as_str(), needs, record.responsibility),
            ("shop", vec!["cart"], Responsibility::Supplier)
        );
    }
}
