//! jSMPP's simulator: the real SMPP message centre of the end-to-end tests, by other people and in another language.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::java::Java;
use crate::maven::{self, Artifact, Wanted};
use crate::repo;

const JSMPP: Artifact = Artifact {
    group: "org.jsmpp",
    name: "jsmpp-examples",
    version: "3.0.1",
};

/// Fetches its jars, once; gives their folder.
pub(crate) fn prepare(root: &Path, java: &Java) -> Result<PathBuf> {
    let folder = repo::dev_dir(root).join(format!("jsmpp-{}", JSMPP.version));
    let what = format!("jSMPP's simulator {}", JSMPP.version);
    maven::fetch(
        &java.mvn,
        &folder,
        &Wanted {
            what: &what,
            artifacts: &[JSMPP],
            transitive: true,
        },
    )?;
    Ok(folder)
}
