//! `tidy`: rules of the house that no compiler checks. One line a problem: `path:line: what: remedy`.

mod architecture;
mod leaks;
mod length;
mod manifests;
mod names;
mod threats;

use std::path::Path;

use anyhow::Result;

use crate::{metadata, repo};

/// All problems in this repository, in order of the rules.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let files = repo::files(root)?;
    let packages = metadata::packages(root)?;
    let mut problems = length::problems(&files);
    problems.extend(names::problems(&files));
    problems.extend(leaks::problems(&files));
    problems.extend(manifests::problems(&files, &packages));
    problems.extend(architecture::problems(&files, &packages));
    problems.extend(threats::problems(&files));
    Ok(problems)
}

/// A problem in the form that editors can jump to.
fn problem(path: &str, line: usize, what: &str, remedy: &str) -> String {
    format!("{path}:{line}: {what}: {remedy}")
}

#[cfg(test)]
fn file(path: &str, text: &str) -> repo::ProjectFile {
    repo::ProjectFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}
