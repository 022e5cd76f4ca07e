//! The words for customers: facts in, texts per language and channel out. What is said stands in `templates/`.

mod answers;
mod calendar;
mod catalogue;
mod facts;
mod lint;
mod sms;
mod speech;

pub(crate) use answers::AnswerKind;
pub(crate) use calendar::unix_day;
pub(crate) use catalogue::{Wording, any_area, fingerprint};
pub(crate) use facts::{Facts, FactsSource};
pub(crate) use speech::{SpokenKind, is_speakable};

#[cfg(test)]
#[allow(clippy::too_many_lines, reason = "texts as they read take room")]
mod tests;
