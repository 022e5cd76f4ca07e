//! Words, signs, texts and ranges of a query.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number,
    Text(String),
    /// A number with a unit of time.
    Duration,
    /// What stands in brackets: `5m`, `1h:1m`, `$__rate_interval`.
    Range(String),
    Sign(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number => f.write_str("a number"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Duration => f.write_str("a duration"),
            Self::Range(range) => write!(f, "[{range}]"),
            Self::Sign(sign) => f.write_str(sign),
        }
    }
}

/// The longer ones first.
const SIGNS: [&str; 20] = [
    "==", "!=", "=~", "!~", ">=", "<=", "=", ">", "<", "(", ")", "{", "}", ",", "+", "-", "*", "/", "%", "^",
];
const UNITS: [&str; 7] = ["ms", "s", "m", "h", "d", "w", "y"];
/// What Grafana puts in by itself; anything else between brackets would hide which time is meant.
const VARIABLES: [&str; 3] = ["$__rate_interval", "$__range", "$__interval"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(&c) = rest.peek() {
        if c.is_whitespace() {
            rest.next();
        } else if c.is_ascii_alphabetic() || matches!(c, '_' | ':') {
            let word = run(&mut rest, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
            tokens.push(Token::Word(word));
        } else if c.is_ascii_digit() {
            let number = run(&mut rest, |c| c.is_ascii_alphanumeric() || c == '.');
            tokens.push(number_or_duration(&number)?);
        } else if c == '"' {
            rest.next();
            tokens.push(Token::Text(quoted(&mut rest)?));
        } else if c == '[' {
            rest.next();
            let range = run(&mut rest, |c| c != ']');
            if rest.next().is_none() || !range_is_known(&range) {
                return Err(format!("[{range}] is no range"));
            }
            tokens.push(Token::Range(range));
        } else {
            tokens.push(sign(&mut rest)?);
        }
    }
    Ok(tokens)
}

fn run(rest: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    std::iter::from_fn(|| rest.next_if(|c| belongs(*c))).collect()
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(text),
            '\\' => text.extend(rest.next()),
            c => text.push(c),
        }
    }
    Err("a text without its end".to_owned())
}

fn sign(rest: &mut Peekable<Chars<'_>>) -> Result<Token, String> {
    let begin: String = rest.clone().take(2).collect();
    let Some(sign) = SIGNS.into_iter().find(|sign| begin.starts_with(sign)) else {
        return Err(format!("`{}` isn't known", begin.chars().next().unwrap_or(' ')));
    };
    rest.nth(sign.len() - 1);
    Ok(Token::Sign(sign))
}

fn number_or_duration(text: &str) -> Result<Token, String> {
    if text.parse::<f64>().is_ok() {
        Ok(Token::Number)
    } else if is_duration(text) {
        Ok(Token::Duration)
    } else {
        Err(format!("{text} is no number"))
    }
}

/// Whole numbers, each with a unit: `90s`, `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let known = unit.len() < rest.len() && unit.get(..end).is_some_and(|unit| UNITS.contains(&unit));
        if !known {
            return false;
        }
        rest = unit.get(end..).unwrap_or_default();
    }
    !text.is_empty()
}

/// A time, or the range and the step of a subquery.
fn range_is_known(text: &str) -> bool {
    let known = |part: &str| VARIABLES.contains(&part) || is_duration(part);
    match text.split_once(':') {
        None => known(text),
        Some((range, step)) => known(range) && (step.is_empty() || known(step)),
    }
}
