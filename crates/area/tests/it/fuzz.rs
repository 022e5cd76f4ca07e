//! Whatever text is given: no panic, and nobody outside.

use forecall_area::{Areas, Point, cells_of, read_area};
use proptest::prelude::*;

use crate::{at, bounds, polygon};

fn seed() -> Vec<String> {
    let square = [at(35.6, 51.3), at(35.6, 51.5), at(35.8, 51.5), at(35.8, 51.3)];
    let hole = [at(35.65, 51.35), at(35.65, 51.4), at(35.7, 51.4)];
    let one = polygon(&[&square, &hole]);
    let feature =
        format!(r#"{{"type": "Feature", "properties": {{"code": "IR-23-T5"}}, "geometry": {one}}}"#);
    let collection = format!(r#"{{"type": "FeatureCollection", "features": [{feature}]}}"#);
    vec![one, feature, collection]
}

/// One change of a text: a byte, a piece gone, doubled or replaced by what tends to hurt.
fn spoil(text: &mut Vec<u8>, (kind, at, what): (u8, usize, usize)) {
    const HURTS: [&str; 14] = [
        "null",
        "NaN",
        "1e308",
        "-1e999",
        "[]",
        "{}",
        "180",
        "0",
        "49",
        "-180",
        "90.0000001",
        "\"\"",
        "51.3",
        "35.6",
    ];
    if text.is_empty() {
        return;
    }
    if kind % 2 == 0 {
        return another_number(text, at, HURTS[what % HURTS.len()]);
    }
    let at = at % text.len();
    let end = (at + 1 + what % 9).min(text.len());
    match kind / 2 % 4 {
        0 => text[at] = b"0123456789.,-[]{}\"e"[what % 19],
        1 => drop(text.drain(at..end)),
        2 => {
            let piece = text[at..end].to_vec();
            text.splice(at..at, piece);
        }
        _ => drop(text.splice(at..end, HURTS[what % HURTS.len()].bytes())),
    }
}

/// One number, wherever it stands, becomes another, or what is none.
fn another_number(text: &mut Vec<u8>, which: usize, other: &str) {
    let is_part = |b: u8| b.is_ascii_digit() || b == b'.';
    let starts = (1..text.len()).filter(|i| is_part(text[*i]) && !is_part(text[*i - 1]));
    let starts: Vec<usize> = starts.collect();
    if let Some(start) = starts.get(which % starts.len().max(1)) {
        let length = text[*start..].iter().take_while(|b| is_part(**b)).count();
        drop(text.splice(*start..start + length, other.bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spoilt_text_reaches_nobody_outside_the_bounds(
        which in 0_usize..3,
        changes in proptest::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 0..6),
        (lat, lng) in (-90.0_f64..90.0, -180.0_f64..180.0),
    ) {
        let mut text = seed()[which].clone().into_bytes();
        for change in changes {
            spoil(&mut text, change);
        }
        let far = at(lat, lng);
        if let Ok(area) = read_area(&text, bounds()) {
            prop_assert!(bounds().holds(&area.bounds()));
            prop_assert!(!area.contains(far) || bounds().contains(far));
            if let Ok(cells) = cells_of(&area, 7) {
                prop_assert!(!cells.is_empty());
                let centre = |c| Point::centre_of(c);
                prop_assert!(cells.iter().filter(|c| c.resolution() == 7).all(|c| area.contains(centre(*c))));
            }
        }
        if let Ok(areas) = Areas::read([("f", text.as_slice())], bounds()) {
            prop_assert!(!areas.is_empty());
            prop_assert!(areas.holding(far).next().is_none() || bounds().contains(far));
        }
    }

    #[test]
    fn any_bytes_are_an_area_or_a_reason(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read_area(&text, bounds()).is_err_and(|e| !e.to_string().is_empty()));
    }
}
