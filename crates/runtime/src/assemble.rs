//! Puts the stages of a process together: who reads what, who commits where.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forecall_config::Settings;
use forecall_delivery::{DeliverSettings, Deliverer};
use forecall_detect::{DetectStage, RekeySettings};
use forecall_journey::JourneyStage;
use forecall_ledger::{AddressSeal, Ledger, MasterKey};
use forecall_log::Membership;
use forecall_stage::Stage as _;
use forecall_wire::event::{TopicId, TopicNames};
use forecall_wire::telemetry::PseudonymKey;

use crate::bridge::{Around, Bridge};
use crate::canary::Canary;
use crate::drive::{DeliverDrive, Drive, PublishDrive};
use crate::gateways::gateways;
use crate::host::{
    Adapter, DirectorySink, Host, HostError, HostSettings, LedgerSink, LogSink, Pause, Place, Sink, lock,
};
use crate::pipeline::Surroundings;
use crate::publisher::Publisher;
use crate::remedy::RemedyRunner;
use crate::snapshots::SnapshotStore;
use crate::stages::{
    CorrelateAdapter, DetectAdapter, Intake, IntakeAdapter, JourneysAdapter, JourneysIntakeAdapter,
    OutreachAdapter, RekeyAdapter, Wiring,
};
use crate::topics::used_partitions;

type Drives = Vec<(&'static str, Box<dyn Drive>)>;

pub(crate) struct Assembly<'a> {
    settings: &'a Settings,
    around: &'a Surroundings,
    wiring: Wiring,
    names: Arc<TopicNames>,
    snapshots: SnapshotStore,
    ledger_path: PathBuf,
    master: Option<MasterKey>,
    in_memory: bool,
    ledger: Option<Arc<Mutex<Ledger>>>,
}

const NO_MASTER_KEY: &str =
    "`ledger.master_key` is needed: 64 hexadecimal digits by ${env:NAME} or ${file:/path}";

pub(crate) fn settings_error(what: impl std::fmt::Display) -> HostError {
    HostError::Settings(what.to_string())
}

/// The key of the pseudonyms, from the 64 hexadecimal digits of the settings.
///
/// # Errors
/// It is something else.
pub fn pseudonym_key(settings: &Settings) -> Result<Option<Arc<PseudonymKey>>, HostError> {
    let Some(secret) = &settings.ledger.pseudonym_key else {
        return Ok(None);
    };
    let text = secret.expose().trim();
    let bytes: Option<Vec<u8>> = (text.len() == 64)
        .then(|| {
            (0..32)
                .map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
                .collect()
        })
        .flatten();
    let bytes = bytes.ok_or_else(|| settings_error("ledger.pseudonym_key must be 64 hexadecimal digits"))?;
    let country = settings
        .directory
        .as_ref()
        .map_or("98", |d| d.country_code.as_str());
    Ok(Some(Arc::new(
        PseudonymKey::from_bytes(&bytes)
            .map_err(settings_error)?
            .with_country(country),
    )))
}

/// The key of the ledger, from the 64 hexadecimal digits of the settings.
pub(crate) fn master_key(settings: &Settings) -> Result<MasterKey, HostError> {
    let secret = settings
        .ledger
        .master_key
        .as_ref()
        .ok_or_else(|| settings_error(NO_MASTER_KEY))?;
    MasterKey::from_hex(secret.expose()).map_err(settings_error)
}

impl<'a> Assembly<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        around: &'a Surroundings,
        ledger_path: PathBuf,
        snapshots: SnapshotStore,
        in_memory: bool,
    ) -> Result<Self, HostError> {
        let names = Arc::new(settings.topic_names());
        let wiring = Wiring::of(settings, &names)?;
        let master = match (&settings.ledger.master_key, in_memory) {
            (Some(_), _) => Some(master_key(settings)?),
            // Nothing outlives a run in memory, nor need its key.
            (None, true) => Some(MasterKey::generate().map_err(settings_error)?),
            (None, false) => None,
        };
        Ok(Self {
            settings,
            around,
            wiring,
            names,
            snapshots,
            ledger_path,
            master,
            in_memory,
            ledger: None,
        })
    }

    pub(crate) fn opened_ledger(&self) -> Option<Arc<Mutex<Ledger>>> {
        self.ledger.clone()
    }

    fn host_settings(&self) -> HostSettings {
        let state = &self.settings.state;
        HostSettings {
            tick_every: Duration::from_secs(state.tick_seconds),
            idle_after: Duration::from_secs(state.idle_seconds),
            snapshot_every: Duration::from_secs(state.interval_seconds),
            snapshot_in_background: !self.in_memory,
            // A driver that sets the clock wants all of a turn to stand after it.
            commit_every: if self.in_memory {
                Duration::ZERO
            } else {
                HostSettings::default().commit_every
            },
            ..HostSettings::default()
        }
    }

    fn membership(&self, stage: &str, topics: Vec<String>) -> Membership {
        let group = format!("{}.{stage}", self.settings.group);
        let instance = format!("{group}.{}.0", self.around.slot);
        Membership {
            group,
            instance,
            topics,
            is_static: true,
        }
    }

    fn host<A: Adapter>(
        &self,
        membership: &Membership,
        adapter: A,
        sink: Arc<dyn Sink>,
    ) -> Result<Host<A>, HostError> {
        self.host_with(membership, adapter, sink, self.host_settings())
    }

    fn host_with<A: Adapter>(
        &self,
        membership: &Membership,
        adapter: A,
        sink: Arc<dyn Sink>,
        settings: HostSettings,
    ) -> Result<Host<A>, HostError> {
        let place = Place {
            sink,
            snapshots: self.snapshots.clone(),
            clock: Arc::clone(&self.around.clock),
            metrics: self.around.metrics.clone(),
            settings,
        };
        Host::join(self.around.log.as_ref(), membership, adapter, place)
    }

    fn topic(&self, id: TopicId) -> String {
        self.names.name(id)
    }

    /// Fixes over how many partitions of an own log this process spreads keys.
    fn pin(&mut self, id: TopicId) -> Result<i32, HostError> {
        let used = used_partitions(self.settings, self.around.log.as_ref(), &self.topic(id))?;
        self.wiring.used.insert(id, used);
        Ok(used)
    }

    fn detect_adapter(&self) -> DetectAdapter {
        DetectAdapter {
            wiring: self.wiring.clone(),
            settings: Arc::clone(&self.settings.detect),
            metrics: self.around.metrics.clone(),
            shown: self.settings.anomaly_metrics.series.clone().into(),
            scores: self.around.scores.clone(),
        }
    }

    fn correlate_adapter(&self) -> CorrelateAdapter {
        CorrelateAdapter {
            wiring: self.wiring.clone(),
            settings: Arc::clone(&self.settings.correlate),
            metrics: self.around.metrics.clone(),
            clock: Arc::clone(&self.around.clock),
            peers: self.around.peers.clone(),
        }
    }

    pub(crate) fn detect(&mut self) -> Result<Drives, HostError> {
        let most = usize::try_from(self.settings.anomaly_metrics.series_max).unwrap_or(usize::MAX);
        self.around.metrics.show_at_most(most);
        self.pin(TopicId::Anomalies)?;
        let telemetry = || self.settings.sources.iter().filter(|s| s.format.is_telemetry());
        let names = |keyed: bool| {
            telemetry()
                .filter(move |s| s.keyed == keyed)
                .map(|s| s.topic.to_string())
        };
        let mut drives: Drives = Vec::new();
        let unkeyed: Vec<String> = names(false).collect();
        let samples = self.topic(TopicId::Samples);
        if !unkeyed.is_empty() {
            let partitions = used_partitions(self.settings, self.around.log.as_ref(), &samples)?;
            let settings = RekeySettings {
                partitions: u32::try_from(partitions).unwrap_or(u32::MAX),
                future_seconds: self.settings.detect.future_seconds,
            };
            let adapter = RekeyAdapter {
                wiring: self.wiring.clone(),
                settings: Arc::new(settings),
            };
            let host = self.host(
                &self.membership("rekey", unkeyed.clone()),
                adapter,
                Arc::new(LogSink),
            )?;
            drives.push(("rekey", Box::new(host)));
        }
        let mut topics: Vec<String> = names(true).collect();
        if !unkeyed.is_empty() {
            topics.push(samples);
        }
        if !topics.is_empty() {
            let membership = self.membership("detect", topics);
            let host = self.host(&membership, self.detect_adapter(), Arc::new(LogSink))?;
            drives.push(("detect", Box::new(host)));
        }
        Ok(drives)
    }

    /// `detect` or `correlate` on one topic alone, to read what is left there. It leaves its group at once when it ends.
    pub(crate) fn drain(&mut self, stage: &str, topic: &str) -> Result<Box<dyn Drive>, HostError> {
        self.pin(TopicId::Anomalies)?;
        let group = format!("{}.{stage}", self.settings.group);
        let membership = Membership {
            instance: format!("{group}.migrate"),
            group,
            topics: vec![topic.to_owned()],
            is_static: false,
        };
        let settings = HostSettings {
            draining: true,
            ..self.host_settings()
        };
        let sink = Arc::new(LogSink);
        Ok(if stage == DetectStage::NAME {
            Box::new(self.host_with(&membership, self.detect_adapter(), sink, settings)?)
        } else {
            Box::new(self.host_with(&membership, self.correlate_adapter(), sink, settings)?)
        })
    }

    pub(crate) fn correlate(&mut self) -> Result<Drives, HostError> {
        self.pin(TopicId::Anomalies)?;
        let intake = IntakeAdapter {
            wiring: self.wiring.clone(),
            intake: Intake::Correlate,
            directory: None,
        };
        let inputs = [TopicId::Commands, TopicId::Feedback, TopicId::Topology];
        let inputs = inputs.into_iter().map(|id| self.topic(id)).collect();
        let intake = self.host(
            &self.membership("correlate-intake", inputs),
            intake,
            Arc::new(LogSink),
        )?;
        let membership = self.membership("correlate", vec![self.topic(TopicId::Anomalies)]);
        let adapter = self.correlate_adapter();
        adapter.begin_counters();
        let correlate = self.host(&membership, adapter, Arc::new(LogSink))?;
        Ok(vec![
            ("correlate-intake", Box::new(intake)),
            ("correlate", Box::new(correlate)),
        ])
    }

    /// Nothing where no rule is declared, or no topic of customers' events.
    pub(crate) fn journeys(&mut self) -> Result<Drives, HostError> {
        let sources = self.settings.sources.iter();
        let inputs: Vec<String> = sources
            .filter(|s| s.format.is_customer_events())
            .map(|s| s.topic.to_string())
            .collect();
        if inputs.is_empty() || self.settings.journeys.is_empty() {
            return Ok(Vec::new());
        }
        self.pin(TopicId::Anomalies)?;
        let partitions = self.pin(TopicId::JourneysLog)?;
        let intake = JourneysIntakeAdapter {
            wiring: self.wiring.clone(),
            settings: Arc::clone(&self.settings.journeys),
            partitions,
        };
        let membership = self.membership("journeys-intake", inputs);
        let intake = self.host(&membership, intake, Arc::new(LogSink))?;
        let adapter = JourneysAdapter {
            wiring: self.wiring.clone(),
            settings: Arc::clone(&self.settings.journeys),
            metrics: self.around.metrics.clone(),
        };
        let membership = self.membership(JourneyStage::NAME, vec![self.topic(TopicId::JourneysLog)]);
        let journeys = self.host(&membership, adapter, Arc::new(LogSink))?;
        Ok(vec![
            ("journeys-intake", Box::new(intake)),
            (JourneyStage::NAME, Box::new(journeys)),
        ])
    }

    fn master(&self) -> Result<&MasterKey, HostError> {
        self.master.as_ref().ok_or_else(|| settings_error(NO_MASTER_KEY))
    }

    fn open_ledger(&self) -> Result<Ledger, HostError> {
        let master = self.master()?;
        if let Some(folder) = self.ledger_path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| settings_error(format!("failed to create {}: {e}", folder.display())))?;
        }
        let ledger = Ledger::open(&self.ledger_path, master.clone())?;
        if self.in_memory {
            ledger.forgo_durability()?;
        }
        Ok(ledger)
    }

    fn shared_ledger(&mut self) -> Result<Arc<Mutex<Ledger>>, HostError> {
        if let Some(ledger) = &self.ledger {
            return Ok(Arc::clone(ledger));
        }
        let ledger = Arc::new(Mutex::new(self.open_ledger()?));
        self.ledger = Some(Arc::clone(&ledger));
        Ok(ledger)
    }

    pub(crate) fn outreach(&mut self) -> Result<Drives, HostError> {
        let ledger = self.shared_ledger()?;
        // Before anything is joined or published: two processes would publish the same outbox.
        lock(&ledger).hold_process_lock()?;
        self.pin(TopicId::Anomalies)?;
        let used = self.pin(TopicId::OutreachLog)?;
        let directory_topic = self.settings.directory.as_ref().and_then(|d| d.topic.clone());
        let mut inputs = vec![self.topic(TopicId::Incidents), self.topic(TopicId::Commands)];
        inputs.extend(
            self.settings
                .sources
                .iter()
                .filter(|s| s.format.is_calls())
                .map(|s| s.topic.to_string()),
        );
        inputs.extend(directory_topic.clone());
        let directory = match directory_topic {
            Some(topic) => Some((topic, AddressSeal::new(self.master()?))),
            None => None,
        };
        let intake = IntakeAdapter {
            wiring: self.wiring.clone(),
            intake: Intake::Outreach,
            directory,
        };
        let intake = self.host(
            &self.membership("outreach-intake", inputs),
            intake,
            Arc::new(DirectorySink::new(Arc::clone(&ledger))),
        )?;
        let adapter = OutreachAdapter::new(
            self.wiring.clone(),
            Arc::clone(&self.settings.outreach),
            self.around.metrics.clone(),
        );
        adapter.begin_counters();
        let membership = self.membership("outreach", vec![self.topic(TopicId::OutreachLog)]);
        let sink = Arc::new(LedgerSink::new(Arc::clone(&ledger), &membership.instance));
        let outreach = self.host(&membership, adapter, sink)?;
        let publisher = Publisher::open(
            self.around.log.as_ref(),
            ledger,
            (Arc::clone(&self.names), used),
            &self.settings.group,
            self.around.metrics.clone(),
        )?;
        let mut drives: Drives = vec![
            ("outreach-intake", Box::new(intake)),
            ("outreach", Box::new(outreach)),
            (
                "publisher",
                Box::new(PublishDrive {
                    publisher,
                    clock: Arc::clone(&self.around.clock),
                    pause: Pause::new("publisher", self.around.metrics.clone()),
                }),
            ),
        ];
        if self.settings.canary.enabled {
            let canary = Canary::join(
                self.settings,
                self.around.log.as_ref(),
                Arc::clone(&self.around.clock),
                self.around.metrics.clone(),
                self.around.slot,
            )?;
            drives.push(("canary", Box::new(canary)));
        }
        Ok(drives)
    }

    pub(crate) fn deliver(&mut self) -> Result<Box<dyn Drive>, HostError> {
        self.shared_ledger()?;
        let settings = DeliverSettings {
            worker: format!("{}.deliver.{}", self.settings.group, self.around.slot),
            ..self.settings.delivery.clone()
        };
        let deliverer = Deliverer::new(self.open_ledger()?, gateways(&self.settings.gateways)?, settings)
            .map_err(settings_error)?;
        let (clock, metrics) = (Arc::clone(&self.around.clock), self.around.metrics.clone());
        Ok(Box::new(DeliverDrive::new(deliverer, clock, metrics)))
    }

    /// One drive a bridge, each in a group of its own: a target that is down holds up nobody else.
    pub(crate) fn bridges(&self) -> Result<Drives, HostError> {
        let mut drives: Drives = Vec::new();
        for (name, settings) in &self.settings.bridges {
            let membership = self.membership(&format!("bridge.{name}"), vec![self.topic(TopicId::Incidents)]);
            let bridge = Bridge::join((name, settings), &membership, self.bridge_around())?;
            drives.push(("bridge", Box::new(bridge)));
        }
        Ok(drives)
    }

    fn bridge_around(&self) -> Around {
        Around {
            log: Arc::clone(&self.around.log),
            clock: Arc::clone(&self.around.clock),
            metrics: self.around.metrics.clone(),
            wiring: self.wiring.clone(),
        }
    }

    /// One drive a remedy that may be called, each in a group of its own. What is simulated acts on nothing.
    pub(crate) fn remedies(&self) -> Result<Drives, HostError> {
        let mut drives: Drives = Vec::new();
        if self.settings.simulated {
            return Ok(drives);
        }
        for (rule, target) in &self.settings.remedies {
            let membership = self.membership(&format!("remedy.{rule}"), vec![self.topic(TopicId::Incidents)]);
            let runner = RemedyRunner::join((rule, target), &membership, self.bridge_around())?;
            drives.push(("remedy", Box::new(runner)));
        }
        Ok(drives)
    }
}
