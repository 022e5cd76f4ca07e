use std::time::Duration;

use forecall_types::{EventTime, Fingerprint};

use crate::RetrySettings;

/// A target that asks for more is asked again after this: nobody may silence a bridge for a day by one header.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// How long to wait after try number `tries` (from 1) of what `key` names: between half of `wait_min · 2^(tries − 1)` and the
/// whole, at most `wait_max`. The draw comes from the key: the same event waits the same in every run, and two don't come back
/// together. (Brooker, "Exponential Backoff and Jitter", 2015: equal jitter.)
pub fn backoff(key: &str, tries: u32, settings: &RetrySettings) -> Duration {
    let doublings = tries.saturating_sub(1).min(31);
    let whole = settings
        .wait_min
        .saturating_mul(1_u32 << doublings)
        .min(settings.wait_max)
        .max(settings.wait_min);
    let least = (whole / 2).max(settings.wait_min);
    let span = whole.saturating_sub(least).as_nanos();
    let drawn = Fingerprint::of_parts(&[key.as_bytes(), &tries.to_le_bytes()]).as_u128() % (span + 1);
    least + Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_differ_and_repeat() {
        let settings = RetrySettings::default();
        let wait = |key: &str, tries| backoff(key, tries, &settings);
        let mut different = 0;
        for n in 0..200 {
            let key = format!("inc_{n}/1");
            for tries in 1..40 {
                let whole = Duration::from_secs(1 << (tries - 1).min(10)).min(settings.wait_max);
                let drawn = wait(&key, tries);
                assert!(
                    drawn >= (whole / 2).max(settings.wait_min) && drawn <= whole,
                    "{drawn:?} at {tries}"
                );
                assert_eq!(drawn, wait(&key, tries));
            }
            different += u32::from(wait(&key, 5) != wait("inc_x/1", 5));
        }
        assert_eq!(different, 200);
    }

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
