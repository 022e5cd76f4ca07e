//! How many partitions of a keyed topic are in use: remembered in the log itself, as every process of the group must see it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use forecall_config::Settings;
use forecall_log::{Committed, Log, LogError, TopicPartition, Transaction};

/// Begins the text beside a remembered partition count.
const LAYOUT: &str = "layout ";

/// Partitions of a topic on which keys stay where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Keys are spread over the first so many.
    pub used: i32,
    /// So many there were when it was written down: more means that the topic has grown since.
    pub seen: i32,
}

impl Layout {
    /// All partitions are used.
    pub const fn whole(partitions: i32) -> Self {
        Self {
            used: partitions,
            seen: partitions,
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LAYOUT}{}", self.used)?;
        if self.seen == self.used {
            Ok(())
        } else {
            write!(f, " of {}", self.seen)
        }
    }
}

impl FromStr for Layout {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let counts = text.strip_prefix(LAYOUT).unwrap_or_default();
        let (used, seen) = counts.split_once(" of ").unwrap_or((counts, counts));
        Ok(Self {
            used: used.parse()?,
            seen: seen.parse()?,
        })
    }
}

/// The consumer group that nobody joins: beside the committed position of partition 0 of each topic stands its layout.
pub fn layout_group(settings: &Settings) -> String {
    format!("{}.layout", settings.group)
}

/// The layouts remembered from earlier starts.
///
/// # Errors
/// The log can't be asked.
pub fn remembered_layout(
    settings: &Settings,
    log: &dyn Log,
    topics: &BTreeSet<String>,
) -> Result<BTreeMap<String, Layout>, LogError> {
    if topics.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places: Vec<TopicPartition> = topics.iter().map(|t| TopicPartition::new(t, 0)).collect();
    let committed = log.committed(&layout_group(settings), &places)?;
    Ok(topics
        .iter()
        .zip(committed)
        .filter_map(|(topic, at)| Some((topic.clone(), at?.metadata.parse().ok()?)))
        .collect())
}

/// Remembers layouts. Committed positions of a group without members expire (7 days on a broker's own settings), so this is
/// repeated once a day.
///
/// # Errors
/// The log can't be written.
pub fn remember_layout(
    settings: &Settings,
    log: &dyn Log,
    identity: &str,
    layouts: &BTreeMap<String, Layout>,
) -> Result<(), LogError> {
    if layouts.is_empty() {
        return Ok(());
    }
    let positions = layouts
        .iter()
        .map(|(topic, layout)| {
            let at = Committed {
                next_offset: i64::from(layout.used),
                metadata: layout.to_string(),
            };
            (TopicPartition::new(topic, 0), at)
        })
        .collect();
    log.writer(identity)?.commit_for(
        &layout_group(settings),
        &Transaction {
            records: Vec::new(),
            positions,
        },
    )
}

/// Over how many partitions of one of forecall's own logs keys are spread: what is remembered, else all there are. Every
/// writer goes by this number from its start to its end, so a topic that grows meanwhile moves no key.
///
/// # Errors
/// There is no such topic, or the log can't be asked.
pub fn used_partitions(settings: &Settings, log: &dyn Log, topic: &str) -> Result<i32, LogError> {
    let there = i32::try_from(log.bounds(topic)?.len()).unwrap_or(i32::MAX);
    let remembered = remembered_layout(settings, log, &BTreeSet::from([topic.to_owned()]))?;
    Ok(remembered
        .get(topic)
        .map(|layout| layout.used)
        .filter(|used| (1..=there).contains(used))
        .unwrap_or(there))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_to_text_and_back() {
        for (layout, text) in [
            (Layout::whole(12), "layout 12"),
            (Layout { used: 4, seen: 6 }, "layout 4 of 6"),
        ] {
            assert_eq!(layout.to_string(), text);
            assert_eq!(text.parse(), Ok(layout));
        }
        for bad in ["", "layout", "layout x", "12", "layout 4 of"] {
            assert!(bad.parse::<Layout>().is_err(), "{bad:?}");
        }
    }
}
