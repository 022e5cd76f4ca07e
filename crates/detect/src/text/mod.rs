//! Words as numbers: templates of log lines, topics of what customers write.
//!
//! Both turn a text into the name of something countable; how often it comes is a series like any other, judged by the
//! same channels. No text is kept beyond what a template or a topic needs.

mod letters;
mod lines;
mod templates;
mod topics;

pub use letters::{Letters, normalised};
pub use lines::{Counted, ENTITY_TEMPLATES_MAX, LINE_ENTITIES_MAX, Lines};
pub use templates::{
    LEAF_TEMPLATES_MAX, Observed, TEMPLATES_MAX, TOKENS_MAX, TOLD_LINES_MIN, Templates, VALUE,
};
pub use topics::{PHRASES_MAX, TEXT_CHARS_MAX, TOPICS_MAX, Topic, TopicTable, TopicTableError};
