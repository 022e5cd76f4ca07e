//! The `journeys` stage: what should have happened to one customer and did not.
//!
//! A rule says "after A, B must come within so long, unless C": paid, and the package isn't active after ten minutes. The stage
//! puts customers' events into event-time order ([`JourneyStage`]), holds every open journey in about 55 bytes, and tells of
//! those whose time is over, in order of time, customer and rule. Where many fail alike, it tells of one *wave* instead: the
//! service has failed. It knows pseudonyms and nothing else of customers; no clock, no bytes, no notices, and nothing of
//! incidents.
//!
//! ```
//! use std::sync::Arc;
//! use forecall_journey::{JourneyRuleEntry, JourneySettings, JourneyStage, JourneyStepEntry, JourneyTunables};
//! use forecall_stage::{Effects, Stage};
//! use forecall_types::{
//!     CustomerEvent, CustomerEventKind, CustomerId, DomainName, EventTime, Fingerprint, JourneyEntry, JourneyOutput, Tick,
//! };
//!
//! let rule = JourneyRuleEntry {
//!     name: "paid_not_active".to_owned(),
//!     start: vec!["payment.accepted".to_owned()],
//!     steps: vec![JourneyStepEntry { expect: vec!["package.activated".to_owned()], within_seconds: 600 }],
//!     service: "packages".to_owned(),
//!     ..JourneyRuleEntry::default()
//! };
//! let settings = JourneySettings::new(&[rule], JourneyTunables::default())?;
//! let mut stage = JourneyStage::new(Arc::new(settings));
//! let mut effects = Effects::default();
//! let paid = CustomerEvent {
//!     id: 1,
//!     domain: DomainName::new("isp")?,
//!     kind: CustomerEventKind::new("payment.accepted")?,
//!     customer: CustomerId::derived(Fingerprint::of(b"someone")),
//!     at: EventTime::from_secs(0),
//!     key: None,
//!     service: None,
//!     region: None,
//! };
//! stage.step(&JourneyEntry::Event(paid), &mut effects);
//! stage.step(&JourneyEntry::Tick(Tick { at: EventTime::from_secs(1_000) }), &mut effects);
//! let [JourneyOutput::Failed(failed)] = effects.outputs() else { panic!("nothing was told") };
//! assert_eq!(failed.failed_at, EventTime::from_secs(600));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod anomaly;
mod day;
mod memory;
mod order;
mod rule;
mod scope;
mod settings;
mod stage;
mod table;
mod wave;

pub use anomaly::{WAVE_METRIC, anomaly_of};
pub use day::add_map;
pub use order::JOURNEY_SOURCES_MAX;
pub use rule::{JourneyFile, JourneyRuleEntry, JourneyStepEntry, JourneyTunables, WaveTunables};
pub use scope::JOURNEY_SCOPES_MAX;
pub use settings::{JourneySettings, JourneySettingsError, KINDS_MAX, RULES_MAX, STEPS_MAX, WITHIN_MAX};
pub use stage::{JourneyHealth, JourneyStage};
pub use table::OPEN_MAX;
pub use wave::WAVE_SCOPES_MAX;
