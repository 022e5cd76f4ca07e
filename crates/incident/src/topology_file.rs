//! Services, regions and rules as they are written down, and what can be wrong with them.

use std::collections::BTreeMap;

use forecall_types::Responsibility;
use serde::{Deserialize, Serialize};

/// A topology as it is written down; [`Topology::check`](crate::Topology::check) makes it usable.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TopologyFile {
    /// Services, customer-facing or behind them. None: any service name is taken as customer-facing.
    pub services: Vec<ServiceEntry>,
    /// Regions. None: any region code is taken.
    pub regions: Vec<RegionEntry>,
    /// Rules from labels to scope; the first that matches holds.
    pub rules: Vec<RuleEntry>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    /// Its name, as `service.name` says it.
    pub name: String,
    /// Whether customers use it by name.
    #[serde(default)]
    pub customer_facing: bool,
    /// Names of the services it needs.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// What hangs on it.
    #[serde(default)]
    pub kind: ServiceKind,
    /// Who answers where it is the cause of an incident.
    #[serde(default)]
    pub responsibility: ServiceResponsibility,
}

/// Who answers for a service. That work was planned, or that an order came from outside, only people can say, and of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceResponsibility {
    /// Nothing is said of that.
    #[default]
    Unknown,
    /// The operator.
    Own,
    /// A supplier.
    Supplier,
    /// The power grid.
    Power,
}

impl From<ServiceResponsibility> for Responsibility {
    fn from(declared: ServiceResponsibility) -> Self {
        match declared {
            ServiceResponsibility::Unknown => Self::Unknown,
            ServiceResponsibility::Own => Self::Own,
            ServiceResponsibility::Supplier => Self::Supplier,
            ServiceResponsibility::Power => Self::Power,
        }
    }
}

/// What hangs on a service; decides whether its outage is extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// Nothing special.
    #[default]
    General,
    /// Emergency calls.
    Emergency,
    /// Health care.
    Health,
}

/// One region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionEntry {
    /// ISO 3166-2 or an operator's own code below it.
    pub code: String,
    /// Code of the region that holds it.
    #[serde(default)]
    pub parent: Option<String>,
    /// Name by language (`fa`, `en`).
    pub names: BTreeMap<String, String>,
    /// Short name by language, at most [`SHORT_NAME_UNITS_MAX`](crate::SHORT_NAME_UNITS_MAX); needed for `fa` where the name is longer.
    #[serde(default)]
    pub short: BTreeMap<String, String>,
    /// IANA time zone; empty: that of the parent.
    #[serde(default)]
    pub time_zone: String,
}

/// One rule: entities whose labels match belong to this service, region and these elements.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleEntry {
    /// Label name → value, in which `*` stands for any run of characters. Empty: matches all.
    pub r#match: BTreeMap<String, String>,
    /// The service; else the label below.
    pub service: Option<String>,
    /// The label that names the service; else `service.name`.
    pub service_label: Option<String>,
    /// The region; else the label below.
    pub region: Option<String>,
    /// The label that names the region; else the usual ones.
    pub region_label: Option<String>,
    /// Labels whose values are ids of elements (`cell.id`).
    pub elements: Vec<String>,
}

/// What is wrong with a topology; each names the thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// More entries than the bound.
    #[error("{count} {what}, at most {max}")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// A name or code that can't be one.
    #[error("{owner}: {source}")]
    Name {
        /// Where it stands.
        owner: String,
        /// What is wrong with it.
        #[source]
        source: forecall_types::NotAName,
    },
    /// Declared twice.
    #[error("{what} `{name}` is declared twice")]
    Twice {
        /// Service or region.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// Names something that isn't declared.
    #[error("{owner} names {what} `{name}`, which is not declared")]
    Unknown {
        /// Who names it.
        owner: String,
        /// Service or region.
        what: &'static str,
        /// The missing one.
        name: String,
    },
    /// A region is its own ancestor.
    #[error("region `{0}` lies in itself by way of its parents")]
    Circle(String),
    /// A region without a name, or with a short one that is too long.
    #[error("region `{region}`: {why}")]
    Region {
        /// Which.
        region: String,
        /// What is wrong.
        why: String,
    },
}
