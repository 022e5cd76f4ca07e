//! Figures worked out by hand, and what holds for any of them.

mod any;
mod by_hand;
mod differences;
