//! Reads the settings' own Rust source: structs, enums, their fields, types and comments. It knows the few forms that
//! settings are written in and refuses any other, so that a new form fails a test and not the reference.

use std::collections::BTreeMap;

/// What serde is told about a type or field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SerdeHints {
    pub(super) default: bool,
    pub(super) deny_unknown_fields: bool,
    pub(super) rename_snake: bool,
    pub(super) untagged: bool,
    /// The type it is written as, where that isn't its own fields: `String`, or a list.
    pub(super) written_as: Option<String>,
    pub(super) in_seconds: bool,
    /// Neither read nor written.
    pub(super) skip: bool,
    pub(super) rename: Option<String>,
}

/// A field: its key, its type as written, its comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) key: String,
    pub(super) ty: String,
    pub(super) doc: String,
    pub(super) serde: SerdeHints,
}

/// What a variant of an enum carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    None,
    Type(String),
    Fields(Vec<Field>),
}

/// One variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) payload: Payload,
}

/// The inside of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
    /// A wrapper written as the one type in it.
    Wrapper(String),
}

/// A type that settings are read into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) doc: String,
    pub(super) serde: SerdeHints,
    pub(super) shape: Shape,
}

/// Types by name.
pub(super) type Items = BTreeMap<String, Item>;

/// Adds the settings types of one file.
pub(super) fn read(file: &str, text: &str, items: &mut Items) -> Result<(), String> {
    let text = text.split("\n#[cfg(test)]").next().unwrap_or(text);
    let mut lines = Lines {
        file,
        lines: text.lines().enumerate().collect::<Vec<_>>().into_iter(),
    };
    let mut above = Above::default();
    while let Some((number, line)) = lines.lines.next() {
        if above.takes(file, number, line, &mut lines)? {
            continue;
        }
        let head = line
            .strip_prefix("pub(crate) ")
            .or_else(|| line.strip_prefix("pub "));
        let seen = std::mem::take(&mut above);
        let Some(head) = head.filter(|_| seen.is_settings) else {
            continue;
        };
        let (kind, rest) = head.split_once(' ').unwrap_or((head, ""));
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let behind = rest.get(name.len()..).unwrap_or_default();
        let shape = match (kind, behind) {
            _ if seen.serde.written_as.is_some() => {
                if behind.trim_start() == "{" {
                    lines.skip_block();
                }
                Shape::Wrapper(seen.serde.written_as.clone().unwrap_or_default())
            }
            ("struct", " {") => Shape::Struct(lines.fields("}")?),
            ("enum", " {") => Shape::Enum(lines.variants(seen.serde.rename_snake)?),
            ("struct", tuple) if tuple.starts_with('(') && tuple.ends_with(");") => {
                let inner = tuple.trim_start_matches('(').trim_end_matches(");");
                Shape::Wrapper(inner.trim_start_matches("pub ").to_owned())
            }
            _ => return Err(format!("{file}:{}: can't read `{line}`", number + 1)),
        };
        let item = Item {
            doc: seen.doc,
            serde: seen.serde,
            shape,
        };
        // `Zone` and `Secret` stand in two crates; both are plain text.
        items.entry(name).or_insert(item);
    }
    Ok(())
}

/// Comments and attributes above the next thing.
#[derive(Default)]
struct Above {
    doc: String,
    serde: SerdeHints,
    is_settings: bool,
}

impl Above {
    /// Whether the line is a comment or an attribute (of as many lines as it has).
    fn takes(&mut self, file: &str, number: usize, line: &str, more: &mut Lines<'_>) -> Result<bool, String> {
        let line = line.trim_start();
        if let Some(doc) = line.strip_prefix("///") {
            if !self.doc.is_empty() {
                self.doc.push(' ');
            }
            self.doc.push_str(doc.trim());
            return Ok(true);
        }
        if !line.starts_with("#[") {
            return Ok(line.starts_with("//") && !line.starts_with("//!"));
        }
        let mut attribute = line.to_owned();
        while !attribute.ends_with(']') {
            let (_, next) = more
                .lines
                .next()
                .ok_or_else(|| format!("{file}:{}: an attribute without end", number + 1))?;
            attribute.push_str(next.trim());
        }
        if attribute.starts_with("#[derive(") {
            self.is_settings = attribute.contains("Deserialize");
        }
        if let Some(inner) = attribute
            .strip_prefix("#[serde(")
            .and_then(|a| a.strip_suffix(")]"))
        {
            for part in inner.split(',').map(str::trim).filter(|part| !part.is_empty()) {
                self.hint(part)
                    .map_err(|why| format!("{file}:{}: {why}", number + 1))?;
            }
        }
        Ok(true)
    }

    fn hint(&mut self, part: &str) -> Result<(), String> {
        let (name, value) = part.split_once(" = ").unwrap_or((part, ""));
        let value = value.trim_matches('"');
        match (name, value) {
            ("default", _) => self.serde.default = true,
            ("deny_unknown_fields", "") => self.serde.deny_unknown_fields = true,
            ("rename_all", "snake_case") => self.serde.rename_snake = true,
            ("skip", "") => self.serde.skip = true,
            ("untagged", "") => self.serde.untagged = true,
            ("try_from", ty) if ty == "String" || ty.starts_with("Vec<") => {
                self.serde.written_as = Some(ty.to_owned());
            }
            ("with", "seconds" | "forecall_types::seconds") => self.serde.in_seconds = true,
            ("rename", key) => self.serde.rename = Some(key.to_owned()),
            ("transparent" | "into" | "try_from" | "skip_serializing" | "expecting", _) => {}
            _ => return Err(format!("unknown hint `{part}`")),
        }
        Ok(())
    }
}

struct Lines<'a> {
    file: &'a str,
    lines: std::vec::IntoIter<(usize, &'a str)>,
}

impl Lines<'_> {
    fn skip_block(&mut self) {
        self.lines.by_ref().find(|(_, line)| *line == "}");
    }

    /// Fields up to the closing line.
    fn fields(&mut self, end: &str) -> Result<Vec<Field>, String> {
        let mut fields = Vec::new();
        let mut above = Above::default();
        while let Some((number, line)) = self.lines.next() {
            if line.trim() == end {
                return Ok(fields);
            }
            let file = self.file;
            if line.trim().is_empty() || above.takes(file, number, line, self)? {
                continue;
            }
            let seen = std::mem::take(&mut above);
            if seen.serde.skip {
                continue;
            }
            let written = line
                .trim()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            let (name, ty) = written
                .strip_suffix(',')
                .and_then(|w| w.split_once(": "))
                .ok_or_else(|| format!("{file}:{}: can't read the field `{line}`", number + 1))?;
            fields.push(Field {
                key: seen
                    .serde
                    .rename
                    .clone()
                    .unwrap_or_else(|| name.trim_start_matches("r#").to_owned()),
                ty: ty.to_owned(),
                doc: seen.doc,
                serde: seen.serde,
            });
        }
        Err(format!("{}: a struct without end", self.file))
    }

    fn variants(&mut self, snake: bool) -> Result<Vec<Variant>, String> {
        let mut variants = Vec::new();
        let mut above = Above::default();
        while let Some((number, line)) = self.lines.next() {
            if line == "}" {
                return Ok(variants);
            }
            let file = self.file;
            if line.trim().is_empty() || above.takes(file, number, line, self)? {
                continue;
            }
            let seen = std::mem::take(&mut above);
            let written = line.trim();
            let wrong = || format!("{file}:{}: can't read the variant `{line}`", number + 1);
            let (name, payload) = if let Some(name) = written.strip_suffix(" {") {
                (name, Payload::Fields(self.fields("},")?))
            } else {
                let bare = written.strip_suffix(',').ok_or_else(wrong)?;
                match bare.strip_suffix(')').and_then(|b| b.split_once('(')) {
                    Some((name, ty)) => (name, Payload::Type(ty.to_owned())),
                    None => (bare, Payload::None),
                }
            };
            if !name.chars().all(char::is_alphanumeric) {
                return Err(wrong());
            }
            variants.push(Variant {
                name: match seen.serde.rename {
                    Some(key) => key,
                    None if snake => snake_case(name),
                    None => name.to_owned(),
                },
                doc: seen.doc,
                payload,
            });
        }
        Err(format!("{}: an enum without end", self.file))
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// The values of `impl Default for NAME`, for a type that can't be written out because it holds secrets. Only literals,
/// `None`, empty collections and unit variants are read.
pub(super) fn defaults(text: &str, name: &str, items: &Items) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    let begin = format!("impl Default for {name} {{");
    let body = text
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once("\n}\n"))
        .map(|(body, _)| body)
        .ok_or_else(|| format!("no `{begin}`"))?;
    let mut values = serde_json::Map::new();
    for line in body.lines().map(str::trim) {
        let Some((key, written)) = line.strip_suffix(',').and_then(|l| l.split_once(": ")) else {
            continue;
        };
        let number: String = written.chars().filter(|c| *c != '_').collect();
        let value = if written == "None" {
            Value::Null
        } else if written == "BTreeMap::new()" {
            Value::Object(serde_json::Map::new())
        } else if let Some(text) = written
            .strip_prefix('"')
            .and_then(|w| w.strip_suffix("\".to_owned()"))
        {
            Value::from(text)
        } else if let Ok(number) = number.parse::<u64>() {
            Value::from(number)
        } else if let Some((ty, variant)) = written.split_once("::")
            && let Some(Shape::Enum(_)) = items.get(ty).map(|item| &item.shape)
        {
            Value::from(snake_case(variant))
        } else {
            return Err(format!("{name}: can't read the default `{line}`"));
        };
        values.insert(key.to_owned(), value);
    }
    Ok(Value::Object(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |text: &str| read("x.rs", text, &mut Items::new()).unwrap_err();
        assert_eq!(
            wrong("#[derive(Deserialize)]\npub struct A<T> {\n}\n"),
            "x.rs:2: can't read `pub struct A<T> {`"
        );
        assert_eq!(
            wrong("#[derive(Deserialize)]\npub struct A {\n    what\n}\n"),
            "x.rs:3: can't read the field `    what`"
        );
        assert_eq!(
            wrong("#[derive(Deserialize)]\n#[serde(flatten)]\npub struct A {\n}\n"),
            "x.rs:2: unknown hint `flatten`"
        );
    }

    #[test]
    fn fields_variants_and_comments_are_read() {
        let mut items = Items::new();
        let text = "/// One.\n/// Two.\n#[derive(Debug, Deserialize)]\n#[serde(default)]\npub struct A {\n    /// Key.\n    pub r#match: u32,\n}\n\
            #[derive(Deserialize)]\n#[serde(rename_all = \"snake_case\")]\npub enum B {\n    /// X.\n    OneTwo(A),\n}\nstruct C;\n";
        read("x.rs", text, &mut items).unwrap();
        assert_eq!(items["A"].doc, "One. Two.");
        let Shape::Struct(fields) = &items["A"].shape else {
            panic!("A is a struct")
        };
        assert_eq!(
            (fields[0].key.as_str(), fields[0].doc.as_str()),
            ("match", "Key.")
        );
        let Shape::Enum(variants) = &items["B"].shape else {
            panic!("B is an enum")
        };
        assert_eq!(variants[0].name, "one_two");
        assert_eq!(items.len(), 2);
    }
}
