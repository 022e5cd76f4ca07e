//! The workspace's packages as `cargo metadata` tells them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// A package of the house.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its manifest, from the root.
    pub(crate) manifest: String,
    /// Empty when the manifest has none.
    pub(crate) layer: String,
    pub(crate) description: String,
    /// All direct dependencies by package name: normal, build and dev.
    pub(crate) dependencies: Vec<String>,
}

/// The cargo that runs us, or the one on the PATH.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// All packages of the workspace, by name.
pub(crate) fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = cargo(root)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .context("can't start cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    parse(&output.stdout, root)
}

/// Reads the JSON of `cargo metadata`.
pub(crate) fn parse(json: &[u8], root: &Path) -> Result<Vec<Package>> {
    let document: Value = serde_json::from_slice(json).context("cargo metadata wrote no JSON")?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = document
        .get("packages")
        .and_then(Value::as_array)
        .context("cargo metadata has no `packages`")?;
    let mut packages: Vec<Package> = list
        .iter()
        .map(|package| {
            let manifest = text(package.get("manifest_path"));
            let mut dependencies: Vec<String> = package
                .get("dependencies")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(|dependency| text(dependency.get("name")))
                .collect();
            dependencies.sort();
            dependencies.dedup();
            Package {
                name: text(package.get("name")),
                manifest: Path::new(&manifest)
                    .strip_prefix(root)
                    .map_or(manifest.clone(), |path| path.to_string_lossy().into_owned()),
                layer: text(package.pointer("/metadata/forecall/layer")),
                description: text(package.get("description")),
                dependencies,
            }
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}
