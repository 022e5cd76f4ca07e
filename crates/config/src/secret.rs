//! A secret is never a literal in the file, and never shown.

use crate::error::Problem;

/// Keys whose value is a secret, wherever they stand.
pub(crate) const SECRET_KEYS: [&str; 13] = [
    "master_key",
    "pseudonym_key",
    "password",
    "sasl_password",
    "ssl_key_password",
    "secret_access_key",
    "bearer_token",
    "routing_key",
    "secret",
    "previous_secret",
    "private_key",
    "credentials",
    "token",
];

/// Whether the file may hold secrets.
pub(crate) fn literals_allowed(text: &str) -> bool {
    text.lines().any(|line| {
        line.strip_prefix("allow_literal_secrets:").is_some_and(|value| {
            value
                .split('#')
                .next()
                .is_some_and(|value| value.trim() == "true")
        })
    })
}

/// Every secret that stands in the file itself.
pub(crate) fn literal_secrets(text: &str) -> Vec<Problem> {
    if literals_allowed(text) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for (i, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        let indent = line.chars().count() - bare.chars().count();
        // The value may stand on the next line.
        if let Some((key, outer)) = open.take()
            && indent > outer
            && is_literal(bare)
        {
            problems.push(refusal(key, i + 1, indent + 1));
            continue;
        }
        for secret in secrets(line) {
            let value = secret.value.trim_start();
            if is_literal(value) {
                problems.push(refusal(
                    secret.key,
                    i + 1,
                    line.chars().count() - value.chars().count() + 1,
                ));
            } else if value.is_empty() || value.starts_with('#') {
                open = Some((secret.key, indent));
            }
        }
    }
    problems
}

fn refusal(key: &str, line: usize, column: usize) -> Problem {
    Problem {
        place: Some((line, column)),
        what: format!(
            "`{key}` is a secret and must not stand in the file: write `{key}: ${{env:NAME}}` or `{key}: ${{file:/run/secrets/{key}}}`"
        ),
    }
}

fn is_literal(value: &str) -> bool {
    let bare = value.trim_start_matches(['"', '\'']);
    let nothing = |word: &str| {
        bare.strip_prefix(word).is_some_and(|rest| {
            rest.trim_start().is_empty() || rest.trim_start().starts_with(['#', ',', '}'])
        })
    };
    !bare.is_empty()
        && !bare.starts_with("${")
        && !bare.starts_with(['#', '}'])
        && !nothing("~")
        && !nothing("null")
}

struct SecretAt<'t> {
    key: &'static str,
    /// The rest of the line behind the colon.
    value: &'t str,
}

/// The secret keys of a line.
fn secrets(line: &str) -> Vec<SecretAt<'_>> {
    let mut found = Vec::new();
    for key in SECRET_KEYS {
        for (at, _) in line.match_indices(key) {
            let (before, rest) = line.split_at(at);
            let behind = rest
                .strip_prefix(key)
                .unwrap_or_default()
                .trim_start_matches(['"', '\''])
                .trim_start();
            let begins = before.chars().next_back().is_none_or(|c| " {,-\"'".contains(c));
            if let (true, Some(value)) = (begins, behind.strip_prefix(':')) {
                found.push(SecretAt { key, value });
            }
        }
    }
    found
}

/// The text as it may be shown, line by line.
pub(crate) fn hidden(text: &str) -> String {
    let mut out = String::new();
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let is_empty = line.trim().is_empty();
        if !is_empty && open.is_some_and(|outer| indent <= outer) {
            open = None;
        }
        match open {
            Some(_) if !is_empty => {
                out.extend(std::iter::repeat_n(' ', indent));
                out.push_str("***");
            }
            Some(_) | None => out.push_str(&without_defaults(&shown(line))),
        }
        // A secret's value may go on below.
        if open.is_none()
            && secrets(line)
                .iter()
                .any(|s| !s.value.trim_start().starts_with("${"))
        {
            open = Some(indent);
        }
        out.push('\n');
    }
    out
}

/// A reference's default may itself be what mustn't be seen.
fn without_defaults(line: &str) -> String {
    let mut parts = line.split(":-");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let open = out
            .rfind("${")
            .is_some_and(|at| !out.split_at(at).1.contains('}'));
        match part.split_once('}') {
            Some((_, behind)) if open => {
                out.push_str(":-***}");
                out.push_str(behind);
            }
            Some(_) | None => {
                out.push_str(":-");
                out.push_str(part);
            }
        }
    }
    out
}

/// A line as it may be shown: what stands behind a key that sounds like a secret is hidden, unless it is a reference.
fn shown(line: &str) -> String {
    const SOUNDS: [&str; 6] = ["password", "passwd", "secret", "token", "_key", "credentials"];
    let lower = line.to_ascii_lowercase();
    let first = SOUNDS
        .iter()
        .filter_map(|word| lower.find(word).map(|at| at + word.len()))
        .min();
    // ASCII letters in lower case are as long as before.
    let Some((head, tail)) = first.and_then(|at| line.split_at_checked(at)) else {
        return line.to_owned();
    };
    match tail.split_once(':') {
        Some((name, value)) if is_literal(value.trim_start()) => format!("{head}{name}: ***"),
        Some(_) | None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<(usize, usize)> {
        literal_secrets(text).iter().filter_map(|p| p.place).collect()
    }

    #[test]
    fn a_literal_is_found_however_it_is_written() {
        for (text, expected) in [
            ("  password: hunter2", vec![(1, 13)]),
            ("smtp: {password: \"hunter2\"}", vec![(1, 18)]),
            ("\"password\" : hunter2", vec![(1, 14)]),
            ("password:\n  # here\n  hunter2\n", vec![(3, 3)]),
            ("password: |\n  hunter2", vec![(1, 11)]),
            ("password: x${env:A}", vec![(1, 11)]),
            ("password: ~x", vec![(1, 11)]),
            ("password: ~", vec![]),
            ("password: null # none", vec![]),
            ("password:\nhost: x", vec![]),
            ("password: ${env:A}", vec![]),
            ("password: \"${env:A}\"", vec![]),
            ("ssl_key_file: x", vec![]),
            ("allow_literal_secrets: true # demo\npassword: p", vec![]),
            ("# allow_literal_secrets: true\npassword: p", vec![(2, 11)]),
        ] {
            assert_eq!(places(text), expected, "{text}");
        }
    }

    #[test]
    fn a_shown_line_hides_what_sounds_secret() {
        assert_eq!(shown("a: {password: x, b: 1}"), "a: {password: ***");
        assert_eq!(shown("  sasl.Password: \"x\""), "  sasl.Password: ***");
        assert_eq!(shown("password: ${env:A}"), "password: ${env:A}");
        assert_eq!(shown("topic: x"), "topic: x");
        assert_eq!(
            hidden("a:\n  password: >-\n    x\n\n    y\n  b: c"),
            "a:\n  password: ***\n    ***\n\n    ***\n  b: c\n"
        );
    }
}
