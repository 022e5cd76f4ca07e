//! What all text messages have in common, whoever carries them: alphabets and parts, receipts, numbers. Pure.

mod coding;
mod number;
mod receipt;

pub use coding::{Alphabet, Part, TooLong, decode_gsm7, parts};
pub use number::international;
pub use receipt::{ReceiptText, Verdict};
