//! A line between one process and the broker that fails just when a transaction is to end: the answer is lost, the request
//! is lost, or the request comes late, after the process has given it up. It knows of Kafka's protocol only how long a
//! request is and which one ends a transaction.

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::place::TRANSACTION;

/// What happens to the next request that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// The broker does it; nobody hears of it.
    LoseAnswer,
    /// The broker never hears of it.
    LoseRequest,
    /// The broker hears of it when the process has long given it up.
    DelayRequest,
}

/// Longer than any call of a worker waits.
pub(crate) const HELD: Duration = TRANSACTION.saturating_add(Duration::from_secs(3));
/// `EndTxn` (KIP-98).
const END_TXN: i16 = 26;
/// Far above any request of a worker.
const REQUEST_BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
struct State {
    next: Mutex<Option<Trick>>,
    held: AtomicU64,
}

/// The listening end; its threads end with the process.
pub(crate) struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens on loopback and passes everything on to `to`.
    pub(crate) fn start(port: u16, to: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("failed to open the proxy")?;
        let address = listener.local_addr().context("failed to open the proxy")?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A broker that is down refuses: so does the proxy, by hanging up.
                if let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) {
                    join(client, broker, &shared);
                }
            }
        });
        Ok(Self { state, address })
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Does this to the next request that ends a transaction.
    pub(crate) fn arm(&self, trick: Trick) {
        *self.state.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(trick);
    }

    /// How many were held so far.
    pub(crate) fn held(&self) -> u64 {
        self.state.held.load(Ordering::SeqCst)
    }
}

/// Two threads for a connection, one each way.
fn join(client: TcpStream, broker: TcpStream, state: &Arc<State>) {
    // Requests wait for answers: nothing is to wait for more bytes.
    let _slower = (client.set_nodelay(true), broker.set_nodelay(true));
    let (Ok(from_client), Ok(from_broker)) = (client.try_clone(), broker.try_clone()) else {
        return;
    };
    let deaf = Arc::new(AtomicBool::new(false));
    let (state, deafened) = (Arc::clone(state), Arc::clone(&deaf));
    std::thread::spawn(move || {
        // A connection that ends, ends: the client makes another.
        let _ended = requests(from_client, &broker, &state, &deafened);
        let _gone = broker.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let _ended = answers(from_broker, &client, &deaf);
        let _gone = client.shutdown(Shutdown::Both);
    });
}

fn requests(
    mut client: impl Read,
    mut broker: &TcpStream,
    state: &State,
    deaf: &AtomicBool,
) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if bytes > REQUEST_BYTES_MAX {
            return Ok(());
        }
        let mut request = vec![0; bytes];
        client.read_exact(&mut request)?;
        let trick = ends_transaction(&request)
            .then(|| state.next.lock().unwrap_or_else(PoisonError::into_inner).take())
            .flatten();
        if trick.is_some() {
            state.held.fetch_add(1, Ordering::SeqCst);
        }
        match trick {
            None => {}
            Some(Trick::LoseAnswer) => deaf.store(true, Ordering::SeqCst),
            Some(Trick::LoseRequest) => {
                std::thread::sleep(HELD);
                return Ok(());
            }
            Some(Trick::DelayRequest) => std::thread::sleep(HELD),
        }
        broker.write_all(&length)?;
        broker.write_all(&request)?;
        if deaf.load(Ordering::SeqCst) {
            std::thread::sleep(HELD);
            return Ok(());
        }
    }
}

fn answers(mut broker: impl Read, mut client: &TcpStream, deaf: &AtomicBool) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let count = broker.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        if !deaf.load(Ordering::SeqCst) {
            client.write_all(bytes.get(..count).unwrap_or_default())?;
        }
    }
}

fn ends_transaction(request: &[u8]) -> bool {
    request
        .first_chunk::<2>()
        .is_some_and(|key| i16::from_be_bytes(*key) == END_TXN)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn frame(key: i16) -> Vec<u8> {
        let mut bytes = 6_u32.to_be_bytes().to_vec();
        bytes.extend(key.to_be_bytes());
        bytes.extend([1, 2, 3, 4]);
        bytes
    }

    #[test]
    fn only_what_ends_a_transaction_is_held_and_only_once() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = echo.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in echo.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut copy = stream.try_clone().unwrap();
                    let _ended = std::io::copy(&mut stream, &mut copy);
                });
            }
        });
        let proxy = Proxy::start(0, port).unwrap();
        let ask = |request: &[u8]| {
            let mut stream = TcpStream::connect(proxy.address()).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            stream.write_all(request).unwrap();
            let mut answer = vec![0; request.len()];
            stream.read_exact(&mut answer).is_ok() && answer == request
        };
        let begun = Instant::now();
        for trick in [Trick::LoseAnswer, Trick::LoseRequest, Trick::DelayRequest] {
            assert!(ask(&frame(END_TXN)), "nothing is armed");
            proxy.arm(trick);
            assert!(ask(&frame(0)), "{trick:?}: another request passes");
            assert!(!ask(&frame(END_TXN)), "{trick:?}: this one is held");
            assert!(ask(&frame(END_TXN)), "{trick:?}: the next one passes");
        }
        assert_eq!(proxy.held(), 3);
        assert!(begun.elapsed() < HELD, "other connections are not held");
    }
}
