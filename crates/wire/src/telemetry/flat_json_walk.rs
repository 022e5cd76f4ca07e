//! One flat JSON object with the fields it should have, read where it lies: nothing is allocated.
//!
//! Texts without escapes, labels that are texts or whole numbers, a time, a number: what a producer of this format
//! writes. Whatever differs is [`Unusual`] and goes the general way, which says what it is; so both say the same.

use forecall_types::{EventTime, LabelSpan, Reading};

use super::few::{Few, LabelText, POINT_LABELS};
use super::json::{from_fraction, from_text, from_whole};
use super::json_cursor::{Cursor, Scalar};
use super::points::{Points, is_resource_label};
use super::spellings::Mark;
use super::wire_format::Unusual;

type Labels<'a> = Few<'a, POINT_LABELS>;

/// The fields of one object as they were found.
#[derive(Default)]
struct Flat<'a> {
    ts: Option<Scalar<'a>>,
    series: Option<&'a str>,
    value: Option<Scalar<'a>>,
    unit: Option<&'a str>,
    /// Whether `labels` was there.
    has_labels: bool,
    /// Of labels written as they were before, those of resource and point.
    kept: Option<(LabelSpan, LabelSpan)>,
    /// What `labels` is to be remembered by.
    mark: Option<Mark>,
    resource: Labels<'a>,
    point: Labels<'a>,
}

/// Reads one object into `points`. After an error they may hold text that doesn't count, but no row.
pub(super) fn one(points: &mut Points<'_>, value: &[u8]) -> Result<(), Unusual> {
    let mut flat = Flat::default();
    let mut cursor = Cursor::new(value)?;
    cursor.object(|cursor, name| flat.field(cursor, name, points))?;
    cursor.end()?;
    let at = time(flat.ts.ok_or(Unusual)?, points).ok_or(Unusual)?;
    let series = flat.series.filter(|series| !series.is_empty()).ok_or(Unusual)?;
    let reading = Reading::Gauge(match flat.value.ok_or(Unusual)? {
        Scalar::Float(value) => value,
        #[allow(
            clippy::cast_precision_loss,
            reason = "readings are f64; whole numbers beyond 2^53 lose what no detector sees"
        )]
        Scalar::Whole(value) => value as f64,
        Scalar::Text(_) | Scalar::Word => return Err(Unusual),
    });
    points.metric(series).map_err(|_| Unusual)?;
    points.expect(1).map_err(|_| Unusual)?;
    let (resource, point) = match flat.kept {
        Some(kept) => kept,
        None => {
            let resource = points.keep_resource(&mut flat.resource).ok_or(Unusual)?;
            let point = points.keep_labels(&mut flat.point).ok_or(Unusual)?;
            if let Some(mark) = flat.mark {
                points.learn(mark, Some(resource), point);
            }
            (resource, point)
        }
    };
    let (metric, unit) = (
        points.keep_text(series),
        points.keep_text(flat.unit.unwrap_or("")),
    );
    points.push_kept((metric, unit, resource, point), at, reading);
    Ok(())
}

fn time(ts: Scalar<'_>, points: &Points<'_>) -> Option<EventTime> {
    let unit = points.source().time_unit;
    match ts {
        Scalar::Whole(whole) => from_whole(i128::from(whole), unit),
        Scalar::Float(float) => from_fraction(float, unit),
        Scalar::Text(text) => from_text(text.trim(), unit),
        Scalar::Word => None,
    }
}

impl<'a> Flat<'a> {
    fn field(&mut self, cursor: &mut Cursor<'a>, name: &str, points: &mut Points<'_>) -> Result<(), Unusual> {
        let is_again = match name {
            "ts" => self.ts.replace(cursor.scalar()?).is_some(),
            "series" => self.series.replace(cursor.text()?).is_some(),
            "value" => self.value.replace(cursor.scalar()?).is_some(),
            "unit" => self.unit.replace(cursor.text()?).is_some(),
            "labels" => {
                self.labels(cursor, points)?;
                std::mem::replace(&mut self.has_labels, true)
            }
            // Of another field only that it is no list or object: those have a depth.
            _ => {
                cursor.scalar()?;
                false
            }
        };
        if is_again { Err(Unusual) } else { Ok(()) }
    }

    /// Up to its first closing bracket a spelling that was read before is an object, whole and good. One that has a bracket in
    /// a text is never found: it was remembered, if at all, by all its bytes.
    fn labels(&mut self, cursor: &mut Cursor<'a>, points: &mut Points<'_>) -> Result<(), Unusual> {
        let (spelling, end) = cursor.through(b'}')?;
        let mark = points.mark_of(0, spelling);
        if let Some((Some(resource), point)) = mark.and_then(|mark| points.keep_spelled(mark)) {
            self.kept = Some((resource, point));
            *cursor = end;
            return Ok(());
        }
        cursor.object(|cursor, name| self.label(name, cursor.scalar()?))?;
        // Only now it is known whether the first bracket was the last one.
        self.mark = mark.filter(|_| *cursor == end);
        Ok(())
    }

    fn label(&mut self, name: &'a str, value: Scalar<'a>) -> Result<(), Unusual> {
        let value = match value {
            Scalar::Text(text) => LabelText::Text(text),
            Scalar::Whole(number) => LabelText::number(number),
            Scalar::Float(_) | Scalar::Word => return Err(Unusual),
        };
        let of = if is_resource_label(name) {
            &mut self.resource
        } else {
            &mut self.point
        };
        // The general way takes the last of two: among labels that is done where they are kept.
        of.push(name, value).ok_or(Unusual)
    }
}
