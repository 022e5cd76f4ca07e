//! `docs/threat-model.md` names only tests that are there.

use crate::repo::ProjectFile;

use super::problem;

const DOCUMENT: &str = "docs/threat-model.md";

pub(super) fn problems(files: &[ProjectFile]) -> Vec<String> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return Vec::new();
    };
    let mut problems = Vec::new();
    for (index, line) in document.text.lines().enumerate() {
        for (path, test) in named(line) {
            let file = files.iter().find(|file| file.path == path);
            let what = match file {
                None => format!("{path} isn't there"),
                Some(file) if !is_test(&file.text, test) => format!("{path} has no test `{test}`"),
                Some(_) => continue,
            };
            problems.push(problem(
                DOCUMENT,
                index + 1,
                &what,
                "name the test that shows it, or say that there is none",
            ));
        }
    }
    problems
}

/// `path.rs` and the names that follow it up to the next path: all that stands in backquotes, and looks so.
fn named(line: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut path = None;
    for token in line.split('`').skip(1).step_by(2) {
        if token.ends_with(".rs") {
            path = Some(token);
        } else if let Some(path) = path
            && token.contains('_')
            && token
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            found.push((path, token));
        }
    }
    found
}

/// A function of that name with `#[test]` above it, attributes and comments between them.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(index, line)| {
        heads.iter().any(|head| line.starts_with(head.as_str()))
            && lines
                .get(..index)
                .unwrap_or_default()
                .iter()
                .rev()
                .take_while(|above| above.starts_with("#[") || above.starts_with("//"))
                .any(|above| above.contains("test]") || above.starts_with("#[tokio::test"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn a_row_must_name_what_is_there() {
        let code = "#[test]\n#[ignore = \"slow\"]\nfn it_holds() {}\n\n#[must_use]\nfn no_test() {}\n";
        let row = |names: &str| {
            let files = [
                file(DOCUMENT, &format!("| threat | guard | {names} |\n")),
                file("crates/a/src/b.rs", code),
            ];
            problems(&files).len()
        };
        assert_eq!(row("`crates/a/src/b.rs` `it_holds`"), 0);
        assert_eq!(row("`crates/a/src/b.rs` `it_held`"), 1);
        assert_eq!(row("`crates/a/src/b.rs` `it_holds`, `no_test`"), 1);
        assert_eq!(row("`crates/a/src/c.rs` `it_holds`"), 1);
        assert_eq!(row("`http.allow_remote`; no test"), 0);
    }
}
