use std::time::Duration;

use forecall_types::EventTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Whoever asks for more is asked again after this: nobody may silence us for a day by one header.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date. Bounded by [`RETRY_AFTER_MAX`]; `None`: it is
/// neither.
pub fn retry_after(text: &str, now: EventTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?;
            EventTime::from_secs(at.timestamp().as_second()).since(now)
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// When an answer wants us again, by its headers.
pub fn wanted_wait(headers: &HeaderMap, now: EventTime) -> Option<Duration> {
    retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_say_when() {
        let now = EventTime::from_secs(784_111_777);
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(text, now),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
