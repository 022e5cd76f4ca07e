//! Free ports of this machine.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which systems take the ports of outgoing connections, so that none of these takes ours between
/// the look and the server's start; and apart from those of the broker.
const FIRST: u16 = 11_000;
const COUNT: u16 = 8_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A free loopback port, another one each time. Two runs at once begin at different places.
pub(crate) fn free() -> u16 {
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| FIRST + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("no loopback port is free between 11000 and 19000")
}
