//! The world and the stages on one log, moved on together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use forecall_config::Settings;
use forecall_kafka::{KafkaLog, KafkaSettings};
use forecall_ledger::Ledger;
use forecall_log::{InProcess, Log, OutRecord, TopicPartition, TopicSpec, Transaction, Writer};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{HostError, ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_sim::{TICK, Truth, World, WorldRecord, WorldSettings};
use forecall_types::EventTime;
use forecall_wire::event::{TopicId, TopicNames, decode_call_forecast, decode_incident_event, decode_notice};

use crate::demo::board::{Board, News};

/// Between two looks at a broker's topics: each look opens a reader a partition.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks at the end of the day at most, for what is still on its way through a broker.
const LAST_LOOKS_MAX: u32 = 15;
/// Steps through the history of calls, where nothing but calls happens.
const HISTORY_STEP: Duration = Duration::from_secs(1_800);
/// Records written in one transaction.
const CHUNK: usize = 1_000;
/// Steps after which what every stage has read of the telemetry is dropped from memory: an hour.
const FORGET_EVERY: u64 = 120;

/// What is to be played.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) customers: u32,
    pub(crate) kafka: Option<String>,
    pub(crate) out: PathBuf,
}

/// Who turns the stages.
enum Engine {
    /// This thread, until nothing moves: the same run each time.
    Hand(Box<Pipeline>),
    /// Threads of their own, on a real broker.
    Threads {
        stop: Arc<AtomicBool>,
        thread: Option<JoinHandle<Result<(), HostError>>>,
    },
}

/// Everything on the stage.
pub(crate) struct Theatre {
    world: World,
    log: Arc<dyn Log>,
    memory: Option<InProcess>,
    clock: Arc<ManualClock>,
    engine: Engine,
    ledger: Arc<Mutex<Ledger>>,
    writer: Box<dyn Writer>,
    prefix: String,
    told_until: EventTime,
    /// Topics that are watched, with what the next record of each partition is.
    tails: Vec<(Tail, TopicPartition, i64)>,
    steps: u64,
    looked_at: Instant,
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Tail {
    Incidents,
    Notices,
    Forecasts,
    DeadLetters,
}

/// The newest Saturday's midnight in Tehran that lies a whole day back: a broker stamps records with its own clock and
/// nothing may come from the future.
fn saturday_past() -> EventTime {
    const WEEK: i64 = 7 * 86_400;
    // Thursday 1970-01-01 + 2 days, at 00:00 in Tehran.
    const FIRST: i64 = 2 * 86_400 - 12_600;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX) - 86_400;
    EventTime::from_secs(now - (now - FIRST).rem_euclid(WEEK))
}

/// Topics that an earlier run has filled stay as they are; this one takes names of its own.
fn free_prefix(log: &dyn Log, start: EventTime) -> String {
    let used = |topic: &str| log.bounds(topic).is_ok_and(|b| b.iter().any(|(_, end)| *end > 0));
    let names = TopicNames::default();
    let taken = World::input_topics().iter().any(|t| used(t))
        || [TopicId::Anomalies, TopicId::Incidents, TopicId::OutreachLog]
            .iter()
            .any(|id| used(&names.name(*id)));
    if !taken {
        return String::new();
    }
    (1_u32..)
        .map(|n| format!("demo{n}."))
        .find(|prefix| !used(&format!("{prefix}telemetry")))
        .unwrap_or_else(|| format!("demo-{}.", start.secs()))
}

fn yaml(world: &World, prefix: &str, out: &std::path::Path, on_broker: bool) -> anyhow::Result<String> {
    let mut text = world.config_yaml();
    if on_broker {
        // Six seconds of a day at 600 times speed: a broker's own pace must not look like silence.
        text = text.replace("state: {", "state: { idle_seconds: 3600,");
    }
    for topic in World::input_topics() {
        text = text.replace(&format!("topic: {topic},"), &format!("topic: {prefix}{topic},"));
    }
    if !prefix.is_empty() {
        text = text
            .replace("topics: {", &format!("topics: {{ prefix: \"{prefix}\","))
            .replace("group: demo", &format!("group: {}", prefix.trim_end_matches('.')));
    }
    text.push_str("gateways:\n");
    for channel in ["sms", "email"] {
        let path = out.join(format!("{channel}.jsonl"));
        std::fs::write(&path, "").with_context(|| format!("failed to write {}", path.display()))?;
        // A JSON text is a YAML text.
        let path = serde_json::to_string(&path.display().to_string())?;
        text.push_str(&format!("  {channel}: {{ file: {path} }}\n"));
    }
    Ok(text)
}

impl Theatre {
    /// Makes the world, the topics, the stages, and brings the customers in.
    pub(crate) fn open(plan: Plan, watched: (Metrics, Health), board: &mut Board) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&plan.out)
            .with_context(|| format!("failed to create {}", plan.out.display()))?;
        let memory = plan.kafka.is_none().then(InProcess::default);
        let log: Arc<dyn Log> = match (&memory, &plan.kafka) {
            (Some(memory), _) => Arc::new(memory.clone()),
            (None, kafka) => {
                let servers = kafka.as_deref().unwrap_or_default();
                Arc::new(KafkaLog::connect(KafkaSettings::plaintext(servers))?)
            }
        };
        let mut settings = WorldSettings {
            seed: plan.seed,
            customers: plan.customers,
            ..WorldSettings::default()
        };
        if memory.is_none() {
            settings.start = saturday_past();
        }
        let world = World::new(settings)?;
        let prefix = free_prefix(log.as_ref(), settings.start);
        let text = yaml(&world, &prefix, &plan.out, memory.is_none())?;
        let path = plan.out.join("forecall.yaml");
        std::fs::write(&path, &text).with_context(|| format!("failed to write {}", path.display()))?;
        board.say(format!("configuration and messages: {}", plan.out.display()));
        let settings = Settings::from_yaml("demo", &text)?;
        let names = settings.topic_names();
        let mut specs = topic_specs(&settings, &names);
        specs.extend(
            World::input_topics()
                .iter()
                .map(|topic| TopicSpec::new(&format!("{prefix}{topic}"), 1)),
        );
        log.create_topics(&specs)?;
        let clock = Arc::new(ManualClock::at(world.now()));
        if let Some(memory) = &memory {
            memory.set_time(world.now());
        } else {
            board.say(format!(
                "kcat -C -b {} -t {}",
                plan.kafka.unwrap_or_default(),
                names.name(TopicId::Incidents)
            ));
        }
        let surroundings = Surroundings {
            log: Arc::clone(&log),
            clock: Arc::clone(&clock) as Arc<dyn forecall_runtime::Clock>,
            metrics: watched.0,
            health: watched.1,
            slot: 0,
            scores: None,
            peers: None,
        };
        // What is made up is told to nobody outside.
        let roles = Roles {
            bridge: false,
            remedy: false,
            ..Roles::ALL
        };
        let mut pipeline = Pipeline::build(&settings, surroundings, roles, &Storage::Memory)?;
        pipeline.import_directory(world.directory_rows()?, "demo")?;
        let ledger = Arc::clone(pipeline.ledger().context("the pipeline has no ledger")?);
        let writer = log.writer("demo.world")?;
        let tails = tails(log.as_ref(), &names)?;
        let engine = if memory.is_some() {
            Engine::Hand(Box::new(pipeline))
        } else {
            threads(pipeline)?
        };
        Ok(Self {
            told_until: EventTime::MIN,
            world,
            log,
            memory,
            clock,
            engine,
            ledger,
            writer,
            prefix,
            tails,
            steps: 0,
            looked_at: Instant::now(),
            out: plan.out,
        })
    }

    pub(crate) fn start(&self) -> EventTime {
        self.world.settings().start
    }

    pub(crate) const fn now(&self) -> EventTime {
        self.world.now()
    }

    pub(crate) const fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn truth(&self) -> Truth {
        self.world.truth()
    }

    /// A step before the day begins; `false`: it begins.
    pub(crate) fn warm_up(&mut self, board: &mut Board) -> anyhow::Result<bool> {
        let (now, telemetry) = (self.now(), self.world.telemetry_from());
        if now >= self.start() {
            return Ok(false);
        }
        let to = if now < telemetry {
            now.plus(HISTORY_STEP).min(telemetry)
        } else {
            now.plus(TICK)
        };
        self.advance(to, board)?;
        Ok(true)
    }

    /// One tick of the day.
    pub(crate) fn step(&mut self, board: &mut Board) -> anyhow::Result<()> {
        self.advance(self.now().plus(TICK), board)
    }

    fn advance(&mut self, to: EventTime, board: &mut Board) -> anyhow::Result<()> {
        let mut records = Vec::new();
        self.world.advance(to, &mut records)?;
        let now = self.now();
        if let Some(memory) = &self.memory {
            memory.set_time(now);
        }
        board.records += u64::try_from(records.len()).unwrap_or(0);
        self.write(records)?;
        self.clock.advance_to(now);
        match &mut self.engine {
            Engine::Hand(pipeline) => pipeline.settle()?,
            Engine::Threads { thread, .. } => {
                if thread.as_ref().is_some_and(JoinHandle::is_finished)
                    && let Some(thread) = thread.take()
                {
                    thread
                        .join()
                        .map_err(|_| anyhow::anyhow!("the stages panicked"))??;
                    anyhow::bail!("the stages stopped of themselves");
                }
            }
        }
        board.tick(now, self.start(), &self.world);
        if self.memory.is_some() || self.looked_at.elapsed() >= LOOK_EVERY {
            self.watch(board)?;
            self.looked_at = Instant::now();
        }
        self.steps += 1;
        if self.steps.is_multiple_of(FORGET_EVERY) {
            self.forget()?;
        }
        Ok(())
    }

    fn write(&mut self, records: Vec<WorldRecord>) -> anyhow::Result<()> {
        let mut waiting: Vec<OutRecord> = Vec::with_capacity(records.len().min(CHUNK));
        let mut records = records.into_iter().peekable();
        while let Some(record) = records.next() {
            waiting.push(OutRecord {
                topic: Arc::from(format!("{}{}", self.prefix, record.topic)),
                partition: None,
                key: record.key,
                value: Some(record.value),
                headers: record.headers,
            });
            if waiting.len() == CHUNK || records.peek().is_none() {
                let transaction = Transaction {
                    records: std::mem::take(&mut waiting),
                    positions: Vec::new(),
                };
                self.writer.commit(&transaction)?;
            }
        }
        Ok(())
    }

    /// The end of the day on a broker: waits, for a while, until nothing more comes out.
    pub(crate) fn drain(&mut self, board: &mut Board, stop: &AtomicBool) -> anyhow::Result<()> {
        let mut quiet = 0;
        for _ in 0..LAST_LOOKS_MAX {
            if self.memory.is_some() || quiet >= 2 || stop.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
            quiet = if self.watch(board)? == 0 { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// Reads what was published, and who was told. Gives the number of events read.
    fn watch(&mut self, board: &mut Board) -> anyhow::Result<usize> {
        let mut news = Vec::new();
        for (tail, partition, next) in &mut self.tails {
            self.log.read(partition, *next, &mut |record| {
                *next = record.offset + 1;
                let Some(value) = record.value else { return };
                let item = match tail {
                    Tail::Incidents => decode_incident_event(record.headers.get(), value)
                        .map(|e| News::Incident(Box::new(e))),
                    Tail::Notices => {
                        decode_notice(record.headers.get(), value).map(|n| News::Notice(Box::new(n)))
                    }
                    Tail::Forecasts => {
                        decode_call_forecast(record.headers.get(), value).map(|f| News::Forecast(Box::new(f)))
                    }
                    Tail::DeadLetters => Ok(News::DeadLetter),
                };
                // What our own stages wrote can be read; if not, it shows in the count.
                news.push(item.unwrap_or(News::Unreadable));
            })?;
        }
        let count = news.len();
        for item in news {
            if let News::Incident(event) = &item {
                self.world.saw_incident(event);
            }
            board.take(item);
        }
        let accepted = {
            let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.accepted_since(self.told_until)?
        };
        for told in accepted {
            self.told_until = self.told_until.max(told.at);
            if let Some(stage) = board.told(&told) {
                self.world.told(&told.customer, told.at, stage);
            }
        }
        Ok(count)
    }

    /// All stages stand at rest at the end of the log: what they have read is no longer needed.
    fn forget(&self) -> anyhow::Result<()> {
        let (Some(memory), Engine::Hand(_)) = (&self.memory, &self.engine) else {
            return Ok(());
        };
        for topic in [
            forecall_sim::TELEMETRY.to_owned(),
            TopicNames::default().name(TopicId::Samples),
        ] {
            for (partition, (_, end)) in self.log.bounds(&topic)?.into_iter().enumerate() {
                memory.forget(&TopicPartition::new(&topic, i32::try_from(partition)?), end);
            }
        }
        Ok(())
    }

    /// Ends the threads, where there are any.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        match self.engine {
            Engine::Hand(_) => Ok(()),
            Engine::Threads { stop, thread } => {
                stop.store(true, Ordering::SeqCst);
                match thread.map(JoinHandle::join) {
                    None => Ok(()),
                    Some(Ok(result)) => Ok(result?),
                    Some(Err(_)) => anyhow::bail!("the stages panicked"),
                }
            }
        }
    }
}

fn threads(pipeline: Pipeline) -> anyhow::Result<Engine> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("stages".to_owned())
        .spawn(move || pipeline.run(&flag).map(|_ending| ()))
        .context("failed to start a thread")?;
    Ok(Engine::Threads {
        stop,
        thread: Some(thread),
    })
}

fn tails(log: &dyn Log, names: &TopicNames) -> anyhow::Result<Vec<(Tail, TopicPartition, i64)>> {
    let watched = [
        (Tail::Incidents, TopicId::Incidents),
        (Tail::Notices, TopicId::Notices),
        (Tail::Forecasts, TopicId::CallForecasts),
        (Tail::DeadLetters, TopicId::DeadLetters),
    ];
    let mut tails = Vec::new();
    for (tail, id) in watched {
        let topic = names.name(id);
        for (partition, (_, end)) in log.bounds(&topic)?.into_iter().enumerate() {
            tails.push((tail, TopicPartition::new(&topic, i32::try_from(partition)?), end));
        }
    }
    Ok(tails)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_right_with_and_without_a_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::new(WorldSettings {
            customers: 1,
            ..WorldSettings::default()
        })
        .unwrap();
        for prefix in ["", "demo1."] {
            let settings = Settings::from_yaml(
                "demo",
                &yaml(&world, prefix, folder.path(), !prefix.is_empty()).unwrap(),
            )
            .unwrap();
            assert_eq!(settings.topics.prefix, prefix);
            let topics: Vec<&str> = settings.sources.iter().map(|s| s.topic.as_ref()).collect();
            assert_eq!(topics, World::input_topics().map(|t| format!("{prefix}{t}")));
            assert_eq!(settings.gateways.len(), 2);
        }
    }

    #[test]
    fn the_broker_is_shown_a_day_that_has_passed() {
        let start = saturday_past();
        let monday = 86_400 * 4 - 12_600;
        assert_eq!((start.secs() - monday).rem_euclid(7 * 86_400), 5 * 86_400);
    }
}
