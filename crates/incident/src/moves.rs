//! Services that fall into trouble together again and again, whatever the topology says: learned from when their anomalies
//! begin.

use std::collections::BTreeMap;
use std::time::Duration;

use forecall_stats::poisson::gamma_cdf;
use forecall_types::{EventTime, ServiceName};
use serde::{Deserialize, Serialize};

use crate::scope::Pair;
use crate::topology::SERVICES_MAX;

/// Troubles that begin this close to each other begin together.
pub(crate) const MOVES_WITHIN: Duration = Duration::from_secs(300);
/// Anomalies of a service and region without such a break are one trouble.
const TROUBLE_BREAK: Duration = Duration::from_secs(1_800);
/// Counts are halved after this long, so that what has changed is unlearned.
const HALVED_AFTER: Duration = Duration::from_secs(30 * 86_400);
/// Three times are chance, whatever the law says.
const TOGETHER_MIN: u32 = 4;
/// So often would so many meet by chance, at most: a house of a hundred services has 5,000 pairs.
const CHANCE_MAX: f64 = 1e-6;
/// Pairs of service and region whose last trouble is remembered, and services whose troubles are counted: as many as a topology may
/// declare services.
const TROUBLES_MAX: usize = SERVICES_MAX;
/// Pairs of services that were in trouble at once: two for each service, and what met once by chance goes first.
const PAIRS_MAX: usize = 2 * TROUBLES_MAX;

/// The last trouble of a service in a region.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Spell {
    began: EventTime,
    /// Its newest beginning of an anomaly.
    last: EventTime,
}

/// How often services were in trouble, and which of them at once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Moves {
    since: Option<EventTime>,
    newest: Option<EventTime>,
    spells: BTreeMap<Pair, Spell>,
    troubles: BTreeMap<ServiceName, u32>,
    /// By the two names in order.
    together: BTreeMap<(ServiceName, ServiceName), u32>,
}

/// How often two services moved together, of how often the one with fewer troubles had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Together {
    pub(crate) times: u32,
    pub(crate) of: u32,
}

impl Moves {
    /// Takes the beginning of an anomaly.
    pub(crate) fn take(&mut self, pair: &Pair, at: EventTime) {
        let since = *self.since.get_or_insert(at);
        let newest = self.newest.map_or(at, |newest| newest.max(at));
        self.newest = Some(newest);
        if newest.since(since) > HALVED_AFTER.saturating_mul(2) {
            self.halve(newest);
        }
        if let Some(spell) = self.spells.get_mut(pair)
            && spell.last.since(at).max(at.since(spell.last)) <= TROUBLE_BREAK
        {
            spell.last = spell.last.max(at);
            return;
        }
        if self.spells.len() >= TROUBLES_MAX && !self.spells.contains_key(pair) {
            self.spells
                .retain(|_, spell| newest.since(spell.last) <= TROUBLE_BREAK);
        }
        if self.spells.len() >= TROUBLES_MAX && !self.spells.contains_key(pair) {
            // So many at once are one great trouble, of which nothing is to be learned.
            return;
        }
        if !count(&mut self.troubles, pair.service.clone(), TROUBLES_MAX) {
            return;
        }
        let at_once: Vec<ServiceName> = self
            .spells
            .iter()
            .filter(|(other, spell)| {
                other.region == pair.region
                    && other.service != pair.service
                    && spell.began.since(at).max(at.since(spell.began)) <= MOVES_WITHIN
            })
            .map(|(other, _)| other.service.clone())
            .collect();
        for other in at_once {
            count(&mut self.together, in_order(&pair.service, &other), PAIRS_MAX);
        }
        self.spells.insert(pair.clone(), Spell { began: at, last: at });
    }

    /// Counts half of what was, over half of the time.
    fn halve(&mut self, newest: EventTime) {
        self.since = Some(newest.minus(HALVED_AFTER));
        for times in self.troubles.values_mut().chain(self.together.values_mut()) {
            *times /= 2;
        }
        self.troubles.retain(|_, times| *times > 0);
        self.together.retain(|_, times| *times > 0);
    }

    /// Whether two services move together: too often to be by chance, and in half of the troubles of one of them. All regions are
    /// counted as if they were one, so that chance has more room than it has.
    pub(crate) fn together(&self, a: &ServiceName, b: &ServiceName) -> Option<Together> {
        let times = *self.together.get(&in_order(a, b))?;
        let (of_a, of_b) = (*self.troubles.get(a)?, *self.troubles.get(b)?);
        let of = of_a.min(of_b);
        if times < TOGETHER_MIN || times.saturating_mul(2) < of {
            return None;
        }
        let span = self.newest?.since(self.since?).max(MOVES_WITHIN).as_secs_f64();
        let expected = f64::from(of_a) * f64::from(of_b) * 2.0 * MOVES_WITHIN.as_secs_f64() / span;
        // The chance that a Poisson law of that mean gives so many or more.
        (gamma_cdf(f64::from(times), expected) <= CHANCE_MAX).then_some(Together { times, of })
    }
}

/// Counts one more; where there is no room, what was counted once is forgotten first. `false`: there is none even so.
fn count<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K, max: usize) -> bool {
    if counts.len() >= max && !counts.contains_key(&key) {
        counts.retain(|_, times| *times > 1);
    }
    let has_room = counts.len() < max || counts.contains_key(&key);
    if has_room {
        let times = counts.entry(key).or_default();
        *times = times.saturating_add(1);
    }
    has_room
}

fn in_order(a: &ServiceName, b: &ServiceName) -> (ServiceName, ServiceName) {
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    (first.clone(), second.clone())
}

#[cfg(test)]
mod tests {
    use forecall_types::RegionCode;

    use super::*;

    fn pair(service: &str, region: &str) -> Pair {
        Pair {
            region: RegionCode::new(region).unwrap(),
            service: ServiceName::new(service).unwrap(),
        }
    }

    /// Both in trouble each day, `apart` seconds from each other, for so many days.
    fn moved(days: i64, apart: i64, other_region: &str) -> Moves {
        let mut moves = Moves::default();
        for day in 0..days {
            let at = day * 86_400;
            moves.take(&pair("tv", "IR-23"), EventTime::from_secs(at));
            moves.take(&pair("tv", "IR-23"), EventTime::from_secs(at + 600));
            moves.take(&pair("voice", other_region), EventTime::from_secs(at + apart));
        }
        moves
    }

    fn of(moves: &Moves) -> Option<(u32, u32)> {
        let name = |text| ServiceName::new(text).unwrap();
        moves
            .together(&name("voice"), &name("tv"))
            .map(|t| (t.times, t.of))
    }

    #[test]
    fn four_times_within_minutes_are_no_chance() {
        assert_eq!(of(&moved(3, 200, "IR-23")), None);
        assert_eq!(of(&moved(4, 200, "IR-23")), Some((4, 4)));
        assert_eq!(of(&moved(9, 400, "IR-23")), None, "not at once");
        assert_eq!(of(&moved(9, 200, "IR-10")), None, "not in one place");
    }

    #[test]
    fn who_is_always_in_trouble_moves_with_nobody() {
        let mut moves = Moves::default();
        for i in 0..200_i64 {
            let at = i * 2_400;
            moves.take(&pair("tv", "IR-23"), EventTime::from_secs(at));
            if i % 4 == 0 {
                moves.take(&pair("voice", "IR-23"), EventTime::from_secs(at + 100));
            }
        }
        // Fifty times together, of fifty; 200 troubles in 133 hours leave so much to chance that 50 are still too many.
        assert_eq!(of(&moves), Some((50, 50)));
        let mut by_chance = Moves::default();
        for i in 0..2_000_i64 {
            by_chance.take(&pair("tv", "IR-23"), EventTime::from_secs(i * 1_900));
            by_chance.take(&pair("voice", "IR-23"), EventTime::from_secs(i * 1_999));
        }
        assert_eq!(of(&by_chance), None);
    }

    #[test]
    fn what_has_changed_is_unlearned() {
        let mut moves = moved(5, 100, "IR-23");
        assert!(of(&moves).is_some());
        for day in 5..160_i64 {
            moves.take(&pair("tv", "IR-23"), EventTime::from_secs(day * 86_400));
            moves.take(
                &pair("voice", "IR-23"),
                EventTime::from_secs(day * 86_400 + 40_000),
            );
        }
        assert_eq!(of(&moves), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut moves = Moves::default();
        for i in 0..6_000_i64 {
            moves.take(&pair(&format!("s{i}"), "IR-23"), EventTime::from_secs(i * 60));
        }
        assert!(moves.spells.len() <= TROUBLES_MAX && moves.together.len() <= PAIRS_MAX);
        assert!(moves.troubles.len() <= TROUBLES_MAX, "{}", moves.troubles.len());
    }
}
