//! `kafka up|down|status`: a real single-node Apache Kafka on this machine, from Maven artifacts.

mod broker;
mod throwaway;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Subcommand;

pub(crate) use broker::Broker;
pub(crate) use throwaway::Throwaway;

use crate::java::{self, Java};
use crate::maven::{self, Artifact, Wanted};
use crate::{process, repo};

const KAFKA_VERSION: &str = "4.3.1";
/// The broker, its command-line tools, and a log back end (without one it would say nothing, not even its errors).
const ARTIFACTS: [Artifact; 3] = [
    Artifact {
        group: "org.apache.kafka",
        name: "kafka_2.13",
        version: KAFKA_VERSION,
    },
    Artifact {
        group: "org.apache.kafka",
        name: "kafka-tools",
        version: KAFKA_VERSION,
    },
    Artifact {
        group: "org.apache.logging.log4j",
        name: "log4j-slf4j-impl",
        version: "2.25.4",
    },
];
/// `status` of a broker that is down, so that scripts can tell it from a failure.
const EXIT_DOWN: u8 = 3;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// The broker's port; its controller takes the next one.
    #[arg(long, default_value_t = 19092, global = true)]
    port: u16,
    /// The broker's folder, where it isn't the one of its port.
    #[arg(long, global = true, hide = true)]
    folder: Option<PathBuf>,
    /// Where a proxy before a second listener is reached.
    #[arg(long, global = true, hide = true)]
    proxy: Option<u16>,
}

#[derive(Subcommand)]
enum Verb {
    /// Start it, unless it runs, and wait until it is ready.
    Up,
    /// Stop it; its data stays.
    Down,
    /// Say whether it runs (exit code 3: down).
    Status,
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<ExitCode> {
    ensure!(
        args.port < u16::MAX,
        "port {} leaves none for the controller: take a lower one",
        args.port
    );
    let place = args
        .folder
        .clone()
        .unwrap_or_else(|| folder(root).join(args.port.to_string()));
    let broker = Broker::new(place, args.port).with_proxy(args.proxy);
    match args.verb {
        Verb::Up => {
            process::listen_for_stop();
            if broker.pid().is_none() {
                let java = java::prepare()?;
                let libs = libraries(root, &java)?;
                broker.up(&java.java, &libs)?;
            }
            println!("{}", broker.describe());
        }
        Verb::Down => {
            let was_up = broker.down()?;
            println!("{}", if was_up { "down" } else { "was not running" });
        }
        Verb::Status => {
            println!("{}", broker.describe());
            if broker.pid().is_none() {
                return Ok(ExitCode::from(EXIT_DOWN));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where brokers and jars are kept.
pub(crate) fn folder(root: &Path) -> PathBuf {
    repo::dev_dir(root).join("kafka")
}

/// The folder with Kafka's jars, fetched if need be.
pub(crate) fn libraries(root: &Path, java: &Java) -> Result<PathBuf> {
    let libs = folder(root).join(format!("libs-{KAFKA_VERSION}"));
    let what = format!("Apache Kafka {KAFKA_VERSION}");
    maven::fetch(
        &java.mvn,
        &libs,
        &Wanted {
            what: &what,
            artifacts: &ARTIFACTS,
            transitive: true,
        },
    )?;
    Ok(libs)
}
