//! collectd with its `write_kafka` plugin, as Debian ships it: the real telemetry of the end-to-end tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{apt, process};

/// Where Debian keeps the plugins, and those the tests load.
const PLUGIN_FOLDER: &str = "/usr/lib/collectd";
const PLUGINS: [&str; 5] = ["write_kafka", "cpu", "load", "memory", "processes"];

/// Finds collectd with working plugins; installs it where that is possible.
pub(crate) fn prepare() -> Result<PathBuf> {
    if let Ok(found) = find() {
        return Ok(found);
    }
    // The daemon's package only suggests what its plugins load.
    apt::install(
        &["collectd-core", "librdkafka1", "libyajl2"],
        "collectd with the write_kafka plugin",
    )?;
    find()
}

fn find() -> Result<PathBuf> {
    let program = ["/usr/sbin/collectd", "/usr/bin/collectd"]
        .into_iter()
        .map(PathBuf::from)
        .find(|file| file.is_file())
        .or_else(|| process::on_path("collectd"))
        .context("no `collectd` found: install the package collectd-core")?;
    for plugin in PLUGINS {
        let file = Path::new(PLUGIN_FOLDER).join(format!("{plugin}.so"));
        ensure!(
            file.is_file(),
            "{} is missing: install the package collectd-core",
            file.display()
        );
        let output = Command::new("ldd")
            .arg(&file)
            .output()
            .context("can't start `ldd`")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lacks: Vec<&str> = missing_libraries(&text);
        ensure!(
            lacks.is_empty(),
            "{} lacks {}: install them",
            file.display(),
            lacks.join(", ")
        );
    }
    Ok(program)
}

/// The libraries that `ldd` could not find.
fn missing_libraries(ldd: &str) -> Vec<&str> {
    ldd.lines()
        .filter(|line| line.contains("not found"))
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_libraries_are_named() {
        let text =
            "\tlinux-vdso.so.1 (0x0)\n\tlibrdkafka.so.1 => not found\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n";
        assert_eq!(missing_libraries(text), ["librdkafka.so.1"]);
    }
}
