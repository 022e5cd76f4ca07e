use std::collections::BTreeMap;
use std::time::Duration;

use forecall_types::{EventTime, Fingerprint};
use serde::{Deserialize, Serialize};

use super::templates::Templates;

/// Entities whose lines are told apart by template: more in a partition are counted by severity alone.
pub const LINE_ENTITIES_MAX: usize = 1_024;
/// Templates of one entity that have a series of their own: what comes beyond counts as `other`. With three severities to a
/// template at worst, an entity takes about a hundred series.
pub const ENTITY_TEMPLATES_MAX: usize = 32;
/// A template that an entity hasn't shown for so many lines of the domain gives its place to another.
const STALE_LINES: u64 = 20_000;
/// How long, and for how many lines, a domain's templates are learnt before a new one is news.
const WARM_UP: Duration = Duration::from_secs(1_800);
/// See [`WARM_UP`].
const WARM_UP_LINES: u64 = 200;

/// What one entity's lines are told apart by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shown {
    /// Templates with a series, and the domain's line that was the last of each.
    templates: Vec<(Fingerprint, u64)>,
    /// The last time at which it was said that no template is new.
    quiet_at: EventTime,
    /// The domain's line that was the entity's last.
    seen: u64,
}

/// What a line counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Its template; `None`: one of those that have no series of their own.
    pub template: Option<Fingerprint>,
    /// It is the first of its kind in a domain that is known well.
    pub is_new: bool,
    /// It is to be said, for this time, that none is new.
    pub is_quiet: bool,
}

/// The log lines of one domain in one partition: templates, and which entity shows which.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lines {
    templates: Templates,
    entities: BTreeMap<Fingerprint, Shown>,
    first: Option<EventTime>,
    count: u64,
}

impl Lines {
    /// Takes a line in; times are those of bins. `None`: it has no words, or its entity is one too many.
    pub fn observe(&mut self, entity: Fingerprint, at: EventTime, line: &str) -> Option<Counted> {
        if !self.entities.contains_key(&entity) && !self.has_room() {
            return None;
        }
        let observed = self.templates.observe(line)?;
        let first = *self.first.get_or_insert(at);
        self.count += 1;
        let count = self.count;
        let shown = self.entities.entry(entity).or_insert_with(|| Shown {
            templates: Vec::new(),
            quiet_at: EventTime::MIN,
            seen: count,
        });
        shown.seen = count;
        let is_quiet = shown.quiet_at < at;
        shown.quiet_at = shown.quiet_at.max(at);
        let template = shown.place(observed.template, count);
        Some(Counted {
            template: template.then_some(observed.template),
            is_new: observed.is_first && count > WARM_UP_LINES && at >= first.plus(WARM_UP),
            is_quiet,
        })
    }

    /// A template's name as a label says it.
    pub fn name_of(template: Fingerprint) -> String {
        template.base32(16)
    }

    /// The words of the template of a name, once enough lines have matched it.
    pub fn text_of(&self, name: &str) -> Option<String> {
        let template = self.templates.find(|template| Self::name_of(template) == name)?;
        self.templates.text(template)
    }

    /// Whether one more entity fits, after the one unseen for longest has gone if it is long gone.
    fn has_room(&mut self) -> bool {
        if self.entities.len() < LINE_ENTITIES_MAX {
            return true;
        }
        let oldest = self.entities.iter().min_by_key(|(id, shown)| (shown.seen, **id));
        let Some((id, seen)) = oldest.map(|(id, shown)| (*id, shown.seen)) else {
            return true;
        };
        let is_stale = self.count - seen > STALE_LINES;
        if is_stale {
            self.entities.remove(&id);
        }
        is_stale
    }
}

impl Shown {
    /// Whether a template has a place, or finds one.
    fn place(&mut self, template: Fingerprint, count: u64) -> bool {
        if let Some((_, seen)) = self.templates.iter_mut().find(|(id, _)| *id == template) {
            *seen = count;
            return true;
        }
        if self.templates.len() < ENTITY_TEMPLATES_MAX {
            self.templates.push((template, count));
            return true;
        }
        let oldest = self.templates.iter_mut().min_by_key(|(_, seen)| *seen);
        oldest
            .filter(|(_, seen)| count - *seen > STALE_LINES)
            .map(|oldest| *oldest = (template, count))
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters(n: usize) -> String {
        n.to_string()
            .bytes()
            .map(|d| char::from(d - b'0' + b'a'))
            .collect()
    }

    #[test]
    fn a_new_template_is_news_only_after_the_warm_up() {
        let mut lines = Lines::default();
        let entity = Fingerprint::of(b"e");
        for n in 0..1_000 {
            let at = EventTime::from_secs(n * 10);
            let counted = lines.observe(entity, at, &format!("served request {n}")).unwrap();
            assert!(!counted.is_new && counted.is_quiet);
            let again = lines.observe(entity, at, "served request 7").unwrap();
            assert!(!again.is_quiet, "said once a bin");
            if n == 100 {
                assert!(!lines.observe(entity, at, "early bird sings").unwrap().is_new);
            }
        }
        let at = EventTime::from_secs(10_000);
        assert!(lines.observe(entity, at, "disk is full").unwrap().is_new);
        assert!(!lines.observe(entity, at, "disk is full").unwrap().is_new);
    }

    #[test]
    fn entities_and_their_templates_are_bounded() {
        let mut lines = Lines::default();
        let entity = |n: usize| Fingerprint::of(&n.to_le_bytes());
        let mut with_series = 0;
        for n in 0..200 {
            let counted = lines.observe(entity(0), EventTime::MIN, &format!("{} begins", letters(n)));
            with_series += usize::from(counted.unwrap().template.is_some());
        }
        assert_eq!(with_series, ENTITY_TEMPLATES_MAX);
        let taken = (0..LINE_ENTITIES_MAX + 100)
            .filter(|n| lines.observe(entity(*n), EventTime::MIN, "a b").is_some())
            .count();
        assert_eq!(taken, LINE_ENTITIES_MAX);
        // The one unseen for longest goes when it is long gone.
        for _ in 0..=STALE_LINES {
            lines.observe(entity(1), EventTime::MIN, "a b");
        }
        assert!(
            lines
                .observe(entity(LINE_ENTITIES_MAX + 7), EventTime::MIN, "a b")
                .is_some()
        );
        assert_eq!(lines.entities.len(), LINE_ENTITIES_MAX);
    }

    proptest! {
        #[test]
        fn a_memory_that_is_written_and_read_goes_on_the_same(
            seen in prop::collection::vec((0_u8..4, 0_i64..5_000, "[ab1]( [abc1]{1,2}){0,4}"), 0..80),
            cut in 0_usize..80,
        ) {
            let (mut whole, mut cut_up) = (Lines::default(), Lines::default());
            for (n, (entity, at, line)) in seen.iter().enumerate() {
                if n == cut {
                    let bytes = forecall_stage::encode_state(&cut_up).unwrap();
                    cut_up = forecall_stage::decode_state(&bytes).unwrap();
                }
                let (entity, at) = (Fingerprint::of(&[*entity]), EventTime::from_secs(*at));
                prop_assert_eq!(whole.observe(entity, at, line), cut_up.observe(entity, at, line));
            }
            prop_assert_eq!(whole, cut_up);
        }
    }
}
