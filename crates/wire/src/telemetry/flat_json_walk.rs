//! One flat JSON object with the fields it should have, read where it lies: nothing is allocated.
//!
//! Texts without escapes, labels that are texts or whole numbers, a time, a number: what a producer of this format
//! writes. Whatever differs is [`Unusual`] and goes the general way, which says what it is; so both say the same.

use std::fmt;

use forecall_types::{EventTime, Reading};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::few::{Few, LabelText, POINT_LABELS};
use super::json::{from_fraction, from_text, from_whole};
use super::points::{Points, is_resource_label};
use super::wire_format::Unusual;

type Labels<'a> = Few<'a, POINT_LABELS>;

/// A field's value that has no inside.
#[derive(Clone, Copy)]
enum Scalar<'a> {
    Whole(i128),
    Float(f64),
    Text(&'a str),
    /// true, false, null, or a text with escapes.
    Other,
}

/// The fields of one object but its labels.
struct Flat<'a> {
    ts: Scalar<'a>,
    series: &'a str,
    value: f64,
    unit: &'a str,
}

/// Where the labels go, of resource and point: told apart by name.
struct Into<'s, 'a> {
    resource: &'s mut Labels<'a>,
    point: &'s mut Labels<'a>,
}

/// Reads one object into `points`. After an error they may hold text that doesn't count, but no row.
pub(super) fn one(points: &mut Points<'_>, value: &[u8]) -> Result<(), Unusual> {
    let (mut resource, mut point) = (Labels::default(), Labels::default());
    let mut json = serde_json::Deserializer::from_slice(value);
    let flat = FlatSeed(Into {
        resource: &mut resource,
        point: &mut point,
    })
    .deserialize(&mut json)
    .map_err(|_| Unusual)?;
    json.end().map_err(|_| Unusual)?;
    let at = time(flat.ts, points).ok_or(Unusual)?;
    if flat.series.is_empty() || !flat.value.is_finite() {
        return Err(Unusual);
    }
    points.metric(flat.series).map_err(|_| Unusual)?;
    points.expect(1).map_err(|_| Unusual)?;
    let resource = points.keep_resource(&mut resource).ok_or(Unusual)?;
    let point = points.keep_labels(&mut point).ok_or(Unusual)?;
    let (metric, unit) = (points.keep_text(flat.series), points.keep_text(flat.unit));
    points.push_kept((metric, unit, resource, point), at, Reading::Gauge(flat.value));
    Ok(())
}

fn time(ts: Scalar<'_>, points: &Points<'_>) -> Option<EventTime> {
    let unit = points.source().time_unit;
    match ts {
        Scalar::Whole(whole) => from_whole(whole, unit),
        Scalar::Float(float) => from_fraction(float, unit),
        Scalar::Text(text) => from_text(text.trim(), unit),
        Scalar::Other => None,
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value without an inside")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Whole(i128::from(number)))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Whole(i128::from(number)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Float(number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Text(text))
            }

            fn visit_str<E>(self, _: &str) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }

            fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

fn unusual<E: Error>() -> E {
    E::custom("unusual")
}

impl<'de> DeserializeSeed<'de> for &mut Into<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Into<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("labels")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some((name, value)) = map.next_entry::<&str, Scalar<'de>>()? {
            let value = match value {
                Scalar::Text(text) => LabelText::Text(text),
                Scalar::Whole(number) => LabelText::number(i64::try_from(number).map_err(|_| unusual())?),
                Scalar::Float(_) | Scalar::Other => return Err(unusual()),
            };
            let of = if is_resource_label(name) {
                &mut *self.resource
            } else {
                &mut *self.point
            };
            // The general way takes the last of two: among labels that is done where they are kept.
            of.push(name, value).ok_or_else(unusual)?;
        }
        Ok(())
    }
}

struct FlatSeed<'s, 'a>(Into<'s, 'a>);

impl<'de> DeserializeSeed<'de> for FlatSeed<'_, 'de> {
    type Value = Flat<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Flat<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FlatSeed<'_, 'de> {
    type Value = Flat<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sample")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Flat<'de>, M::Error> {
        let (mut ts, mut series, mut value, mut unit, mut labels) = (None, None, None, None, None);
        while let Some(name) = map.next_key::<&str>()? {
            let is_again = match name {
                "ts" => ts.replace(map.next_value::<Scalar<'de>>()?).is_some(),
                "series" => series.replace(map.next_value::<&str>()?).is_some(),
                "value" => value.replace(map.next_value::<Scalar<'de>>()?).is_some(),
                "unit" => unit.replace(map.next_value::<&str>()?).is_some(),
                "labels" => labels.replace(map.next_value_seed(&mut self.0)?).is_some(),
                // Of another field only that it is no list or object: those have a depth.
                _ => {
                    map.next_value::<Scalar<'de>>()?;
                    false
                }
            };
            if is_again {
                return Err(unusual());
            }
        }
        Ok(Flat {
            ts: ts.ok_or_else(unusual)?,
            series: series.ok_or_else(unusual)?,
            value: match value {
                Some(Scalar::Float(value)) => value,
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "readings are f64; whole numbers beyond 2^53 lose what no detector sees"
                )]
                Some(Scalar::Whole(value)) => value as f64,
                Some(Scalar::Text(_) | Scalar::Other) | None => return Err(unusual()),
            },
            unit: unit.unwrap_or(""),
        })
    }
}
