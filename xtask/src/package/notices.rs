//! The licences of what is linked into the program, as its libraries bring them: their conditions ask for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::output;
use crate::metadata::cargo;

/// How files begin that hold a licence, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
/// Libraries in C lie in folders of the crates that build them, such as `librdkafka/LICENSE`.
const DEPTH_MAX: u32 = 2;
const TEXT_BYTES_MAX: u64 = 256 << 10;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// One text: each library with its licence, then each text once, with whose it is.
pub(super) fn text(root: &Path) -> Result<String> {
    let triple = output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = triple.lines().find_map(|line| line.strip_prefix("host: "));
    let mut command = cargo(root);
    command.args(["metadata", "--locked", "--offline", "--format-version", "1"]);
    command.args(["--filter-platform", host.context("rustc names no host")?]);
    let metadata: Metadata =
        serde_json::from_str(&output(&mut command)?).context("cargo metadata has another shape")?;
    let wanted = linked(&metadata)?;
    let mut list = String::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut packages: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| wanted.contains(&package.id) && package.source.is_some())
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see below");
        list.push_str(&format!("{name}: {licence}\n"));
        let folder = package.manifest_path.parent().unwrap_or(root);
        for text in licences(folder, 0)? {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    let mut all =
        format!("Libraries in forecall, and their licences. Where one may be chosen, any of them.\n\n{list}");
    let mut texts: Vec<(String, BTreeSet<String>)> = texts.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (text, whose) in texts {
        let whose: Vec<String> = whose.into_iter().collect();
        all.push_str(&format!("\n{}\n{}\n\n{text}\n", "=".repeat(80), whose.join(", ")));
    }
    Ok(all)
}

/// What the program is made of: all it depends on, and what builds its libraries in C; not what tests need.
fn linked(metadata: &Metadata) -> Result<BTreeSet<String>> {
    let program = metadata
        .packages
        .iter()
        .find(|package| package.name == "forecall");
    let mut open = vec![program.context("there is no package `forecall`")?.id.clone()];
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !found.insert(id.clone()) {
            continue;
        }
        let node = metadata.resolve.nodes.iter().find(|node| node.id == id);
        for dependency in node.into_iter().flat_map(|node| &node.deps) {
            if dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind.as_deref() != Some("dev"))
            {
                open.push(dependency.pkg.clone());
            }
        }
    }
    ensure!(found.len() > 1, "the program depends on nothing?");
    Ok(found)
}

fn licences(folder: &Path, depth: u32) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for path in super::contents::sorted(folder)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        if path.is_dir() && depth < DEPTH_MAX {
            texts.extend(licences(&path, depth + 1)?);
        } else if NAMES.iter().any(|begin| name.starts_with(begin))
            && path
                .metadata()
                .is_ok_and(|data| data.is_file() && data.len() <= TEXT_BYTES_MAX)
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            texts.push(text.replace('\r', "").trim().to_owned());
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tests_need_is_not_in_the_program() {
        let metadata: Metadata = serde_json::from_str(
            r#"{"packages": [{"id": "f", "name": "forecall", "version": "1", "license": "MIT", "source": null, "manifest_path": "/f"}],
                "resolve": {"nodes": [
                    {"id": "f", "deps": [{"pkg": "a", "dep_kinds": [{"kind": null}]}, {"pkg": "t", "dep_kinds": [{"kind": "dev"}]}]},
                    {"id": "a", "deps": [{"pkg": "src", "dep_kinds": [{"kind": "build"}, {"kind": "dev"}]}]},
                    {"id": "t", "deps": []}, {"id": "src", "deps": []}]}}"#,
        )
        .unwrap();
        let found: Vec<String> = linked(&metadata).unwrap().into_iter().collect();
        assert_eq!(found, ["a", "f", "src"]);
    }

    #[test]
    fn licences_are_found_below_a_crate_too() {
        let folder = std::env::temp_dir().join(format!("forecall-xtask-licences-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("lib/deep/deeper")).unwrap();
        for (path, text) in [
            ("LICENSE-MIT", "one\r\n"),
            ("lib/COPYING.txt", "two"),
            ("lib/deep/deeper/LICENSE", "three"),
            ("src.rs", "four"),
        ] {
            std::fs::write(folder.join(path), text).unwrap();
        }
        assert_eq!(licences(&folder, 0).unwrap(), ["one", "two"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
