//! Names that say nothing about what is inside.

use crate::repo::ProjectFile;

use super::problem;

const FORBIDDEN: [&str; 7] = ["common", "utils", "util", "helpers", "helper", "manager", "misc"];
const REMEDY: &str = "name it for what it knows or does";

pub(super) fn problems(files: &[ProjectFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        for part in file.path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if FORBIDDEN.contains(&stem) {
                problems.push(problem(
                    &file.path,
                    1,
                    &format!("a file or folder named `{stem}`"),
                    REMEDY,
                ));
            }
        }
        if !file.path.ends_with(".rs") {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            if let Some(name) = module_name(line)
                && FORBIDDEN.contains(&name)
            {
                problems.push(problem(
                    &file.path,
                    index + 1,
                    &format!("a module named `{name}`"),
                    REMEDY,
                ));
            }
        }
    }
    problems
}

/// The name in `mod name;` or `pub(crate) mod name {`.
fn module_name(line: &str) -> Option<&str> {
    let mut words = line
        .trim()
        .split(|c: char| c.is_whitespace() || c == ';' || c == '{');
    let mut word = words.next()?;
    while word.starts_with("pub") || matches!(word, "in" | "super)") {
        word = words.next()?;
    }
    if word == "mod" { words.next() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn names_that_say_nothing_are_found() {
        let found = problems(&[
            file("crates/x/src/utils.rs", ""),
            file("crates/x/tests/common/mod.rs", ""),
            file(
                "crates/x/src/lib.rs",
                "mod window;\npub(crate) mod helpers;\nmod manager {\n}\n",
            ),
            file(
                "crates/x/src/window.rs",
                "// the common case: mod utils\nlet manager = 1;\n",
            ),
        ]);
        assert_eq!(
            found,
            [
                "crates/x/src/utils.rs:1: a file or folder named `utils`: name it for what it knows or does",
                "crates/x/tests/common/mod.rs:1: a file or folder named `common`: name it for what it knows or does",
                "crates/x/src/lib.rs:2: a module named `helpers`: name it for what it knows or does",
                "crates/x/src/lib.rs:3: a module named `manager`: name it for what it knows or does",
            ]
        );
    }
}
