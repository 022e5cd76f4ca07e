//! Which column of a table holds what: by the names that forecall gives them, or as `--columns` says.

use std::borrow::Cow;

use forecall_types::{EventTime, LABEL_VALUE_BYTES_MAX, LABELS_MAX, Labels};
use jiff::tz::TimeZone;

use super::input::{Input, number};
use super::time_text;

/// Columns of values of one table: a series each.
const VALUES_MAX: usize = 4_096;

/// Which columns are values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    /// One; the default.
    One(String),
    /// These, each a series of its own.
    These(Vec<String>),
    /// All that are nothing else.
    All,
}

/// What `--columns` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    timestamp: String,
    /// Nanoseconds of a number in it; `None`: by its size.
    each: Option<i64>,
    values: Values,
    series: String,
    unit: Option<String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            timestamp: "timestamp".to_owned(),
            each: None,
            values: Values::One("value".to_owned()),
            series: "series".to_owned(),
            unit: None,
        }
    }
}

impl Mapping {
    /// Reads `timestamp=ts:ms,value=v,series=name,unit=u`; `values=a+b` or `values=*` for a series a column.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut mapping = Self::default();
        for pair in text.split(',') {
            let (what, column) = pair
                .split_once('=')
                .map(|(what, column)| (what.trim(), column.trim()))
                .filter(|(_, column)| !column.is_empty())
                .ok_or_else(|| format!("`{pair}` is not what=COLUMN"))?;
            match what {
                "timestamp" => match column.rsplit_once(':') {
                    Some((name, unit)) => {
                        mapping.timestamp = name.to_owned();
                        mapping.each = Some(nanos_each(unit)?);
                    }
                    None => column.clone_into(&mut mapping.timestamp),
                },
                "value" => mapping.values = Values::One(column.to_owned()),
                "values" if column == "*" => mapping.values = Values::All,
                "values" => mapping.values = Values::These(column.split('+').map(str::to_owned).collect()),
                "series" => column.clone_into(&mut mapping.series),
                "unit" => mapping.unit = Some(column.to_owned()),
                other => {
                    return Err(format!(
                        "`{other}` is not known; there are timestamp, value, values, series and unit"
                    ));
                }
            }
        }
        Ok(mapping)
    }
}

fn nanos_each(unit: &str) -> Result<i64, String> {
    match unit {
        "s" => Ok(1_000_000_000),
        "ms" => Ok(1_000_000),
        "us" => Ok(1_000),
        "ns" => Ok(1),
        other => Err(format!(
            "`{other}` is no unit of time; there are s, ms, us and ns"
        )),
    }
}

/// A column of values and what it adds to the series' name.
#[derive(Debug)]
struct ValueColumn {
    at: usize,
    name: Option<String>,
    /// Its series, where all rows have the same.
    series: Option<Result<u32, String>>,
}

/// The columns of one table.
#[derive(Debug)]
pub(super) struct Columns {
    timestamp: usize,
    each: Option<i64>,
    values: Vec<ValueColumn>,
    /// A series each column.
    is_wide: bool,
    series: Option<usize>,
    unit: Option<usize>,
    labels: Vec<(usize, String)>,
}

impl Columns {
    /// Finds them by name. `is_value` says of a column whether numbers can be in it.
    pub(super) fn of(
        names: &[String],
        mapping: &Mapping,
        is_value: &dyn Fn(usize) -> bool,
    ) -> Result<Self, String> {
        let find = |wanted: &str| names.iter().position(|n| n.eq_ignore_ascii_case(wanted));
        let need = |wanted: &str| find(wanted).ok_or_else(|| format!("its header has no column `{wanted}`"));
        let timestamp = need(&mapping.timestamp)?;
        let series = find(&mapping.series);
        let unit = mapping.unit.as_deref().map(need).transpose()?;
        let is_taken = |at: usize| [Some(timestamp), series, unit].contains(&Some(at));
        let one = |at: usize, name: Option<&String>| ValueColumn {
            at,
            name: name.cloned(),
            series: None,
        };
        let values: Vec<ValueColumn> = match &mapping.values {
            Values::One(name) => vec![one(need(name)?, None)],
            Values::These(wanted) => wanted
                .iter()
                .map(|name| Ok(one(need(name)?, Some(name))))
                .collect::<Result<_, String>>()?,
            Values::All => (0..)
                .zip(names)
                .filter(|(at, name)| !is_taken(*at) && !name.is_empty() && is_value(*at))
                .map(|(at, name)| one(at, Some(name)))
                .collect(),
        };
        if values.is_empty() || values.len() > VALUES_MAX {
            return Err(format!(
                "it has {} columns of values, 1 to {VALUES_MAX} are allowed",
                values.len()
            ));
        }
        let is_wide = !matches!(mapping.values, Values::One(_));
        let labels: Vec<(usize, String)> = (0..)
            .zip(names)
            .filter(|(at, name)| {
                (series.is_some() || is_wide)
                    && !is_taken(*at)
                    && !values.iter().any(|v| v.at == *at)
                    && !name.is_empty()
            })
            .map(|(at, name)| (at, name.clone()))
            .collect();
        if labels.len() > LABELS_MAX {
            return Err(format!(
                "it has {} label columns, {LABELS_MAX} are allowed",
                labels.len()
            ));
        }
        Ok(Self {
            timestamp,
            each: mapping.each,
            values,
            is_wide,
            series,
            unit,
            labels,
        })
    }

    /// Every column that is looked at, and what it is for.
    pub(super) fn wanted(&self) -> Vec<(usize, &'static str)> {
        let labels = self.labels.iter().map(|(at, _)| (*at, "a label"));
        let values = self.values.iter().map(|value| (value.at, "values"));
        [
            Some((self.timestamp, "timestamps")),
            self.series.map(|at| (at, "series")),
            self.unit.map(|at| (at, "units")),
        ]
        .into_iter()
        .flatten()
        .chain(values)
        .chain(labels)
        .collect()
    }

    /// Leaves out label columns of which no label can be made.
    pub(super) fn drop_labels(&mut self, is_none: &dyn Fn(usize) -> bool) {
        self.labels.retain(|(at, _)| !is_none(*at));
    }

    /// Adds a row of the table: a row of the input for each column of values; in a table with several, an empty cell is none.
    pub(super) fn take<'t>(
        &mut self,
        input: &mut Input,
        (line, file): (u64, &str),
        zone: &TimeZone,
        cell: &dyn Fn(usize) -> Result<Cow<'t, str>, &'static str>,
    ) {
        let text = |at: usize| cell(at).unwrap_or_default();
        let mut timestamp = text(self.timestamp);
        let at = cell(self.timestamp)
            .map_err(str::to_owned)
            .and_then(|_| read_time(&timestamp, self.each, zone));
        if let (Ok(at), Some(_)) = (&at, self.each) {
            // What reads the results knows no unit but the one a number's size tells.
            timestamp = time_text::write(*at).into();
        }
        let is_wide = self.is_wide;
        let base = self.series.map_or_else(|| file.into(), text);
        let (labels, unit) = (&self.labels, self.unit.map(text).unwrap_or_default());
        for value in &mut self.values {
            let shown = value
                .name
                .as_ref()
                .map_or_else(|| base.clone(), |name| format!("{base}/{name}").into());
            let cell = cell(value.at);
            let value_text = cell.clone().unwrap_or_default();
            if is_wide && cell.is_ok() && value_text.trim().is_empty() {
                continue;
            }
            let read = (|| {
                let at = at.clone()?;
                cell.map_err(str::to_owned)?;
                let number = number(&value_text)?;
                let is_one = self.series.is_none() && labels.is_empty() && self.unit.is_none();
                let series = match &value.series {
                    Some(known) if is_one => known.clone()?,
                    Some(_) | None => {
                        let pairs = labels.iter().map(|(at, name)| (name, text(*at)));
                        let known = intern(input, &shown, &unit, pairs.collect());
                        value.series = is_one.then(|| known.clone());
                        known?
                    }
                };
                Ok((at, number, series))
            })();
            input.add(line, (&timestamp, &value_text), &shown, read);
        }
    }
}

fn intern(
    input: &mut Input,
    name: &str,
    unit: &str,
    labels: Vec<(&String, Cow<'_, str>)>,
) -> Result<u32, String> {
    if labels.iter().any(|(_, v)| v.len() > LABEL_VALUE_BYTES_MAX) {
        return Err(format!("a label is longer than {LABEL_VALUE_BYTES_MAX} bytes"));
    }
    input.intern(name, unit, Labels::from_pairs(labels))
}

fn read_time(text: &str, each: Option<i64>, zone: &TimeZone) -> Result<EventTime, String> {
    let failed = || "the timestamp can't be read".to_owned();
    let Some(each) = each else {
        return time_text::parse(text, zone).ok_or_else(failed);
    };
    let text = text.trim();
    if let Ok(whole) = text.parse::<i64>() {
        return whole
            .checked_mul(each)
            .map(EventTime::from_nanos)
            .ok_or_else(failed);
    }
    let seconds = |number: f64| number * exact(each) / 1e9;
    match text.parse::<f64>() {
        Ok(number) => EventTime::from_unix_seconds(seconds(number)).ok_or_else(failed),
        Err(_) => time_text::parse(text, zone).ok_or_else(failed),
    }
}

/// A unit as a float: at most 10⁹.
#[allow(clippy::cast_precision_loss, reason = "at most 10⁹")]
const fn exact(each: i64) -> f64 {
    each as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str], mapping: &str, rows: &[&[&str]]) -> Result<Vec<String>, String> {
        let mapping = if mapping.is_empty() {
            Mapping::default()
        } else {
            Mapping::parse(mapping)?
        };
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut columns = Columns::of(&names, &mapping, &|_| true)?;
        let mut input = Input::default();
        input.begin("f.csv", b"");
        for (line, row) in (2..).zip(rows) {
            let cell = |at: usize| Ok(row.get(at).copied().unwrap_or_default().into());
            columns.take(&mut input, (line, "f"), &TimeZone::UTC, &cell);
        }
        let mut out: Vec<String> = input.files[0]
            .rows
            .iter()
            .map(|row| {
                let series = input.series(row.series).unwrap();
                let at = row.at.map_or_else(|| "?".to_owned(), time_text::write);
                format!("{at} {} {} [{}]", series.shown, row.value_text(), series.key.unit)
            })
            .collect();
        out.extend(input.remarks());
        Ok(out)
    }

    #[test]
    fn columns_may_be_called_otherwise_and_have_units() {
        assert_eq!(
            read(
                &["when", "node", "ms", "u"],
                "timestamp=when:ms,value=ms,series=node,unit=u",
                &[
                    &["5000", "a", "1.5", "ms"],
                    &["x", "a", "2", "ms"],
                    &["6000.5", "a", "", "ms"]
                ]
            )
            .unwrap(),
            [
                "1970-01-01T00:00:05Z a 1.5 [ms]",
                "? a 2 []",
                "? a  []",
                "f.csv:3: the timestamp can't be read",
                "f.csv:4: the value is not a finite number",
            ]
        );
        // Without a unit 5000 are seconds; the text stays as it stood.
        assert_eq!(
            read(&["timestamp", "value"], "", &[&["5000", "1"]]).unwrap(),
            ["1970-01-01T01:23:20Z f 1 []"]
        );
    }

    #[test]
    fn a_table_may_have_a_series_a_column() {
        let rows: &[&[&str]] = &[
            &["60", "h1", "1", "2"],
            &["120", "h2", "", "4"],
            &["180", "h2", "5", "x"],
        ];
        assert_eq!(
            read(&["timestamp", "host", "cpu", "mem"], "values=cpu+mem", rows).unwrap(),
            [
                r#"1970-01-01T00:01:00Z f/cpu{host="h1"} 1 []"#,
                r#"1970-01-01T00:01:00Z f/mem{host="h1"} 2 []"#,
                r#"1970-01-01T00:02:00Z f/mem{host="h2"} 4 []"#,
                r#"1970-01-01T00:03:00Z f/cpu{host="h2"} 5 []"#,
                "? f/mem x []",
                "f.csv:4: the value is not a finite number",
            ]
        );
        assert_eq!(
            read(&["timestamp", "a", "b"], "values=*", &[&["60", "1", "2"]]).unwrap(),
            ["1970-01-01T00:01:00Z f/a 1 []", "1970-01-01T00:01:00Z f/b 2 []"]
        );
        // Names of a series column and of the values are put together.
        assert_eq!(
            read(&["timestamp", "series", "a"], "values=a", &[&["60", "x", "1"]]).unwrap(),
            ["1970-01-01T00:01:00Z x/a 1 []"]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (mapping, said) in [
            (
                "time=x",
                "`time` is not known; there are timestamp, value, values, series and unit",
            ),
            ("value", "`value` is not what=COLUMN"),
            ("value=", "`value=` is not what=COLUMN"),
            (
                "timestamp=t:min",
                "`min` is no unit of time; there are s, ms, us and ns",
            ),
        ] {
            assert_eq!(Mapping::parse(mapping).unwrap_err(), said);
        }
        let missing = read(&["timestamp", "value"], "value=v", &[]).unwrap_err();
        assert_eq!(missing, "its header has no column `v`");
        let none = read(&["timestamp"], "values=*", &[]).unwrap_err();
        assert!(none.starts_with("it has 0 columns of values"), "{none}");
    }
}
