//! Where a key stands in the text, by indentation alone. What stands in braces on one line is found as far as that line.

/// Line and column (from 1) of the value at a path such as `sources.2.topic`, or of the nearest part of it that is there.
/// A part that is a number is the entry of a list, from 0.
pub(crate) fn place_of(text: &str, path: &str) -> Option<(usize, usize)> {
    let mut lines: Vec<Line<'_>> = text.lines().enumerate().filter_map(Line::read).collect();
    let mut found = None;
    for part in path.split('.') {
        let Some(level) = lines.first().map(|l| l.indent) else {
            break;
        };
        let wanted: Option<usize> = part.parse().ok();
        let mut entries = 0;
        let hit = lines.iter().position(|line| {
            let is_entry = line.indent == level && line.is_entry();
            entries += usize::from(is_entry);
            match wanted {
                Some(index) => is_entry && entries == index + 1,
                None => line.indent == level && line.value(part).is_some(),
            }
        });
        let Some(hit) = hit else { break };
        let mut rest = lines.split_off(hit).into_iter();
        let Some(line) = rest.next() else { break };
        let value = line.value(part).unwrap_or(line.bare).trim_start();
        let column = if value.is_empty() || value.starts_with('#') {
            line.indent
        } else {
            line.end - value.chars().count()
        };
        found = Some((line.number, column + 1));
        // A list may stand as far left as its key.
        let inner = rest.take_while(|next| {
            next.indent > level
                || (wanted.is_none() && !line.is_entry() && next.indent == level && next.is_entry())
        });
        lines = wanted
            .is_some()
            .then(|| line.behind_dash())
            .into_iter()
            .chain(inner)
            .collect();
    }
    found
}

/// A line that says something.
#[derive(Clone, Copy)]
struct Line<'t> {
    /// From 1.
    number: usize,
    indent: usize,
    bare: &'t str,
    /// Characters in the whole line.
    end: usize,
}

impl<'t> Line<'t> {
    fn read((index, line): (usize, &'t str)) -> Option<Self> {
        let bare = line.trim_start();
        (!bare.is_empty() && !bare.starts_with('#')).then(|| Self {
            number: index + 1,
            indent: line.chars().count() - bare.chars().count(),
            bare,
            end: line.chars().count(),
        })
    }

    fn is_entry(&self) -> bool {
        self.bare == "-" || self.bare.starts_with("- ")
    }

    /// What stands behind `key:`.
    fn value(&self, key: &str) -> Option<&'t str> {
        let (name, value) = self.bare.split_once(':')?;
        (name.trim_end().trim_matches(['"', '\'']) == key).then_some(value)
    }

    /// The line with the dash taken for a blank.
    fn behind_dash(&self) -> Self {
        let bare = self.bare.trim_start_matches('-').trim_start();
        Self {
            indent: self.end - bare.chars().count(),
            bare,
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_path() {
        let text = "a: 1\n# b: 2\nb:\n  c: {d: 1}\n  d:   7\nlist:\n- x: 1\n  y: 2\n- x: 3\n  y: 4\nother:\n  - z: 1\n";
        for (path, place) in [
            ("a", Some((1, 4))),
            ("b.d", Some((5, 8))),
            ("b.c.d", Some((4, 6))),
            ("b.zzz", Some((3, 1))),
            ("list.1.y", Some((10, 6))),
            ("list.1.x", Some((9, 6))),
            ("list.0", Some((7, 1))),
            ("other.0.z", Some((12, 8))),
            ("d", None),
        ] {
            assert_eq!(place_of(text, path), place, "{path}");
        }
    }
}
