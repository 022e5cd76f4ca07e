use std::time::Duration;

use forecall_types::Fingerprint;

use crate::RetrySettings;

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
}
