//! The deliver worker on a real ledger, with sinks, scripted gateways and a mail server that fails on purpose.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test's own functions may fail as its tests do"
)]

mod callbacks;
mod certificate;
mod chat;
mod deliver;
mod desk;
mod email;
mod fake_gateway;
mod fake_receiver;
mod fake_smsc;
mod fake_smtp;
mod fcm;
mod http_sms;
mod smpp;
mod smpp_heard;
mod smpp_tls;
mod web_push;
mod webhook;

use desk::{Desk, at};
