//! systemd's units, read by systemd: as they are installed, and how much they leave a process that was broken into.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Site, say, tools, yaml};
use crate::package;

/// `systemd-analyze security` counts from 0 (nothing left) to 10, here times ten.
const EXPOSURE_MAX: &str = "--threshold=20";

pub(super) fn check(site: &Site<'_>, deb: &Path) -> Result<()> {
    let analyze = tools::debian("systemd-analyze", "systemd")?;
    let units = yaml::names(&site.path("deploy/systemd"))?;
    // Only where the program lies where a unit says is a unit right.
    let root = site.work.join("units");
    package::quiet(Command::new("dpkg-deb").arg("--extract").arg(deb).arg(&root))?;
    let folder = root.join("lib/systemd/system");
    let targets = Path::new("/lib/systemd/system");
    for target in yaml::names(targets)? {
        let (from, to) = (targets.join(&target), folder.join(&target));
        if target.ends_with(".target") && from.is_file() {
            std::fs::copy(&from, &to).with_context(|| format!("can't copy {}", from.display()))?;
        }
    }
    // Part of any Debian, and of no package of ours: a unit may reload by it.
    let shell = root.join("bin/sh");
    std::fs::create_dir_all(root.join("bin")).context("can't make a folder for the shell")?;
    std::fs::copy("/bin/sh", &shell).with_context(|| format!("can't copy /bin/sh to {}", shell.display()))?;
    say("systemd-analyze verify");
    let mut command = Command::new(&analyze);
    command
        .args(["verify", "--recursive-errors=yes", "--man=no"])
        .arg(format!("--root={}", root.display()))
        .args(&units);
    verify(&mut command)?;
    say("systemd-analyze security");
    for unit in units {
        let path = site.path("deploy/systemd").join(&unit);
        let mut command = Command::new(&analyze);
        command
            .args(["security", "--offline=true", "--no-pager", EXPOSURE_MAX])
            .arg(path);
        package::quiet(&mut command).with_context(|| format!("{unit} leaves a process too much"))?;
    }
    Ok(())
}

/// It warns of unknown settings, and succeeds: a word on our units is a fault.
fn verify(command: &mut Command) -> Result<()> {
    let output = command.output().context("can't start `systemd-analyze`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("forecall")).collect();
    anyhow::ensure!(
        output.status.success() && ours.is_empty(),
        "systemd-analyze verify ({}):\n{said}",
        output.status
    );
    Ok(())
}
