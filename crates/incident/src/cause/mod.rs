//! Which node is behind an alarm: by the excess that is its own, not its callees'.
//!
//! A request that is slow or fails is slow or fails in everybody who waits for it, so an alarm is seen at many nodes. Each
//! node's excess over normal, in latency-seconds or failed requests, adds up along calls: what is left of a node's excess
//! once that of its callees is taken off is where the trouble is made. The rule was found on the PetShop recordings (Hardt
//! et al. 2024, "The PetShop dataset: finding causes of performance issues across microservices"), whose best published
//! ranking gets two of three right; how well it does is measured by `cargo xtask bench incidents`.
//!
//! It is a pure function of a [`Case`]: no clock, no names read, and the order in which rows, nodes and calls are given
//! changes nothing.
//!
//! ```
//! use forecall_incident::cause::{Alarm, CallRecord, Case, CauseTunables, Measure, NodeRecord, Point, Statistic, Track, Trouble, rank};
//! use forecall_types::EventTime;
//!
//! let rows = |values: &[f64]| -> Vec<Point> {
//!     (0..).zip(values).map(|(i, &value)| Point { at: EventTime::from_secs(i * 60), value }).collect()
//! };
//! let node = |name: &str, seconds: &[f64]| NodeRecord {
//!     name: name.into(),
//!     tracks: vec![
//!         Track { measure: Measure::Latency(Statistic::Mean), normal: rows(&[seconds[0]; 12]), recent: rows(seconds) },
//!         Track { measure: Measure::Requests, normal: rows(&[100.0; 12]), recent: rows(&[100.0; 3]) },
//!     ],
//! };
//! let call = |caller: &str, callee: &str| CallRecord { caller: caller.into(), callee: callee.into(), tracks: Vec::new() };
//! let case = Case {
//!     nodes: vec![node("shop", &[0.2, 0.2, 0.7]), node("search", &[0.1, 0.1, 0.6]), node("mail", &[0.1, 0.1, 0.1])],
//!     calls: vec![call("shop", "search"), call("shop", "mail")],
//!     alarm: Alarm { node: "shop".into(), trouble: Trouble::Latency(Statistic::Mean), at: EventTime::from_secs(120) },
//! };
//! let ranking = rank(&case, &CauseTunables::default())?;
//! assert_eq!(&*ranking.suspects[0].node, "search");
//! assert_eq!(ranking.suspects[0].path, ["search".into(), "shop".into()]);
//! # Ok::<(), forecall_incident::cause::CauseError>(())
//! ```

mod excess;
mod flow;
mod load;
mod record;
mod suspect;
mod witness;

#[cfg(test)]
mod tests;

pub use record::{Alarm, CallRecord, Case, Measure, NodeRecord, Point, Statistic, Track, Trouble};
pub use suspect::{Ranking, Suspect, Tier, rank};

/// Nodes of one case: as many as services in a topology; more is a generated mistake.
pub const NODES_MAX: usize = 4_096;
/// Calls of one case: four a node, more than published call graphs of that size have.
pub const CALLS_MAX: usize = 16_384;

/// Why nothing can be ranked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CauseError {
    /// More parts than a case may have.
    #[error("{count} {what} in one case, at most {max} are allowed")]
    TooMany {
        /// Nodes or calls.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        max: usize,
    },
}

/// The numbers of the ranking: one set for all systems, whatever is measured of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CauseTunables {
    /// Standard deviations from which a node takes part. At 4 one normal node in thirty thousand would, were they normal;
    /// real latencies have heavier tails, and a call graph has up to hundreds of nodes.
    pub significance_min: f64,
    /// The bar where nobody above the higher one is reached that explains the alarm. Ten failed requests are all there is of
    /// many an alarm at night.
    pub weak_significance_min: f64,
    /// No latency is known better than to this share of its reference: clocks, rounding, and a median over few rows.
    pub scale_floor_share: f64,
    /// The same where fewer than `history_min` rows say what is normal: rows differ by more than their requests' chance.
    pub young_scale_floor_share: f64,
    /// Requests that may fail in normal times though none did while we looked, as a share.
    pub failed_share_floor: f64,
    /// Rows of the reference period from which its own spread is believed.
    pub history_min: usize,
    /// Where it isn't: standard deviation of one request's latency, as a share of the reference. Service times are near to
    /// exponential (1); the mean of n requests is known to this share over √n.
    pub request_spread_share: f64,
    /// Requests supposed in a row of a node where neither it nor anybody above it counts any.
    pub requests_supposed: f64,
    /// The alarmed node stands by its own excess where its callees leave at least this share of it unexplained; else it
    /// goes last, since it shows what others do.
    pub alarmed_share_min: f64,
    /// Robust standard deviations from which a node's processor or memory speaks for itself. Higher than
    /// `significance_min`: load moves processors all the time.
    pub resource_significance_min: f64,
}

impl Default for CauseTunables {
    fn default() -> Self {
        Self {
            significance_min: 4.0,
            weak_significance_min: 2.5,
            scale_floor_share: 0.02,
            young_scale_floor_share: 0.05,
            failed_share_floor: 0.002,
            history_min: 10,
            request_spread_share: 0.5,
            requests_supposed: 100.0,
            alarmed_share_min: 0.5,
            resource_significance_min: 8.0,
        }
    }
}
