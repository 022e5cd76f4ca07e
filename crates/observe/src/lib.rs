//! What an operator sees: metrics, health, logs.
//!
//! Every metric stands in one enum, [`Metric`], with help, labels and a bound on their values. Logic never counts: the
//! shell does, once a batch. The crate knows nothing of what is measured and holds no personal data: label values are
//! names from enums and settings.
//!
//! ```
//! use forecall_observe::{Metric, Metrics};
//! let metrics = Metrics::new();
//! metrics.inc(Metric::RecordsTotal, &["detect", "telemetry"], 3);
//! assert!(metrics.text().contains(r#"forecall_records_total{stage="detect",topic="telemetry"} 3"#));
//! ```

mod anomalies;
mod logs;
mod metric;
mod process;
mod registry;
mod server;

pub use anomalies::ShownRow;
pub use logs::{LogFormat, LogSettings, NotALogLevel, init_logs, set_log_level};
pub use metric::{Kind, Metric, reference};
pub use registry::Metrics;
pub use server::{Health, ServeError, Server, serve, serve_router};
