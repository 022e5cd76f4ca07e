/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Flag,
    /// Whole numbers.
    Whole,
    /// Numbers, decimals too.
    Number,
    /// Texts.
    Text,
    /// Moments.
    Instant,
    /// Times of day on a date that name no zone.
    Local,
    /// Something of which no cell can be made.
    Other(&'static str),
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// A cell of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'r> {
    /// Nothing is there.
    Empty,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A number; it may be infinite or none.
    Number(f64),
    /// A text.
    Text(&'r str),
    /// Nanoseconds since 1970, UTC.
    Instant(i64),
    /// Nanoseconds from midnight of 1970-01-01 on a clock whose zone isn't said.
    Local(i64),
    /// The file holds something that isn't one of these: why.
    Bad(&'static str),
}

impl std::fmt::Display for Cell<'_> {
    /// As it would stand in a file of text; times in nanoseconds.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty | Self::Bad(_) => Ok(()),
            Self::Flag(flag) => flag.fmt(f),
            Self::Whole(whole) => whole.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Instant(nanos) | Self::Local(nanos) => nanos.fmt(f),
        }
    }
}
