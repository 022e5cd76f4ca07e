//! Where the repository is and which files it holds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The repository's root: the nearest folder from here upwards that holds `xtask/Cargo.toml`.
pub(crate) fn root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("can't tell the current folder")?;
    here.ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file())
        .map(Path::to_path_buf)
        .with_context(|| {
            format!(
                "{} is not inside the forecall repository: run it from there",
                here.display()
            )
        })
}

/// The folder for everything the developer's servers keep; never tracked, safe to remove while nothing runs.
pub(crate) fn dev_dir(root: &Path) -> PathBuf {
    root.join("target/forecall-dev")
}

/// One file of the project with its text (binary files are left out).
pub(crate) struct ProjectFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All tracked files and those untracked ones that aren't ignored, in order of their paths.
pub(crate) fn files(root: &Path) -> Result<Vec<ProjectFile>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("can't start git: install it, the list of files comes from it")?;
    if !output.status.success() {
        bail!(
            "git ls-files failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let mut paths: Vec<String> = output
        .stdout
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        // A tracked file may be gone from the work tree; a link or submodule is no file.
        if let Ok(bytes) = std::fs::read(root.join(&path))
            && !bytes.contains(&0)
        {
            files.push(ProjectFile {
                path,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            });
        }
    }
    Ok(files)
}
