//! The part of PromQL that our dashboards and rules are written in, read strictly.
//!
//! What isn't known here is an error, so that whatever passes was understood: which metrics, under which functions, by
//! which labels. The last word on the grammar has Prometheus itself, in the end-to-end tests.

mod lexer;

use std::iter::Peekable;
use std::vec::IntoIter;

use lexer::Token;

/// An expression, as far as a lint has to know it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Number,
    Text,
    Selector(Selector),
    Call {
        function: String,
        arguments: Vec<Expr>,
    },
    Aggregation {
        operator: String,
        /// Labels kept (`by`); `None`: another grouping or none.
        by: Option<Vec<String>>,
        arguments: Vec<Expr>,
    },
    Operation {
        left: Box<Expr>,
        /// Labels that the two sides are matched by.
        labels: Vec<String>,
        right: Box<Expr>,
    },
    Subquery {
        inner: Box<Expr>,
        range: String,
    },
}

/// `name{label="value"}[5m]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selector {
    pub(super) metric: String,
    pub(super) matchers: Vec<Matcher>,
    pub(super) range: Option<String>,
}

/// `label="value"`, `!=`, `=~`, `!~`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) operator: String,
    pub(super) value: String,
}

const AGGREGATIONS: [&str; 9] = [
    "sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile",
];
/// Functions, and how many arguments they take at most.
const FUNCTIONS: [(&str, usize); 24] = [
    ("abs", 1),
    ("absent", 1),
    ("avg_over_time", 1),
    ("ceil", 1),
    ("changes", 1),
    ("clamp_max", 2),
    ("clamp_min", 2),
    ("delta", 1),
    ("deriv", 1),
    ("histogram_quantile", 2),
    ("increase", 1),
    ("irate", 1),
    ("label_join", 9),
    ("label_replace", 5),
    ("last_over_time", 1),
    ("max_over_time", 1),
    ("min_over_time", 1),
    ("predict_linear", 2),
    ("rate", 1),
    ("round", 2),
    ("sort_desc", 1),
    ("time", 0),
    ("timestamp", 1),
    ("vector", 1),
];

/// Reads one expression to its end; the error says what was met instead of what.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: lexer::tokens(text)?.into_iter().peekable(),
    };
    let expr = parser.expression(0)?;
    match parser.tokens.next() {
        None => Ok(expr),
        Some(token) => Err(format!("{token} after the end of the expression")),
    }
}

impl Expr {
    /// All selectors below, each with the names of the functions around it, the innermost last.
    pub(super) fn selectors(&self) -> Vec<(&Selector, Vec<&str>)> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect<'e>(&'e self, around: &mut Vec<&'e str>, found: &mut Vec<(&'e Selector, Vec<&'e str>)>) {
        match self {
            Self::Number | Self::Text => {}
            Self::Selector(selector) => found.push((selector, around.clone())),
            Self::Call { function, arguments } => {
                around.push(function);
                arguments.iter().for_each(|a| a.collect(around, found));
                around.pop();
            }
            Self::Aggregation { arguments, .. } => arguments.iter().for_each(|a| a.collect(around, found)),
            Self::Operation { left, right, .. } => {
                left.collect(around, found);
                right.collect(around, found);
            }
            Self::Subquery { inner, .. } => inner.collect(around, found),
        }
    }

    /// Labels that it groups or matches by, each with the expression whose series must have it.
    pub(super) fn grouping(&self) -> Vec<(&str, &Expr)> {
        match self {
            Self::Number | Self::Text | Self::Selector(_) => Vec::new(),
            Self::Call { arguments, .. } => arguments.iter().flat_map(Self::grouping).collect(),
            Self::Aggregation { by, arguments, .. } => {
                let labels = by.iter().flatten().map(|label| (label.as_str(), self));
                labels.chain(arguments.iter().flat_map(Self::grouping)).collect()
            }
            Self::Operation { left, labels, right } => {
                let both = labels
                    .iter()
                    .flat_map(|label| [(label.as_str(), &**left), (label.as_str(), &**right)]);
                both.chain(left.grouping()).chain(right.grouping()).collect()
            }
            Self::Subquery { inner, .. } => inner.grouping(),
        }
    }
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
}

impl Parser {
    /// Operators that bind at least as tightly as `floor`; all are read as if they bound to the left.
    fn expression(&mut self, floor: u8) -> Result<Expr, String> {
        let mut left = self.operand()?;
        while let Some(power) = self.tokens.peek().and_then(power).filter(|p| *p >= floor) {
            self.tokens.next();
            let labels = self.matching()?;
            let right = self.expression(power + 1)?;
            left = Expr::Operation {
                left: Box::new(left),
                labels,
                right: Box::new(right),
            };
        }
        Ok(left)
    }

    /// `bool`, `on (…)`, `ignoring (…)`, `group_left (…)`: gives the labels of `on`.
    fn matching(&mut self) -> Result<Vec<String>, String> {
        let mut on = Vec::new();
        loop {
            if self.takes_word("bool") {
            } else if self.takes_word("on") {
                on = self.labels()?;
            } else if self.takes_word("ignoring") {
                self.labels()?;
            } else if self.takes_word("group_left") || self.takes_word("group_right") {
                if self.tokens.peek() == Some(&Token::Sign("(")) {
                    self.labels()?;
                }
            } else {
                return Ok(on);
            }
        }
    }

    fn operand(&mut self) -> Result<Expr, String> {
        let mut expr = match self.next("an operand")? {
            Token::Number => Expr::Number,
            Token::Text(_) => Expr::Text,
            Token::Sign("-" | "+") => return self.operand(),
            Token::Sign("(") => {
                let inner = self.expression(0)?;
                self.expect(")")?;
                inner
            }
            Token::Word(word) if AGGREGATIONS.contains(&&*word) => self.aggregation(word)?,
            Token::Word(word) if self.tokens.peek() == Some(&Token::Sign("(")) => self.call(word)?,
            Token::Word(metric) => Expr::Selector(Selector {
                metric,
                matchers: self.matchers()?,
                range: None,
            }),
            other => return Err(format!("{other} where an operand is expected")),
        };
        while let Some(Token::Range(_)) = self.tokens.peek() {
            expr = self.ranged(expr)?;
        }
        if self.takes_word("offset") {
            match self.next("a duration")? {
                Token::Duration => {}
                other => return Err(format!("{other} where a duration is expected")),
            }
        }
        Ok(expr)
    }

    fn ranged(&mut self, expr: Expr) -> Result<Expr, String> {
        let Some(Token::Range(range)) = self.tokens.next() else {
            return Err("no range".to_owned());
        };
        match (expr, range.contains(':')) {
            (Expr::Selector(selector), false) if selector.range.is_none() => Ok(Expr::Selector(Selector {
                range: Some(range),
                ..selector
            })),
            (_, false) => Err(format!("[{range}] behind what is no selector")),
            (inner, true) => Ok(Expr::Subquery {
                inner: Box::new(inner),
                range,
            }),
        }
    }

    fn call(&mut self, function: String) -> Result<Expr, String> {
        let Some((_, most)) = FUNCTIONS.iter().find(|(name, _)| *name == function) else {
            return Err(format!("unknown function {function}"));
        };
        let arguments = self.arguments()?;
        if arguments.len() > *most {
            return Err(format!(
                "{function} takes {most} arguments, not {}",
                arguments.len()
            ));
        }
        Ok(Expr::Call { function, arguments })
    }

    fn aggregation(&mut self, operator: String) -> Result<Expr, String> {
        let before = self.by()?;
        let arguments = self.arguments()?;
        let after = self.by()?;
        Ok(Expr::Aggregation {
            operator,
            by: before.or(after),
            arguments,
        })
    }

    /// The labels of `by (…)`; nothing of them are kept by name after `without (…)`.
    fn by(&mut self) -> Result<Option<Vec<String>>, String> {
        if self.takes_word("by") {
            return Ok(Some(self.labels()?));
        }
        if self.takes_word("without") {
            self.labels()?;
        }
        Ok(None)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.takes(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression(0)?);
        }
        Ok(arguments)
    }

    fn labels(&mut self) -> Result<Vec<String>, String> {
        self.expect("(")?;
        let mut labels = Vec::new();
        while !self.takes(")") {
            if !labels.is_empty() {
                self.expect(",")?;
            }
            labels.push(self.word("a label")?);
        }
        Ok(labels)
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, String> {
        let mut matchers = Vec::new();
        if !self.takes("{") {
            return Ok(matchers);
        }
        while !self.takes("}") {
            if !matchers.is_empty() {
                self.expect(",")?;
            }
            let label = self.word("a label")?;
            let operator = match self.next("an operator")? {
                Token::Sign(sign @ ("=" | "!=" | "=~" | "!~")) => sign.to_owned(),
                other => return Err(format!("{other} where =, !=, =~ or !~ is expected")),
            };
            let value = match self.next("a text")? {
                Token::Text(text) => text,
                other => return Err(format!("{other} where a text is expected")),
            };
            matchers.push(Matcher {
                label,
                operator,
                value,
            });
        }
        Ok(matchers)
    }

    fn next(&mut self, wanted: &str) -> Result<Token, String> {
        self.tokens
            .next()
            .ok_or_else(|| format!("it ends where {wanted} is expected"))
    }

    fn word(&mut self, wanted: &str) -> Result<String, String> {
        match self.next(wanted)? {
            Token::Word(word) => Ok(word),
            other => Err(format!("{other} where {wanted} is expected")),
        }
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        match self.next(sign)? {
            Token::Sign(found) if found == sign => Ok(()),
            other => Err(format!("{other} where {sign} is expected")),
        }
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.tokens
            .next_if(|token| matches!(token, Token::Word(w) if w == word))
            .is_some()
    }
}

/// How tightly a binary operator binds.
fn power(token: &Token) -> Option<u8> {
    match token {
        Token::Word(word) => match word.as_str() {
            "or" => Some(1),
            "and" | "unless" => Some(2),
            _ => None,
        },
        Token::Sign(sign) => match *sign {
            "==" | "!=" | ">" | "<" | ">=" | "<=" => Some(3),
            "+" | "-" => Some(4),
            "*" | "/" | "%" => Some(5),
            _ => None,
        },
        Token::Number | Token::Text(_) | Token::Duration | Token::Range(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(text: &str) -> Vec<String> {
        let expr = parse(text).unwrap();
        let found = expr.selectors().into_iter();
        found
            .map(|(selector, around)| format!("{}<{}", selector.metric, around.join(">")))
            .collect()
    }

    #[test]
    fn what_is_used_is_understood() {
        assert_eq!(
            metrics(
                "histogram_quantile(0.99, sum by (le) (rate(a_bucket{job=~\"$job\"}[$__rate_interval])))"
            ),
            ["a_bucket<histogram_quantile>rate"]
        );
        assert_eq!(
            metrics("sum(a) by (x) / on (x) group_left (y) sum by (x) (b{c!=\"d\"} offset 1h) > bool 3"),
            ["a<", "b<"]
        );
        assert_eq!(
            metrics("deriv(sum by (x) (a)[10m:1m]) > 0 unless time() - b > 60"),
            ["a<deriv", "b<"]
        );
        assert_eq!(metrics("-1e3 * (a) or vector(0)"), ["a<"]);
    }

    #[test]
    fn labels_of_groupings_and_matches_are_found() {
        let expr = parse("sum by (x, y) (a) and on (z) b").unwrap();
        let labels: Vec<&str> = expr.grouping().into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["z", "z", "x", "y"]);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (text, why) in [
            ("sum by (x) (a", "it ends where , is expected"),
            ("sum(a)) ", ") after the end of the expression"),
            ("a{b}", "} where =, !=, =~ or !~ is expected"),
            ("rat(a[5m])", "unknown function rat"),
            ("rate(a[5 m])", "[5 m] is no range"),
            ("rate(a[$interval])", "[$interval] is no range"),
            ("sum(a)[5m]", "[5m] behind what is no selector"),
            ("a + ", "it ends where an operand is expected"),
            ("rate(a[5m], 2)", "rate takes 1 arguments, not 2"),
            ("a # b", "`#` isn't known"),
            ("a{b=\"c}", "a text without its end"),
            ("", "it ends where an operand is expected"),
        ] {
            assert_eq!(parse(text).unwrap_err(), why, "{text}");
        }
    }
}
