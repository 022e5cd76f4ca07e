//! Children: started in a process group of their own, waited for, and ended with us when somebody presses Ctrl-C.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A child that was asked to stop has this long before it is killed: cargo and Maven need well under a second.
const STOP_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often a child is looked at; small against anything that is waited for here.
const POLL_EVERY: Duration = Duration::from_millis(50);

static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&flag)) {
            eprintln!(
                "xtask: can't listen for signal {signal}: {error}; servers may be left running on Ctrl-C"
            );
        }
    }
    flag
});

/// From now on Ctrl-C and SIGTERM are seen by [`check_stop`] and [`run`] instead of ending us at once.
pub(crate) fn listen_for_stop() {
    LazyLock::force(&STOP);
}

/// # Errors
/// When somebody asked us to stop.
pub(crate) fn check_stop() -> Result<()> {
    if STOP.load(Ordering::Relaxed) {
        bail!("stopped by a signal");
    }
    Ok(())
}

/// Runs a command to its end; on a stop signal its whole group is ended first.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    listen_for_stop();
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("can't start `{name}`: is it installed?"))?;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("lost `{name}`"))? {
            return Ok(status);
        }
        if let Err(stop) = check_stop() {
            end_group(&mut child);
            return Err(stop.context(format!("`{name}` was ended")));
        }
        std::thread::sleep(POLL_EVERY);
    }
}

/// Runs a command to its end; its failure is ours, and told by it.
pub(crate) fn code(command: &mut Command) -> Result<ExitCode> {
    let status = run(command)?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Whether words meant for another program ask it for its help.
pub(crate) fn asks_for_help(words: &[String]) -> bool {
    words.iter().any(|word| word == "--help" || word == "-h")
}

/// Runs a command and fails, naming it, unless it succeeds.
pub(crate) fn run_ok(command: &mut Command) -> Result<()> {
    let status = run(command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a command with its output in `log`; a failure carries the last lines of it.
pub(crate) fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let file = std::fs::File::create(log).with_context(|| format!("can't write {}", log.display()))?;
    command
        .stderr(file.try_clone().context("can't share the log file")?)
        .stdout(file);
    let status = run(command)?;
    if !status.success() {
        bail!(
            "`{}` failed ({status}); the end of {}:\n{}",
            line(command),
            log.display(),
            tail(log)
        );
    }
    Ok(())
}

/// The last 20 lines of a file: enough for a stack trace's head and the reason.
pub(crate) fn tail(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default()
        .join("\n")
}

/// Sends a signal by name (`TERM`, `KILL`) to a process, or to a group when the target begins with `-`.
pub(crate) fn signal(name: &str, target: &str) -> Result<()> {
    let output = Command::new("sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, target])
        .output()
        .context("can't start `sh`")?;
    if !output.status.success() {
        bail!(
            "can't send {name} to {target}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// The command line of the process with this id, if it lives (a zombie has none).
pub(crate) fn cmdline(pid: u32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline"))
        .ok()
        .filter(|bytes| !bytes.is_empty())?;
    Some(
        bytes
            .split(|byte| *byte == 0)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect(),
    )
}

/// A program on the PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn end_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let asked = Instant::now();
    // A group that is gone already is what we want: nothing to report.
    let _gone = signal("TERM", &group);
    while asked.elapsed() < STOP_WAIT_MAX {
        if matches!(child.try_wait(), Ok(Some(_))) {
            break;
        }
        std::thread::sleep(POLL_EVERY);
    }
    let _gone = signal("KILL", &group);
    let _status = child.wait();
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named() {
        let error = run_ok(Command::new("sh").args(["-c", "exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("`sh -c exit 3` failed"), "{error}");
    }

    #[test]
    fn a_missing_command_is_named() {
        let error = run(&mut Command::new("forecall-no-such-tool"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "can't start `forecall-no-such-tool`: is it installed?");
    }

    #[test]
    fn our_own_command_line_is_seen() {
        assert!(cmdline(std::process::id()).is_some());
        assert!(cmdline(u32::MAX).is_none());
    }
}
