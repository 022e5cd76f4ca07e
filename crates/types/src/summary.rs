use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{DomainName, EventTime, Labels, Lineage, SourcePartition};

/// Series of one entity told in a summary, those of the metrics its group compares: more are left out.
pub const SUMMARY_VALUES_MAX: usize = 32;
/// Series named as what makes an entity's score.
pub const SUMMARY_PARTS_MAX: usize = 4;

/// An entity of a declared peer group over one step of event time: what it is compared with its peers by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Domain of the source.
    pub domain: DomainName,
    /// Name of the peer group, as declared.
    pub group: Arc<str>,
    /// The labels that divide the group, and their values: peers have the same.
    pub within: Labels,
    /// Labels of the resource: the entity.
    pub entity: Labels,
    /// Where its samples were read.
    pub source: SourcePartition,
    /// Beginning of the step.
    pub from: EventTime,
    /// End of the step; what was measured at that very moment belongs to the next.
    pub at: EventTime,
    /// How unusual the entity was at its worst within the step, by its own past: 0 to 20 √2.
    pub score: f64,
    /// The series that make the score, the largest part first, at most [`SUMMARY_PARTS_MAX`]; empty where nothing was unusual.
    pub parts: Vec<SummaryPart>,
    /// What the peers are compared by, by metric and labels, at most [`SUMMARY_VALUES_MAX`].
    pub values: Vec<SummaryValue>,
    /// The records of the step's samples: for each partition the range that holds them.
    pub lineage: Lineage,
}

/// One series' part in the score of its entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryPart {
    /// Its metric, as judged: a counter's is its rate.
    pub metric: Arc<str>,
    /// Labels of the point.
    pub labels: Labels,
    /// Share of the score, 0 to 1; those of all parts make 1.
    pub share: f64,
}

/// What one series of an entity was within a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SummaryValue {
    /// Its metric, as judged: a counter's is its rate.
    pub metric: Arc<str>,
    /// Unit, empty when unknown.
    pub unit: Arc<str>,
    /// Labels of the point.
    pub labels: Labels,
    /// Mean of its values.
    pub mean: f64,
    /// How many values.
    pub count: u32,
}
