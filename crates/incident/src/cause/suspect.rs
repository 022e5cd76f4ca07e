//! Suspects in order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::flow::Flow;
use super::record::{Case, Known, Measure, Statistic, Trouble};
use super::witness::{contrasts, resource};
use super::{CauseError, CauseTunables};

/// What a suspicion rests on, the weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Its processor or memory is far beyond normal, and excess doesn't tell where the alarm comes from.
    Resource,
    /// The calls that touch it have slowed down far more than the others, and excess doesn't tell where the alarm comes from.
    Delayed,
    /// It has excess of its own and is reached from the alarmed node through nodes that show the trouble.
    OwnExcess,
    /// It is the alarmed node, or shows what its callees account for.
    Shown,
    /// Its processor, its memory or the calls that touch it have risen, by less than speaks for itself.
    Hint,
    /// It shows the alarm's trouble, or the other one, and nothing leads there from the alarmed node.
    Apart,
    /// Nothing speaks against it.
    Nothing,
}

/// A node that may be the cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspect {
    /// The node.
    pub node: Arc<str>,
    /// What the suspicion rests on.
    pub tier: Tier,
    /// Share of the alarm's excess that is its own, 0 to 1; those of all suspects sum to at most 1. 0 where excess can't
    /// be told.
    pub share: f64,
    /// Its own excess since the alarm, in latency-seconds or failed requests.
    pub own: f64,
    /// How far its measure is beyond normal, in standard deviations.
    pub z: f64,
    /// From it to the alarmed node, both included; the node alone where no way is known.
    pub path: Vec<Arc<str>>,
    /// The measure that says so.
    pub measure: Measure,
}

/// All nodes of a case, the most likely cause first.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// Every node once.
    pub suspects: Vec<Suspect>,
}

/// A suspect and what orders it within its tier.
struct Ranked {
    suspect: Suspect,
    weight: f64,
    depth: usize,
}

impl Ranked {
    /// The heavier first; of equals the deeper, then by name.
    fn order(&self, other: &Self) -> Ordering {
        self.suspect
            .tier
            .cmp(&other.suspect.tier)
            .then(other.weight.total_cmp(&self.weight))
            .then(other.depth.cmp(&self.depth))
            .then(self.suspect.node.cmp(&other.suspect.node))
    }
}

/// Ranks the nodes of a case.
///
/// # Errors
/// [`CauseError`] where the case is larger than a case may be.
pub fn rank(case: &Case, tunables: &CauseTunables) -> Result<Ranking, CauseError> {
    let known = Known::of(case)?;
    let flow = Flow::over(&known, case.alarm.trouble, tunables);
    let other = match case.alarm.trouble {
        Trouble::Latency(_) => Trouble::Failures,
        Trouble::Failures => Trouble::Latency(Statistic::Mean),
    };
    let beside = Flow::over(&known, other, tunables);
    let contrasts = contrasts(&known, tunables);
    let accounted = flow.is_significant(known.alarmed) && flow.explains(known.alarmed, tunables);
    let mut ranked: Vec<Ranked> = (0..known.names.len())
        .filter_map(|node| {
            let contrast = contrasts.get(node).copied().flatten();
            suspect(&known, node, [&flow, &beside], contrast, accounted, tunables)
        })
        .collect();
    ranked.sort_by(Ranked::order);
    let sum: f64 = ranked
        .iter()
        .filter(|one| one.suspect.tier == Tier::OwnExcess)
        .map(|one| one.suspect.own.max(0.0))
        .sum();
    let alarmed = flow.excess.get(known.alarmed).map_or(0.0, |one| one.amount);
    let whole = sum.max(alarmed);
    let share = |one: Ranked| {
        let mut suspect = one.suspect;
        if suspect.tier == Tier::OwnExcess && whole > 0.0 {
            suspect.share = suspect.own.max(0.0) / whole;
        }
        suspect
    };
    Ok(Ranking {
        suspects: ranked.into_iter().map(share).collect(),
    })
}

fn suspect(
    known: &Known,
    node: usize,
    [flow, beside]: [&Flow; 2],
    contrast: Option<f64>,
    accounted: bool,
    tunables: &CauseTunables,
) -> Option<Ranked> {
    let name = known.names.get(node)?;
    let excess = *flow.excess.get(node)?;
    let own = *flow.own.get(node)?;
    let depth = flow.depth.get(node).copied().flatten();
    let significant = flow.is_significant(node);
    let path = match flow.path(node) {
        path if path.is_empty() => vec![Arc::clone(name)],
        path => path
            .iter()
            .filter_map(|at| known.names.get(*at).cloned())
            .collect(),
    };
    let one = |tier, weight, z, measure| Ranked {
        suspect: Suspect {
            node: Arc::clone(name),
            tier,
            share: 0.0,
            own,
            z,
            path,
            measure,
        },
        weight,
        depth: depth.unwrap_or(0),
    };
    let resource = resource(known, node, tunables);
    let speaks = |z: f64| !accounted && z > tunables.resource_significance_min;
    if let Some((measure, z)) = resource.filter(|(_, z)| speaks(*z)) {
        return Some(one(Tier::Resource, z, z, measure));
    }
    let contrast = contrast.map(|z| (Measure::Latency(Statistic::P50), z));
    if let Some((measure, z)) = contrast.filter(|(_, z)| speaks(*z)) {
        return Some(one(Tier::Delayed, z, z, measure));
    }
    let hint = resource
        .into_iter()
        .chain(contrast)
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if node == known.alarmed {
        let stands = significant && own >= tunables.alarmed_share_min * excess.amount;
        let (tier, weight) = match (stands, significant) {
            (true, _) => (Tier::OwnExcess, own),
            (false, true) => (Tier::Shown, own),
            // An alarm that its own excess doesn't bear out says nothing of the node that raised it.
            (false, false) => match hint {
                Some((_, z)) => (Tier::Hint, z),
                None => (Tier::Nothing, excess.z),
            },
        };
        return Some(one(tier, weight, excess.z, excess.measure));
    }
    if depth.is_some() {
        return Some(one(Tier::OwnExcess, own, excess.z, excess.measure));
    }
    if let Some((measure, z)) = hint {
        return Some(one(Tier::Hint, z, z, measure));
    }
    let other = *beside.excess.get(node)?;
    if significant {
        return Some(one(Tier::Apart, excess.z, excess.z, excess.measure));
    }
    if beside.is_significant(node) {
        return Some(one(Tier::Apart, other.z, other.z, other.measure));
    }
    Some(one(Tier::Nothing, excess.z, excess.z, excess.measure))
}
