//! S3Proxy: the real S3-compatible server of the end-to-end tests.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::java::Java;
use crate::maven::{self, Artifact, Wanted};
use crate::repo;

/// 4.1 asks for two versions of one jar at once and doesn't start from Maven's choice.
const S3PROXY: Artifact = Artifact {
    group: "org.gaul",
    name: "s3proxy",
    version: "3.1.0",
};

/// Fetches its jars, once; gives their folder.
pub(crate) fn prepare(root: &Path, java: &Java) -> Result<PathBuf> {
    let folder = repo::dev_dir(root).join(format!("s3proxy-{}", S3PROXY.version));
    let what = format!("S3Proxy {}", S3PROXY.version);
    maven::fetch(
        &java.mvn,
        &folder,
        &Wanted {
            what: &what,
            artifacts: &[S3PROXY],
            transitive: true,
        },
    )?;
    Ok(folder)
}
