//! forecall, the binary, against real servers: a real Kafka, collectd, an SMTP server. All of it is in `tests/it`.
//!
//! It knows nothing of forecall's inside but the published schemas: it starts the program, writes telemetry to topics,
//! and looks at what comes out. `cargo xtask test` starts the servers and says by environment variables where they are:
//!
//! ```console
//! $ cargo xtask test real_input
//! ```
