//! The dead man's switch: outside the process it watches, it looks whether the canary still arrives, and says so when it
//! doesn't. It needs nothing but the metrics' address: no broker, no configuration.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};

use crate::cli::DeadManArgs;

/// A process that doesn't answer in so long is as good as dead for this look.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Metrics are some 100 KiB; more is not what was asked for.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// `http://host:port/path` in its parts. Only plain HTTP: the metrics have no other.
fn parts(url: &str) -> anyhow::Result<(String, String)> {
    let rest = url
        .strip_prefix("http://")
        .with_context(|| format!("`{url}`: metrics are served over http:// only"))?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    if !address.contains(':') {
        bail!("`{url}` names no port, such as http://127.0.0.1:9464/metrics");
    }
    Ok((address.to_owned(), format!("/{path}")))
}

fn fetch(url: &str) -> anyhow::Result<String> {
    let (address, path) = parts(url)?;
    let target = address
        .to_socket_addrs()
        .with_context(|| format!("{address} can't be looked up"))?
        .next()
        .with_context(|| format!("{address} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&target, ANSWER_WAIT).context("nobody listens")?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut text)
        .context("no answer")?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("the answer is `{}`", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// The newest value of a metric, over all its label sets.
fn newest(text: &str, metric: &str) -> Option<f64> {
    text.lines()
        .filter_map(|line| line.strip_prefix(metric))
        .filter(|rest| rest.starts_with(['{', ' ']))
        .filter_map(|rest| rest.rsplit(' ').next()?.parse().ok())
        .filter(|value: &f64| value.is_finite())
        .reduce(f64::max)
}

fn unix_now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

/// Seconds since the last sign of life, or why there is none to be seen.
fn look(args: &DeadManArgs) -> anyhow::Result<f64> {
    let text = fetch(&args.url)?;
    let at = newest(&text, &args.metric).with_context(|| {
        format!(
            "`{}` isn't among the metrics yet: is `canary.enabled` set, and is this the process of outreach?",
            args.metric
        )
    })?;
    Ok(unix_now() - at)
}

/// What is known of the watched process.
struct Watch {
    /// When it was last known to be well, by this process's own clock.
    well_at: Instant,
    dead: bool,
}

impl Watch {
    /// Takes a look in; `Some`: it has just died (`true`) or come back.
    fn take(&mut self, age: Option<f64>, age_max: Duration, now: Instant) -> Option<bool> {
        if let Some(well_at) = age
            .filter(|age| *age <= age_max.as_secs_f64())
            .and_then(|age| now.checked_sub(Duration::from_secs_f64(age.max(0.0))))
        {
            self.well_at = self.well_at.max(well_at);
        }
        let dead = now.duration_since(self.well_at) > age_max;
        (dead != self.dead).then(|| {
            self.dead = dead;
            dead
        })
    }
}

fn say(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "forecall dead-man: {what}")
}

/// Runs the alarm command with what happened in its environment; that it fails is told and changes nothing.
fn alarm(command: &str, state: &str, why: &str) -> std::io::Result<()> {
    let status = Command::new("sh")
        .args(["-c", command])
        .env("FORECALL_DEAD_MAN", state)
        .env("FORECALL_DEAD_MAN_REASON", why)
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => say(&format!("the command ended with {status}")),
        Err(error) => say(&format!("the command can't be run: {error}")),
    }
}

/// `forecall dead-man`: with `--once` 0 alive, 1 dead; else it watches, and ends with 1 at the first death unless a command
/// is to be run.
pub(crate) fn run(args: &DeadManArgs) -> anyhow::Result<ExitCode> {
    parts(&args.url)?;
    let age_max = Duration::from_secs(args.max_age);
    if args.once {
        return Ok(match look(args) {
            Ok(age) if age <= age_max.as_secs_f64() => ExitCode::SUCCESS,
            Ok(age) => {
                say(&format!("dead: the last sign of life is {age:.0} s old"))?;
                ExitCode::FAILURE
            }
            Err(error) => {
                say(&format!("dead: {error:#}"))?;
                ExitCode::FAILURE
            }
        });
    }
    // A process that is just starting has as long as one that has just died.
    let mut watch = Watch {
        well_at: Instant::now(),
        dead: false,
    };
    loop {
        let (age, why) = match look(args) {
            Ok(age) => (Some(age), format!("the last sign of life is {age:.0} s old")),
            Err(error) => (None, format!("{error:#}")),
        };
        match watch.take(age, age_max, Instant::now()) {
            Some(true) => {
                say(&format!("DEAD: {why}"))?;
                match &args.exec {
                    Some(command) => alarm(command, "dead", &why)?,
                    None => return Ok(ExitCode::FAILURE),
                }
            }
            Some(false) => {
                say(&format!("alive again: {why}"))?;
                if let Some(command) = &args.exec {
                    alarm(command, "alive", &why)?;
                }
            }
            None => {}
        }
        std::thread::sleep(Duration::from_secs(args.every));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_value_is_found() {
        let text = "# HELP m x\nm{a=\"1\"} 5\nm{a=\"2\"} 7.5\nm_other 99\nn 3\n";
        assert_eq!(newest(text, "m"), Some(7.5));
        assert_eq!(newest(text, "n"), Some(3.0));
        assert_eq!(newest(text, "o"), None);
    }

    #[test]
    fn an_address_is_plain_http_with_a_port() {
        assert_eq!(
            parts("http://h:9464/metrics").unwrap(),
            ("h:9464".to_owned(), "/metrics".to_owned())
        );
        assert_eq!(parts("http://h:9464").unwrap().1, "/metrics");
        assert!(parts("https://h:9464/metrics").is_err() && parts("http://h/metrics").is_err());
    }

    #[test]
    fn death_and_return_are_told_once() {
        let begun = Instant::now();
        let at = |secs| begun + Duration::from_secs(secs);
        let age_max = Duration::from_secs(180);
        let mut watch = Watch {
            well_at: begun,
            dead: false,
        };
        assert_eq!(watch.take(Some(20.0), age_max, at(60)), None);
        // It answers no more, or its canary stands still: both count from the last sign of life, second 40.
        assert_eq!(watch.take(None, age_max, at(200)), None);
        assert_eq!(watch.take(Some(180.5), age_max, at(220)), None);
        assert_eq!(watch.take(None, age_max, at(221)), Some(true));
        assert_eq!(watch.take(None, age_max, at(300)), None);
        assert_eq!(watch.take(Some(5.0), age_max, at(310)), Some(false));
        assert_eq!(watch.take(Some(15.0), age_max, at(320)), None);
        // A clock that is ahead makes a negative age, no panic.
        assert_eq!(watch.take(Some(-30.0), age_max, at(330)), None);
    }
}
