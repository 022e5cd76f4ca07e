/// What the process uses, as far as the system tells (Linux's /proc; elsewhere nothing is known).
pub(crate) struct Usage {
    pub(crate) resident_bytes: Option<f64>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) open_fds: Option<f64>,
}

/// A clock tick of /proc is 1/100 s and a page 4 KiB on every Linux this is built for.
const TICKS_PER_SECOND: f64 = 100.0;
const PAGE_BYTES: f64 = 4096.0;

pub(crate) fn usage() -> Usage {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets and may hold blanks: count from behind it.
    let fields: Vec<f64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| {
            rest.split_whitespace()
                .skip(1)
                .map(|f| f.parse().unwrap_or(f64::NAN))
                .collect()
        })
        .unwrap_or_default();
    let field = |n: usize| fields.get(n).copied().filter(|v| v.is_finite());
    #[allow(clippy::cast_precision_loss, reason = "a count of descriptors")]
    let open_fds = std::fs::read_dir("/proc/self/fd").ok().map(|d| d.count() as f64);
    Usage {
        resident_bytes: field(20).map(|pages| pages * PAGE_BYTES),
        cpu_seconds: field(10)
            .zip(field(11))
            .map(|(user, system)| (user + system) / TICKS_PER_SECOND),
        open_fds,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn this_process_uses_something() {
        let usage = super::usage();
        assert!(
            usage.resident_bytes.is_some_and(|b| b > 1e5 && b < 1e12),
            "{:?}",
            usage.resident_bytes
        );
        assert!(usage.cpu_seconds.is_some_and(|s| (0.0..1e6).contains(&s)));
        assert!(usage.open_fds.is_some_and(|n| n >= 3.0));
    }
}
