//! Where snapshots lie, and whether topics keep what is needed behind them.

use std::net::IpAddr;

use forecall_wire::event::{TOPICS, TopicId};

use crate::check::Findings;
use crate::raw::{File, S3Settings, StateStore};

/// Topics must keep so many snapshot intervals: the one being written, one to fall back on, one of downtime, one of room.
const RETENTION_INTERVALS_MIN: u64 = 4;

/// Whether `host` or `host:port` is this machine itself.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    // A port is digits: `127.0.0.1:x@elsewhere` is elsewhere.
    let is_plain = authority
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "[]:.-".contains(c));
    is_plain && (host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

pub(crate) fn memory(file: &File, found: &mut Findings<'_>) {
    let state = &file.state;
    if state.hosts == 0 {
        found.wrong("state.hosts", "state.hosts is 0: it must be at least 1");
    }
    match &state.store {
        Some(StateStore::S3(s3)) => object_store(s3, found),
        None if state.hosts > 1 => found.wrong(
            "state.hosts",
            format!(
                "state.hosts is {} and state.path is a local folder: a partition that moves to another host would leave its \
                 memory behind. Run these stages on one host, set `state.store`, or put `state.path` on a file system they share \
                 and leave `hosts` at 1",
                state.hosts
            ),
        ),
        None => {}
    }
    let kept_hours = TOPICS
        .iter()
        .filter(|t| {
            matches!(
                t.id,
                TopicId::Samples | TopicId::Anomalies | TopicId::OutreachLog | TopicId::JourneysLog
            )
        })
        .map(|t| t.retention_hours)
        .min()
        .unwrap_or(0);
    let most = u64::from(kept_hours) * 3_600 / RETENTION_INTERVALS_MIN;
    if state.interval_seconds > most {
        found.wrong(
            "state.interval_seconds",
            format!(
                "state.interval_seconds is {}: forecall's own topics keep {kept_hours} h, which must be at least \
                 {RETENTION_INTERVALS_MIN} intervals: {most} at most",
                state.interval_seconds
            ),
        );
    }
}

fn object_store(s3: &S3Settings, found: &mut Findings<'_>) {
    const PATH: &str = "state.store.s3";
    for (name, value) in [
        ("bucket", &s3.bucket),
        ("region", &s3.region),
        ("access_key_id", &s3.access_key_id),
    ] {
        if value.trim().is_empty() {
            found.wrong(&format!("{PATH}.{name}"), format!("{PATH}.{name} is empty"));
        }
    }
    if s3.secret_access_key.expose().trim().is_empty() {
        found.wrong(
            &format!("{PATH}.secret_access_key"),
            format!("{PATH}.secret_access_key is empty"),
        );
    }
    let Some(endpoint) = &s3.endpoint else { return };
    let path = format!("{PATH}.endpoint");
    match endpoint.split_once("://") {
        Some(("https", host)) if !host.trim_end_matches('/').is_empty() && !host.contains(['@', '?', '#']) => {}
        Some(("http", host)) if is_loopback(host) => {}
        Some(("http", host)) => found.wrong(
            &path,
            format!(
                "{path} is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `{}` needs `https://`",
                host.split('@').next_back().unwrap_or_default()
            ),
        ),
        Some(_) | None => found.wrong(&path, format!("{path} must be `https://host` or `https://host:port`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for here in [
            "127.0.0.1",
            "127.0.0.1:9000",
            "localhost:80/",
            "[::1]:9000",
            "127.9.9.9",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "10.0.0.1",
            "store:9000",
            "127.0.0.1:80@store",
            "localhost@store",
            "127.0.0.1.store",
            "localhost.store",
            "[::2]:80",
            "127.0.0.1/../x",
            "",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
