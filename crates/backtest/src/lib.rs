//! What a run over history is worth: figures against labels, assertions on them, how two runs differ, and the scores that
//! detectors are compared by ([`nab`], [`vus`], [`ranges`], [`alerts`]).
//!
//! It knows neither files nor stages: a *truth* is a time in which there was trouble, as people said afterwards; a *finding* is
//! what a run told, an incident or an anomaly. The order in which either is given changes nothing.
//!
//! ```
//! use forecall_backtest::{Case, Finding, Level, Rules, Truth, figures_of};
//! use forecall_types::EventTime;
//!
//! let at = |minute: i64| EventTime::from_secs(60 * minute);
//! let truths = [Truth::new(at(30), at(40))];
//! let findings = [Finding::new("a", at(20), at(35)), Finding::new("b", at(90), at(95))];
//! let case = Case::new(Some(&truths), &findings, (at(0), at(1_440)), Rules::default());
//! let recall = figures_of(&case, Level::Incidents).into_iter().find(|f| f.name == "recall");
//! assert_eq!(recall.and_then(|f| f.value), Some(1.0));
//! ```

pub mod alerts;
mod assertion;
mod compare;
mod curve;
mod figure;
mod matching;
pub mod nab;
pub mod ranges;
mod score;
pub mod vus;

pub use assertion::{Assertion, BadAssertion, Verdict, assertions};
pub use compare::{Change, Moved, Sign, SignChange, Told, compare, first_difference};
pub use curve::{Bin, CURVE_POINTS_MAX, CurvePoint, RELIABILITY_BINS, curve_of, reliability_of};
pub use figure::{Figure, Unit};
pub use matching::{Finding, Paired, Rules, Truth, pair};
pub use score::{Case, Level, figures_of};
