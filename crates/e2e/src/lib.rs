//! forecall, the binary, against real servers: a real Kafka, collectd, an SMTP server. All of that is in `tests/it`; the
//! chaos harness is the program `forecall-chaos`.
//!
//! The tests know nothing of forecall's inside but the published schemas: they start the program, write telemetry to topics,
//! and look at what comes out. `cargo xtask test` starts the servers and says by environment variables where they are. The
//! harness hosts a small stage of its own on forecall's real host and log, and kills it:
//!
//! ```console
//! $ cargo xtask test real_input
//! $ cargo xtask chaos --kills 200 --seed 1
//! ```
