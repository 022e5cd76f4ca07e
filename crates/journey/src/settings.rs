use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{CustomerEventKind, JourneyName, NotAName, ServiceName};

use crate::rule::{JourneyRuleEntry, JourneyStepEntry, JourneyTunables};
use crate::table::OPEN_MAX;

/// Rules of one file: each costs every start of it a look.
pub const RULES_MAX: usize = 256;
/// Steps of one rule.
pub const STEPS_MAX: usize = 8;
/// Kinds of event in one list of a rule.
pub const KINDS_MAX: usize = 16;
/// The longest time a step allows: 90 days of seconds are the most buckets the timer may hold.
pub const WITHIN_MAX: Duration = Duration::from_secs(90 * 86_400);
/// Customers counted in a part of a wave's window.
pub(crate) const CUSTOMERS_COUNTED_MAX: u64 = 64;

/// What is wrong with the rules or with what holds for all of them; each names the thing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum JourneySettingsError {
    /// More than a bound.
    #[error("{owner}: {count} {what}, at most {max}")]
    TooMany {
        /// Where.
        owner: String,
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// A name or kind that can't be one.
    #[error("{owner}: {source}")]
    Name {
        /// Where.
        owner: String,
        /// What is wrong with it.
        #[source]
        source: NotAName,
    },
    /// Two rules of one name.
    #[error("two journeys are named `{0}`")]
    Twice(String),
    /// A kind of event with two meanings in one rule.
    #[error("{rule}: `{kind}` stands in two places; what it means would be unclear")]
    Ambiguous {
        /// The rule.
        rule: String,
        /// The kind.
        kind: String,
    },
    /// A rule that can't fail, or a number out of range.
    #[error("{owner}: {why}")]
    Wrong {
        /// Where.
        owner: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// What a kind of event means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Start,
    Expect(u8),
    Unless,
    FailsOn,
}

/// One step, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Kinds that pass it.
    pub(crate) expects: Vec<CustomerEventKind>,
    /// Nanoseconds allowed.
    pub(crate) within: i64,
    /// Upper ends of the parts in which times are counted, in seconds.
    pub(crate) bounds: Vec<f64>,
    /// Nanoseconds of one part of a wave's window …
    pub(crate) part: i64,
    /// … and how many parts it has.
    pub(crate) parts: i64,
}

/// One rule, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rule {
    pub(crate) name: JourneyName,
    pub(crate) service: ServiceName,
    pub(crate) by_key: bool,
    /// Never empty. A rule that only watches has one step that silence passes.
    pub(crate) steps: Vec<Step>,
    pub(crate) passes_in_silence: bool,
    pub(crate) usual_share: f64,
}

/// Checked settings of the `journeys` stage.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JourneySettings {
    pub(crate) tunables: JourneyTunables,
    pub(crate) rules: Vec<Rule>,
    /// In order; a kind's place is its number.
    pub(crate) kinds: BTreeMap<CustomerEventKind, u16>,
    /// By the kind's number: what it means, in order of the rules.
    pub(crate) roles: Vec<Vec<(u16, Role)>>,
    pub(crate) simulated: bool,
}

impl JourneySettings {
    /// Checks rules and what holds for all of them.
    ///
    /// # Errors
    /// [`JourneySettingsError`]: the first thing that is wrong.
    pub fn new(rules: &[JourneyRuleEntry], tunables: JourneyTunables) -> Result<Self, JourneySettingsError> {
        check_tunables(&tunables)?;
        count("journeys", "rules", rules.len(), RULES_MAX)?;
        let mut settings = Self {
            tunables,
            ..Self::default()
        };
        let mut means: BTreeMap<CustomerEventKind, Vec<(u16, Role)>> = BTreeMap::new();
        for (number, entry) in (0_u16..).zip(rules) {
            let rule = checked(entry, &tunables)?;
            if settings.rules.iter().any(|other| other.name == rule.name) {
                return Err(JourneySettingsError::Twice(entry.name.clone()));
            }
            for (kind, role) in roles(entry)? {
                let roles = means.entry(kind.clone()).or_default();
                if roles.last().is_some_and(|(last, _)| *last == number) {
                    return Err(JourneySettingsError::Ambiguous {
                        rule: entry.name.clone(),
                        kind: kind.as_str().to_owned(),
                    });
                }
                roles.push((number, role));
            }
            settings.rules.push(rule);
        }
        for (number, (kind, roles)) in (0_u16..).zip(means) {
            settings.kinds.insert(kind, number);
            settings.roles.push(roles);
        }
        Ok(settings)
    }

    /// What is told says that it is of a replay or simulation.
    #[must_use]
    pub fn simulated(mut self, simulated: bool) -> Self {
        self.simulated = simulated;
        self
    }

    /// Whether there is nothing to watch for.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether such an event means anything to a rule.
    pub fn knows(&self, kind: &CustomerEventKind) -> bool {
        self.kinds.contains_key(kind)
    }

    /// How far beyond the broker's append time an event may be dated.
    pub const fn future(&self) -> Duration {
        Duration::from_secs(self.tunables.future_seconds)
    }

    pub(crate) fn rule(&self, number: u16) -> Option<&Rule> {
        self.rules.get(usize::from(number))
    }

    pub(crate) fn step(&self, rule: u16, step: u8) -> Option<&Step> {
        self.rule(rule)?.steps.get(usize::from(step))
    }

    pub(crate) fn roles_of(&self, kind: u16) -> &[(u16, Role)] {
        self.roles.get(usize::from(kind)).map_or(&[], Vec::as_slice)
    }
}

fn count(owner: &str, what: &'static str, count: usize, max: usize) -> Result<(), JourneySettingsError> {
    if count > max {
        let owner = owner.to_owned();
        return Err(JourneySettingsError::TooMany {
            owner,
            what,
            count,
            max,
        });
    }
    Ok(())
}

fn wrong(owner: &str, why: &'static str) -> JourneySettingsError {
    JourneySettingsError::Wrong {
        owner: owner.to_owned(),
        why,
    }
}

fn check_tunables(tunables: &JourneyTunables) -> Result<(), JourneySettingsError> {
    let waves = &tunables.waves;
    let seconds_max = WITHIN_MAX.as_secs();
    let share = 0.0..=1.0;
    let checks = [
        (
            tunables.lateness_seconds <= 86_400,
            "lateness_seconds is at most a day",
        ),
        (
            tunables.silence_seconds <= 86_400,
            "silence_seconds is at most a day",
        ),
        (
            tunables.future_seconds <= 86_400,
            "future_seconds is at most a day",
        ),
        (
            (1..=OPEN_MAX as u64).contains(&tunables.open_max),
            "open_max is 1 to 16,777,214",
        ),
        (
            (1..=1_024).contains(&tunables.open_customer_max),
            "open_customer_max is 1 to 1,024",
        ),
        (
            (1..=4_194_304).contains(&tunables.waiting_max),
            "waiting_max is 1 to 4,194,304",
        ),
        (
            (1..=seconds_max).contains(&waves.window_seconds),
            "waves.window_seconds is 1 to 90 days",
        ),
        (waves.failed_min >= 1, "waves.failed_min is at least 1"),
        (
            (1..=CUSTOMERS_COUNTED_MAX).contains(&waves.customers_min),
            "waves.customers_min is 1 to 64",
        ),
        (share.contains(&waves.share_min), "waves.share_min is a share"),
        (share.contains(&waves.usual_share), "waves.usual_share is a share"),
        (
            (0.0..=1e6).contains(&waves.times_usual_min),
            "waves.times_usual_min is 0 to 1,000,000",
        ),
        (
            (1.0..=1e6).contains(&waves.usual_weight),
            "waves.usual_weight is 1 to 1,000,000",
        ),
        (
            (0.01..=3_650.0).contains(&waves.memory_days),
            "waves.memory_days is 0.01 to 3,650",
        ),
        (
            (1.0..=20.0).contains(&waves.open_score),
            "waves.open_score is 1 to 20",
        ),
        (
            (0.1..=waves.open_score).contains(&waves.close_score),
            "waves.close_score is 0.1 to waves.open_score",
        ),
        (
            (1..=8_760).contains(&waves.hours_max),
            "waves.hours_max is 1 to 8,760",
        ),
    ];
    match checks.iter().find(|(holds, _)| !holds) {
        Some((_, why)) => Err(wrong("journeys", why)),
        None => Ok(()),
    }
}

fn checked(entry: &JourneyRuleEntry, tunables: &JourneyTunables) -> Result<Rule, JourneySettingsError> {
    let owner = entry.name.as_str();
    let named = |source| JourneySettingsError::Name {
        owner: format!("journey `{owner}`"),
        source,
    };
    let name = JourneyName::new(owner).map_err(named)?;
    let service = ServiceName::new(&entry.service).map_err(named)?;
    if entry.start.is_empty() {
        return Err(wrong(owner, "`start` names no kind of event"));
    }
    count(owner, "steps", entry.steps.len(), STEPS_MAX)?;
    let passes_in_silence = entry.steps.is_empty();
    let steps: Vec<u64> = match (entry.watch_seconds, passes_in_silence) {
        (Some(seconds), true) if !entry.fails_on.is_empty() => vec![seconds],
        (None, false) => entry.steps.iter().map(|step| step.within_seconds).collect(),
        (Some(_), false) => return Err(wrong(owner, "`watch_seconds` is for rules without steps")),
        (Some(_) | None, true) => {
            return Err(wrong(
                owner,
                "it can't fail: give it `steps`, or `fails_on` and `watch_seconds`",
            ));
        }
    };
    if entry.steps.iter().any(|step| step.expect.is_empty()) {
        return Err(wrong(owner, "a step expects nothing"));
    }
    if steps
        .iter()
        .any(|seconds| !(1..=WITHIN_MAX.as_secs()).contains(seconds))
    {
        return Err(wrong(owner, "a time allowed is 1 second to 90 days"));
    }
    let usual_share = entry.usual_share.unwrap_or(tunables.waves.usual_share);
    if !(0.0..=1.0).contains(&usual_share) {
        return Err(wrong(owner, "`usual_share` is a share"));
    }
    Ok(Rule {
        name,
        service,
        by_key: entry.by_key,
        steps: steps
            .into_iter()
            .zip(0..)
            .map(|(seconds, number)| {
                let mut step = step(seconds, tunables.waves.window_seconds);
                let entry: Option<&JourneyStepEntry> = entry.steps.get(number);
                for kind in entry.into_iter().flat_map(|entry| &entry.expect) {
                    step.expects.push(CustomerEventKind::new(kind).map_err(named)?);
                }
                Ok(step)
            })
            .collect::<Result<_, JourneySettingsError>>()?,
        passes_in_silence,
        usual_share,
    })
}

/// Parts in which times are counted: with 64 a quantile of a step of a day is known to a fifth of itself.
const TIMES: u32 = 64;
const SECOND: i64 = 1_000_000_000;

fn step(within_seconds: u64, window_seconds: u64) -> Step {
    // A wave of a step of ten minutes is seen within the minute, and one of a week needn't be. Journeys that ended are counted
    // where they were due: of what is due at all and of what is looked back on there are 66 parts at most.
    let part = (within_seconds / 64)
        .max(window_seconds / 64)
        .max(window_seconds.min(60));
    Step {
        expects: Vec::new(),
        within: nanos(within_seconds),
        bounds: bounds(within_seconds),
        part: nanos(part),
        parts: i64::try_from(window_seconds.div_ceil(part)).unwrap_or(1),
    }
}

/// Upper ends of the parts in which times up to `within_seconds` are counted, in seconds.
pub(crate) fn bounds(within_seconds: u64) -> Vec<f64> {
    let seconds = u32::try_from(within_seconds).map_or(f64::MAX, f64::from);
    (1..=TIMES)
        .map(|i| libm::pow(seconds, f64::from(i) / f64::from(TIMES)))
        .collect()
}

pub(crate) fn nanos(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND)
}

/// All that the entry says of kinds, in order of the kinds.
fn roles(entry: &JourneyRuleEntry) -> Result<Vec<(CustomerEventKind, Role)>, JourneySettingsError> {
    let expected = (0_u8..)
        .zip(&entry.steps)
        .map(|(i, step)| (Role::Expect(i), &step.expect));
    let lists = [
        (Role::Start, &entry.start),
        (Role::Unless, &entry.unless),
        (Role::FailsOn, &entry.fails_on),
    ];
    let mut all = Vec::new();
    for (role, list) in lists.into_iter().chain(expected) {
        count(&entry.name, "kinds of event in one list", list.len(), KINDS_MAX)?;
        for kind in list {
            let kind = CustomerEventKind::new(kind).map_err(|source| JourneySettingsError::Name {
                owner: format!("journey `{}`", entry.name),
                source,
            })?;
            all.push((kind, role));
        }
    }
    Ok(all)
}
