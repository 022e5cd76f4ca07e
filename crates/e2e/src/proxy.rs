//! A line between one process and the broker that fails at will. When a transaction is to end: the answer is lost, the
//! request is lost, or the request comes late, after the process has given it up. Or connections that records are fetched
//! by fall silent. It knows of Kafka's protocol only how long a request is, which one ends a transaction and which fetches.

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// What happens to the next request that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// The broker does it; nobody hears of it.
    LoseAnswer,
    /// The broker never hears of it.
    LoseRequest,
    /// The broker hears of it when the process has long given it up.
    DelayRequest,
}

/// `EndTxn` (KIP-98).
const END_TXN: i16 = 26;
/// `Fetch`.
const FETCH: i16 = 1;
/// Far above any request of a worker.
const REQUEST_BYTES_MAX: usize = 64 << 20;

struct State {
    /// How long a connection is held: longer than any call of the process waits.
    held_for: Duration,
    next: Mutex<Option<Trick>>,
    held: AtomicU64,
    /// The connections that records have been fetched by.
    fetching: Mutex<Vec<Weak<AtomicBool>>>,
}

/// The listening end; its threads end with the process.
pub struct Proxy {
    state: Arc<State>,
    address: SocketAddr,
}

impl Proxy {
    /// Listens on loopback and passes everything on to `to`, a port of the broker; what fails is held for `held_for`, which is
    /// to be longer than the process waits for any answer.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(port: u16, to: u16, held_for: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("failed to open the proxy")?;
        let address = listener.local_addr().context("failed to open the proxy")?;
        let state = Arc::new(State {
            held_for,
            next: Mutex::default(),
            held: AtomicU64::new(0),
            fetching: Mutex::default(),
        });
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

    /// Where it listens.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Does this to the next request that ends a transaction.
    pub fn arm(&self, trick: Trick) {
        *lock(&self.state.next) = Some(trick);
    }

    /// No answer comes any more by the connections that records are fetched by at present. They stay open.
    pub fn silence_fetching(&self) {
        let mut fetching = lock(&self.state.fetching);
        for deaf in fetching.drain(..).filter_map(|deaf| deaf.upgrade()) {
            deaf.store(true, Ordering::SeqCst);
            self.state.held.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many requests, or connections, were held so far.
    pub fn held(&self) -> u64 {
        self.state.held.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each use is one push or one take.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    deaf: &Arc<AtomicBool>,
) -> std::io::Result<()> {
    let mut fetches = false;
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if bytes > REQUEST_BYTES_MAX {
            return Ok(());
        }
        let mut request = vec![0; bytes];
        client.read_exact(&mut request)?;
        let kind = kind_of(&request);
        if kind == Some(FETCH) && !std::mem::replace(&mut fetches, true) {
            lock(&state.fetching).push(Arc::downgrade(deaf));
        }
        let trick = (kind == Some(END_TXN))
            .then(|| lock(&state.next).take())
            .flatten();
        if trick.is_some() {
            state.held.fetch_add(1, Ordering::SeqCst);
        }
        match trick {
            None => {}
            Some(Trick::LoseAnswer) => deaf.store(true, Ordering::SeqCst),
            Some(Trick::LoseRequest) => {
                std::thread::sleep(state.held_for);
                return Ok(());
            }
            Some(Trick::DelayRequest) => std::thread::sleep(state.held_for),
        }
        broker.write_all(&length)?;
        broker.write_all(&request)?;
        if trick == Some(Trick::LoseAnswer) {
            std::thread::sleep(state.held_for);
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

/// The key of its kind, as the protocol numbers them.
fn kind_of(request: &[u8]) -> Option<i16> {
    request.first_chunk().map(|key| i16::from_be_bytes(*key))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const HELD: Duration = Duration::from_secs(3);

    fn frame(key: i16) -> Vec<u8> {
        let mut bytes = 6_u32.to_be_bytes().to_vec();
        bytes.extend(key.to_be_bytes());
        bytes.extend([1, 2, 3, 4]);
        bytes
    }

    /// Answers with what it is asked.
    fn echo() -> u16 {
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
        port
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream, request: &[u8]) -> bool {
        stream.write_all(request).unwrap();
        let mut answer = vec![0; request.len()];
        stream.read_exact(&mut answer).is_ok() && answer == request
    }

    #[test]
    fn only_what_ends_a_transaction_is_held_and_only_once() {
        let proxy = Proxy::start(0, echo(), HELD).unwrap();
        let ask = |request: &[u8]| ask(&mut connect(&proxy), request);
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

    #[test]
    fn connections_that_fetch_fall_silent_and_new_ones_do_not() {
        let proxy = Proxy::start(0, echo(), HELD).unwrap();
        let (mut fetching, mut other) = (connect(&proxy), connect(&proxy));
        assert!(ask(&mut fetching, &frame(FETCH)) && ask(&mut other, &frame(0)));
        proxy.silence_fetching();
        assert_eq!(proxy.held(), 1);
        assert!(!ask(&mut fetching, &frame(FETCH)) && !ask(&mut fetching, &frame(0)));
        assert!(ask(&mut other, &frame(0)) && ask(&mut connect(&proxy), &frame(FETCH)));
    }
}
