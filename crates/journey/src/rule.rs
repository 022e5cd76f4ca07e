use serde::{Deserialize, Serialize};

/// One rule as it is written down: after `start`, each step's event is awaited in turn.
///
/// ```yaml
/// name: paid_not_active
/// start: [payment.accepted]
/// steps: [{ expect: [package.activated], within_seconds: 600 }]
/// unless: [payment.refunded]
/// by_key: true
/// service: packages
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JourneyRuleEntry {
    /// Its name; journeys that are open keep to it when the file changes.
    pub name: String,
    /// Kinds of event that begin it. One that comes while it is open changes nothing.
    pub start: Vec<String>,
    /// What must come, in order, at most [`STEPS_MAX`](crate::STEPS_MAX). One step's event passes the steps before it as well.
    pub steps: Vec<JourneyStepEntry>,
    /// Kinds that end it without a failure: cancelled, refunded.
    pub unless: Vec<String>,
    /// Kinds that are a failure at once: the call after the help page.
    pub fails_on: Vec<String>,
    /// Without steps: how long `fails_on` is watched for. Silence is success there.
    pub watch_seconds: Option<u64>,
    /// Whether journeys of one customer are told apart by the events' key (an order, a ticket). An event without one is refused then.
    pub by_key: bool,
    /// The service it is about, where the event that begins it names none.
    pub service: String,
    /// Share of failures that is usual, until it is known; else that of the waves' settings.
    pub usual_share: Option<f64>,
}

/// What must come, and by when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JourneyStepEntry {
    /// Kinds of event, any of which will do.
    pub expect: Vec<String>,
    /// Seconds from the step before; an event at the very end is in time.
    pub within_seconds: u64,
}

/// When so many fail alike that the service has failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaveTunables {
    /// Journeys that were due within so many seconds are counted together; at least a 64th of the time allowed.
    pub window_seconds: u64,
    /// Fewer failures are no wave.
    pub failed_min: u64,
    /// Nor are those of fewer customers, 64 at most.
    pub customers_min: u64,
    /// Nor is a smaller share of those due.
    pub share_min: f64,
    /// Nor less than so many times the usual share.
    pub times_usual_min: f64,
    /// Surprise (−log₁₀ of the chance) at which a wave opens …
    pub open_score: f64,
    /// … and below which it is over.
    pub close_score: f64,
    /// Share of failures taken for usual while nothing is known …
    pub usual_share: f64,
    /// … as if so many journeys had been seen.
    pub usual_weight: f64,
    /// What was seen so many days ago counts half.
    pub memory_days: f64,
    /// A wave this old is over: its share is the usual one from then on.
    pub hours_max: u64,
}

impl Default for WaveTunables {
    fn default() -> Self {
        Self {
            window_seconds: 600,
            failed_min: 10,
            customers_min: 5,
            share_min: 0.2,
            times_usual_min: 3.0,
            open_score: 6.0,
            close_score: 2.0,
            usual_share: 0.02,
            usual_weight: 100.0,
            memory_days: 7.0,
            hours_max: 24,
        }
    }
}

/// The section `journeys` of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JourneyFile {
    /// What should happen to a customer, and by when; at most [`RULES_MAX`](crate::RULES_MAX). None: nothing is watched.
    pub rules: Vec<JourneyRuleEntry>,
    /// How long an event may take from happening to standing on its topic. Events wait so long for earlier ones; a later one begins
    /// nothing.
    pub lateness_seconds: u64,
    /// An event dated further beyond the broker's append time is refused.
    pub future_seconds: u64,
    /// Open journeys of a partition, at most [`OPEN_MAX`](crate::OPEN_MAX): 55 to 80 bytes each. A further one is refused.
    pub open_max: u64,
    /// Open journeys of one customer; a further one is refused.
    pub open_customer_max: u64,
    /// Events of a partition that wait for earlier ones; where it is full the oldest go on without waiting.
    pub waiting_max: u64,
    /// When so many fail alike that the service has failed.
    pub waves: WaveTunables,
}

impl Default for JourneyFile {
    fn default() -> Self {
        let tunables = JourneyTunables::default();
        Self {
            rules: Vec::new(),
            lateness_seconds: tunables.lateness_seconds,
            future_seconds: tunables.future_seconds,
            open_max: tunables.open_max,
            open_customer_max: tunables.open_customer_max,
            waiting_max: tunables.waiting_max,
            waves: tunables.waves,
        }
    }
}

impl JourneyFile {
    /// What holds for all rules.
    pub fn tunables(&self) -> JourneyTunables {
        JourneyTunables {
            lateness_seconds: self.lateness_seconds,
            future_seconds: self.future_seconds,
            open_max: self.open_max,
            open_customer_max: self.open_customer_max,
            waiting_max: self.waiting_max,
            waves: self.waves,
            ..JourneyTunables::default()
        }
    }
}

/// What holds for all rules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JourneyTunables {
    /// Events wait so long for earlier ones.
    pub lateness_seconds: u64,
    /// Where nothing comes and nobody tells how far sources were read, time goes on by ticks, so many seconds behind them.
    pub silence_seconds: u64,
    /// An event further ahead of the newest tick, or of its record's append time, is refused.
    pub future_seconds: u64,
    /// Open journeys of a partition, at most [`OPEN_MAX`](crate::OPEN_MAX): 55 to 80 bytes each. A further one is refused.
    pub open_max: u64,
    /// Open journeys of one customer; a further one is refused.
    pub open_customer_max: u64,
    /// Events waiting for earlier ones; where it is full the oldest go on without waiting.
    pub waiting_max: u64,
    /// Waves.
    pub waves: WaveTunables,
}

impl Default for JourneyTunables {
    fn default() -> Self {
        Self {
            lateness_seconds: 60,
            silence_seconds: 300,
            future_seconds: 300,
            open_max: 1_000_000,
            open_customer_max: 32,
            waiting_max: 262_144,
            waves: WaveTunables::default(),
        }
    }
}
