//! The stages on the log in memory, and the clock that drives them.
//!
//! Event time is cut into cells of a fixed grid. The clock stands at a cell's start while its records are worked off, and
//! then moves to its end: heartbeats and ticks come there and nowhere else. So the results hang on the records and the grid,
//! never on how many records are fed at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forecall_config::Settings;
use forecall_log::{
    InProcess, Log as _, OutRecord, RecordRef, TopicPartition, TopicSpec, Transaction, Writer,
};
use forecall_observe::{Health, Metrics};
use forecall_runtime::{ManualClock, Pipeline, Roles, Storage, Surroundings, topic_specs};
use forecall_types::{EventTime, ScoredSample};

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
/// The clock walks through a gap without records for so long after it is idle, so that incidents resolve and notices follow
/// in their time; then it jumps.
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
    grid: Duration,
    idle: Duration,
    lateness: Duration,
    now: EventTime,
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
        let scores = Arc::default();
        let around = Surroundings {
            log: Arc::new(log.clone()),
            clock: Arc::clone(&clock) as Arc<_>,
            metrics: Metrics::new(),
            health: Health::default(),
            slot: 0,
            scores: Some(Arc::clone(&scores)),
        };
        let roles = Roles {
            deliver: false,
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
            grid,
            idle: Duration::from_secs(settings.state.idle_seconds),
            lateness: Duration::from_secs(u64::from(settings.detect.lateness_seconds)),
            now,
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

    /// Moves the clock to the start of `cell` by steps of the grid, and past a long gap by a jump.
    fn walk_to(&mut self, cell: EventTime) -> anyhow::Result<()> {
        let walk_end = self.now.plus(self.idle).plus(WALK);
        while self.now < cell && self.now < walk_end {
            self.beat(self.now.plus(self.grid).min(cell))?;
        }
        if self.now < cell {
            self.beat(cell)?;
        }
        Ok(())
    }

    fn beat(&mut self, at: EventTime) -> anyhow::Result<()> {
        self.now = at;
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
        while self.now < end {
            self.beat(self.now.plus(self.grid))?;
        }
        Ok(self.take_scores())
    }

    fn take_scores(&self) -> Vec<ScoredSample> {
        std::mem::take(&mut *self.scores.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows every record of a topic.
    pub(super) fn read(&self, topic: &str, visit: &mut dyn FnMut(&RecordRef<'_>)) -> anyhow::Result<()> {
        for (partition, _) in (0..).zip(self.log.bounds(topic)?) {
            self.log.read(&TopicPartition::new(topic, partition), 0, visit)?;
        }
        Ok(())
    }

    /// How many records a topic holds.
    pub(super) fn count(&self, topic: &str) -> anyhow::Result<i64> {
        Ok(self.log.bounds(topic)?.iter().map(|(from, to)| to - from).sum())
    }
}

#[cfg(test)]
mod tests {
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
}
