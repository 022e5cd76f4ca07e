//! GreenMail: the real SMTP server of the end-to-end tests.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::java::Java;
use crate::maven::{self, Artifact, Wanted};
use crate::repo;

const GREENMAIL: Artifact = Artifact {
    group: "com.icegreen",
    name: "greenmail-standalone",
    version: "2.1.8",
};

/// Fetches its jar, once.
pub(crate) fn prepare(root: &Path, java: &Java) -> Result<PathBuf> {
    let folder = repo::dev_dir(root).join(format!("greenmail-{}", GREENMAIL.version));
    let what = format!("GreenMail {}", GREENMAIL.version);
    maven::fetch(
        &java.mvn,
        &folder,
        &Wanted {
            what: &what,
            artifacts: &[GREENMAIL],
            transitive: false,
        },
    )?;
    let jar = folder.join(GREENMAIL.jar());
    ensure!(
        jar.is_file(),
        "{} is missing: remove {} and try again",
        jar.display(),
        folder.display()
    );
    Ok(jar)
}
