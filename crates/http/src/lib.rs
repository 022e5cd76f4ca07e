//! How the house asks others over HTTP: TLS 1.2 or better and never less, no redirects, bounded answers, time-outs; where somebody else
//! names the address, only addresses of the public net ([`Guard`]); what went wrong in a closed list ([`Loss`]); Standard Webhooks'
//! signatures ([`SigningKey`]).
//!
//! The crate knows no message, no incident and no clock (time is an argument). It is one place so that no path goes round the guard.
//!
//! ```
//! use forecall_http::Guard;
//! let guard = Guard::new(&["10.1.0.0/16".to_owned()])?;
//! assert!(guard.admits("93.184.216.34".parse().unwrap()));
//! assert!(guard.admits("10.1.2.3".parse().unwrap()));
//! assert!(!guard.admits("169.254.169.254".parse().unwrap()));
//! # Ok::<(), forecall_http::BadNetwork>(())
//! ```

mod client;
mod guard;
mod loss;
mod network;
mod retry_after;
mod signature;

pub use client::{Answer, Client, ClientError, ClientSettings, Request, builder};
pub use guard::{Forbidden, Guard, Names, SystemNames};
pub use loss::Loss;
pub use network::{BadNetwork, Network};
pub use retry_after::{RETRY_AFTER_MAX, retry_after, wanted_wait};
pub use signature::{SigningKey, SigningKeyError};
