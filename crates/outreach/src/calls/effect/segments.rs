//! Effects by segment (service, region, language, channel), drawn to the effect of all: a small segment says what all say.

use std::collections::BTreeMap;

use super::grid::{Curve, Hierarchy, Rates};
use super::law::Law;
use super::{Arms, EffectAnalysis, HELD_OUT_CONTACTS_MIN};

/// One segment's effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SegmentEffect {
    /// Its people, and those with a contact.
    pub arms: Arms,
    /// Its reduction, drawn to that of all segments by as much as it knows little. Looking at many segments and picking the best
    /// one is no test: these intervals hold for who looks once.
    pub reduction: Law,
    /// Whether its own hold-out has enough contacts to say something by itself.
    pub is_enough: bool,
}

/// Effects of the segments of one dimension: for each segment the arms of each incident.
pub fn segments<S: Ord + Clone>(
    analysis: &EffectAnalysis,
    arms: &BTreeMap<S, Vec<Arms>>,
) -> BTreeMap<S, SegmentEffect> {
    let mut law = Hierarchy::new();
    let curves: Vec<(&S, Arms, Curve)> = arms
        .iter()
        .map(|(segment, incidents)| {
            let mut curve = Curve::of(Arms::default(), 1.0, Rates::default());
            for arms in incidents {
                // How incidents differ is known from all of them together.
                curve.times(&analysis.hierarchy.smoothed(&Curve::of(
                    *arms,
                    analysis.dispersion,
                    Rates::default(),
                )));
            }
            let all = incidents.iter().fold(Arms::default(), |sum, a| sum.plus(*a));
            (segment, all, curve)
        })
        .collect();
    for (_, _, curve) in &curves {
        law.add(curve);
    }
    curves
        .into_iter()
        .map(|(segment, arms, curve)| {
            let effect = SegmentEffect {
                arms,
                reduction: law.unit(&curve),
                is_enough: arms.held_out_contacts >= HELD_OUT_CONTACTS_MIN,
            };
            (segment.clone(), effect)
        })
        .collect()
}
