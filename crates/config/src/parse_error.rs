//! What the parser complains of, without a word of what came from the environment.

use crate::error::{Problem, nearest};
use crate::secret::literal_secrets;

/// Shorter values are only looked for where the parser quotes: in its own words they would be found by chance.
const CHARS_LOOKED_FOR_MIN: usize = 4;
/// Errors about a value quote up to this many characters of it, or all.
const CHARS_QUOTED: usize = 24;

/// The parser's complaint with a hint where a key is misspelt. `values` came from references.
pub(crate) fn problem_of(error: &serde_saphyr::Error, text: &str, values: &[String]) -> Problem {
    let place = error.location().and_then(|at| {
        Some((
            usize::try_from(at.line()).ok()?,
            usize::try_from(at.column()).ok()?,
        ))
    });
    let bare = error.without_snippet().to_string();
    let what = message(&bare);
    let line = place.and_then(|(line, _)| text.lines().nth(line.saturating_sub(1)));
    let hides = line.is_some_and(|line| line.contains("${") || !literal_secrets(line).is_empty());
    let hint = match what.split('`').nth(1) {
        Some(word) if what.contains("unknown") => {
            let names = what.rsplit("expected ").next().unwrap_or_default();
            let names = names.trim_start_matches("one of ").split([',', ' ', '`']);
            nearest(word, names.filter(|n| !n.is_empty())).map(|name| format!("; did you mean `{name}`?"))
        }
        Some(_) | None => None,
    };
    Problem {
        place,
        what: format!("{}{}", redacted(what, hides, values), hint.unwrap_or_default()),
    }
}

/// Without the place, which the parser writes behind or before.
fn message(bare: &str) -> &str {
    let what = bare.split(" at line ").next().unwrap_or(bare);
    let what = match what.strip_prefix("line ").and_then(|w| w.split_once(": ")) {
        Some((_, what)) => what,
        None => what,
    };
    what.trim_end_matches([',', ':'])
}

/// Quoted pieces that are, hold or lie in a value are hidden; if one is still there, all is.
fn redacted(what: &str, hides: bool, values: &[String]) -> String {
    let known: Vec<String> = values
        .iter()
        .flat_map(|value| [value.clone(), value.escape_debug().to_string()])
        .filter(|value| !value.is_empty())
        .collect();
    let is_known = |piece: &str| {
        known
            .iter()
            .any(|v| piece.contains(v.as_str()) || v.contains(piece))
    };
    let mut out = String::new();
    let mut rest = what;
    while let Some(at) = rest.find(['"', '`']) {
        let (before, from) = rest.split_at(at);
        let quote = if from.starts_with('"') { '"' } else { '`' };
        let after = from.strip_prefix(quote).unwrap_or_default();
        let Some((piece, behind)) = split_quoted(after, quote) else {
            break;
        };
        out.push_str(before);
        out.push(quote);
        let is_value = quote == '"'
            || before.ends_with("integer ")
            || before.ends_with("boolean ")
            || before.ends_with("point ");
        let is_hidden = !piece.is_empty() && (hides && is_value || is_known(piece));
        out.push_str(if is_hidden { "***" } else { piece });
        out.push(quote);
        rest = behind;
    }
    out.push_str(rest);
    let shows = |value: &String| {
        let begin: String = value.chars().take(CHARS_QUOTED).collect();
        begin.chars().count() >= CHARS_LOOKED_FOR_MIN && out.contains(&begin)
    };
    if known.iter().any(shows) {
        "a value that comes from the environment or a file can't be read as what is wanted here (it isn't shown)".to_owned()
    } else {
        out
    }
}

/// What stands before the closing quote and behind it; an escaped one doesn't close.
fn split_quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.find(|c| {
        let closes = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    let (piece, rest) = text.split_at(at);
    Some((piece, rest.strip_prefix(quote)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_hidden_however_they_are_quoted() {
        let values = ["hunter2".to_owned(), "a\"b\nc".to_owned(), "7".to_owned()];
        for (what, hides, expected) in [
            (
                "invalid type: string \"hunter2\", expected u32",
                false,
                "invalid type: string \"***\", expected u32",
            ),
            (
                "invalid type: integer `7`, expected a map",
                false,
                "invalid type: integer `***`, expected a map",
            ),
            (
                "invalid type: string \"x\", expected u32",
                true,
                "invalid type: string \"***\", expected u32",
            ),
            (
                "unknown field `sorces`, expected `sources`",
                true,
                "unknown field `sorces`, expected `sources`",
            ),
            ("`hunter2` is not a time zone", false, "`***` is not a time zone"),
            (
                "hunter2 it is",
                false,
                "a value that comes from the environment or a file can't be read as what is wanted here (it isn't shown)",
            ),
        ] {
            assert_eq!(redacted(what, hides, &values), expected);
        }
        let odd = redacted(
            "invalid type: string \"a\\\"b\\nc\", expected u32",
            false,
            &values,
        );
        assert!(!odd.contains("b\\nc"), "{odd}");
    }
}
