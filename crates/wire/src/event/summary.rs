//! Entities of declared peer groups, step by step.

use std::collections::BTreeMap;

use super::heartbeat_tick::Source;
use super::scalar::{InputLineage, Name, Number, Time};
use super::shape::published;

published! {
    /// One series' part in the score of its entity.
    SummaryPart of SummaryPart {
        /// Its metric, as judged: a counter's is its rate.
        metric: String = metric,
        /// Labels of the point.
        #[serde(default)]
        labels: BTreeMap<String, String> = labels,
        /// Share of the score, 0 to 1.
        share: Number = share,
    }
}

published! {
    /// What one series of an entity was within a step.
    SummaryValue of SummaryValue {
        /// Its metric, as judged: a counter's is its rate.
        metric: String = metric,
        /// Unit (UCUM), empty when unknown.
        #[serde(default)]
        unit: String = unit,
        /// Labels of the point.
        #[serde(default)]
        labels: BTreeMap<String, String> = labels,
        /// Mean of its values.
        mean: Number = mean,
        /// How many values.
        count: u32 = count,
    }
}

published! {
    /// An entity of a declared peer group over one step of event time: what it is compared with its peers by.
    Summary of Summary {
        /// Domain of the source.
        domain: Name = domain,
        /// Name of the peer group, as declared.
        group: String = group,
        /// The labels that divide the group, and their values: peers have the same.
        #[serde(default)]
        within: BTreeMap<String, String> = within,
        /// Labels of the resource: the entity.
        entity: BTreeMap<String, String> = entity,
        /// The partition that was read.
        source: Source = source,
        /// Beginning of the step.
        from: Time = from,
        /// End of the step; what was measured at that very moment belongs to the next.
        at: Time = at,
        /// How unusual the entity was at its worst within the step, by its own past: 0 to 28.3.
        score: Number = score,
        /// The series that make the score, the largest part first, at most 4; empty where nothing was unusual.
        #[serde(default)]
        parts: Vec<SummaryPart> = parts,
        /// What the peers are compared by, by metric and labels, at most 32.
        #[serde(default)]
        values: Vec<SummaryValue> = values,
        /// The records of the step's samples: for each partition the range that holds them.
        #[serde(default)]
        lineage: InputLineage = lineage,
    }
}
