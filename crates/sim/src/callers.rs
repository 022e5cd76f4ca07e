//! Who calls the contact centre, when and how it goes, as lines of Asterisk's `queue_log`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forecall_types::{EventTime, NoticeStage};

use crate::customers::People;
use crate::geography::{CITIES, TROUBLED};
use crate::random::{For, Seed};

/// Topic of the call records.
pub const CALLS: &str = "calls";
/// The queue that an internet trouble fills.
pub const INTERNET_QUEUE: &str = "internet";
/// Everything else.
pub const GENERAL_QUEUE: &str = "general";
/// Queues, with their calls on an ordinary day.
pub(crate) const QUEUES: [(&str, f64); 2] = [(INTERNET_QUEUE, 900.0), (GENERAL_QUEUE, 600.0)];

/// The world's secrets: how people behave. Nothing of it is told to forecall.
mod hidden {
    /// Chance that an affected customer calls if nobody tells them.
    pub(super) const PROPENSITY: f64 = 0.075;
    /// Minutes from being hit to the call: median, and standard deviation of the logarithm.
    pub(super) const DELAY: (f64, f64) = (18.0, 1.0);
    /// Share of those told of the trouble who then call all the same: the true effect is log 0.5 = −0.69.
    pub(super) const KEPT_CONFIRMED: f64 = 0.5;
    /// The same after a mere warning.
    pub(super) const KEPT_PREDICTED: f64 = 0.75;
    /// Chance that a message itself causes a contact, and after how many minutes.
    pub(super) const ENGAGEMENT: f64 = 0.004;
    pub(super) const ENGAGEMENT_DELAY: (f64, f64) = (8.0, 0.7);
    /// Share of would-be callers who don't call any more once it works again.
    pub(super) const CUT_AT_REPAIR: f64 = 0.9;
}

/// Share of a day's calls in each hour: low at night, high from nine to noon, a second hill at six.
const HOURS: [f64; 24] = [
    0.010, 0.006, 0.004, 0.003, 0.003, 0.005, 0.012, 0.028, 0.055, 0.075, 0.080, 0.078, 0.068, 0.056, 0.052,
    0.055, 0.060, 0.065, 0.068, 0.062, 0.055, 0.045, 0.033, 0.022,
];
/// From Saturday on.
const WEEK: [f64; 7] = [1.12, 1.05, 1.0, 1.0, 1.02, 0.82, 0.62];

/// Expected calls of a queue in `seconds` at this minute of the week, counted from Saturday's midnight.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a minute of the week, floored and not negative"
)]
pub(crate) fn rate(a_day: f64, week_minute: f64, seconds: f64) -> f64 {
    let hour = (week_minute / 60.0).floor().max(0.0) as usize;
    let day = WEEK.get(hour / 24 % 7).copied().unwrap_or(1.0);
    let share = HOURS.get(hour % 24).copied().unwrap_or(0.0);
    a_day * day * share * seconds / 3_600.0
}

/// A call that is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    at: EventTime,
    caller: u32,
    /// Caused by a notice, not by the trouble.
    engaged: bool,
}

/// What people did because of the trouble.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deeds {
    /// Customers hit.
    pub(crate) affected: BTreeSet<u32>,
    /// First contact because of the trouble or of a notice.
    pub(crate) first_contact: BTreeMap<u32, EventTime>,
    /// Calls that the trouble brought.
    pub(crate) trouble_calls: u64,
    /// Calls that notices brought.
    pub(crate) engagement_calls: u64,
    /// Calls that did not come because the caller knew already.
    pub(crate) avoided: u64,
}

/// The callers.
#[derive(Debug, Clone)]
pub(crate) struct Callers {
    seed: Seed,
    coming: BTreeSet<Coming>,
    /// Who was told what first, and when.
    told: BTreeMap<u32, (EventTime, f64)>,
    calls: u64,
    tick: u64,
    repaired: EventTime,
    pub(crate) deeds: Deeds,
    /// Lines that are to be written, in order of time.
    lines: BTreeMap<(EventTime, u64), String>,
    line_count: u64,
    pub(crate) arrivals: BTreeMap<(&'static str, EventTime), u64>,
}

/// Intervals in which arrivals are counted.
pub const INTERVAL: Duration = Duration::from_secs(1_800);

fn minutes(minutes: f64) -> Duration {
    Duration::try_from_secs_f64((minutes * 60.0).max(1.0)).unwrap_or(Duration::MAX)
}

impl Callers {
    pub(crate) fn new(seed: Seed, repaired: EventTime) -> Self {
        Self {
            seed,
            coming: BTreeSet::new(),
            told: BTreeMap::new(),
            calls: 0,
            tick: 0,
            repaired,
            deeds: Deeds::default(),
            lines: BTreeMap::new(),
            line_count: 0,
            arrivals: BTreeMap::new(),
        }
    }

    /// Customers of the city are hit from `hit` on; those who would call get their time.
    pub(crate) fn hit(&mut self, people: &People, hit: EventTime) {
        for no in 0..people.count() {
            let here = CITIES.get(people.city(no)).is_some_and(|c| c.code == TROUBLED);
            if !here || !people.uses_internet(no) {
                continue;
            }
            let a = u64::from(no);
            self.deeds.affected.insert(no);
            if self.seed.uniform(For::Propensity, a, 0) >= hidden::PROPENSITY {
                continue;
            }
            let notices_after = self.seed.exponential(For::Hit, a, 0, 4.0);
            let (median, sigma) = hidden::DELAY;
            let delay = self
                .seed
                .lognormal((For::Delay, For::DelaySecond), a, 0, median, sigma);
            let at = hit.plus(minutes(notices_after + delay));
            if at >= self.repaired && self.seed.uniform(For::Propensity, a, 1) < hidden::CUT_AT_REPAIR {
                continue;
            }
            self.coming.insert(Coming {
                at,
                caller: no,
                engaged: false,
            });
        }
    }

    /// A customer was told. Counts once a customer for the effect; each message may cause a contact.
    pub(crate) fn told(&mut self, no: u32, at: EventTime, stage: NoticeStage) {
        let kept = match stage {
            NoticeStage::Predicted => hidden::KEPT_PREDICTED,
            NoticeStage::Confirmed
            | NoticeStage::Progress
            | NoticeStage::EtaChanged
            | NoticeStage::Resolved
            | NoticeStage::AllClear
            | NoticeStage::Averted
            | NoticeStage::Retraction => hidden::KEPT_CONFIRMED,
        };
        let known = self.told.entry(no).or_insert((at, kept));
        known.1 = known.1.min(kept);
        let a = u64::from(no);
        let message = u64::from(stage as u8);
        if self.seed.uniform(For::Engage, a, message) < hidden::ENGAGEMENT {
            let (median, sigma) = hidden::ENGAGEMENT_DELAY;
            let delay = self
                .seed
                .lognormal((For::EngageDelay, For::DelaySecond), a, message, median, sigma);
            self.coming.insert(Coming {
                at: at.plus(minutes(delay)),
                caller: no,
                engaged: true,
            });
        }
    }

    /// Whether a would-be caller who knows already stays away.
    fn stays_away(&self, call: &Coming) -> bool {
        !call.engaged
            && self.told.get(&call.caller).is_some_and(|(told, kept)| {
                *told < call.at && self.seed.uniform(For::Deflect, u64::from(call.caller), 0) >= *kept
            })
    }

    /// All calls that come in from `from` until before `to`; `week_minute` is that of `from`.
    pub(crate) fn tick(&mut self, people: &People, (from, to): (EventTime, EventTime), week_minute: f64) {
        self.tick += 1;
        let seconds = to.since(from).as_secs_f64();
        let mut arrivals: Vec<(EventTime, usize, u32)> = Vec::new();
        for (queue, (_, a_day)) in QUEUES.iter().enumerate() {
            let q = u64::try_from(queue).unwrap_or(0);
            let n = self
                .seed
                .poisson(For::Arrivals, q, self.tick, rate(*a_day, week_minute, seconds));
            for i in 0..n {
                let place = self.tick.wrapping_mul(64).wrapping_add(i);
                let within = self.seed.uniform(For::Caller, q + 8, place) * seconds;
                let caller = self.seed.below(For::Caller, q, place, u64::from(people.count()));
                let at = from.plus(Duration::try_from_secs_f64(within).unwrap_or_default());
                arrivals.push((at, queue, u32::try_from(caller).unwrap_or(0)));
            }
        }
        while let Some(call) = self.coming.first().copied().filter(|c| c.at < to) {
            self.coming.pop_first();
            if self.stays_away(&call) {
                self.deeds.avoided += 1;
                continue;
            }
            if call.engaged {
                self.deeds.engagement_calls += 1;
            } else {
                self.deeds.trouble_calls += 1;
            }
            self.deeds.first_contact.entry(call.caller).or_insert(call.at);
            arrivals.push((call.at.max(from), 0, call.caller));
        }
        arrivals.sort_unstable();
        for (at, queue, caller) in arrivals {
            self.call(at, queue, caller);
        }
    }

    /// One call, from the queue to its end.
    fn call(&mut self, at: EventTime, queue: usize, caller: u32) {
        let Some((name, _)) = QUEUES.get(queue) else {
            return;
        };
        self.calls += 1;
        let (n, number) = (self.calls, People::number(caller));
        *self.arrivals.entry((name, at.floor(INTERVAL))).or_default() += 1;
        let at = EventTime::from_secs(at.secs());
        let id = format!("{}.{n}", at.secs());
        let whole = |seconds: f64| {
            Duration::from_secs(Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs())
        };
        let wait = whole(self.seed.exponential(For::Wait, n, 0, 22.0));
        let patience = whole(self.seed.exponential(For::Patience, n, 0, 180.0));
        self.line(
            at,
            format!("{}|{id}|{name}|NONE|ENTERQUEUE||{number}|1", at.secs()),
        );
        if patience < wait {
            let end = at.plus(patience);
            self.line(
                end,
                format!(
                    "{}|{id}|{name}|NONE|ABANDON|1|1|{}",
                    end.secs(),
                    patience.as_secs()
                ),
            );
            return;
        }
        let talk = whole(
            self.seed
                .lognormal((For::Handle, For::DelaySecond), n, 0, 200.0, 0.6)
                .min(3_000.0),
        );
        let end = at.plus(wait).plus(talk);
        let agent = 1 + n % 40;
        let (waited, talked) = (wait.as_secs(), talk.as_secs());
        self.line(
            end,
            format!(
                "{}|{id}|{name}|SIP/agent{agent}|COMPLETECALLER|{waited}|{talked}|1",
                end.secs()
            ),
        );
    }

    fn line(&mut self, at: EventTime, line: String) {
        self.line_count += 1;
        self.lines.insert((at, self.line_count), line);
    }

    /// The lines that are due before `to`, in order of time.
    pub(crate) fn drain(&mut self, to: EventTime, mut out: impl FnMut(EventTime, String)) {
        let later = self.lines.split_off(&(to, 0));
        for ((at, _), line) in std::mem::replace(&mut self.lines, later) {
            out(at, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_has_its_hours() {
        assert!((HOURS.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        let saturday: f64 = (0..1440_u32).map(|m| rate(900.0, f64::from(m), 60.0)).sum();
        assert!((saturday - 1_008.0).abs() < 1.0, "{saturday}");
        assert!(rate(900.0, 10.5 * 60.0, 60.0) > rate(900.0, 3.5 * 60.0, 60.0));
        assert!(rate(900.0, (6.0 * 24.0 + 10.0) * 60.0, 60.0) < rate(900.0, 10.0 * 60.0, 60.0));
    }
}
