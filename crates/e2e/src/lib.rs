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

pub mod proxy;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Between two looks at an answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The answer of a client whose own thread completes it, so that looking now and then is enough; `None`: not in time.
pub fn answered<T>(within: Duration, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, begun) = (pin!(future), Instant::now());
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(answer);
        }
        if begun.elapsed() >= within {
            return None;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
