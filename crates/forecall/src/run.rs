use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::KafkaLog;
use forecall_observe::{Health, Metric, Metrics, init_logs, serve};
use forecall_runtime::{Ending, Pipeline, Roles, Storage, Surroundings, SystemClock};
use tracing::{info, warn};

use crate::cli::RunArgs;
use crate::topic_watch::TopicWatch;
use crate::{directory, stop};

/// Which stages a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Detect,
    Journeys,
    Correlate,
    Outreach,
    Deliver,
    Bridge,
    Remedy,
}

impl Which {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "run",
            Self::Detect => "detect",
            Self::Journeys => "journeys",
            Self::Correlate => "correlate",
            Self::Outreach => "outreach",
            Self::Deliver => "deliver",
            Self::Bridge => "bridge",
            Self::Remedy => "remedy",
        }
    }

    const fn roles(self) -> Roles {
        match self {
            Self::All => Roles::ALL,
            Self::Detect => Roles {
                detect: true,
                ..Roles::NONE
            },
            Self::Journeys => Roles {
                journeys: true,
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
            Self::Bridge => Roles {
                bridge: true,
                ..Roles::NONE
            },
            Self::Remedy => Roles {
                remedy: true,
                ..Roles::NONE
            },
        }
    }
}

/// Brings what the Kafka client counts into the metrics, every second.
fn count_client(metrics: Metrics, stop: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let (mut rejoined, mut doubted) = (0, 0);
        while !stop.load(Ordering::SeqCst) {
            let count = forecall_kafka::watchdog_count();
            let more = count.saturating_sub(rejoined);
            metrics.inc(Metric::WatchdogRestartsTotal, &["all"], more);
            rejoined = count;
            let doubts = forecall_kafka::doubts();
            let more = doubts.total.saturating_sub(doubted);
            metrics.inc(Metric::TransactionDoubtsTotal, &[], more);
            doubted = doubts.total;
            #[allow(
                clippy::cast_precision_loss,
                reason = "as many as there are members in a process"
            )]
            metrics.set(Metric::TransactionsInDoubt, &[], doubts.now as f64);
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

pub(crate) fn run(args: &RunArgs, which: Which) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    init_logs(&settings.logs)?;
    for warning in &settings.warnings {
        let place = warning.place.map(|(line, column)| format!("{line}:{column}"));
        warn!(place = place.as_deref(), "{}", warning.what);
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
    let log = Arc::new(KafkaLog::connect_until(kafka, Arc::clone(&stop))?);
    let roles = which.roles();
    let identity = format!("{}.layout.{}.{}", settings.group, which.name(), args.slot);
    let topics = TopicWatch::begin(&settings, &log, roles, &identity, &metrics)?;
    let surroundings = Surroundings {
        log: log.clone(),
        clock: Arc::new(SystemClock),
        metrics: metrics.clone(),
        health: health.clone(),
        slot: args.slot,
        scores: None,
        peers: None,
    };
    let mut pipeline = Pipeline::build(&settings, surroundings, roles, &Storage::Settings)?;
    if roles.outreach {
        directory::import(&settings, &mut pipeline)?;
    }
    let _http = if which == Which::All {
        let api = crate::api::begin(&settings, log.clone(), args.slot)?;
        (api, crate::api::begin_feeds(&settings)?)
    } else {
        (None, None)
    };
    health.set_ready("start", true);
    count_client(metrics.clone(), Arc::clone(&stop));
    info!(slot = args.slot, ?which, "running");
    let topics = topics.start(log, metrics, Arc::clone(&stop));
    let ending = pipeline.run(&stop)?;
    topics.verdict()?;
    match ending {
        Ending::Clean => info!("stopped: positions are committed, snapshots saved"),
        Ending::Undecided => warn!(
            "stopped while the broker didn't answer: a batch is undecided here; the next start finds out, nothing is lost"
        ),
    }
    Ok(())
}
