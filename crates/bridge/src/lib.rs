//! Bridges from incidents to what engineers already have: Alertmanager, any receiver of its webhooks, PagerDuty, Grafana.
//!
//! Two halves. What an incident *is* to a target is pure: [`Memory`] says of each event whether a target is told and holds
//! the labels still for an incident's whole life, [`Alert`] is the incident in neutral words, [`plan`] makes the target's own
//! requests of it. [`Client`] brings them there, once, and says in a closed list of classes what went wrong; [`backoff`] says
//! how long to wait before it is tried again.
//!
//! The crate knows no topic, no position and no clock (time is an argument), and not why an incident is one.
//!
//! ```
//! use forecall_bridge::{Failure, FailureClass, RetrySettings, backoff};
//! let retry = RetrySettings::default();
//! let wait = backoff("pager inc_1/3", 1, &retry);
//! assert!(wait >= retry.wait_min && wait <= retry.wait_max);
//! assert!(!Failure::of(FailureClass::Unreachable).is_final());
//! ```

mod alert;
mod alertmanager;
mod client;
mod failure;
mod grafana;
mod memory;
mod pagerduty;
mod plan;
mod remedy;
mod retry;
mod settings;
mod webhook;
mod words;

pub use alert::{Alert, Phase};
pub use client::{Client, ClientError};
pub use failure::{Failure, FailureClass};
pub use forecall_http::{RETRY_AFTER_MAX, SigningKey, SigningKeyError, retry_after};
pub use grafana::Annotation;
pub use memory::{Memory, OPEN_MAX, Verdict};
pub use plan::{Call, Plan, plan, plan_repeat};
pub use remedy::plan_remedy;
pub use retry::backoff;
pub use settings::{
    AlertmanagerSettings, BridgeSettings, BridgeTarget, GrafanaSettings, LeastSeverity, PagerDutySettings,
    RetrySettings, WebhookSettings,
};
