//! Numeric kernels: robust location and scale, clipped moments, empirical and parametric tails, bucketed quantiles, Kalman filter, binomial, Poisson
//! and Erlang.
//!
//! Plain functions and small states over `f64`. The crate knows nothing of series, time zones or telemetry, holds no clock
//! and no randomness, and gives the same bits on every machine: transcendental functions come from `libm`, sums run in a
//! fixed order.
//!
//! ```
//! use forecall_stats::location_scale;
//! let spread = location_scale(&mut [1.0, 2.0, 3.0, 4.0, 1000.0]).unwrap();
//! assert!((spread.location - 3.0).abs() < 1e-12 && spread.scale < 2.0);
//! ```

mod binomial;
mod clipped;
pub mod erlang;
mod hypergeometric;
pub mod kalman;
mod outlook;
mod passage;
pub mod poisson;
mod robust;
mod sketch;
mod tail;

pub use binomial::*;
pub use clipped::*;
pub use hypergeometric::*;
pub use outlook::*;
pub use passage::*;
pub use robust::*;
pub use sketch::*;
pub use tail::*;
