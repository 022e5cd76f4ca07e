use std::fmt;

use crate::secret::hidden;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1, where known.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do.
    pub what: String,
}

/// Why a configuration can't be used: every problem found, each shown with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    /// Without secrets.
    text: String,
    problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(crate) fn new(file: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self {
            file: file.to_owned(),
            text: hidden(text),
            problems,
        }
    }

    /// The problems, in the order of the file where their place is known.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let Some((line, column)) = problem.place else {
                write!(f, "{}: {}", self.file, problem.what)?;
                continue;
            };
            write!(f, "{}:{line}:{column}: {}", self.file, problem.what)?;
            if let Some(source) = self.text.lines().nth(line.saturating_sub(1)) {
                let caret = " ".repeat(column.saturating_sub(1).min(source.chars().count() + 1));
                write!(f, "\n{line:>5} | {source}\n      | {caret}^")?;
            }
        }
        Ok(())
    }
}

/// The known name nearest to a misspelt one, if near enough to be meant (at most a third of its letters differ).
pub(crate) fn nearest<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|name| (distance(word, name), name))
        .filter(|(d, name)| *d <= name.chars().count().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let above = *cell;
            left = (diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        assert_eq!(
            (
                distance("kitten", "sitting"),
                distance("", "abc"),
                distance("same", "same")
            ),
            (3, 3, 0)
        );
        assert_eq!(
            nearest("sorces", ["kafka", "sources"].into_iter()),
            Some("sources")
        );
        assert_eq!(nearest("colour", ["kafka", "sources"].into_iter()), None);
    }
}
