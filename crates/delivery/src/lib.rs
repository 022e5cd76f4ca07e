//! Carries notices to people: a gateway per channel, and the worker that leases intents from the ledger, sends and records.
//!
//! What has left can't be called back, so an intent is `sending` in the ledger before a gateway is called, and every
//! answer is one of: accepted, refused for good, refused for now, or *not known*. A channel without a gateway, or whose
//! gateway fails as a whole, keeps its intents planned and is named in the report; nothing is dropped in silence.
//!
//! The crate knows no clock (time is an argument), no incident and no policy: who is told what was decided before.
//!
//! ```
//! use forecall_delivery::{Deliverer, DeliverSettings, FileSink};
//! use forecall_ledger::{Ledger, MasterKey};
//! use forecall_types::{ContactChannel, EventTime};
//! # let folder = tempfile::tempdir().unwrap();
//! let ledger = Ledger::open(&folder.path().join("ledger.db"), MasterKey::generate()?)?;
//! let sink = FileSink::append(ContactChannel::Sms, &folder.path().join("sms.jsonl"))?;
//! let mut deliverer = Deliverer::new(ledger, vec![Box::new(sink)], DeliverSettings::default())?;
//! let report = deliverer.run_once(EventTime::from_secs(60))?;
//! assert_eq!(report.leased, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod chat;
mod compose;
mod deliver;
mod email;
mod fcm;
mod file;
mod gateway;
mod http_sms;
mod jwt;
mod line;
mod one_place;
mod pace;
mod places;
mod settings;
mod smpp;
pub mod sms;
mod web_push;
mod webhook;
mod words;

pub use chat::{ChatError, ChatGateway, ChatSettings};
pub use deliver::{DeliverError, DeliverReport, Deliverer};
pub use email::{EmailError, EmailGateway};
pub use fcm::{FcmError, FcmGateway, FcmSettings};
pub use file::{FileSink, SharedWriter};
pub use gateway::{Accepted, Capabilities, Gateway, Message, SendError};
pub use http_sms::{
    CallbackSettings, HttpMethod, HttpSmsError, HttpSmsGateway, HttpSmsSettings, LaterMeaning, Meaning,
    ReceiptFields, ReplyFields,
};
pub use pace::{BreakerSettings, RateLimit};
pub use settings::{DeliverSettings, SmtpSettings, SmtpTls};
pub use smpp::{Joining, SmppError, SmppGateway, SmppSettings, SmppTls};
pub use web_push::{Urgency, WebPushError, WebPushGateway, WebPushSettings};
pub use webhook::{WebhookError, WebhookGateway, WebhookGatewaySettings};
