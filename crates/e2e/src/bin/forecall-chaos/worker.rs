//! One process of the run: forecall's own host on forecall's own log, with the tally as its stage.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use forecall_kafka::KafkaLog;
use forecall_log::{LogError, Membership};
use forecall_observe::{LogSettings, Metrics, init_logs};
use forecall_runtime::host::{Host, HostSettings, LogSink, Place as HostPlace};
use forecall_runtime::{HostError, SnapshotStore, SystemClock};
use signal_hook::consts::SIGTERM;

use crate::adapter::TallyAdapter;
use crate::at_least_once;
use crate::place::{Place, SNAPSHOT_EVERY};

/// Longest wait for records in one turn, as `forecall run` has it.
pub(crate) const TURN: Duration = Duration::from_millis(50);
/// Exit code of a process whose name another one has taken, as `forecall` has it.
pub(crate) const EXIT_FENCED: i32 = 78;
/// A batch is small, so that there are many.
pub(crate) const BATCH_RECORDS_MAX: usize = 200;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Number of this process: stable over restarts.
    #[arg(long)]
    slot: u32,
    /// The control: publish and flush, then commit the positions, in no transaction.
    #[arg(long)]
    unsafe_no_transactions: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    init_logs(&LogSettings::default())?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&stop)).context("failed to listen for SIGTERM")?;
    end_with_the_driver();
    if args.unsafe_no_transactions {
        return at_least_once::run(&args.place, args.slot, &stop);
    }
    let result = host(&args.place, args.slot, &stop);
    if let Err(HostError::Log(LogError::Stopped { what })) = &result {
        tracing::warn!(
            what,
            "stopped before the broker had answered: the next start settles it"
        );
        return Ok(());
    }
    if let Err(HostError::Log(LogError::Fenced { .. })) = &result {
        tracing::error!("fenced: another process has this slot");
        std::process::exit(EXIT_FENCED);
    }
    result.context("the host has stopped")
}

fn host(place: &Place, slot: u32, stop: &Arc<AtomicBool>) -> Result<(), HostError> {
    let log = KafkaLog::connect_until(place.settings(), Arc::clone(stop))?;
    let membership = Membership {
        group: place.group(),
        instance: place.instance(slot),
        topics: vec![place.inputs()],
        is_static: true,
    };
    let around = HostPlace {
        sink: Arc::new(LogSink),
        snapshots: SnapshotStore::local(&place.state, &place.run)?,
        clock: Arc::new(SystemClock),
        metrics: Metrics::new(),
        settings: HostSettings {
            batch_records_max: BATCH_RECORDS_MAX,
            snapshot_every: SNAPSHOT_EVERY,
            ..HostSettings::default()
        },
    };
    let adapter = TallyAdapter { place: place.clone() };
    let mut host = Host::join(&log, &membership, adapter, around)?;
    // The loop of `Pipeline::run`.
    while !stop.load(Ordering::SeqCst) {
        match host.turn(TURN) {
            Ok(_) => {}
            Err(HostError::Log(LogError::Retriable { what, source })) => {
                tracing::warn!(what, cause = ?source, "will be tried again");
                std::thread::sleep(TURN);
            }
            Err(error) => return Err(error),
        }
    }
    host.stop()?;
    tracing::info!("stopped: positions are committed, snapshots saved");
    Ok(())
}

/// The driver holds the other end of the standard input: when it is gone, so are we.
fn end_with_the_driver() {
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        // Whether it ends or fails: nobody is there any more.
        let _gone = std::io::stdin().read_to_end(&mut rest);
        std::process::exit(3);
    });
}
