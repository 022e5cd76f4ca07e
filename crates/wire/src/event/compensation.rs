//! What people get for a trouble.

use super::shape::{published, published_enum};

published_enum! {
    /// What an amount counts.
    CompensationUnit {
        /// Rial, as credit.
        Rial,
        /// Toman, of ten rial, as credit.
        Toman,
        /// Megabytes of data.
        Megabytes,
        /// Days of the service.
        Days,
    }
}

published! {
    /// What each person gets.
    #[derive(Eq)]
    Compensation of Compensation {
        /// How much, above 0.
        amount: u64 = amount,
        /// Of what.
        unit: CompensationUnit = unit,
    }
}
