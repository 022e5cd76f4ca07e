//! `docs/architecture.md` names only what exists, and is short enough to be read.

use crate::metadata::Package;
use crate::repo::ProjectFile;

use super::problem;

const DOCUMENT: &str = "docs/architecture.md";
const LINES_MAX: usize = 300;
/// A token that ends so is a file.
const FILE_ENDINGS: [&str; 7] = [".rs", ".md", ".toml", ".json", ".yaml", ".yml", ".sh"];

pub(super) fn problems(files: &[ProjectFile], packages: &[Package]) -> Vec<String> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return vec![problem(
            DOCUMENT,
            1,
            "is missing",
            "write it: problem, data flow, code map, invariants",
        )];
    };
    let mut problems = Vec::new();
    let lines = document.text.lines().count();
    if lines > LINES_MAX {
        let what = format!("{lines} lines, the cap is {LINES_MAX}");
        problems.push(problem(
            DOCUMENT,
            LINES_MAX + 1,
            &what,
            "move the detail to docs/ and link it",
        ));
    }
    for (index, token) in tokens(&document.text) {
        if let Some(what) = missing(token, files, packages) {
            problems.push(problem(
                DOCUMENT,
                index + 1,
                &what,
                "correct the name or the code",
            ));
        }
    }
    problems
}

/// What is in backticks outside of fenced blocks, with its line (from 0).
fn tokens(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            tokens.extend(line.split('`').skip(1).step_by(2).map(|token| (index, token)));
        }
    }
    tokens
}

/// What is wrong with a token that names a path, a package or a type of the house; other tokens pass.
fn missing(token: &str, files: &[ProjectFile], packages: &[Package]) -> Option<String> {
    let plain = |extra: &str| {
        token
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    if plain("_-./") && is_path(token, files) {
        return (!path_exists(token.trim_end_matches('/'), files))
            .then(|| format!("no file or folder `{token}`"));
    }
    if plain("-") && token.starts_with("forecall-") {
        let known = packages.iter().any(|package| package.name == token);
        return (!known).then(|| format!("no package `{token}`"));
    }
    if plain("_:") && token.contains("::") {
        return missing_type(token, files, packages);
    }
    None
}

/// A path starts with a folder of the root, or is a file's name or the end of its path.
fn is_path(token: &str, files: &[ProjectFile]) -> bool {
    let top = token.split_once('/').map(|(top, _)| format!("{top}/"));
    FILE_ENDINGS.iter().any(|ending| token.ends_with(ending))
        || token.starts_with("crates/")
        || top.is_some_and(|top| files.iter().any(|file| file.path.starts_with(&top)))
}

fn path_exists(path: &str, files: &[ProjectFile]) -> bool {
    let (folder, end) = (format!("{path}/"), format!("/{path}"));
    files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&folder) || file.path.ends_with(&end))
}

/// `detect::Window` or `forecall_detect::Window`: the crate is of the house, so its source must define the last name.
fn missing_type(token: &str, files: &[ProjectFile], packages: &[Package]) -> Option<String> {
    let (first, _) = token.split_once("::")?;
    let name = token.rsplit("::").next()?;
    let folder = first.strip_prefix("forecall_").unwrap_or(first);
    let manifest = format!("crates/{folder}/Cargo.toml");
    packages.iter().find(|package| package.manifest == manifest)?;
    let source = format!("crates/{folder}/src/");
    let defined = files
        .iter()
        .filter(|file| file.path.starts_with(&source) && file.path.ends_with(".rs"))
        .any(|file| defines(&file.text, name));
    (!defined).then(|| format!("`{token}`: crates/{folder} defines no `{name}`"))
}

fn defines(source: &str, name: &str) -> bool {
    const KINDS: [&str; 9] = [
        "struct", "enum", "trait", "type", "fn", "const", "static", "mod", "union",
    ];
    let mut before = "";
    for word in source
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
    {
        if word == name && KINDS.contains(&before) {
            return true;
        }
        before = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn check(text: &str) -> Vec<String> {
        let package = |name: &str, folder: &str| Package {
            name: name.to_owned(),
            manifest: format!("crates/{folder}/Cargo.toml"),
            ..Package::default()
        };
        let files = [
            file(DOCUMENT, text),
            file("crates/detect/src/lib.rs", "//! x\n"),
            file(
                "crates/detect/src/window.rs",
                "pub struct Window<T> {}\n// struct gone\nuse a::Score;\n",
            ),
            file("schemas/incident.json", "{}"),
        ];
        problems(
            &files,
            &[
                package("forecall-detect", "detect"),
                package("forecall", "forecall"),
            ],
        )
    }

    #[test]
    fn what_exists_passes() {
        let text = "`crates/detect` `crates/detect/` `window.rs` `detect/src/window.rs` `schemas/incident.json`\n\
                    `forecall-detect` `detect::Window` `forecall_detect::Window` `std::sync::Arc` `/metrics`\n\
                    `forecall.incidents.v1` `application/json` `cargo xtask tidy`\n```\n`crates/gone`\n```\n";
        assert_eq!(check(text), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_said() {
        let found = check("x\n`crates/gone`\n`gone.rs`\n`forecall-gone`\n`detect::Score`\n`schemas/gone`\n");
        assert_eq!(
            found,
            [
                "docs/architecture.md:2: no file or folder `crates/gone`: correct the name or the code",
                "docs/architecture.md:3: no file or folder `gone.rs`: correct the name or the code",
                "docs/architecture.md:4: no package `forecall-gone`: correct the name or the code",
                "docs/architecture.md:5: `detect::Score`: crates/detect defines no `Score`: correct the name or the code",
                "docs/architecture.md:6: no file or folder `schemas/gone`: correct the name or the code",
            ]
        );
    }

    #[test]
    fn it_is_short() {
        assert!(check(&"x\n".repeat(300)).is_empty());
        assert_eq!(check(&"x\n".repeat(301)).len(), 1);
        assert_eq!(problems(&[], &[]).len(), 1);
    }
}
