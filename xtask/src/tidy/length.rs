//! How long a Rust file may be. A file over the cap is listed with its length, which may only shrink.

use crate::repo::ProjectFile;

use super::problem;

/// Lines before the unit tests: what one can read in one sitting.
const LINES_MAX: usize = 500;
/// Files of tests and benches: tables of cases are long but flat.
const TEST_LINES_MAX: usize = 800;
/// The list of files over the cap: `path lines`, one a line.
const ALLOWED: &str = "xtask/tidy-allowed.txt";

pub(super) fn problems(files: &[ProjectFile]) -> Vec<String> {
    let listed = files
        .iter()
        .find(|file| file.path == ALLOWED)
        .map_or("", |file| file.text.as_str());
    let mut problems = Vec::new();
    let mut allowed = Vec::new();
    for (index, line) in listed.lines().enumerate() {
        let line_number = index + 1;
        let entry = line.trim();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        match entry
            .rsplit_once(' ')
            .and_then(|(path, lines)| Some((path.trim(), lines.parse().ok()?)))
        {
            Some((path, lines)) => allowed.push((line_number, path, lines)),
            None => problems.push(problem(ALLOWED, line_number, "not `path lines`", "write both")),
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        let cap = if is_test(&file.path) {
            TEST_LINES_MAX
        } else {
            LINES_MAX
        };
        let lines = counted_lines(file);
        let entry = allowed.iter().find(|(_, path, _)| *path == file.path);
        problems.extend(match entry {
            None if lines > cap => {
                let what = format!("{lines} lines without tests, the cap is {cap}");
                Some(problem(
                    &file.path,
                    cap + 1,
                    &what,
                    "split it by what its parts know",
                ))
            }
            Some((_, _, recorded)) if lines > cap && lines > *recorded => {
                let what = format!("{lines} lines, listed with {recorded}: it may only shrink");
                Some(problem(
                    &file.path,
                    *recorded + 1,
                    &what,
                    "move the new part to a file of its own",
                ))
            }
            Some((at, _, recorded)) if lines > cap && lines < *recorded => {
                let what = format!("{} has shrunk from {recorded} to {lines} lines", file.path);
                Some(problem(
                    ALLOWED,
                    *at,
                    &what,
                    &format!("lower the number to {lines}"),
                ))
            }
            Some((at, _, _)) if lines <= cap => Some(problem(
                ALLOWED,
                *at,
                &format!("{} is under the cap now", file.path),
                "remove the line",
            )),
            _ => None,
        });
    }
    for (at, path, _) in &allowed {
        if !files.iter().any(|file| file.path == *path) {
            problems.push(problem(
                ALLOWED,
                *at,
                &format!("{path} doesn't exist"),
                "remove the line",
            ));
        }
    }
    problems
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
}

/// Lines before a trailing `#[cfg(test)] mod tests {`; all lines in a file of tests.
fn counted_lines(file: &ProjectFile) -> usize {
    let lines: Vec<&str> = file.text.lines().collect();
    if is_test(&file.path) {
        return lines.len();
    }
    let begins = lines.windows(2).position(|pair| {
        matches!(pair, [attribute, module] if *attribute == "#[cfg(test)]" && module.starts_with("mod tests {"))
    });
    begins.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn source(lines: usize) -> String {
        "// x\n".repeat(lines)
    }

    fn check(files: &[ProjectFile], expected: &[&str]) {
        assert_eq!(problems(files), expected);
    }

    #[test]
    fn the_cap_holds_without_tests() {
        check(&[file("a.rs", &source(500))], &[]);
        let over = "a.rs:501: 501 lines without tests, the cap is 500: split it by what its parts know";
        check(&[file("a.rs", &source(501))], &[over]);
        let with_tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", source(500), source(400));
        check(&[file("a.rs", &with_tests)], &[]);
        check(&[file("a.md", &source(900))], &[]);
    }

    #[test]
    fn test_files_have_a_cap_of_their_own() {
        check(&[file("crates/x/tests/it/main.rs", &source(800))], &[]);
        assert_eq!(
            problems(&[file("crates/x/tests/it/main.rs", &source(801))]).len(),
            1
        );
    }

    #[test]
    fn a_listed_file_may_only_shrink() {
        let listed = |lines: usize| vec![file("a.rs", &source(lines)), file(ALLOWED, "# old\na.rs 600\n")];
        check(&listed(600), &[]);
        check(
            &listed(601),
            &[
                "a.rs:601: 601 lines, listed with 600: it may only shrink: move the new part to a file of its own",
            ],
        );
        check(
            &listed(599),
            &[&format!(
                "{ALLOWED}:2: a.rs has shrunk from 600 to 599 lines: lower the number to 599"
            )],
        );
        check(
            &listed(500),
            &[&format!(
                "{ALLOWED}:2: a.rs is under the cap now: remove the line"
            )],
        );
        check(
            &[file(ALLOWED, "b.rs 600\n")],
            &[&format!("{ALLOWED}:1: b.rs doesn't exist: remove the line")],
        );
    }
}
