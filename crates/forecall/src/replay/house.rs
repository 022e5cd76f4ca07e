//! The stages on the log in memory, and the clock that drives them.
//!
//! Event time is cut into cells of a fixed grid. The clock stands at a cell's start while its records are worked off, and
//! then moves to its end: heartbeats and ticks come there and nowhere else. So the results hang on the records and the grid,
//! never on how many records are fed at once. Where no stage has anything to do but wait for the next record, the clock leaps
//! there: a turn of all stages at each step of the grid would change nothing and cost more than the records.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forecall_config::Settings;
use forecall_log::{
    InProcess, Log as _, OutRecord, RecordRef, TopicPartition, TopicSpec, Transaction, Writer,
};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_types::{EventTime, PeerScore, ScoredSample};

use crate::directory;

/// Grids tried, from the finest; each divides a day.
const GRIDS: [u64; 7] = [10, 30, 60, 300, 900, 1_800, 3_600];
/// The coarsest grid without a configuration: an hour is a sample's distance in the slowest telemetry.
pub(super) const GRID_MAX: Duration = Duration::from_secs(3_600);
/// The coarsest grid with one: half of the default time after which a heartbeat is missed.
pub(super) const GRID_CONFIG_MAX: Duration = Duration::from_secs(60);
/// Cells that hold records, at most, before a coarser grid is taken: each costs a turn of all stages.
const CELLS_MAX: usize = 10_000;
/// Files have no "now": a series of hourly values is not idle between them.
pub(super) const IDLE: Duration = Duration::from_secs(7_200);
/// The clock walks through a gap without records for so long after it is idle at most, so that incidents resolve and notices
/// follow in their time; then it leaps, whatever there is to do.
const WALK: Duration = Duration::from_secs(7_200);

/// A record and its time.
pub(super) struct Stamped {
    pub(super) at: EventTime,
    pub(super) record: OutRecord,
}

/// How feeding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    All,
    /// The stop flag was set.
    Stopped,
}

/// The finest grid on which the times, in order, fill few enough cells.
pub(super) fn grid_of<I: Iterator<Item = EventTime>>(times: impl Fn() -> I, cap: Duration) -> Duration {
    for grid in GRIDS.map(Duration::from_secs) {
        let mut cells = 0_usize;
        let mut last = None;
        for cell in times().map(|at| at.floor(grid)) {
            cells += usize::from(last.replace(cell) != Some(cell));
        }
        if cells <= CELLS_MAX || grid >= cap {
            return grid;
        }
    }
    cap
}

/// The stages and what they stand on.
pub(super) struct House {
    log: InProcess,
    clock: Arc<ManualClock>,
    pipeline: Pipeline,
    writer: Box<dyn Writer>,
    scores: Arc<Mutex<Vec<ScoredSample>>>,
    peers: Arc<Mutex<Vec<PeerScore>>>,
    grid: Duration,
    idle: Duration,
    lateness: Duration,
    now: EventTime,
    /// Time of the last record that was worked off.
    fed_to: EventTime,
    /// Turns of all stages at a step of the clock.
    beats: usize,
    /// Whether the clock leaps where nothing is to be done; a test says no and finds the same.
    leaps: bool,
}

impl House {
    /// All stages but `deliver`, in memory, on `inputs` and forecall's own topics.
    pub(super) fn open(
        settings: &Settings,
        inputs: &[TopicSpec],
        start: EventTime,
        grid: Duration,
    ) -> anyhow::Result<Self> {
        let log = InProcess::default();
        let now = start.floor(grid);
        log.set_time(now);
        log.create_topics(&topic_specs(settings, &settings.topic_names()))?;
        log.create_topics(inputs)?;
        if let Some(topic) = settings.directory.as_ref().and_then(|d| d.topic.as_ref()) {
            log.create_topics(&[TopicSpec::new(topic, 1)])?;
        }
        let clock = Arc::new(ManualClock::at(now));
        let (scores, peers) = (Arc::default(), Arc::default());
        let around = Surroundings {
            log: Arc::new(log.clone()),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: Metrics::new(),
            health: Health::default(),
            slot: 0,
            scores: Some(Arc::clone(&scores)),
            peers: Some(Arc::clone(&peers)),
        };
        let roles = Roles {
            deliver: false,
            // History is told to nobody.
            bridge: false,
            remedy: false,
            ..Roles::ALL
        };
        let mut pipeline = Pipeline::build(settings, around, roles, &Storage::Memory)?;
        directory::import(settings, &mut pipeline)?;
        pipeline.settle()?;
        Ok(Self {
            writer: log.writer("replay.input")?,
            log,
            clock,
            pipeline,
            scores,
            peers,
            grid,
            idle: Duration::from_secs(settings.state.idle_seconds),
            lateness: Duration::from_secs(u64::from(settings.detect.lateness_seconds)),
            now,
            fed_to: start,
            beats: 0,
            leaps: true,
        })
    }

    /// Feeds records in order of time, `chunk` at once. `tell` takes the number of records worked off and what was scored.
    pub(super) fn feed(
        &mut self,
        records: impl Iterator<Item = Stamped>,
        chunk: usize,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(usize, Vec<ScoredSample>),
    ) -> anyhow::Result<Fed> {
        let mut batch: Vec<Stamped> = Vec::with_capacity(chunk);
        let mut fed = Fed::All;
        for record in records {
            let cell = record.at.floor(self.grid);
            if cell > self.now {
                self.work(&mut batch, tell)?;
                self.walk_to(cell)?;
            } else if batch.len() >= chunk {
                self.work(&mut batch, tell)?;
            }
            if stop.load(Ordering::SeqCst) {
                fed = Fed::Stopped;
                break;
            }
            batch.push(record);
        }
        self.work(&mut batch, tell)?;
        self.beat(self.now.plus(self.grid))?;
        Ok(fed)
    }

    /// Puts the batch on the log and works it off; the clock stands.
    fn work(
        &mut self,
        batch: &mut Vec<Stamped>,
        tell: &mut dyn FnMut(usize, Vec<ScoredSample>),
    ) -> anyhow::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let count = batch.len();
        let mut batch = batch.drain(..).peekable();
        while let Some(first) = batch.next() {
            let at = first.at;
            self.fed_to = at;
            let mut records = vec![first.record];
            while let Some(next) = batch.next_if(|next| next.at == at) {
                records.push(next.record);
            }
            self.log.set_time(at);
            self.writer.commit(&Transaction {
                records,
                positions: Vec::new(),
            })?;
        }
        self.pipeline.settle()?;
        tell(count, self.take_scores());
        Ok(())
    }

    /// Moves the clock to the start of `cell` by steps of the grid while there is something to do, and by a leap from there.
    fn walk_to(&mut self, cell: EventTime) -> anyhow::Result<()> {
        let walk_end = self.now.plus(self.idle).plus(WALK);
        while self.now < cell.min(walk_end) && !self.is_at_rest() {
            self.beat(self.now.plus(self.grid).min(cell))?;
        }
        if self.now < cell {
            self.beat(cell)?;
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        self.leaps && self.pipeline.is_at_rest()
    }

    fn beat(&mut self, at: EventTime) -> anyhow::Result<()> {
        self.now = at;
        self.beats += 1;
        self.clock.advance_to(at);
        self.log.set_time(at);
        Ok(self.pipeline.settle()?)
    }

    /// The end of the input: what is held back comes out, and time goes on until every source is idle, so that the last
    /// steps are judged too.
    pub(super) fn finish(&mut self) -> anyhow::Result<Vec<ScoredSample>> {
        self.pipeline.finish()?;
        // Silence is known up to the heartbeat before, and told less the lateness.
        let end = self.now.plus(self.idle).plus(3 * self.grid).plus(self.lateness);
        while self.now < end && !self.is_at_rest() {
            self.beat(self.now.plus(self.grid))?;
        }
        Ok(self.take_scores())
    }

    /// Time of the last record that was worked off; where there was none, the start.
    pub(super) const fn fed_to(&self) -> EventTime {
        self.fed_to
    }

    fn take_scores(&self) -> Vec<ScoredSample> {
        std::mem::take(&mut *self.scores.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What members of peer groups were, step by step.
    pub(super) fn take_peers(&self) -> Vec<PeerScore> {
        std::mem::take(&mut *self.peers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows every record of a topic.
    pub(super) fn read(&self, topic: &str, visit: &mut dyn FnMut(&RecordRef<'_>)) -> anyhow::Result<()> {
        for (partition, _) in (0..).zip(self.log.bounds(topic)?) {
            self.log.read(&TopicPartition::new(topic, partition), 0, visit)?;
        }
        Ok(())
    }

    /// The log that it stands on.
    #[cfg(test)]
    pub(super) const fn log(&self) -> &InProcess {
        &self.log
    }

    /// How many records a topic holds.
    pub(super) fn count(&self, topic: &str) -> anyhow::Result<i64> {
        Ok(self.log.bounds(topic)?.iter().map(|(from, to)| to - from).sum())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use forecall_types::{Labels, Position, Reading, SampleBatch, SamplesRecord, SeriesKey};
    use forecall_wire::event::TopicId;
    use forecall_wire::telemetry::samples;

    use super::super::{TOPIC, read_samples, settings};
    use super::*;

    #[test]
    fn the_grid_is_as_fine_as_the_input_allows() {
        let grid = |every: i64, count: i64, cap: Duration| {
            grid_of(|| (0..count).map(|i| EventTime::from_secs(i * every)), cap).as_secs()
        };
        assert_eq!(grid(10, 100, GRID_MAX), 10);
        assert_eq!(grid(300, 10_000, GRID_MAX), 10);
        assert_eq!(grid(300, 10_001, GRID_MAX), 900);
        assert_eq!(grid(3_600, 20_000, GRID_MAX), 3_600);
        assert_eq!(grid(3_600, 20_000, GRID_CONFIG_MAX), 60);
        assert_eq!(grid(10, 0, GRID_MAX), 10);
    }

    const TIMES: i64 = 500;

    /// Two series of a service with values every five minutes: two hours of trouble, and later half a day without any value.
    pub(in super::super) fn rows(settings: &Settings) -> impl Iterator<Item = Stamped> {
        let key = |name: &str, unit: &str| SeriesKey {
            metric: Arc::from(name),
            unit: Arc::from(unit),
            resource: Labels::from_pairs([("service.name", "shop"), ("region", "ZZ")]),
            labels: Labels::default(),
        };
        let keys = [key("network.latency", "ms"), key("network.packet.loss", "%")];
        let domain = settings.domain.clone();
        (0..TIMES).flat_map(move |i| {
            let gap = if i >= 450 { 43_200 } else { 0 };
            let at = EventTime::from_secs(1_704_067_200 + 300 * i + gap);
            let noise = f64::from(i32::try_from(i * 7_919 % 97).unwrap()) / 97.0;
            let trouble = if (350..374).contains(&i) { 8.0 } else { 1.0 };
            let values = [trouble * (40.0 + 4.0 * noise), trouble * (1.0 + noise / 5.0)];
            let (keys, domain) = (keys.clone(), domain.clone());
            (0_i64..)
                .zip(keys.into_iter().zip(values))
                .map(move |(n, (key, value))| {
                    let mut batch = SampleBatch::default();
                    batch.push_key(&key, at, Reading::Gauge(value));
                    let record = SamplesRecord {
                        domain: domain.clone(),
                        origin: Position {
                            topic: Arc::from(TOPIC),
                            partition: 0,
                            offset: 2 * i + n,
                        },
                        appended_at: at,
                        marks: Vec::new(),
                        contexts: Vec::new(),
                        links: Vec::new(),
                        batch,
                    };
                    let mut out = OutRecord::new(TOPIC, Vec::new(), samples::encode(&record));
                    (out.partition, out.key) = (Some(0), None);
                    Stamped { at, record: out }
                })
        })
    }

    /// What came out, one line each, heartbeats and ticks left out; how many beats it took; how many scores there are.
    fn run(leaps: bool) -> (Vec<String>, usize, usize) {
        let mut settings = settings(None, 10).unwrap();
        let (start, grid) = (EventTime::from_secs(1_704_067_200), Duration::from_secs(10));
        read_samples(&mut settings, grid).unwrap();
        let mut house = House::open(&settings, &[TopicSpec::new(TOPIC, 1)], start, grid).unwrap();
        house.leaps = leaps;
        let mut scores = 0;
        let stop = AtomicBool::new(false);
        let fed = house.feed(rows(&settings), 4_000, &stop, &mut |_, scored| {
            scores += scored.len()
        });
        assert_eq!(fed.unwrap(), Fed::All);
        scores += house.finish().unwrap().len();
        let (mut lines, names) = (Vec::new(), settings.topic_names());
        for topic in [
            TopicId::Anomalies,
            TopicId::Incidents,
            TopicId::Notices,
            TopicId::CallForecasts,
            TopicId::DeadLetters,
        ] {
            let mut line = |record: &RecordRef<'_>| {
                let kind = record.header("ce_type").unwrap_or_default();
                let kind = String::from_utf8_lossy(kind);
                if !(kind.contains("heartbeat") || kind.contains("tick")) {
                    let value = String::from_utf8_lossy(record.value.unwrap_or_default());
                    lines.push(format!("{kind} {value}"));
                }
            };
            house.read(&names.name(topic), &mut line).unwrap();
        }
        (lines, house.beats, scores)
    }

    #[test]
    fn leaps_change_nothing_and_spare_the_steps_between_samples() {
        let (lines, beats, scores) = run(true);
        let (want, all, want_scores) = run(false);
        assert_eq!(lines, want);
        assert_eq!(scores, want_scores);
        let count = |kind: &str| lines.iter().filter(|line| line.contains(kind)).count();
        assert!(
            count("anomaly.opened") >= 2 && count("incident.") >= 2 && count("notice.") >= 1,
            "{lines:?}"
        );
        // One turn a time with samples, and each step while an incident goes on.
        let times = usize::try_from(TIMES).unwrap();
        assert!(all > 30 * times && beats < 4 * times, "{beats} of {all}");
    }
}
