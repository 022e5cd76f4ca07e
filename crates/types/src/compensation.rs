use serde::{Deserialize, Serialize};

/// What an amount counts. A bare number would be read as either of two currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationUnit {
    /// Rial, as credit.
    Rial,
    /// Toman, of ten rial, as credit.
    Toman,
    /// Megabytes of data.
    Megabytes,
    /// Days of the service.
    Days,
}

impl CompensationUnit {
    /// The name used in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rial => "rial",
            Self::Toman => "toman",
            Self::Megabytes => "megabytes",
            Self::Days => "days",
        }
    }
}

/// What each person gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Compensation {
    /// How much, above 0.
    pub amount: u64,
    /// Of what.
    pub unit: CompensationUnit,
}
