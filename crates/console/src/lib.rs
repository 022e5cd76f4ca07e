//! The HTTP interface by which people and programs speak to forecall.
//!
//! It also shows whoever answers a customer what this one was told ([`Desk`]), out of the ledger, and audits each look; says
//! what the telephone may say; and serves everybody what has gone out ([`serve_feeds`]).
//!
//! It decides who may say what, and writes what was said to the topics of commands and verdicts, as the command line does. It
//! knows nothing of what becomes of it: the stage that refuses a command counts it. It is no way round
//! any rule: a stage can't tell where a record came from.
//!
//! ```
//! use forecall_config::ApiRole;
//! use forecall_console::needed;
//! use forecall_types::Action;
//! assert_eq!(needed(&Action::Kill { on: true }), ApiRole::Operator);
//! assert_eq!(needed(&Action::Kill { on: false }), ApiRole::Admin);
//! ```

mod access;
mod api;
mod desk;
mod feeds;
mod said;

pub use access::{Bearer, NewToken, needed};
pub use api::{Api, ApiError, Interface, Running, serve};
pub use desk::ivr::Place;
pub use desk::{Desk, DeskError, Look, Pseudonym, WHYS};
pub use feeds::{Feeds, serve_feeds};
pub use said::{Said, SaidError};
