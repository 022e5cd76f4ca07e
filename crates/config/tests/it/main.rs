//! The example loads, and errors read as an operator should read them.

mod bridges;
mod errors;
mod example;
mod journeys;
mod limits;
mod reload;
mod remedies;
