//! The world: advances in ticks and writes what it shows as raw records.

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_ledger::DirectoryRow;
use forecall_types::{Customer, CustomerId, DomainName, EventTime, IncidentEvent, NotAName, NoticeStage};
use forecall_wire::event::{EncodeError, TopicId, encode_command};
use forecall_wire::telemetry::{PseudonymKey, PseudonymKeyTooShort};

use crate::callers::{CALLS, Callers, INTERNET_QUEUE, QUEUES, rate};
use crate::config;
use crate::customers::People;
use crate::geography::{CITIES, DECOY, TROUBLED};
use crate::operators::Operators;
use crate::random::Seed;
use crate::script;
use crate::telemetry::{Moment, Probes, Seen, TELEMETRY};
use crate::truth::{ExcessMeter, ImpactMeter, Truth};

/// Cadence of the probes.
pub const TICK: Duration = Duration::from_secs(30);
/// Days of calls before the scripted day: a whole week, so that each day of it has been seen.
const CALL_HISTORY: Duration = Duration::from_secs(7 * 86_400);
/// Telemetry before the scripted day.
const WARM_UP: Duration = Duration::from_secs(150 * 60);
/// Tehran has had no summer time since 2022.
const TEHRAN_OFFSET: i64 = 12_600;
/// Seven digits number the customers' phones.
pub const CUSTOMERS_MAX: u32 = 10_000_000;

/// What a world is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorldSettings {
    /// Two worlds of one seed are the same to the byte.
    pub seed: u64,
    /// Midnight in Tehran of the scripted day.
    pub start: EventTime,
    /// Customers; at most [`CUSTOMERS_MAX`].
    pub customers: u32,
}

impl Default for WorldSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            // Saturday 13 June 2026, 00:00 in Tehran.
            start: EventTime::from_secs(1_781_296_200),
            customers: 100_000,
        }
    }
}

/// A record as somebody outside forecall would write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldRecord {
    /// Topic.
    pub topic: String,
    /// Key; telemetry and calls have none.
    pub key: Option<Vec<u8>>,
    /// Value.
    pub value: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// When it was written.
    pub at: EventTime,
}

/// What can go wrong while a world is made: the script or the settings are at fault.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// More customers than numbers.
    #[error("{0} customers: at most {CUSTOMERS_MAX}")]
    TooMany(u32),
    /// A name of the script is none.
    #[error("the script names something that can't be")]
    Name(#[from] NotAName),
    /// The key of the pseudonyms.
    #[error("the key of the pseudonyms")]
    Key(#[from] PseudonymKeyTooShort),
    /// A command can't be written.
    #[error("a command can't be written")]
    Encode(#[from] EncodeError),
    /// Something the script needs is missing.
    #[error("the script lacks {0}")]
    Script(&'static str),
}

/// The world.
#[derive(Debug, Clone)]
pub struct World {
    settings: WorldSettings,
    now: EventTime,
    people: People,
    numbers: BTreeMap<CustomerId, u32>,
    probes: Probes,
    callers: Callers,
    operators: Operators,
    impact: ImpactMeter,
    excess: ExcessMeter,
    decoy_impact: bool,
    hit: bool,
    counted: (EventTime, u64),
}

fn bytes_of_hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .filter_map(|i| u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok())
        .collect()
}

impl World {
    /// Before the history: the first [`advance`](Self::advance) begins a week before the scripted day.
    ///
    /// # Errors
    /// Too many customers.
    pub fn new(settings: WorldSettings) -> Result<Self, WorldError> {
        if settings.customers > CUSTOMERS_MAX {
            return Err(WorldError::TooMany(settings.customers));
        }
        let seed = Seed::new(settings.seed);
        let domain = DomainName::new("demo")?;
        let key = PseudonymKey::from_bytes(&bytes_of_hex(config::PSEUDONYM_KEY))?;
        let history = settings.start.minus(CALL_HISTORY);
        let people = People::new(seed, domain.clone(), key, settings.customers, history);
        let at = |minute: f64| after(settings.start, minute);
        Ok(Self {
            numbers: (0..settings.customers).map(|no| (people.id(no), no)).collect(),
            people,
            probes: Probes::new(seed),
            callers: Callers::new(seed, at(script::REPAIRED)),
            operators: Operators::new(domain, at(script::REPAIRED + 10.0)),
            impact: ImpactMeter::default(),
            excess: ExcessMeter::default(),
            decoy_impact: false,
            hit: false,
            counted: (history, 0),
            now: history,
            settings,
        })
    }

    /// What it was made from.
    pub const fn settings(&self) -> WorldSettings {
        self.settings
    }

    /// How far it has advanced.
    pub const fn now(&self) -> EventTime {
        self.now
    }

    /// When telemetry begins: two and a half hours before the scripted day.
    pub fn telemetry_from(&self) -> EventTime {
        self.settings.start.minus(WARM_UP)
    }

    /// Topics that the world writes to and forecall doesn't create.
    pub const fn input_topics() -> [&'static str; 2] {
        [TELEMETRY, CALLS]
    }

    /// The demo's whole configuration as YAML, but for `gateways`.
    pub fn config_yaml(&self) -> String {
        config::yaml()
    }

    /// All customers, as logic sees them.
    ///
    /// # Errors
    /// Each: the script names something that can't be.
    pub fn customers(&self) -> impl Iterator<Item = Result<Customer, WorldError>> + '_ {
        (0..self.people.count()).map(|no| self.people.customer(no))
    }

    /// All customers with their made-up names and addresses, for the ledger.
    ///
    /// # Errors
    /// The script names something that can't be.
    pub fn directory_rows(&self) -> Result<Vec<DirectoryRow>, WorldError> {
        (0..self.people.count()).map(|no| self.people.row(no)).collect()
    }

    /// A customer has been told: changes what they do.
    pub fn told(&mut self, customer: &CustomerId, at: EventTime, stage: NoticeStage) {
        if let Some(no) = self.numbers.get(customer) {
            self.callers.told(*no, at, stage);
        }
    }

    /// The operators see an incident on their screens.
    pub fn saw_incident(&mut self, event: &IncidentEvent) {
        self.operators.saw(event);
    }

    /// Lives on until `to`, in whole ticks, and appends what it showed meanwhile in order of time.
    ///
    /// # Errors
    /// A command can't be written.
    pub fn advance(&mut self, to: EventTime, out: &mut Vec<WorldRecord>) -> Result<(), WorldError> {
        while self.now.plus(TICK) <= to {
            let first = out.len();
            self.tick(out)?;
            if let Some(new) = out.get_mut(first..) {
                new.sort_by_key(|record| record.at);
            }
        }
        Ok(())
    }

    /// Minutes after the midnight of the scripted day.
    fn minute(&self, at: EventTime) -> f64 {
        at.seconds_from(self.settings.start) / 60.0
    }

    fn tick(&mut self, out: &mut Vec<WorldRecord>) -> Result<(), WorldError> {
        let (from, to) = (self.now, self.now.plus(TICK));
        let hit_at = after(self.settings.start, script::ONSET + script::CREEP);
        if !self.hit && hit_at < to && hit_at >= from {
            self.hit = true;
            self.callers.hit(&self.people, hit_at);
        }
        self.callers.tick(&self.people, (from, to), week_minute(from));
        let record = |topic: &str, value: Vec<u8>, at| WorldRecord {
            topic: topic.to_owned(),
            key: None,
            value,
            headers: Vec::new(),
            at,
        };
        self.callers
            .drain(to, |at, line| out.push(record(CALLS, line.into_bytes(), at)));
        if to > self.telemetry_from() {
            self.probe(to, out);
        }
        for command in self.operators.drain(to) {
            let encoded = encode_command(&command)?;
            out.push(WorldRecord {
                topic: TopicId::Commands.topic().name.to_owned(),
                key: Some(encoded.key),
                value: encoded.value,
                headers: encoded.headers,
                at: command.at,
            });
        }
        self.now = to;
        self.count_excess(to);
        Ok(())
    }

    fn probe(&mut self, at: EventTime, out: &mut Vec<WorldRecord>) {
        let minute = self.minute(at);
        let moment = Moment {
            at,
            minute,
            weekend: week_minute(at) >= 5.0 * 1_440.0,
        };
        let mut seen = Seen::default();
        let mut push = |value| {
            out.push(WorldRecord {
                topic: TELEMETRY.to_owned(),
                key: None,
                value,
                headers: Vec::new(),
                at,
            });
        };
        self.probes.tick(&moment, &mut seen, &mut push);
        // Three times a day a probe restarts in the middle of a record.
        if [95.0, 541.0, 1_103.0]
            .iter()
            .any(|broken| (minute - broken).abs() < 0.01)
        {
            push(br#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.na"#.to_vec());
        }
        let is = |no: &usize, code: &str| CITIES.get(*no).is_some_and(|c| c.code == code);
        if seen.beyond.iter().any(|no| is(no, TROUBLED)) {
            self.impact.saw_bad(at);
        }
        self.decoy_impact |= seen.beyond.iter().any(|no| is(no, DECOY));
    }

    /// Every five minutes from the onset on.
    fn count_excess(&mut self, to: EventTime) {
        const STEP: Duration = Duration::from_secs(300);
        let total = || {
            let internet = self
                .callers
                .arrivals
                .iter()
                .filter(|((queue, _), _)| *queue == INTERNET_QUEUE);
            internet.map(|(_, n)| *n).sum::<u64>()
        };
        let onset = after(self.settings.start, script::ONSET);
        if to == onset {
            self.counted = (to, total());
        } else if to > onset && to.since(self.counted.0) >= STEP {
            let now = total();
            #[allow(clippy::cast_precision_loss, reason = "a few calls")]
            let calls = now.saturating_sub(self.counted.1) as f64;
            let a_day = QUEUES.iter().find(|q| q.0 == INTERNET_QUEUE).map_or(0.0, |q| q.1);
            let expected = rate(a_day, week_minute(self.counted.0), STEP.as_secs_f64());
            self.excess.add(self.counted.0, calls, expected);
            self.counted = (to, now);
        }
    }

    /// Calls that came in, by queue and half hour.
    pub const fn arrivals(&self) -> &BTreeMap<(&'static str, EventTime), u64> {
        &self.callers.arrivals
    }

    /// How bad it is now in each city: 0 normal, 1 at the limit that customers feel.
    pub fn levels(&self) -> impl Iterator<Item = (&'static crate::City, f64)> + '_ {
        let minute = self.minute(self.now);
        CITIES
            .iter()
            .map(move |city| (city, script::level(city.code, minute)))
    }

    /// What really happened so far.
    pub fn truth(&self) -> Truth {
        let at = |minute| after(self.settings.start, minute);
        let deeds = &self.callers.deeds;
        Truth {
            onset: at(script::ONSET),
            impact: self.impact.impact,
            repaired: at(script::REPAIRED),
            region: TROUBLED,
            decoy_region: DECOY,
            decoy: at(script::DECOY_FROM),
            decoy_impact: self.decoy_impact,
            affected: deeds.affected.iter().map(|no| self.people.id(*no)).collect(),
            first_contacts: deeds
                .first_contact
                .iter()
                .map(|(no, at)| (self.people.id(*no), *at))
                .collect(),
            trouble_calls: deeds.trouble_calls,
            engagement_calls: deeds.engagement_calls,
            avoided: deeds.avoided,
            excess: self.excess.excess,
        }
    }
}

fn after(start: EventTime, minute: f64) -> EventTime {
    let span = Duration::try_from_secs_f64(minute.abs() * 60.0).unwrap_or_default();
    if minute < 0.0 {
        start.minus(span)
    } else {
        start.plus(span)
    }
}

/// Minutes after the local midnight of the week's Saturday.
fn week_minute(at: EventTime) -> f64 {
    // 1970-01-03 was a Saturday.
    let local = EventTime::from_secs((at.secs() + TEHRAN_OFFSET - 2 * 86_400).rem_euclid(7 * 86_400));
    local.seconds_from(EventTime::from_secs(0)) / 60.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(seed: u64) -> World {
        World::new(WorldSettings {
            seed,
            customers: 5_000,
            ..WorldSettings::default()
        })
        .unwrap()
    }

    fn minute(minute: f64) -> EventTime {
        after(WorldSettings::default().start, minute)
    }

    fn live(world: &mut World, to: EventTime) -> Vec<WorldRecord> {
        let mut out = Vec::new();
        world.advance(to, &mut out).unwrap();
        out
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
        let to = minute(-100.0);
        let first = live(&mut world(3), to);
        assert_eq!(first, live(&mut world(3), to));
        assert_ne!(first, live(&mut world(4), to));
        assert_eq!(world(3).directory_rows().unwrap().len(), 5_000);
    }

    #[test]
    fn the_way_it_is_cut_makes_no_difference() {
        let whole = live(&mut world(3), minute(-120.0));
        let mut cut = world(3);
        let mut parts = live(&mut cut, minute(-3_000.0));
        parts.extend(live(&mut cut, minute(-149.25)));
        parts.extend(live(&mut cut, minute(-120.0)));
        assert_eq!(whole, parts);
    }

    #[test]
    fn the_day_goes_by_its_script() {
        let mut world = world(1);
        let history = live(&mut world, minute(0.0));
        let calls = history.iter().filter(|r| r.topic == CALLS).count();
        // A week of 1,500 calls a day, each of two lines.
        assert!((17_000..23_000).contains(&calls), "{calls}");
        let day = live(&mut world, minute(1_440.0));
        let telemetry = day.iter().filter(|r| r.topic == TELEMETRY).count();
        assert_eq!(telemetry, 2_880 * (CITIES.len() + 2) + 3);
        let truth = world.truth();
        let impact = truth.impact.unwrap();
        let creep = impact.since(truth.onset).as_secs_f64() / 60.0;
        assert!((20.0..=35.0).contains(&creep), "{creep}");
        assert!(!truth.decoy_impact);
        assert!(
            (300..450).contains(&truth.affected.len()),
            "{}",
            truth.affected.len()
        );
        assert!(truth.trouble_calls > 10, "{}", truth.trouble_calls);
        assert_eq!((truth.avoided, truth.engagement_calls), (0, 0));
        assert!(
            truth
                .first_contacts
                .iter()
                .all(|(_, at)| *at > impact.minus(Duration::from_secs(300)))
        );
    }

    #[test]
    fn who_is_told_calls_less() {
        let calls = |tell: bool| {
            let mut world = World::new(WorldSettings {
                customers: 40_000,
                ..WorldSettings::default()
            })
            .unwrap();
            live(&mut world, minute(script::ONSET + script::CREEP + 5.0));
            if tell {
                for customer in world.truth().affected {
                    world.told(&customer, world.now(), NoticeStage::Confirmed);
                }
            }
            live(&mut world, minute(1_000.0));
            world.truth()
        };
        let (without, with) = (calls(false), calls(true));
        assert!(with.trouble_calls < without.trouble_calls);
        assert_eq!(with.trouble_calls + with.avoided, without.trouble_calls);
        assert!(with.engagement_calls > 0);
        assert!(without.excess.is_some());
    }

    #[test]
    fn operators_act_on_what_is_confirmed_only() {
        let mut world = world(1);
        live(&mut world, minute(0.0));
        assert!(
            live(&mut world, minute(60.0))
                .iter()
                .all(|r| r.topic == CALLS || r.topic == TELEMETRY)
        );
    }

    #[test]
    fn saturday_is_the_first_day() {
        assert!(week_minute(WorldSettings::default().start).abs() < 1e-9);
        assert!((week_minute(minute(-1.0)) - (7.0 * 1_440.0 - 1.0)).abs() < 1e-9);
    }
}
