//! Where two lists of texts differ, in a line that a person can read.

use std::collections::BTreeMap;

/// Says where two lists differ first, and what is missing or doubled in all.
pub(crate) fn same(what: &str, found: &[String], wanted: &[String]) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let count = |list: &[String]| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for text in list {
            *counts.entry(text.clone()).or_default() += 1;
        }
        counts
    };
    let (has, needs) = (count(found), count(wanted));
    let missing: i64 = needs
        .iter()
        .map(|(t, n)| (n - has.get(t).copied().unwrap_or(0)).max(0))
        .sum();
    let extra: i64 = has
        .iter()
        .map(|(t, n)| (n - needs.get(t).copied().unwrap_or(0)).max(0))
        .sum();
    let at = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let (wanted, found) = (wanted.get(at), found.get(at));
    Err(format!(
        "{what}: {missing} missing, {extra} too many or wrong; first at {at}: {}",
        difference(wanted.map_or("nothing", |t| t), found.map_or("nothing", |t| t))
    ))
}

/// Where two texts differ first, with a little before and after.
fn difference(wanted: &str, found: &str) -> String {
    let at = wanted
        .chars()
        .zip(found.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let part = |text: &str| {
        text.chars()
            .skip(at.saturating_sub(40))
            .take(120)
            .collect::<String>()
    };
    format!("wanted …{}…, found …{}…", part(wanted), part(found))
}
