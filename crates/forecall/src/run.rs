use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_observe::{Health, Metric, Metrics, init_logs, serve};
use forecall_runtime::{Pipeline, Roles, Storage, Surroundings, SystemClock};
use tracing::{info, warn};

use crate::cli::RunArgs;
use crate::{directory, stop};

/// Which stages a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Detect,
    Correlate,
    Outreach,
    Deliver,
}

impl Which {
    const fn roles(self) -> Roles {
        match self {
            Self::All => Roles::ALL,
            Self::Detect => Roles {
                detect: true,
                ..Roles::NONE
            },
            Self::Correlate => Roles {
                correlate: true,
                ..Roles::NONE
            },
            Self::Outreach => Roles {
                outreach: true,
                ..Roles::NONE
            },
            Self::Deliver => Roles {
                deliver: true,
                ..Roles::NONE
            },
        }
    }
}

/// Brings the watchdog's count of the Kafka client into the metrics, every second.
fn count_rejoins(metrics: Metrics, stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut told = 0;
        while !stop.load(Ordering::SeqCst) {
            let count = forecall_kafka::watchdog_count();
            metrics.inc(
                Metric::WatchdogRestartsTotal,
                &["all"],
                count.saturating_sub(told),
            );
            told = count;
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

pub(crate) fn run(args: &RunArgs, which: Which) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    init_logs(&settings.logs)?;
    for warning in &settings.warnings {
        warn!(place = ?warning.place, "{}", warning.what);
    }
    let kafka = settings.kafka.clone().with_context(|| {
        format!(
            "{} has no `kafka:`; the log in memory serves `forecall demo` and `forecall replay` only",
            args.config.display()
        )
    })?;
    let stop = stop::on_signal()?;
    let metrics = Metrics::new();
    let health = Health::default();
    health.set_ready("start", false);
    let server = serve(
        settings.http.listen,
        settings.http.allow_remote,
        metrics.clone(),
        health.clone(),
    )?;
    info!(address = %server.local_addr(), "metrics and health are served");
    let log = Arc::new(KafkaLog::connect(kafka)?);
    let surroundings = Surroundings {
        log,
        clock: Arc::new(SystemClock),
        metrics: metrics.clone(),
        health: health.clone(),
        slot: args.slot,
        scores: None,
    };
    let roles = which.roles();
    let mut pipeline = Pipeline::build(&settings, surroundings, roles, &Storage::Settings)?;
    if roles.outreach {
        directory::import(&settings, &mut pipeline)?;
    }
    health.set_ready("start", true);
    count_rejoins(metrics, Arc::clone(&stop));
    info!(slot = args.slot, ?which, "running");
    pipeline.run(&stop)?;
    info!("stopped: positions are committed, snapshots saved");
    Ok(())
}
