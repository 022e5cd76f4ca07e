use std::collections::BTreeMap;

use forecall_types::Fingerprint;
use serde::{Deserialize, Serialize};

/// Templates one source may have: services seldom write more kinds of lines; a further one takes the place of the one that
/// was not seen for longest.
pub const TEMPLATES_MAX: usize = 1_024;
/// Words of a line that are looked at; what comes after them makes no new template.
pub const TOKENS_MAX: usize = 48;
/// Lines a template must have matched before its words may be told: one line alone may be about one person.
pub const TOLD_LINES_MIN: u64 = 5;
/// Templates of as many words that begin alike: each line is compared with all of them (Drain's own bound on children is 100).
/// The one unseen for longest gives way.
pub const LEAF_TEMPLATES_MAX: usize = 64;
/// How a value is written: by a template, and in a line whose values were masked.
pub const VALUE: &str = "<*>";
/// Bytes of a word; a longer one is a value, not a word.
const TOKEN_BYTES_MAX: usize = 64;
/// Share of words that must be the same (He et al. 2017, "Drain: an online log parsing approach with fixed depth tree", st).
const SIMILAR_MIN: f64 = 0.5;

/// A word of a template, or the place of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Token {
    Word(Box<str>),
    Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Template {
    name: Fingerprint,
    tokens: Vec<Token>,
    lines: u64,
    /// The line, counted from the first, that was the last to match.
    seen: u64,
}

/// What a line is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The template's name: it stays, however the template widens.
    pub template: Fingerprint,
    /// No line like it was seen before.
    pub is_first: bool,
}

/// Kinds of log lines, found on the stream by the Drain method: lines of as many words that begin alike are compared word by
/// word; those alike in half of them are one kind, and where they differ stands a value.
///
/// Pure and bounded: the same lines give the same templates; state is ≤ [`TEMPLATES_MAX`] × [`TOKENS_MAX`] words.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Templates {
    templates: BTreeMap<u32, Template>,
    /// By number of words and first word (empty for a value): the tree, two levels deep.
    leaves: BTreeMap<(u16, Box<str>), Vec<u32>>,
    next: u32,
    lines: u64,
    displaced: u64,
}

impl Templates {
    /// Which template a line is of; learns from it. `None` for a line without words.
    pub fn observe(&mut self, line: &str) -> Option<Observed> {
        let tokens = tokens(line);
        let leaf = leaf(&tokens)?;
        self.lines += 1;
        let name = name(&tokens);
        if let Some(best) = self.best(&leaf, name, &tokens)
            && let Some(template) = self.templates.get_mut(&best)
        {
            for (own, other) in template.tokens.iter_mut().zip(&tokens) {
                if own != other {
                    *own = Token::Value;
                }
            }
            template.lines += 1;
            template.seen = self.lines;
            return Some(Observed {
                template: template.name,
                is_first: false,
            });
        }
        let rivals = self.leaves.get(&leaf).map_or(&[][..], Vec::as_slice);
        if rivals.len() >= LEAF_TEMPLATES_MAX {
            let rivals = rivals
                .iter()
                .filter_map(|n| Some((*n, self.templates.get(n)?.seen)));
            let oldest = rivals.min_by_key(|(number, seen)| (*seen, *number));
            self.displace(oldest.map(|(number, _)| number));
        } else if self.templates.len() >= TEMPLATES_MAX {
            let all = self.templates.iter();
            let oldest = all.min_by_key(|(number, t)| (t.seen, **number));
            self.displace(oldest.map(|(number, _)| *number));
        }
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.leaves.entry(leaf).or_default().push(number);
        self.templates.insert(
            number,
            Template {
                name,
                tokens,
                lines: 1,
                seen: self.lines,
            },
        );
        Some(Observed {
            template: name,
            is_first: true,
        })
    }

    /// Templates known.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Templates that lost their place to others.
    pub const fn displaced(&self) -> u64 {
        self.displaced
    }

    /// The template of which `is` holds.
    pub fn find(&self, is: impl Fn(Fingerprint) -> bool) -> Option<Fingerprint> {
        self.templates.values().map(|t| t.name).find(|name| is(*name))
    }

    /// The words of a template with `<*>` for values, once enough lines have matched it.
    pub fn text(&self, name: Fingerprint) -> Option<String> {
        let template = self.templates.values().find(|t| t.name == name)?;
        if template.lines < TOLD_LINES_MIN {
            return None;
        }
        let words: Vec<&str> = template
            .tokens
            .iter()
            .map(|token| match token {
                Token::Word(word) => word,
                Token::Value => VALUE,
            })
            .collect();
        Some(words.join(" "))
    }

    /// The most similar template of a leaf, the oldest of equals; else the one that such a line began, however it has widened.
    fn best(&self, leaf: &(u16, Box<str>), name: Fingerprint, tokens: &[Token]) -> Option<u32> {
        let mut best: Option<(f64, u32)> = None;
        for number in self.leaves.get(leaf)? {
            let Some(template) = self.templates.get(number) else {
                continue;
            };
            let same = similarity(&template.tokens, tokens);
            if (same >= SIMILAR_MIN || template.name == name) && best.is_none_or(|(most, _)| same > most) {
                best = Some((same, *number));
            }
        }
        best.map(|(_, number)| number)
    }

    fn displace(&mut self, number: Option<u32>) {
        let Some(number) = number else {
            return;
        };
        self.templates.remove(&number);
        self.displaced += 1;
        for numbers in self.leaves.values_mut() {
            numbers.retain(|n| *n != number);
        }
        self.leaves.retain(|_, numbers| !numbers.is_empty());
    }
}

/// Words of a line; one with a digit in it, or too long for a word, is a value.
fn tokens(line: &str) -> Vec<Token> {
    line.split(|c: char| c.is_whitespace() || matches!(c, '=' | ',' | ';' | '[' | ']' | '(' | ')' | '"'))
        .filter(|word| !word.is_empty())
        .take(TOKENS_MAX)
        .map(|word| {
            let is_value =
                word.len() > TOKEN_BYTES_MAX || word.contains(VALUE) || word.chars().any(char::is_numeric);
            if is_value {
                Token::Value
            } else {
                Token::Word(Box::from(word))
            }
        })
        .collect()
}

fn leaf(tokens: &[Token]) -> Option<(u16, Box<str>)> {
    let first: Box<str> = match tokens.first()? {
        Token::Word(word) => word.clone(),
        Token::Value => Box::default(),
    };
    Some((u16::try_from(tokens.len()).ok()?, first))
}

/// Share of words that are the same; values count as alike where both are.
fn similarity(template: &[Token], tokens: &[Token]) -> f64 {
    let same = template.iter().zip(tokens).filter(|(a, b)| a == b).count();
    let (same, all) = (
        u32::try_from(same).unwrap_or(0),
        u32::try_from(tokens.len()).unwrap_or(1),
    );
    f64::from(same) / f64::from(all.max(1))
}

fn name(tokens: &[Token]) -> Fingerprint {
    let parts: Vec<&[u8]> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) => word.as_bytes(),
            Token::Value => &[],
        })
        .collect();
    Fingerprint::of_parts(&parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_alike_are_one_template_whose_name_stays() {
        let mut all = Templates::default();
        let first = all
            .observe("upstream timeout after 31 ms for order 7 at shop")
            .unwrap();
        assert!(first.is_first);
        for (n, place) in ["shop", "app", "kiosk", "shop"].into_iter().enumerate() {
            let next = all
                .observe(&format!("upstream timeout after {n} ms for order {n} at {place}"))
                .unwrap();
            assert_eq!((next.template, next.is_first), (first.template, false));
        }
        assert_eq!(
            all.text(first.template).unwrap(),
            "upstream timeout after <*> ms for order <*> at <*>"
        );
        let other = all.observe("connection refused by peer").unwrap();
        assert!(other.is_first && other.template != first.template);
        assert_eq!(all.text(other.template), None, "one line alone isn't told");
        assert_eq!(all.observe("  \t"), None);
        // Widened until less than half of its words are left.
        let begun = all.observe("job one begins late").unwrap();
        for line in ["job one ends early", "job two 1 2", "job one begins late"] {
            let next = all.observe(line).unwrap();
            assert_eq!((next.template, next.is_first), (begun.template, false), "{line}");
        }
        assert_eq!(all.len(), 3);
    }

    /// A number as a word.
    fn letters(n: usize) -> String {
        let digits = n.to_string();
        digits.bytes().map(|d| char::from(d - b'0' + b'a')).collect()
    }

    #[test]
    fn a_further_template_takes_the_place_of_the_one_unseen_for_longest() {
        let mut all = Templates::default();
        for n in 0..TEMPLATES_MAX {
            all.observe(&format!("{} begins", letters(n)));
        }
        all.observe(&format!("{} begins", letters(0)));
        all.observe("one more");
        assert_eq!((all.len(), all.displaced()), (TEMPLATES_MAX, 1));
        assert!(
            !all.observe(&format!("{} begins", letters(0))).unwrap().is_first,
            "seen lately"
        );
        assert!(
            all.observe(&format!("{} begins", letters(1))).unwrap().is_first,
            "it was displaced"
        );
    }

    #[test]
    fn templates_that_begin_alike_are_few() {
        let mut all = Templates::default();
        for n in 0..200 {
            let (a, b, c) = (letters(n), letters(n + 1_000), letters(n + 5_000));
            assert!(all.observe(&format!("7 {a} {b} {c}")).unwrap().is_first);
        }
        assert_eq!(all.len(), LEAF_TEMPLATES_MAX);
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_and_comes_out_alike(lines in proptest::collection::vec("\\PC{0,80}", 0..60)) {
            let run = || {
                let mut all = Templates::default();
                let seen: Vec<_> = lines.iter().map(|line| all.observe(line)).collect();
                (all, seen)
            };
            let (all, seen) = run();
            prop_assert_eq!((&all, &seen), (&run().0, &run().1));
            prop_assert!(all.len() <= lines.len());
            prop_assert!(all.templates.values().all(|t| t.tokens.len() <= TOKENS_MAX));
            let mut again = Templates::default();
            for line in &lines {
                again.observe(line);
                let known = again.clone().observe(line);
                prop_assert!(known.is_none_or(|o| !o.is_first), "just seen: {line}");
            }
        }
    }
}
