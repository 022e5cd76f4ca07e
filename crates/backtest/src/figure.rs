//! A number that says what it is of.

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many.
    Count,
    /// 0 to 1.
    Share,
    /// So many a day.
    PerDay,
    /// Seconds.
    Seconds,
}

impl Unit {
    /// The name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Share => "share",
            Self::PerDay => "per_day",
            Self::Seconds => "seconds",
        }
    }
}

/// A figure and its denominator.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// As assertions call it.
    pub name: String,
    /// `None`: there is nothing it could be of.
    pub value: Option<f64>,
    /// Measured in.
    pub unit: Unit,
    /// The denominator, or the number of values it was picked from; `None` of a count.
    pub of: Option<f64>,
    /// What the denominator counts.
    pub of_what: String,
}

impl Figure {
    /// A number of things.
    pub(crate) fn count(name: &str, count: usize) -> Self {
        Self {
            name: name.to_owned(),
            value: Some(whole(count)),
            unit: Unit::Count,
            of: None,
            of_what: String::new(),
        }
    }

    /// A part of a denominator; nothing where that is 0.
    pub(crate) fn ratio(name: &str, unit: Unit, part: f64, of: f64, of_what: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: (of > 0.0).then(|| part / of),
            unit,
            of: Some(of),
            of_what: of_what.to_owned(),
        }
    }

    /// The value at a share of the way from the least to the greatest, by nearest rank; `sorted` is in order.
    pub(crate) fn quantile(name: &str, sorted: &[f64], share: f64, of_what: &str) -> Self {
        // A hair less, so that a tenth of ten is the first and not the second.
        let rank = (share * whole(sorted.len()) - 1e-9).ceil().max(1.0);
        let value = (1_u32..)
            .zip(sorted)
            .find(|(place, _)| f64::from(*place) >= rank)
            .map(|(_, value)| *value);
        Self {
            name: name.to_owned(),
            value,
            unit: Unit::Seconds,
            of: Some(whole(sorted.len())),
            of_what: of_what.to_owned(),
        }
    }

    /// The same under a name with this before it.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        self.name.insert_str(0, prefix);
        self
    }
}

/// A number of things as a float.
#[allow(
    clippy::cast_precision_loss,
    reason = "numbers of findings are far below 2^52"
)]
pub(crate) const fn whole(count: usize) -> f64 {
    count as f64
}
