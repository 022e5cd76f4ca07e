//! Debian packages, installed only where we may and something is missing.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// A mirror that fails three times in a row is down, not slow.
const TRIES_MAX: u32 = 3;

/// Installs packages on Debian or Ubuntu as root, saying so; elsewhere fails with what to do.
///
/// # Errors
/// When we can't install here, or the package manager fails.
pub(crate) fn install(packages: &[&str], why: &str) -> Result<()> {
    let list = packages.join(" ");
    let remedy = format!("{why} is missing: install it (on Debian or Ubuntu: apt-get install {list})");
    if !std::path::Path::new("/usr/bin/apt-get").exists()
        || !std::path::Path::new("/etc/debian_version").exists()
    {
        bail!("{remedy}");
    }
    if !is_root() {
        bail!("{remedy}; it isn't done for you because you are not root");
    }
    println!("xtask: {why} is missing: installing {list} with apt-get");
    tries(&["update", "-qq"]).with_context(|| remedy.clone())?;
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend_from_slice(packages);
    tries(&arguments).context(remedy)
}

fn tries(arguments: &[&str]) -> Result<()> {
    let mut tried = 0;
    loop {
        tried += 1;
        let mut command = Command::new("apt-get");
        // Another package manager may be at work on a fresh machine: wait for it, bounded.
        command
            .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        match process::run_ok(&mut command) {
            Ok(()) => return Ok(()),
            Err(error) if tried >= TRIES_MAX => return Err(error),
            Err(error) => {
                process::check_stop()?;
                eprintln!("xtask: try {tried} of {TRIES_MAX}: {error:#}");
            }
        }
    }
}

fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| effective_uid(&status) == Some(0))
}

/// The effective user id in the text of `/proc/self/status` (real, effective, saved, file system).
fn effective_uid(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(effective_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
        assert_eq!(effective_uid("Uid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_uid("Name:\tx\n"), None);
    }
}
