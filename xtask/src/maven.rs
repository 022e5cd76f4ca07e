//! Jars from Maven: resolved once into a folder, complete or not there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// A repository that fails three times in a row is down, not slow.
const TRIES_MAX: u32 = 3;
/// Written last, so that a folder cut off half-way is fetched again.
const STAMP: &str = ".complete";

/// `group:artifact:version`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Artifact {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Artifact {
    /// The file name of its jar.
    pub(crate) fn jar(self) -> String {
        format!("{}-{}.jar", self.name, self.version)
    }

    fn as_dependency(self, transitive: bool) -> String {
        // One jar that holds everything (a "standalone") brings nothing along.
        let alone =
            "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>";
        format!(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>",
            self.group,
            self.name,
            self.version,
            if transitive { "" } else { alone },
        )
    }
}

/// Which jars, and whether with everything they need at run time.
pub(crate) struct Wanted<'a> {
    pub(crate) what: &'a str,
    pub(crate) artifacts: &'a [Artifact],
    pub(crate) transitive: bool,
}

/// Puts the jars into `folder`, unless they are there.
pub(crate) fn fetch(mvn: &Path, folder: &Path, wanted: &Wanted<'_>) -> Result<()> {
    if folder.join(STAMP).is_file() {
        return Ok(());
    }
    println!("xtask: resolving {} with Maven (first time only)", wanted.what);
    let work = beside(folder, "fetch");
    std::fs::create_dir_all(&work).with_context(|| format!("can't make {}", work.display()))?;
    let pom = work.join("pom.xml");
    std::fs::write(&pom, pom_text(wanted)).with_context(|| format!("can't write {}", pom.display()))?;
    let mut tried = 0;
    loop {
        tried += 1;
        let mut command = Command::new(mvn);
        command
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
        command.arg(format!("-DoutputDirectory={}", folder.display()));
        match process::run_logged(&mut command, &work.join("mvn.log")) {
            Ok(()) => break,
            Err(error) if tried >= TRIES_MAX => {
                return Err(error.context(format!(
                    "can't fetch {}: is Maven's repository reachable?",
                    wanted.what
                )));
            }
            Err(error) => {
                process::check_stop()?;
                eprintln!("xtask: try {tried} of {TRIES_MAX}: {error:#}");
            }
        }
    }
    std::fs::write(folder.join(STAMP), "")
        .with_context(|| format!("can't write into {}", folder.display()))?;
    std::fs::remove_dir_all(&work).with_context(|| format!("can't remove {}", work.display()))
}

fn beside(folder: &Path, suffix: &str) -> PathBuf {
    let name = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    folder.with_file_name(format!("{name}.{suffix}"))
}

fn pom_text(wanted: &Wanted<'_>) -> String {
    let dependencies: Vec<String> = wanted
        .artifacts
        .iter()
        .map(|artifact| artifact.as_dependency(wanted.transitive))
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<modelVersion>4.0.0</modelVersion>\n\
         <groupId>forecall.dev</groupId><artifactId>servers</artifactId><version>1</version>\
         <packaging>pom</packaging>\n<dependencies>\n{}\n</dependencies>\n</project>\n",
        dependencies.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAR: Artifact = Artifact {
        group: "org.example",
        name: "thing",
        version: "1.2",
    };

    #[test]
    fn a_standalone_jar_brings_nothing_along() {
        let alone = pom_text(&Wanted {
            what: "thing",
            artifacts: &[JAR],
            transitive: false,
        });
        assert!(
            alone.contains("<artifactId>thing</artifactId><version>1.2</version><exclusions>"),
            "{alone}"
        );
        let with = pom_text(&Wanted {
            what: "thing",
            artifacts: &[JAR, JAR],
            transitive: true,
        });
        assert_eq!(
            with.matches("<version>1.2</version></dependency>").count(),
            2,
            "{with}"
        );
        assert_eq!(JAR.jar(), "thing-1.2.jar");
    }
}
