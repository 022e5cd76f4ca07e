//! Whether bridges lead where secrets may go.

use forecall_bridge::{BridgeSettings, BridgeTarget, RetrySettings, SigningKey};
use forecall_ledger::Secret;

use crate::check::Findings;
use crate::raw::File;
use crate::state::is_loopback;

/// Each bridge is a consumer group, a thread and a set of labels of its metrics.
const BRIDGES_MAX: usize = 16;
/// A name stands in a group's name and in metrics.
const NAME_BYTES_MAX: usize = 32;

/// The secrets of all bridges, each with its path.
pub(crate) fn secrets(file: &File) -> impl Iterator<Item = (String, &Secret)> {
    file.bridges.iter().flat_map(|(name, bridge)| {
        let kind = bridge.to.kind();
        let secrets = bridge.to.secrets().into_iter();
        secrets.map(move |(key, secret)| (format!("bridges.{name}.to.{kind}.{key}"), secret))
    })
}

pub(crate) fn targets(file: &File, found: &mut Findings<'_>) {
    if file.bridges.len() > BRIDGES_MAX {
        found.wrong(
            "bridges",
            format!("there are {} bridges; at most {BRIDGES_MAX}", file.bridges.len()),
        );
    }
    for (name, bridge) in &file.bridges {
        let path = format!("bridges.{name}");
        if !is_name(name) {
            found.wrong(
                &path,
                format!("bridges: a name is 1 to {NAME_BYTES_MAX} ASCII letters, digits, `-` and `_`"),
            );
        }
        let at = format!("{path}.to.{}", bridge.to.kind());
        address(&at, &bridge.to, ", or `insecure: true`", found);
        link(&path, bridge, found);
        secrets_fit(&at, &bridge.to, found);
        tries(&path, &bridge.retry, found);
    }
}

/// Whether a name may stand in the name of a group, in metrics and in headers.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Whether the target under the key `at` is where secrets may go; `or` is what else than TLS would do.
pub(crate) fn address(at: &str, to: &BridgeTarget, or: &str, found: &mut Findings<'_>) {
    let key = format!("{at}.url");
    let Some((scheme, rest)) = to.url().split_once("://") else {
        found.wrong(&key, format!("{key} must begin with `https://`"));
        return;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.contains('@') || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
        found.wrong(
            &key,
            format!("{key} must be `https://host` or `https://host:port`, with a path where it has one, and no login in it"),
        );
        return;
    }
    match scheme {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" if to.insecure() => found.warn(
            &key,
            format!("{key} is plain HTTP to `{host}`: whoever is between may read and change what is sent, secrets too"),
        ),
        "http" => found.wrong(
            &key,
            format!(
                "{key} is plain HTTP: that is for this machine itself (127.0.0.1, ::1); `{host}` needs `https://`{or}"
            ),
        ),
        _ => found.wrong(&key, format!("{key} must begin with `https://`")),
    }
}

fn link(path: &str, bridge: &BridgeSettings, found: &mut Findings<'_>) {
    if let Some(link) = &bridge.link
        && !(link.starts_with("https://") || link.starts_with("http://"))
    {
        found.wrong(
            &format!("{path}.link"),
            format!("{path}.link must begin with `https://` or `http://`"),
        );
    }
}

/// Whether the secrets of the target under the key `at` are some.
pub(crate) fn secrets_fit(at: &str, to: &BridgeTarget, found: &mut Findings<'_>) {
    for (key, secret) in to.secrets() {
        let text = secret.expose().trim();
        let key = format!("{at}.{key}");
        if text.is_empty() {
            found.wrong(&key, format!("{key} is empty"));
        } else if text.chars().any(char::is_control) {
            found.wrong(&key, format!("{key} holds a control character"));
        }
    }
    match to {
        BridgeTarget::Alertmanager(target) => {
            let key = at;
            if target.username.is_some() != target.password.is_some() {
                found.wrong(key, format!("{key}: `username` and `password` go together"));
            }
            if target.bearer_token.is_some() && target.password.is_some() {
                found.wrong(key, format!("{key}: a `bearer_token` or a `password`, not both"));
            }
            let seconds = target.repeat_every.as_secs();
            if !(5..=3_600).contains(&seconds) {
                found.wrong(
                    &format!("{key}.repeat_seconds"),
                    format!("{key}.repeat_seconds is {seconds}: it must lie between 5 and 3600"),
                );
            }
        }
        BridgeTarget::Webhook(target) => {
            if let Err(error) = SigningKey::read(&target.secret) {
                let key = format!("{at}.secret");
                found.wrong(&key, format!("{key}: {error}"));
            }
        }
        BridgeTarget::PagerDuty(_) | BridgeTarget::Grafana(_) => {}
    }
}

/// Whether the numbers of `path.retry` are some.
pub(crate) fn tries(path: &str, retry: &RetrySettings, found: &mut Findings<'_>) {
    let path = format!("{path}.retry");
    for (name, value, (least, most)) in [
        ("tries_max", u64::from(retry.tries_max), (1, 1_000)),
        ("give_up_seconds", retry.give_up_after.as_secs(), (1, 86_400)),
        ("wait_min_seconds", retry.wait_min.as_secs(), (1, 3_600)),
        ("wait_max_seconds", retry.wait_max.as_secs(), (1, 3_600)),
        // The group must hear of a member within five minutes.
        ("timeout_seconds", retry.timeout.as_secs(), (1, 60)),
    ] {
        if !(least..=most).contains(&value) {
            found.wrong(
                &format!("{path}.{name}"),
                format!("{path}.{name} is {value}: it must lie between {least} and {most}"),
            );
        }
    }
    if retry.wait_max < retry.wait_min {
        found.wrong(
            &format!("{path}.wait_max_seconds"),
            format!("{path}: `wait_max_seconds` is less than `wait_min_seconds`"),
        );
    }
}
