//! A Java that can run Kafka, and Maven.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::apt;
use crate::process::on_path;

/// Kafka 4 brokers need Java 17 or newer.
const JAVA_MAJOR_MIN: u32 = 17;

/// The programs that were found.
pub(crate) struct Java {
    pub(crate) java: PathBuf,
    pub(crate) mvn: PathBuf,
}

/// Finds Java and Maven; installs what is missing where that is possible.
pub(crate) fn prepare() -> Result<Java> {
    let mut missing = Vec::new();
    if find_java().is_none() {
        missing.push("openjdk-17-jre-headless");
    }
    if on_path("mvn").is_none() {
        missing.push("maven");
    }
    if !missing.is_empty() {
        apt::install(&missing, "Java 17 or newer with Maven")?;
    }
    Ok(Java {
        java: find_java()
            .context("no Java 17 or newer in JAVA_HOME, on the PATH or in /usr/lib/jvm: install one")?,
        mvn: on_path("mvn").context("no `mvn` on the PATH: install Maven")?,
    })
}

fn find_java() -> Option<PathBuf> {
    let mut candidates = Vec::new();
    candidates.extend(std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java")));
    candidates.extend(on_path("java"));
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/jvm")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin/java")))
        .collect();
    installed.sort();
    candidates.extend(installed);
    candidates
        .into_iter()
        .find(|java| version_of(java).is_some_and(|major| major >= JAVA_MAJOR_MIN))
}

fn version_of(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    major(&String::from_utf8_lossy(&output.stderr))
}

/// The major version in what `java -version` writes: `openjdk version "17.0.15" …`; Java 8 says `"1.8.0_…"`.
fn major(text: &str) -> Option<u32> {
    let version = text.split('"').nth(1)?;
    let mut parts = version.split(['.', '-', '+', '_']);
    match parts.next()?.parse().ok()? {
        1 => parts.next()?.parse().ok(),
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("openjdk version \"17.0.15\" 2025-04-15\n"), Some(17));
        assert_eq!(major("java version \"21\" 2023-09-19 LTS\n"), Some(21));
        assert_eq!(major("openjdk version \"25-ea\"\n"), Some(25));
        assert_eq!(major("java version \"1.8.0_392\"\n"), Some(8));
        assert_eq!(major("command not found"), None);
    }
}
