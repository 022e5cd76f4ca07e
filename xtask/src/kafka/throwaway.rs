//! A broker that lives as long as one command of ours, on a free port, in a folder that goes with it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Broker, folder};
use crate::process;

/// Folders of such brokers; the rest of the name is the process id of the command.
const PREFIX: &str = "test-";
/// Below the range from which systems take the ports of outgoing connections (32768 on Linux), so that none of these
/// takes ours between the look and the broker's start.
const PORT_FIRST: u16 = 20_000;
const PORTS: u16 = 10_000;

/// The broker stops, and its folder goes, when this is dropped.
pub(crate) struct Throwaway {
    broker: Broker,
    port: u16,
    folder: PathBuf,
}

impl Throwaway {
    /// Removes what killed commands left, and starts one, with a second listener, before which a proxy may be opened at
    /// [`proxy_port`](Self::proxy_port).
    pub(crate) fn start(root: &Path, java: &Path, libs: &Path) -> Result<Self> {
        remove_left_over(root)?;
        let port = free_port()?;
        let folder = folder(root).join(format!("{PREFIX}{}", std::process::id()));
        let broker = Broker::new(folder.clone(), port).with_proxy(Some(proxy_of(port)));
        eprintln!("xtask: starting Kafka on {}", broker.bootstrap());
        broker.up(java, libs)?;
        Ok(Self { broker, port, folder })
    }

    pub(crate) fn bootstrap(&self) -> String {
        self.broker.bootstrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the proxy is to listen.
    pub(crate) fn proxy_port(&self) -> u16 {
        proxy_of(self.port)
    }

    /// Where the proxy is to pass everything on to.
    pub(crate) fn second_port(&self) -> u16 {
        self.broker.second_port()
    }

    /// Both, as a test is told them: where a proxy is to listen, and where it is to pass everything on to.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.proxy_port(), self.second_port())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.broker.pid_file()
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        eprintln!("xtask: stopping Kafka on {}", self.broker.bootstrap());
        if let Err(error) = stop(&self.broker, &self.folder) {
            eprintln!("xtask: {error:#}");
        }
    }
}

fn stop(broker: &Broker, folder: &Path) -> Result<()> {
    broker.down()?;
    fs::remove_dir_all(folder).with_context(|| format!("can't remove {}", folder.display()))
}

/// Stops and removes what a run that was killed could not: brokers whose own `xtask` is gone.
fn remove_left_over(root: &Path) -> Result<()> {
    let all = folder(root);
    for entry in fs::read_dir(&all).with_context(|| format!("can't read {}", all.display()))? {
        let path = entry.context("can't read a folder entry")?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let Some(owner) = name.strip_prefix(PREFIX).and_then(|id| id.parse().ok()) else {
            continue;
        };
        if !is_xtask(owner) {
            eprintln!("xtask: removing what a killed run left in {}", path.display());
            // The port matters for starting only; stopping goes by the folder's pid file.
            stop(&Broker::new(path.clone(), 0), &path)?;
        }
    }
    Ok(())
}

/// Whether this is another run's process; a folder with our own id is a recycled one.
fn is_xtask(pid: u32) -> bool {
    pid != std::process::id()
        && process::cmdline(pid)
            .and_then(|words| words.into_iter().next())
            .is_some_and(|word| word.ends_with("xtask"))
}

fn proxy_of(port: u16) -> u16 {
    port.saturating_add(3)
}

/// A port that is free together with the next three: for the controller, the second listener and the proxy before it.
fn free_port() -> Result<u16> {
    // Two runs at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or_default();
    let is_free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..PORTS)
        .step_by(4)
        .map(|offset| PORT_FIRST + (begin + offset) % PORTS)
        .find(|port| (*port..*port + 4).all(is_free))
        .context("no four neighbouring loopback ports are free between 20000 and 30000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_has_a_free_neighbour() {
        let port = free_port().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn we_are_no_other_run() {
        assert!(!is_xtask(std::process::id()));
        assert!(!is_xtask(u32::MAX));
    }
}
