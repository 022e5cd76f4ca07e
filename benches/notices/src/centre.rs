//! A message centre on the loopback, a fake: it takes parts at a rate, answers after a delay, sends receipts, and fails by plan.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::dice::Dice;
use crate::frames::{
    ANSWER, BIND_TRANSCEIVER, DELIVER_SM, ENQUIRE_LINK, SUBMIT_SM, Submitted, UNBIND, cut, put, receipt,
    submitted,
};

/// Receipts without a yes at once on a line.
const BROUGHT_MAX: usize = 200;
/// So many more answers wait to be written before more is read.
const CHUNK: usize = 64 * 1024;

/// How it behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Manner {
    /// Parts a second over all lines; 0: as fast as it can.
    pub(crate) rate: u32,
    /// From a part's turn to its answer.
    pub(crate) delay: Duration,
    pub(crate) receipts: bool,
    /// Receipts repeat the client's reference.
    pub(crate) echo: bool,
    pub(crate) faults: Faults,
}

/// What goes wrong with a part: so many of a million.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Taken; the line is cut before its answer.
    pub(crate) cut_after_taking: u64,
    /// The line is cut, and it is not taken.
    pub(crate) cut_before_taking: u64,
    /// Taken, and answered twice under two names; both send a receipt.
    pub(crate) answered_twice: u64,
    pub(crate) seed: u64,
}

/// What it knows; it outlives its lines.
#[derive(Default)]
pub(crate) struct Book {
    /// How often each number has been sent to, by its last seven digits.
    pub(crate) times: Vec<u8>,
    pub(crate) taken: u64,
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    /// When a number was first sent to, where that is asked for.
    pub(crate) firsts: Option<HashMap<usize, Instant>>,
    receipts: VecDeque<Vec<u8>>,
    pub(crate) acknowledged: u64,
    pub(crate) binds: u64,
    pub(crate) cuts: u64,
    pub(crate) twice: u64,
    named: u64,
    next_turn: Option<Instant>,
}

impl Book {
    /// Counts anew.
    pub(crate) fn clear(&mut self) {
        self.times.fill(0);
        (self.taken, self.first, self.last) = (0, None, None);
    }
}

pub(crate) struct Centre {
    pub(crate) port: u16,
    book: Arc<Mutex<Book>>,
    /// Nobody is let in, and every line is cut.
    is_away: Arc<AtomicBool>,
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Centre {
    /// For so many numbers. It ends with the process.
    pub(crate) fn start(manner: Manner, people: usize) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("failed to listen")?;
        let port = listener.local_addr()?.port();
        let book = Arc::new(Mutex::new(Book {
            times: vec![0; people],
            ..Book::default()
        }));
        let is_away = Arc::new(AtomicBool::new(false));
        let (shared, away) = (Arc::clone(&book), Arc::clone(&is_away));
        std::thread::spawn(move || {
            for (line, stream) in (0_u64..).zip(listener.incoming().flatten()) {
                if away.load(Ordering::SeqCst) {
                    continue;
                }
                let line = Line {
                    stream,
                    manner,
                    book: Arc::clone(&shared),
                    is_away: Arc::clone(&away),
                    dice: Dice::new(manner.faults.seed.wrapping_mul(1_000_003).wrapping_add(line)),
                    out: Vec::new(),
                    late: VecDeque::new(),
                    brought: HashMap::new(),
                    sequence: 0,
                    is_bound: false,
                };
                std::thread::spawn(move || line.serve());
            }
        });
        Ok(Self { port, book, is_away })
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// It falls, and is back after a while.
    pub(crate) fn restart(&self, after: Duration) {
        self.is_away.store(true, Ordering::SeqCst);
        std::thread::sleep(after);
        self.is_away.store(false, Ordering::SeqCst);
    }
}

/// An answer that waits for its time.
struct Late {
    due: Instant,
    sequence: u32,
    name: u64,
    twice: bool,
}

struct Line {
    stream: TcpStream,
    manner: Manner,
    book: Arc<Mutex<Book>>,
    is_away: Arc<AtomicBool>,
    dice: Dice,
    out: Vec<u8>,
    late: VecDeque<Late>,
    /// Receipts without a yes, by the number they were brought under.
    brought: HashMap<u32, Vec<u8>>,
    sequence: u32,
    is_bound: bool,
}

impl Line {
    fn serve(mut self) {
        let _ = self.talk();
        let _ = self.stream.shutdown(Shutdown::Both);
        // What has no yes is brought on the next line.
        let mut book = lock(&self.book);
        book.receipts.extend(self.brought.into_values());
    }

    fn talk(&mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut read = Vec::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.is_away.load(Ordering::SeqCst) {
                return Ok(());
            }
            let now = Instant::now();
            let wait = match self.late.front() {
                Some(late) => late.due.saturating_duration_since(now),
                None => Duration::from_millis(5),
            };
            self.stream.set_read_timeout(Some(
                wait.clamp(Duration::from_micros(100), Duration::from_millis(5)),
            ))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(length) => read.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error),
            }
            let stays = self.take_all(&mut read);
            self.answer_due();
            self.bring();
            if !self.out.is_empty() {
                self.stream.write_all(&self.out)?;
                self.out.clear();
            }
            if !stays {
                return Ok(());
            }
        }
    }

    /// Whether the line stays.
    fn take_all(&mut self, read: &mut Vec<u8>) -> bool {
        let book = Arc::clone(&self.book);
        let mut book = lock(&book);
        let mut done = 0;
        while let Some((frame, length)) = cut(read.get(done..).unwrap_or_default()) {
            let sequence = frame.sequence;
            let stays = match frame.id {
                SUBMIT_SM => match submitted(frame.body) {
                    Some(part) => self.submit(&mut book, sequence, &part),
                    None => false,
                },
                BIND_TRANSCEIVER => {
                    book.binds += 1;
                    self.is_bound = true;
                    put(&mut self.out, BIND_TRANSCEIVER | ANSWER, 0, sequence, b"fake\0");
                    true
                }
                ENQUIRE_LINK => {
                    put(&mut self.out, ENQUIRE_LINK | ANSWER, 0, sequence, b"");
                    true
                }
                UNBIND => {
                    put(&mut self.out, UNBIND | ANSWER, 0, sequence, b"");
                    false
                }
                id if id == DELIVER_SM | ANSWER => {
                    if let Some(receipt) = self.brought.remove(&sequence) {
                        if frame.status == 0 {
                            book.acknowledged += 1;
                        } else {
                            book.receipts.push_back(receipt);
                        }
                    }
                    true
                }
                _ => true,
            };
            done += length;
            if !stays {
                return false;
            }
        }
        read.drain(..done);
        true
    }

    fn submit(&mut self, book: &mut Book, sequence: u32, part: &Submitted) -> bool {
        let faults = self.manner.faults;
        if self.dice.hits(faults.cut_before_taking) {
            book.cuts += 1;
            return false;
        }
        let now = Instant::now();
        book.taken += 1;
        book.first.get_or_insert(now);
        let place = part
            .to
            .get(part.to.len().saturating_sub(7)..)
            .and_then(|digits| digits.parse::<usize>().ok());
        if let Some(times) = place.and_then(|place| book.times.get_mut(place)) {
            *times = times.saturating_add(1);
        }
        if let (Some(firsts), Some(place)) = (&mut book.firsts, place) {
            firsts.entry(place).or_insert(now);
        }
        // Its turn, where the centre takes so many a second; else at once.
        let turn = if self.manner.rate == 0 {
            now
        } else {
            let each = Duration::from_secs(1) / self.manner.rate;
            let turn = book.next_turn.map_or(now, |next| next.max(now)) + each;
            book.next_turn = Some(turn);
            turn
        };
        book.last = Some(turn);
        let twice = self.dice.hits(faults.answered_twice);
        for _ in 0..if twice { 2 } else { 1 } {
            book.named += 1;
            if self.manner.receipts {
                let name = format!("{:08x}", book.named);
                book.receipts.push_back(receipt(part, &name, self.manner.echo));
            }
        }
        if self.dice.hits(faults.cut_after_taking) {
            book.cuts += 1;
            return false;
        }
        book.twice += u64::from(twice);
        self.late.push_back(Late {
            due: turn + self.manner.delay,
            sequence,
            name: book.named,
            twice,
        });
        true
    }

    fn answer_due(&mut self) {
        let now = Instant::now();
        while let Some(late) = self.late.pop_front_if(|late| late.due <= now) {
            let names = if late.twice {
                late.name - 1..=late.name
            } else {
                late.name..=late.name
            };
            for name in names {
                let body = format!("{name:08x}\0");
                put(
                    &mut self.out,
                    SUBMIT_SM | ANSWER,
                    0,
                    late.sequence,
                    body.as_bytes(),
                );
            }
        }
    }

    /// Brings receipts that wait; not ahead of answers, as centres do: a receipt is later than its answer's turn.
    fn bring(&mut self) {
        if !self.is_bound || self.brought.len() >= BROUGHT_MAX {
            return;
        }
        let book = Arc::clone(&self.book);
        let mut book = lock(&book);
        while self.brought.len() < BROUGHT_MAX
            && let Some(receipt) = book.receipts.pop_front()
        {
            self.sequence += 1;
            put(&mut self.out, DELIVER_SM, 0, self.sequence, &receipt);
            self.brought.insert(self.sequence, receipt);
        }
    }
}
