//! Traces of one developer's machine: absolute paths, and hosts of package registries.

use crate::repo::ProjectFile;

use super::problem;

/// Absolute paths; put together so that this file passes. The flag: only with a name behind it.
const PATHS: [(&str, bool); 3] = [
    (concat!("/wo", "rk/"), false),
    (concat!("/ro", "ot/"), false),
    (concat!("/ho", "me/"), true),
];

const HOSTS: [&str; 9] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("crates.io", "-index"),
    concat!("registry.", "npmjs"),
    concat!("repo.", "maven"),
    concat!("repo1.", "maven"),
    concat!("deb.", "debian"),
    concat!("pypi", ".org"),
    concat!("files.", "pythonhosted"),
];

pub(super) fn problems(files: &[ProjectFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| !is_lock(&file.path)) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some((path, _)) = PATHS.iter().find(|(path, named)| has_path(line, path, *named)) {
                let what = format!("an absolute path of one machine ({path}…)");
                problems.push(problem(
                    &file.path,
                    index + 1,
                    &what,
                    "make it relative or a setting",
                ));
            }
            if let Some(host) = HOSTS.iter().find(|host| line.contains(*host)) {
                let what = format!("the host of a package registry ({host})");
                problems.push(problem(
                    &file.path,
                    index + 1,
                    &what,
                    "leave the host to the client's settings",
                ));
            }
        }
    }
    problems
}

fn is_lock(path: &str) -> bool {
    path.ends_with(".lock") || path.ends_with("package-lock.json")
}

/// Whether the path begins here, not in the middle of a longer one (`a/work/b`).
fn has_path(line: &str, path: &str, named: bool) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + path.len()..).and_then(|text| text.chars().next());
        let begins =
            before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}')));
        begins && (!named || after.is_some_and(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn count(text: &str) -> usize {
        problems(&[file("a.md", text)]).len()
    }

    #[test]
    fn paths_and_hosts_are_found() {
        assert_eq!(count(concat!("see /wo", "rk/main")), 1);
        assert_eq!(count(concat!("\"/ro", "ot/.cargo\"")), 1);
        assert_eq!(count(concat!("/ho", "me/ann/x")), 1);
        assert_eq!(count(concat!("https://pypi", ".org/simple")), 1);
        assert_eq!(
            count(concat!("a\n/ro", "ot/x and https://index.", "crates.io/\n")),
            2
        );
    }

    #[test]
    fn relative_paths_and_lock_files_pass() {
        assert_eq!(
            count(concat!("target/wo", "rk/x, /ho", "me/<name>, crates.io")),
            0
        );
        assert!(
            problems(&[file(
                "Cargo.lock",
                concat!("registry+https://x/crates.io", "-index")
            )])
            .is_empty()
        );
    }
}
