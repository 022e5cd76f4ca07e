//! Each crate of the house says what it is, where it stands, and takes the lints.

use crate::metadata::Package;
use crate::repo::ProjectFile;

use super::problem;

pub(super) fn problems(files: &[ProjectFile], packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages {
        let mut complain =
            |what: &str, remedy: &str| problems.push(problem(&package.manifest, 1, what, remedy));
        if package.description.trim().is_empty() {
            complain("no description", "say in one line what the crate is for");
        }
        if package.layer.is_empty() {
            complain(
                "no layer",
                "write `layer = \"…\"` under [package.metadata.forecall]",
            );
        }
        let manifest = files.iter().find(|file| file.path == package.manifest);
        if !manifest.is_some_and(|file| takes_lints(&file.text)) {
            complain(
                "doesn't take the lints of the house",
                "write `[lints]` with `workspace = true`",
            );
        }
    }
    for file in files {
        if is_crate_root(&file.path) && !file.text.starts_with("//!") {
            let remedy = "open with `//!`: what the crate is for, what it doesn't know, an example";
            problems.push(problem(&file.path, 1, "the crate's doc is missing", remedy));
        }
    }
    problems
}

fn is_crate_root(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("crates") && parts.nth(1) == Some("src") && parts.next() == Some("lib.rs")
}

/// Whether the `[lints]` table holds `workspace = true`.
fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn package(description: &str, layer: &str) -> Package {
        Package {
            name: "forecall-x".to_owned(),
            manifest: "crates/x/Cargo.toml".to_owned(),
            layer: layer.to_owned(),
            description: description.to_owned(),
            dependencies: Vec::new(),
        }
    }

    #[test]
    fn a_whole_manifest_passes() {
        let files = [
            file("crates/x/Cargo.toml", "[lints]\nworkspace = true\n"),
            file("crates/x/src/lib.rs", "//! X.\n"),
        ];
        assert!(problems(&files, &[package("x", "core")]).is_empty());
    }

    #[test]
    fn what_is_missing_is_said() {
        let manifest = "[lints]\n[dependencies]\nworkspace = true\n";
        let files = [
            file("crates/x/Cargo.toml", manifest),
            file("crates/x/src/lib.rs", "// x\n"),
        ];
        let found = problems(&files, &[package("", "")]);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(
            found
                .first()
                .unwrap()
                .starts_with("crates/x/Cargo.toml:1: no description: ")
        );
        assert!(
            found
                .last()
                .unwrap()
                .starts_with("crates/x/src/lib.rs:1: the crate's doc is missing: ")
        );
    }
}
