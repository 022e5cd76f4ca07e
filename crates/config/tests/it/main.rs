//! The example loads, and errors read as an operator should read them.

mod errors;
mod example;
