//! What those that are hit have in common: label values that most of the abnormal series share and few others have.
//!
//! `detect` tells with each anomaly how many series of its metric, service and region lived beside it, and how many share each of its
//! labels ([`Siblings`](forecall_types::Siblings)). So each label value is a table of two by two (has it or not, abnormal or not), and
//! the chance that so many of the abnormal ones would have it if they had been drawn by lot is Fisher's exact test. Several values of
//! one label may be hit (two versions): the set whose chance is the least, times the ways to choose so many of the label's values. That
//! keeps what merely names each series (a host) from explaining anything: any five hosts are told by their five names. Times the labels and
//! metrics looked at (Bonferroni), it must stay below [`CHANCE_MAX`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_stats::{choose_ln, hypergeometric_tail};
use forecall_types::{
    Anomaly, DIMENSION_VALUES_MAX, DIMENSIONS_MAX, Dimension, RegionCode, SeriesKey, ServiceName,
};

use crate::topology::Topology;

/// One incident in five hundred may name a label by chance.
const CHANCE_MAX: f64 = 0.002;
/// Share of the abnormal series that must have one of the values …
const ABNORMAL_SHARE_MIN: f64 = 0.8;
/// … and share of those with a value that must be abnormal: of a bad version some hosts get no requests.
const HIT_SHARE_MIN: f64 = 0.5;
/// How many times as often they must be abnormal as those without it.
const LIFT_MIN: f64 = 3.0;

/// Where series were counted: the partition, and what they are of.
type Block = (i32, ServiceName, RegionCode);

/// What one partition says of a metric's series in one service and region.
#[derive(Default)]
struct Table<'a> {
    series: u32,
    /// By label and value: how many have it, and how many values the label has.
    shared: BTreeMap<(&'a str, &'a str), (u32, u32)>,
    abnormal: BTreeSet<&'a SeriesKey>,
}

/// A table of two by two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    abnormal_with: u32,
    abnormal: u32,
    series_with: u32,
    series: u32,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.abnormal_with = self.abnormal_with.saturating_add(other.abnormal_with);
        self.abnormal = self.abnormal.saturating_add(other.abnormal);
        self.series_with = self.series_with.saturating_add(other.series_with);
        self.series = self.series.saturating_add(other.series);
    }

    fn hit_share(self) -> f64 {
        share(self.abnormal_with, self.series_with)
    }

    /// Whether those that have it are hit, and the others aren't.
    fn tells(self) -> bool {
        let others = share(
            self.abnormal - self.abnormal_with,
            self.series.saturating_sub(self.series_with),
        );
        self.series_with < self.series
            && self.hit_share() >= HIT_SHARE_MIN
            && self.hit_share() >= LIFT_MIN * others
    }

    fn chance(self) -> f64 {
        hypergeometric_tail(
            self.abnormal_with.into(),
            self.abnormal.into(),
            self.series_with.into(),
            self.series.into(),
        )
    }
}

/// A dimension, and how likely it is by chance.
struct Found {
    chance: f64,
    dimension: Dimension,
}

/// What the abnormal series have in common, the clearest first. Hangs on no order of theirs.
pub(crate) fn dimensions<'a>(
    anomalies: impl Iterator<Item = &'a Anomaly>,
    topology: &Topology,
) -> Vec<Dimension> {
    let mut metrics: BTreeMap<&'a str, BTreeMap<Block, Table<'a>>> = BTreeMap::new();
    let mut sorted: Vec<&Anomaly> = anomalies.filter(|a| a.siblings.is_some()).collect();
    // The newest counts stand.
    sorted.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
    for anomaly in sorted {
        let (Some(siblings), Ok(place)) = (&anomaly.siblings, topology.place(&anomaly.series)) else {
            continue;
        };
        let block = (siblings.partition, place.service, place.region);
        let table = metrics.entry(&anomaly.series.metric).or_default();
        let table = table.entry(block).or_default();
        table.series = siblings.series;
        for one in &siblings.shared {
            let counts = (one.series, one.values);
            table.shared.insert((&one.label, &one.value), counts);
        }
        table.abnormal.insert(&anomaly.series);
    }
    let looked_at = count(metrics.len());
    let mut best: BTreeMap<Arc<str>, Found> = BTreeMap::new();
    for (metric, tables) in &metrics {
        let labels: BTreeSet<&str> = tables
            .values()
            .flat_map(|table| table.shared.keys().map(|(label, _)| *label))
            .collect();
        let tries = looked_at * count(labels.len());
        for label in labels {
            let found = look(metric, label, tables, tries);
            let Some(found) = found.filter(|found| found.chance <= CHANCE_MAX) else {
                continue;
            };
            let known = best.get(label);
            if known.is_none_or(|known| found.chance < known.chance) {
                best.insert(Arc::from(label), found);
            }
        }
    }
    let mut found: Vec<Found> = best.into_values().collect();
    // A stable sort: of equal ones the first by name comes first.
    found.sort_by(|a, b| a.chance.total_cmp(&b.chance));
    found.truncate(DIMENSIONS_MAX);
    found.into_iter().map(|found| found.dimension).collect()
}

/// The values of a label that tell best who is hit; `None`: they don't.
fn look(metric: &str, label: &str, tables: &BTreeMap<Block, Table<'_>>, tries: f64) -> Option<Found> {
    let values: BTreeSet<&str> = tables
        .values()
        .flat_map(|table| table.shared.keys())
        .filter(|(of, _)| *of == label)
        .map(|(_, value)| *value)
        .collect();
    let mut telling: Vec<(&str, Counts)> = values
        .iter()
        .map(|value| (*value, counts(tables, label, &[*value])))
        .filter(|(_, counts)| counts.tells())
        .collect();
    telling.sort_by(|(_, a), (_, b)| {
        let by_share = b.hit_share().total_cmp(&a.hit_share());
        by_share.then(b.abnormal_with.cmp(&a.abnormal_with))
    });
    let all: usize = tables.values().map(|table| table.abnormal.len()).sum();
    let all = u32::try_from(all).unwrap_or(u32::MAX);
    let of_label = tables.values().flat_map(|table| &table.shared);
    let of_label = of_label.filter(|((of, _), _)| *of == label);
    let distinct = of_label.map(|(_, (_, values))| *values).max().unwrap_or(1);
    let mut chosen: Vec<&str> = Vec::new();
    let mut best: Option<(f64, Vec<&str>, Counts)> = None;
    for (value, _) in telling.into_iter().take(DIMENSION_VALUES_MAX) {
        chosen.push(value);
        let together = counts(tables, label, &chosen);
        let ways = choose_ln(u64::from(distinct), chosen.len() as u64);
        let chance = (together.chance() * tries * libm::exp(ways)).min(1.0);
        if best.as_ref().is_none_or(|(least, _, _)| chance < *least) {
            best = Some((chance, chosen.clone(), together));
        }
    }
    let (chance, mut values, counts) = best?;
    if share(counts.abnormal_with, all) < ABNORMAL_SHARE_MIN {
        return None;
    }
    values.sort_unstable();
    Some(Found {
        chance,
        dimension: Dimension {
            label: Arc::from(label),
            values: values.into_iter().map(Arc::from).collect(),
            metric: Arc::from(metric),
            abnormal_with: counts.abnormal_with,
            abnormal: counts.abnormal,
            series_with: counts.series_with,
            series: counts.series,
        },
    })
}

/// The table of some values of a label, over the places in which one of them is known: of others nobody knows how many are well.
fn counts(tables: &BTreeMap<Block, Table<'_>>, label: &str, values: &[&str]) -> Counts {
    let mut sum = Counts::default();
    for table in tables.values() {
        let known = values
            .iter()
            .filter_map(|value| table.shared.get(&(label, *value)));
        let with: u32 = known.map(|(series, _)| *series).sum();
        if with == 0 {
            continue;
        }
        let has = |series: &&&SeriesKey| {
            let value = series.resource.get(label).or_else(|| series.labels.get(label));
            value.is_some_and(|value| values.contains(&value))
        };
        let abnormal_with = table.abnormal.iter().filter(has).count();
        let (abnormal_with, abnormal) = (
            u32::try_from(abnormal_with).unwrap_or(u32::MAX),
            u32::try_from(table.abnormal.len()).unwrap_or(u32::MAX),
        );
        // Counted at different times: what is abnormal is there.
        let with = with.max(abnormal_with);
        sum.add(Counts {
            abnormal_with,
            abnormal,
            series_with: with,
            series: table.series.max(with + (abnormal - abnormal_with)),
        });
    }
    sum
}

fn share(part: u32, whole: u32) -> f64 {
    if whole == 0 {
        0.0
    } else {
        f64::from(part) / f64::from(whole)
    }
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
