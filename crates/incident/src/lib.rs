//! The `correlate` stage: anomalies of one scope become one predicted incident, which lives until it is withdrawn or over.
//!
//! It puts the records of many sources in event-time order, maps entities to services and regions, weighs evidence into a
//! probability, expects an onset, and walks each incident through its legal states. It knows no clock, no I/O, no
//! customers' names, and nothing of notices. What it decides hangs only on what the records say and on event time:
//! everything is judged at fixed steps of event time, after all records before the step are known.
//!
//! ```
//! use std::sync::Arc;
//! use forecall_incident::{CorrelateInput, CorrelateParts, CorrelateSettings, CorrelateStage};
//! use forecall_stage::{Effects, Stage};
//! use forecall_types::{CorrelateEntry, EventTime, Position, Tick};
//!
//! let settings = CorrelateSettings::new(CorrelateParts::default())?;
//! let mut stage = CorrelateStage::new(Arc::new(settings));
//! let tick = CorrelateInput {
//!     position: Position { topic: "forecall.anomalies.v1".into(), partition: 0, offset: 0 },
//!     entry: CorrelateEntry::Tick(Tick { at: EventTime::from_secs(60) }),
//! };
//! let mut effects = Effects::default();
//! stage.step(&tick, &mut effects);
//! assert!(effects.outputs().is_empty());
//! # Ok::<(), forecall_incident::SettingsError>(())
//! ```

mod begin;
pub mod cause;
mod command;
mod dimension;
pub mod explain;
mod group;
mod known;
mod learn;
mod life;
mod merge;
mod metric;
mod moves;
mod order;
mod paging;
mod peer;
mod planned;
mod predict;
mod publish;
mod reason;
mod remedy;
mod review;
mod scope;
mod settings;
mod silence;
mod split;
mod stage;
mod storm;
mod suspects;
mod topology;
mod topology_file;
mod verdict;
mod way;

pub use group::{ANOMALIES_MAX, CLOSED_KEPT_MAX, ELEMENTS_MAX, MEMBERS_MAX, OPEN_MAX};
pub use learn::{BIN_COUNT, LearntHealth, PredictionBin, TOLD_MAX, WATCHES_MAX};
pub use life::{Life, Trigger, allows};
pub use order::{BUFFERED_MAX, GATHERED_FOR, IDS_MAX, LATE_MAX, SOURCES_MAX, STUCK_AFTER};
pub use paging::{PAGES_A_DAY_MAX, TEAMS_MAX, TeamEntry};
pub use peer::{
    PEER_FORGOTTEN_AFTER, PEER_MEMBERS_MAX, PEER_MEMBERS_MIN, PEER_OPEN_SCORE, PEER_VALUES_WAITING_MAX,
    PEER_WARM_UP_STEPS,
};
pub use planned::{WORK_AHEAD_MAX, WORK_SPAN_MAX, WORKS_MAX};
pub use remedy::{
    BY_REMEDY_RUNNER, REMEDIES_MAX, REMEDY_CALLS_MAX, REMEDY_SPAN_MAX, RemedyKind, RemedyLimit, RemedyParts,
    RemedyRule, RemedySeverity, RemedyState, RemedyWhen, is_reserved_name,
};
pub use scope::estimate_customers;
pub use settings::{
    CorrelateParts, CorrelateSettings, CustomerTable, IncidentTunables, OBJECTIVES_MAX, ObjectiveEntry,
    SettingsError,
};
pub use silence::{PATTERNS_MAX, SILENCE_SPAN_MAX, SILENCES_MAX};
pub use split::check_split;
pub use stage::{CorrelateHealth, CorrelateInput, CorrelateStage, DOMAINS_MAX, TICK_BACK_MAX};
pub use topology::{
    DEPENDENCY_STEPS_MAX, Place, REGIONS_MAX, RULES_MAX, RegionInfo, SERVICES_MAX, SHORT_NAME_UNITS_MAX,
    Topology,
};
pub use topology_file::{
    RegionEntry, RuleEntry, ServiceEntry, ServiceKind, ServiceResponsibility, TopologyError, TopologyFile,
};
pub use verdict::{ADJUSTMENTS_MAX, adjustment_in_words};
