//! `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` → their text.

use std::env;
use std::fs;

use crate::error::Problem;
use crate::secret::literal_secrets;

/// A text with its references replaced.
#[derive(Debug, Default)]
pub(crate) struct Expanded {
    /// Line breaks are where they were.
    pub(crate) text: String,
    /// What came from the environment or a file: never to be shown.
    pub(crate) values: Vec<String>,
    /// The references they came from, as they are written, in the order of the values.
    pub(crate) references: Vec<String>,
}

/// Replaces every reference outside comments. One that stands alone becomes a quoted scalar (a number or flag a bare
/// one), so that a value such as `a: b` or `yes` stays text.
pub(crate) fn expand(text: &str) -> Result<Expanded, Vec<Problem>> {
    let mut problems = literal_secrets(text);
    let mut expanded = Expanded::default();
    for (i, line) in text.lines().enumerate() {
        if i > 0 {
            expanded.text.push('\n');
        }
        expand_line(line, i + 1, &mut expanded, &mut problems);
    }
    if text.ends_with('\n') {
        expanded.text.push('\n');
    }
    if problems.is_empty() {
        Ok(expanded)
    } else {
        problems.sort_by_key(|p| p.place);
        Err(problems)
    }
}

/// How the text is written where a reference stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Between scalars: a quote here begins one.
    Between,
    /// Within a scalar without quotes.
    Plain,
    Single,
    Double,
    Comment,
}

impl Style {
    fn after(self, last: char, c: char) -> Self {
        match (self, c) {
            (Self::Comment, _) => Self::Comment,
            (Self::Double, '"') if last != '\\' => Self::Plain,
            (Self::Single, '\'') => Self::Plain,
            (Self::Double | Self::Single, _) => self,
            (Self::Between | Self::Plain, '#') if last.is_whitespace() => Self::Comment,
            (Self::Between, '"') => Self::Double,
            (Self::Between, '\'') => Self::Single,
            (_, '{' | '[' | ',') => Self::Between,
            (_, ' ' | '\t') if matches!(last, ':' | '-' | ',') => Self::Between,
            (Self::Between, c) if c.is_whitespace() => Self::Between,
            // The dash of a list's entry.
            (Self::Between, '-') => Self::Between,
            (Self::Between | Self::Plain, _) => Self::Plain,
        }
    }
}

fn expand_line(line: &str, number: usize, into: &mut Expanded, problems: &mut Vec<Problem>) {
    let mut style = Style::Between;
    let mut last = ' ';
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let reference = (style != Style::Comment)
            .then(|| rest.strip_prefix("${"))
            .flatten();
        let Some(after) = reference else {
            style = style.after(last, c);
            last = c;
            into.text.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            continue;
        };
        let place = Some((number, line.chars().count() - rest.chars().count() + 1));
        let Some((name, behind)) = after.split_once('}') else {
            let what = "`${` without `}`".to_owned();
            problems.push(Problem { place, what });
            return;
        };
        let next = behind.trim_start();
        let ends =
            next.is_empty() || next.starts_with([',', ']', '}']) || (next.starts_with('#') && next != behind);
        match resolve(name).and_then(|value| Ok((written(&value, style, ends)?, value))) {
            Ok((text, value)) => {
                into.text.push_str(&text);
                into.values.push(value);
                into.references.push(format!("${{{name}}}"));
            }
            Err(what) => problems.push(Problem { place, what }),
        }
        if style == Style::Between {
            style = Style::Plain;
        }
        last = '}';
        rest = behind;
    }
}

/// A value as it must be written there to be read as it is.
fn written(value: &str, style: Style, ends: bool) -> Result<String, String> {
    let quoted = serde_json::Value::from(value).to_string();
    match style {
        Style::Between if ends => Ok(if is_number_or_flag(value) {
            value.to_owned()
        } else {
            quoted
        }),
        Style::Double => {
            let inner = quoted.strip_prefix('"').and_then(|q| q.strip_suffix('"'));
            Ok(inner.unwrap_or_default().to_owned())
        }
        Style::Single if !value.contains(['\n', '\r']) => Ok(value.replace('\'', "''")),
        Style::Between | Style::Plain
            if value.chars().all(|c| c.is_alphanumeric() || "-_./@+".contains(c)) =>
        {
            Ok(value.to_owned())
        }
        Style::Between | Style::Plain | Style::Single | Style::Comment => Err(
            "put this in double quotes: the value that is put in here holds characters that YAML reads"
                .to_owned(),
        ),
    }
}

/// Such a value is also read as text where text is wanted, digit by digit.
fn is_number_or_flag(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let parts: Vec<&str> = digits.splitn(2, '.').collect();
    matches!(value, "true" | "false")
        || parts
            .iter()
            .all(|part| !part.is_empty() && part.len() <= 15 && part.bytes().all(|b| b.is_ascii_digit()))
            && (digits == "0" || digits.starts_with("0.") || !digits.starts_with('0'))
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
            Ok(expanded) => expanded.text,
            Err(problems) => problems
                .iter()
                .map(|p| format!("{:?} {}", p.place.unwrap_or_default(), p.what))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        assert_eq!(got, expect);
    }

    #[test]
    fn references_become_scalars_that_are_read_as_they_are() {
        check("a: ${env:FORECALL_NOT_SET:-x: y}\n", "a: \"x: y\"\n");
        check("a: \"u-${env:FORECALL_NOT_SET:-\"1}\"", "a: \"u-\\\"1\"");
        check("a: 'u-${env:FORECALL_NOT_SET:-it's}'", "a: 'u-it''s'");
        check(
            "a: [${env:FORECALL_NOT_SET:-12}, ${env:FORECALL_NOT_SET:-012}]",
            "a: [12, \"012\"]",
        );
        check("- ${env:FORECALL_NOT_SET:-true} # ${x", "- true # ${x");
        check(
            "a: u-${env:FORECALL_NOT_SET:-1}-${env:FORECALL_NOT_SET:-b}",
            "a: u-1-b",
        );
        check("# ${env:IGNORED}", "# ${env:IGNORED}");
        check("a: b#${env:FORECALL_NOT_SET:-1}", "a: b#1");
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
        check(
            "a: x ${env:FORECALL_NOT_SET:-b: c}",
            "(1, 6) put this in double quotes: the value that is put in here holds characters that YAML reads",
        );
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = std::env::temp_dir().join(format!("forecall-expand-{}", std::process::id()));
        std::fs::write(&folder, "s3cr\"et\n").unwrap();
        check(
            &format!("password: ${{file:{}}}", folder.display()),
            "password: \"s3cr\\\"et\"",
        );
        std::fs::remove_file(folder).unwrap();
    }
}
