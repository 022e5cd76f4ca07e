//! `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` → their text, and the rule that a secret is never a literal.

use std::env;
use std::fs;

use crate::error::Problem;

/// Keys whose value is a secret, wherever they stand.
const SECRET_KEYS: [&str; 5] = [
    "master_key",
    "pseudonym_key",
    "password",
    "sasl_password",
    "ssl_key_password",
];

/// The text with every reference replaced, as a double-quoted YAML scalar; line breaks never change.
pub(crate) fn expand(text: &str) -> Result<String, Vec<Problem>> {
    let literal_secrets_allowed = text.lines().any(|line| {
        let mut words = line.split(':').map(str::trim);
        (words.next(), words.next()) == (Some("allow_literal_secrets"), Some("true"))
    });
    let mut problems = Vec::new();
    let mut expanded = String::with_capacity(text.len());
    for (i, line) in text.lines().enumerate() {
        if i > 0 {
            expanded.push('\n');
        }
        if line.trim_start().starts_with('#') {
            expanded.push_str(line);
            continue;
        }
        if !literal_secrets_allowed {
            problems.extend(literal_secret(line).map(|(column, key)| Problem {
                place: Some((i + 1, column)),
                what: format!(
                    "`{key}` is a secret and must not stand in the file: write `{key}: ${{env:NAME}}` or `{key}: ${{file:/run/secrets/{key}}}`"
                ),
            }));
        }
        expand_line(line, i + 1, &mut expanded, &mut problems);
    }
    if text.ends_with('\n') {
        expanded.push('\n');
    }
    if problems.is_empty() {
        Ok(expanded)
    } else {
        Err(problems)
    }
}

/// Column of the value and key, where a secret key has a value that is no reference.
fn literal_secret(line: &str) -> Option<(usize, &'static str)> {
    SECRET_KEYS.into_iter().find_map(|key| {
        let pattern = format!("{key}:");
        line.match_indices(&pattern).find_map(|(at, _)| {
            let (before, rest) = line.split_at(at);
            let begins = before.chars().next_back().is_none_or(|c| " {,-\"'".contains(c));
            let value = rest.strip_prefix(&pattern).unwrap_or_default();
            let bare = value.trim_start().trim_start_matches(['"', '\'']);
            let literal = !bare.is_empty() && !bare.starts_with("${") && !bare.starts_with(['#', '}', '~']);
            let column = line.chars().count() - value.trim_start().chars().count() + 1;
            (begins && literal && !bare.starts_with("null")).then_some((column, key))
        })
    })
}

fn expand_line(line: &str, number: usize, into: &mut String, problems: &mut Vec<Problem>) {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        into.push_str(before);
        let column = line.chars().count() - after.chars().count() - 1;
        let Some((reference, behind)) = after.split_once('}') else {
            problems.push(Problem {
                place: Some((number, column)),
                what: "`${` without `}`".to_owned(),
            });
            return;
        };
        match resolve(reference) {
            Ok(value) => {
                // Within quotes the value is only escaped; a bare one becomes a quoted scalar, so that a value such as
                // `a: b` or `yes` stays text.
                let quoted = serde_json::Value::String(value).to_string();
                let inner = quoted
                    .trim_start_matches('"')
                    .strip_suffix('"')
                    .unwrap_or_default();
                let bare = matches!(
                    before.trim_end().chars().next_back(),
                    None | Some(':' | '-' | ',' | '[' | '{')
                );
                into.push_str(if bare { &quoted } else { inner });
            }
            Err(what) => problems.push(Problem {
                place: Some((number, column)),
                what,
            }),
        }
        rest = behind;
    }
    into.push_str(rest);
}

fn resolve(reference: &str) -> Result<String, String> {
    if let Some(name) = reference.strip_prefix("env:") {
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        return match (env::var(name), default) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(default)) => Ok(default.to_owned()),
            (Err(env::VarError::NotPresent), None) => Err(format!(
                "the environment variable `{name}` is not set; set it, or write `${{env:{name}:-default}}`"
            )),
            (Err(env::VarError::NotUnicode(_)), None) => {
                Err(format!("the environment variable `{name}` is not UTF-8"))
            }
        };
    }
    if let Some(path) = reference.strip_prefix("file:") {
        return fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
            .map_err(|error| format!("the file `{path}` can't be read: {error}"));
    }
    Err(format!(
        "`${{{reference}}}` is no reference; `${{env:NAME}}` and `${{file:/path}}` are"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &str) {
        let got = match expand(text) {
            Ok(text) => text,
            Err(problems) => problems
                .iter()
                .map(|p| format!("{:?} {}", p.place.unwrap_or_default(), p.what))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn references_become_quoted_scalars() {
        check("a: ${env:FORECALL_NOT_SET:-x: y}\n", "a: \"x: y\"\n");
        check("a: \"u-${env:FORECALL_NOT_SET:-1}\"", "a: \"u-1\"");
        check("# ${env:IGNORED}", "# ${env:IGNORED}");
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        check(
            "a: 1\nb: ${env:FORECALL_NOT_SET}",
            "(2, 4) the environment variable `FORECALL_NOT_SET` is not set; set it, or write `${env:FORECALL_NOT_SET:-default}`",
        );
        check(
            "a: ${vault:x}",
            "(1, 4) `${vault:x}` is no reference; `${env:NAME}` and `${file:/path}` are",
        );
        check("a: ${env:X", "(1, 4) `${` without `}`");
    }

    #[test]
    fn a_literal_secret_is_refused_and_not_shown() {
        let remedy = "is a secret and must not stand in the file: write `password: ${env:NAME}` or `password: ${file:/run/secrets/password}`";
        check("  password: hunter2", &format!("(1, 13) `password` {remedy}"));
        check(
            "smtp: {password: \"hunter2\"}",
            &format!("(1, 18) `password` {remedy}"),
        );
        check("password: ~", "password: ~");
        check(
            "allow_literal_secrets: true\npassword: p",
            "allow_literal_secrets: true\npassword: p",
        );
    }
}
