use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_console::{Interface, Running};
use forecall_kafka::KafkaLog;
use forecall_observe::{Health, Metric, Metrics, Server, init_logs, serve};
use forecall_runtime::{Ending, Pipeline, Roles, Storage, Surroundings, SystemClock};
use tracing::{error, info, warn};

use crate::cli::RunArgs;
use crate::reload::{House, Reloader};
use crate::topic_watch::{self, TopicWatch};
use crate::{directory, reload, stop};

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

fn warn_of(settings: &Settings) {
    for warning in &settings.warnings {
        let place = warning.place.map(|(line, column)| format!("{line}:{column}"));
        warn!(place = place.as_deref(), "{}", warning.what);
    }
}

/// A process on Kafka.
struct OnKafka {
    log: Arc<KafkaLog>,
    metrics: Metrics,
    health: Health,
    roles: Roles,
    slot: u32,
    /// By which it remembers partition counts.
    identity: String,
    which: Which,
    reloader: Arc<Reloader>,
    interface: Option<Interface>,
    feeds: Option<Server>,
    has_begun: bool,
}

impl OnKafka {
    /// What is served beside the stages, from their first start on.
    fn serve(&mut self, settings: &Settings) -> anyhow::Result<()> {
        if !self.has_begun && self.which == Which::All {
            let running = Arc::clone(&self.reloader) as Arc<dyn Running>;
            self.interface = crate::api::begin(settings, self.log.clone(), self.slot, Some(running))?;
            self.feeds = crate::api::begin_feeds(settings)?;
        }
        self.has_begun = true;
        Ok(())
    }
}

impl House for OnKafka {
    type Stages = (TopicWatch, Pipeline);

    fn build(&mut self, settings: &Settings) -> anyhow::Result<Self::Stages> {
        self.health.set_ready("start", false);
        let topics = TopicWatch::begin(settings, &self.log, self.roles, &self.identity, &self.metrics)?;
        let surroundings = Surroundings {
            log: self.log.clone(),
            clock: Arc::new(SystemClock),
            metrics: self.metrics.clone(),
            health: self.health.clone(),
            slot: self.slot,
            scores: None,
            peers: None,
        };
        let mut pipeline = Pipeline::build(settings, surroundings, self.roles, &Storage::Settings)?;
        if self.roles.outreach {
            directory::import(settings, &mut pipeline)?;
        }
        self.serve(settings)?;
        self.health.set_ready("start", true);
        info!(slot = self.slot, which = ?self.which, "running");
        Ok((topics, pipeline))
    }

    fn run(&mut self, (topics, pipeline): Self::Stages, halt: &Arc<AtomicBool>) -> anyhow::Result<Ending> {
        let topics = topics.start(self.log.clone(), self.metrics.clone(), Arc::clone(halt));
        let ending = pipeline.run(halt)?;
        topics.verdict()?;
        Ok(ending)
    }

    fn taken(&mut self, settings: &Settings) {
        warn_of(settings);
        let changed = self
            .interface
            .as_ref()
            .map_or(Ok(()), |interface| crate::api::change(interface, settings));
        if let Err(error) = changed {
            error!(
                error = format!("{error:#}"),
                "the HTTP interface goes by the settings of before"
            );
        }
        // Its address is free again before it is taken.
        if self.feeds.take().is_some() {
            match crate::api::begin_feeds(settings) {
                Ok(feeds) => self.feeds = feeds,
                Err(error) => error!(error = format!("{error:#}"), "the public feeds are not served"),
            }
        }
    }
}

pub(crate) fn run(args: &RunArgs, which: Which) -> anyhow::Result<()> {
    let settings = Settings::load(&args.config)?;
    init_logs(&settings.logs)?;
    warn_of(&settings);
    let kafka = settings.kafka.clone().with_context(|| {
        format!(
            "{} has no `kafka:`; the log in memory serves `forecall demo` and `forecall replay` only",
            args.config.display()
        )
    })?;
    let (stop, hup) = (stop::on_signal()?, stop::on_hangup()?);
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
    let look = {
        let log = Arc::clone(&log);
        Box::new(move |settings: &Settings| {
            topic_watch::look(settings, &log, roles)?;
            if roles.outreach {
                directory::look(settings)?;
            }
            Ok(())
        })
    };
    let reloader = Reloader::new(args.config.clone(), settings.clone(), metrics.clone(), look);
    let reloader = Arc::new(reloader);
    let mut house = OnKafka {
        log,
        metrics: metrics.clone(),
        health,
        roles,
        slot: args.slot,
        identity: format!("{}.layout.{}.{}", settings.group, which.name(), args.slot),
        which,
        reloader: Arc::clone(&reloader),
        interface: None,
        feeds: None,
        has_begun: false,
    };
    count_client(metrics, Arc::clone(&stop));
    reload::listen(Arc::clone(&reloader), hup, Arc::clone(&stop));
    let ending = reload::run_house(&mut house, settings, &reloader, &stop)?;
    match ending {
        Ending::Clean => info!("stopped: positions are committed, snapshots saved"),
        Ending::Undecided => warn!(
            "stopped while the broker didn't answer: a batch is undecided here; the next start finds out, nothing is lost"
        ),
    }
    Ok(())
}
