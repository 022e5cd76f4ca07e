//! From incidents to customers: whom to tell, when, in which words, and how many calls come with and without it.
//!
//! [`OutreachStage`] reads one log: incidents, customers (as pseudonyms), calls, replies, receipts, commands and ticks. It
//! writes [`Notice`](forecall_types::Notice)s, the intents they plan, and call forecasts. It keeps to rules that are code:
//! nobody outside the scope, nothing that isn't known, "no need to call" only where it is computed true, no message over a
//! channel that has failed, no promise that breaks in silence.
//!
//! It knows no name, number or address, no gateway, no clock, and no incident but through its events. Every
//! [default](OutreachSettings) is the safest: nothing opens without a person's approval of the exact text.
//!
//! ```
//! use std::sync::Arc;
//! use forecall_outreach::{OutreachInput, OutreachSettings, OutreachStage};
//! use forecall_stage::{Effects, Stage};
//! use forecall_types::{EventTime, OutreachEntry, Position, Tick};
//!
//! let mut stage = OutreachStage::new(Arc::new(OutreachSettings::default()));
//! let mut effects = Effects::default();
//! let entry = OutreachEntry::Tick(Tick { at: EventTime::from_secs(60) });
//! let position = Position { topic: "outreach".into(), partition: 0, offset: 0 };
//! stage.step(&OutreachInput { position, entry }, &mut effects);
//! assert!(effects.outputs().is_empty(), "nothing has happened, nobody is told");
//! ```

mod area_settings;
pub mod calls;
mod hold_out_settings;
mod notice;
pub mod public;
mod ramp_settings;
mod reply_settings;
mod settings;
mod spoken;
mod stage;
mod whom;
mod words;
mod zone;

pub use notice::{DRILL_MINUTES_MAX, EndRefused, drill_incident, may_tell_end};
pub use settings::*;
pub use spoken::{Spoken, spoken};
pub use stage::{DOMAINS_MAX, OPT_OUTS_MAX, OutreachInput, OutreachOutput, OutreachStage};
pub use whom::People;
pub use words::step_mistake;
