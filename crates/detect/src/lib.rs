//! Finds what is unusual in telemetry: samples of one partition in, anomalies with evidence out.
//!
//! [`DetectStage`] puts samples into event-time order ([`disorder`], [`buffer`]), turns counters and histograms into series
//! that can be judged ([`rate`]), holds a sliding window and a robust baseline a series ([`recent`], [`channel`]), and
//! opens, updates and closes anomalies ([`policy`]). Who spoke regularly and stops is told as well, see `silence`. [`RekeyStage`] spreads a topic that isn't keyed by entity over partitions
//! that are. The crate knows nothing of other partitions, of topology, customers or bytes: what several series say
//! together is `incident`'s.
//!
//! ```
//! use std::sync::Arc;
//! use forecall_detect::{DetectOutput, DetectSettings, DetectStage};
//! use forecall_stage::{Effects, Stage};
//! use forecall_types::{AnomalyState, DomainName, EventTime, Labels, Position, Reading, SampleBatch, SamplesRecord, SourcePartition};
//!
//! let source = SourcePartition { topic: Arc::from("telemetry"), partition: 0 };
//! let mut stage = DetectStage::new(Arc::new(DetectSettings::default()), source);
//! let mut effects = Effects::default();
//! let cell = Labels::from_pairs([("service.name", "internet"), ("cell", "IR-10-4711")]);
//! for i in 0..60 {
//!     let at = EventTime::from_secs(i * 30);
//!     let loss = if i < 50 { 0.001 } else { 0.06 };
//!     let mut batch = SampleBatch::default();
//!     batch.push("packet.loss", &cell, &Labels::default(), at, Reading::Gauge(loss));
//!     stage.step(&SamplesRecord {
//!         domain: DomainName::new("isp").unwrap(),
//!         origin: Position { topic: Arc::from("telemetry"), partition: 0, offset: i },
//!         appended_at: at,
//!         batch,
//!         marks: Vec::new(),
//!         contexts: Vec::new(),
//!         links: Vec::new(),
//!     }, &mut effects);
//! }
//! let Some(DetectOutput::Anomaly(first)) = effects.outputs().first() else { panic!("nothing found") };
//! assert_eq!(first.state, AnomalyState::Opened);
//! ```

pub mod buffer;
pub mod calendar;
pub mod channel;
mod context;
mod detector;
pub mod disorder;
pub mod entity;
mod gates;
mod judgement;
mod kind;
mod limits;
mod nature;
mod peers;
pub mod policy;
pub mod rate;
pub mod recent;
mod registry;
mod rekey;
mod rule;
mod settings;
mod silence;
mod stage;
pub mod text;
mod traced;
mod trouble;

pub use detector::{Detector, Forecast};
pub use gates::{CALENDARS_MAX, RULES_MAX};
pub use judgement::{Asked, Judgement, Normal, Voices};
pub use kind::MetricKind;
pub use limits::{LIMITS_MAX, LimitEntry};
pub use peers::{ENTITY_SERIES_MAX, PEER_ENTITIES_MAX, PEER_GROUPS_MAX, PEER_METRICS_MAX, PeerGroup};
pub use rekey::{MARK_STEP, RekeyOutput, RekeySettings, RekeyStage, Rekeyed};
pub use rule::{AlarmRates, ChannelName, Channels, GateRule, NamedTwice, Watched};
pub use settings::{AHEAD_SPANS_MAX, DetectSettings, DetectSettingsError, SERIES_PER_SHARD_MAX};
pub use stage::{DetectOutput, DetectStage, Divided, LINE_LABEL, LINE_METRIC, SHOWN_MAX, Shown, ShownSeries};

pub use traced::{CALLS_SEEN_MIN, CALLS_TRACED_MAX, SPANS_WAITING_MAX, TRACED_SAID_AGAIN};
