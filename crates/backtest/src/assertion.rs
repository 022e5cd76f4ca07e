//! What a run must come to.

use crate::figure::{Figure, Unit};

/// How a figure is held against a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// Longer ones first: `>` also begins `>=`.
const RELATIONS: [(&str, Relation); 4] = [
    (">=", Relation::AtLeast),
    ("<=", Relation::AtMost),
    (">", Relation::Above),
    ("<", Relation::Below),
];

/// Endings of a value, and what they multiply it by.
const ENDINGS: [(char, f64); 4] = [('s', 1.0), ('m', 60.0), ('h', 3_600.0), ('%', 0.01)];

/// One assertion, such as `recall>=0.8`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assertion {
    /// As it was written.
    pub text: String,
    name: String,
    relation: Relation,
    value: f64,
}

/// Why an assertion can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAssertion {
    /// Not `name>=value`.
    #[error(
        "`{0}` is no assertion; one is written name>=value, with >=, <=, > or <, and s, m, h or % behind the value"
    )]
    Form(String),
    /// No figure is called so.
    #[error("no figure is called `{name}`; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The value has a unit that the figure hasn't.
    #[error("`{text}`: {name} is measured in {unit}")]
    Ending {
        /// The assertion.
        text: String,
        /// The figure.
        name: String,
        /// Its unit.
        unit: &'static str,
    },
    /// It could never hold, or never fail, whatever a run tells.
    #[error("`{text}` {never}: {name} {reach}")]
    Settled {
        /// The assertion.
        text: String,
        /// The figure.
        name: String,
        /// Which of both.
        never: &'static str,
        /// Where the figure lies.
        reach: &'static str,
    },
}

/// What came of an assertion.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The assertion as it was written.
    pub text: String,
    /// Whether it holds.
    pub holds: bool,
    /// The figure; `None`: it is of nothing.
    pub value: Option<f64>,
    /// What it is measured in; `None`: there is no such figure.
    pub unit: Option<Unit>,
    /// Why it can't hold, where the figure is of nothing.
    pub why: String,
}

/// Reads assertions with commas between them; `known` are the figures there will be.
///
/// # Errors
/// One isn't `name>=value`, names no figure, or gives a value in a unit that the figure hasn't.
pub fn assertions(text: &str, known: &[Figure]) -> Result<Vec<Assertion>, BadAssertion> {
    text.split(',').map(|one| read(one.trim(), known)).collect()
}

fn read(text: &str, known: &[Figure]) -> Result<Assertion, BadAssertion> {
    let bad = || BadAssertion::Form(text.to_owned());
    let (at, sign, relation) = RELATIONS
        .iter()
        .find_map(|(sign, relation)| Some((text.find(sign)?, *sign, *relation)))
        .ok_or_else(bad)?;
    let (name, value) = text.split_at(at);
    let (name, value) = (name.trim(), value.strip_prefix(sign).ok_or_else(bad)?.trim());
    if name.is_empty() {
        return Err(bad());
    }
    let figure = known.iter().find(|f| f.name == name).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|f| f.name.as_str()).collect();
        BadAssertion::Unknown {
            name: name.to_owned(),
            known: names.join(", "),
        }
    })?;
    let ending = ENDINGS.iter().find(|(ending, _)| value.ends_with(*ending));
    let fits = match ending.map(|(ending, _)| *ending) {
        None => true,
        Some('%') => figure.unit == Unit::Share,
        Some(_) => figure.unit == Unit::Seconds,
    };
    if !fits {
        return Err(BadAssertion::Ending {
            text: text.to_owned(),
            name: name.to_owned(),
            unit: figure.unit.as_str(),
        });
    }
    let (digits, times) = ending.map_or((value, 1.0), |(ending, times)| {
        (value.strip_suffix(*ending).unwrap_or(value), *times)
    });
    let number: f64 = digits.trim().parse().map_err(|_| bad())?;
    if !number.is_finite() {
        return Err(bad());
    }
    let value = number * times;
    if let Some((never, reach)) = settled(figure, relation, value) {
        return Err(BadAssertion::Settled {
            text: text.to_owned(),
            name: name.to_owned(),
            never,
            reach,
        });
    }
    Ok(Assertion {
        text: text.to_owned(),
        name: name.to_owned(),
        relation,
        value,
    })
}

/// What is settled before any run, by where the figure can lie at all.
///
/// An assertion of a share `>=0` or `<=1` is left alone: it still asks that the figure is of something.
fn settled(figure: &Figure, relation: Relation, value: f64) -> Option<(&'static str, &'static str)> {
    let (low, high, reach) = match figure.unit {
        Unit::Share => (0.0, 1.0, "lies between 0 and 1 (write 80 % as 0.8 or 80%)"),
        Unit::Count | Unit::PerDay => (0.0, f64::INFINITY, "is never below 0"),
        // A lead that was late is below 0.
        Unit::Seconds => return None,
    };
    let never = match relation {
        Relation::AtLeast => value > high,
        Relation::AtMost => value < low,
        Relation::Above => value >= high,
        Relation::Below => value <= low,
    };
    let always = match relation {
        Relation::AtLeast | Relation::Above => value < low,
        Relation::AtMost | Relation::Below => value > high,
    };
    if never {
        Some(("can never hold", reach))
    } else if always {
        Some(("can never fail", reach))
    } else {
        None
    }
}

impl Assertion {
    /// Holds it against the figures. One of nothing fails.
    pub fn judge(&self, figures: &[Figure]) -> Verdict {
        let figure = figures.iter().find(|f| f.name == self.name);
        let value = figure.and_then(|f| f.value);
        let holds = value.is_some_and(|value| match self.relation {
            Relation::AtLeast => value >= self.value,
            Relation::AtMost => value <= self.value,
            Relation::Above => value > self.value,
            Relation::Below => value < self.value,
        });
        let why = match (value, figure) {
            (Some(_), _) => String::new(),
            (None, Some(figure)) => format!("{} is of 0 {}", self.name, figure.of_what),
            (None, None) => format!("there is no {}", self.name),
        };
        Verdict {
            text: self.text.clone(),
            holds,
            value,
            unit: figure.map(|f| f.unit),
            why,
        }
    }
}
