//! OTLP metrics in protobuf, read where they lie: no tree is built and nothing is allocated for a point.
//!
//! The walk knows what SDKs and the Collector send every day: gauges, sums and explicit histograms whose attributes are
//! texts, booleans and whole numbers. A metric of another kind, or with anything unusual in it, goes through the full
//! decoder for itself; a request that isn't what it seems goes through it as a whole. So both say the same.

use forecall_types::{EventTime, Fingerprint, LabelSpan, Reading, Span, Temporality};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::few::{Few, LabelText, POINT_LABELS, RESOURCE_LABELS};
use super::otlp;
use super::points::{Points, is_finite};
use super::wire_format::{Field, Fields, Unusual, bytes, fixed64, float, text, varint};

/// Buckets of a histogram read in place; as many as the limits allow by default.
const BUCKETS_MAX: usize = 160;

/// What a point's key is made of but its own labels: place, metric, unit.
type Names<'p, 'a> = (&'p Place<'a>, Span, Span);

/// What the points of one resource and scope share.
struct Place<'a> {
    resource: &'a [u8],
    labels: LabelSpan,
    scope: &'a str,
    /// Hash of the scope, which is one of the points' labels; 0 where there is none.
    context: u128,
}

/// Reads a metrics request into `points`. After an error they hold rows that don't count.
pub(super) fn metrics(points: &mut Points<'_>, value: &[u8]) -> Result<(), Unusual> {
    let mut has_named = false;
    for field in Fields(value) {
        if let (1, field) = field? {
            has_named |= resource_metrics(points, bytes(field)?)?;
        }
    }
    // What was something else, or is empty, has no names: the full decoder tells which.
    if has_named { Ok(()) } else { Err(Unusual) }
}

/// A field that must not stand twice: the full decoder would merge them.
fn once<'a>(slot: &mut Option<&'a [u8]>, field: Field<'a>) -> Result<(), Unusual> {
    match slot.replace(bytes(field)?) {
        None => Ok(()),
        Some(_) => Err(Unusual),
    }
}

/// Reads the metrics of a resource; says whether any has a name or data.
fn resource_metrics(points: &mut Points<'_>, message: &[u8]) -> Result<bool, Unusual> {
    let mut resource = None;
    for field in Fields(message) {
        match field? {
            (1, field) => once(&mut resource, field)?,
            (3, field) => {
                text(field)?;
            }
            _ => {}
        }
    }
    let resource = resource.unwrap_or_default();
    let mut pairs = Few::<RESOURCE_LABELS>::default();
    for field in Fields(resource) {
        match field? {
            (1, field) => attribute(bytes(field)?, &mut pairs)?,
            (2, field) => {
                varint(field)?;
            }
            // Entity references: the full decoder checks what is in them.
            (3, _) => return Err(Unusual),
            _ => {}
        }
    }
    let labels = points.keep_resource(&mut pairs).ok_or(Unusual)?;
    let mut has_named = false;
    for field in Fields(message) {
        if let (2, field) = field? {
            has_named |= scope_metrics(points, resource, labels, bytes(field)?)?;
        }
    }
    Ok(has_named)
}

fn scope_metrics(
    points: &mut Points<'_>,
    resource: &[u8],
    labels: LabelSpan,
    message: &[u8],
) -> Result<bool, Unusual> {
    let mut scope = None;
    for field in Fields(message) {
        match field? {
            (1, field) => once(&mut scope, field)?,
            (3, field) => {
                text(field)?;
            }
            _ => {}
        }
    }
    let mut name = "";
    for field in Fields(scope.unwrap_or_default()) {
        match field? {
            (1, field) => name = text(field)?,
            (2, field) => {
                text(field)?;
            }
            (3, _) => return Err(Unusual),
            (4, field) => {
                varint(field)?;
            }
            _ => {}
        }
    }
    let place = Place {
        resource,
        labels,
        scope: name,
        context: if name.is_empty() {
            0
        } else {
            Fingerprint::of(name.as_bytes()).as_u128()
        },
    };
    let mut has_named = false;
    for field in Fields(message) {
        if let (2, field) = field? {
            has_named |= metric(points, &place, bytes(field)?)?;
        }
    }
    Ok(has_named)
}

/// Reads a metric, in place or by the full decoder; says whether it has a name or data.
fn metric(points: &mut Points<'_>, place: &Place<'_>, message: &[u8]) -> Result<bool, Unusual> {
    let mark = points.mark();
    if walk_metric(points, place, message).is_ok() {
        return Ok(true);
    }
    points.back_to(mark);
    let metric = Metric::decode(message).map_err(|_| Unusual)?;
    let resource = Resource::decode(place.resource).map_err(|_| Unusual)?;
    let resource = otlp::resource_labels(points, Some(&resource));
    otlp::metric(points, &resource, place.scope, &metric).map_err(|_| Unusual)?;
    Ok(!metric.name.is_empty() || metric.data.is_some())
}

/// Which kind of points a metric has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Sum,
    Histogram,
}

fn walk_metric<'a>(points: &mut Points<'_>, place: &Place<'a>, message: &'a [u8]) -> Result<(), Unusual> {
    let (mut name, mut unit, mut kind, mut data) = ("", "", None, None);
    for field in Fields(message) {
        let (number, field) = field?;
        match number {
            1 => name = text(field)?,
            2 => {
                text(field)?;
            }
            3 => unit = text(field)?,
            5 | 7 | 9 => {
                kind = Some(match number {
                    5 => Kind::Gauge,
                    7 => Kind::Sum,
                    _ => Kind::Histogram,
                });
                once(&mut data, field)?;
            }
            10..=12 => return Err(Unusual),
            _ => {}
        }
    }
    let (Some(kind), Some(data)) = (kind, data) else {
        return Err(Unusual);
    };
    points.metric(name).map_err(|_| Unusual)?;
    let (name, unit) = (points.keep_text(name), points.keep_text(unit));
    let (mut temporality, mut monotonic) = (0, false);
    if kind != Kind::Gauge {
        for field in Fields(data) {
            match field? {
                (2, field) => temporality = varint(field)?,
                (3, field) if kind == Kind::Sum => monotonic = varint(field)? != 0,
                _ => {}
            }
        }
    }
    let temporality = match (kind, temporality) {
        (Kind::Gauge, _) | (_, 2) => Temporality::Cumulative,
        (_, 1) => Temporality::Delta,
        _ => return Err(Unusual),
    };
    let mut any = false;
    for field in Fields(data) {
        let (1, field) = field? else { continue };
        any = true;
        points.expect(1).map_err(|_| Unusual)?;
        let message = bytes(field)?;
        match kind {
            Kind::Gauge | Kind::Sum => {
                let Some((point, attributes)) = number_point(message)? else {
                    continue;
                };
                let reading = match kind {
                    Kind::Gauge => Reading::Gauge(point.value),
                    _ => Reading::Sum {
                        value: point.value,
                        temporality,
                        monotonic,
                        start: point.start,
                    },
                };
                keep(points, (place, name, unit), attributes, point.at, reading)?;
            }
            Kind::Histogram => {
                histogram_point(points, (place, name, unit), message, temporality)?;
            }
        }
    }
    if !any {
        points.expect(1).map_err(|_| Unusual)?;
    }
    Ok(())
}

/// Keeps a point that was read whole.
fn keep<'a>(
    points: &mut Points<'_>,
    (place, name, unit): Names<'_, 'a>,
    attributes: &'a [u8],
    at: EventTime,
    reading: Reading<'_>,
) -> Result<(), Unusual> {
    if !is_finite(&reading) {
        return Err(Unusual);
    }
    let mark = points.mark_of(place.context, attributes);
    let known = mark.and_then(|mark| points.keep_spelled(mark));
    let labels = match known {
        Some((_, labels)) => labels,
        None => {
            let mut pairs = point_labels(attributes)?;
            if !place.scope.is_empty() {
                pairs
                    .push("otel.scope.name", LabelText::Text(place.scope))
                    .ok_or(Unusual)?;
            }
            let labels = points.keep_labels(&mut pairs).ok_or(Unusual)?;
            if let Some(mark) = mark {
                points.learn(mark, None, labels);
            }
            labels
        }
    };
    points.push_kept((name, unit, place.labels, labels), at, reading);
    Ok(())
}

/// Where the attributes of a point lie in its message: producers write them side by side.
#[derive(Default)]
struct Run {
    from: usize,
    to: usize,
}

impl Run {
    /// Takes an attribute that lies behind all but `before` bytes and in front of `after` bytes of a message so long.
    fn take(&mut self, field: Field<'_>, len: usize, before: usize, after: usize) -> Result<(), Unusual> {
        bytes(field)?;
        let from = len - before;
        match self.to {
            0 => self.from = from,
            to if to == from => {}
            _ => return Err(Unusual),
        }
        self.to = len - after;
        Ok(())
    }

    /// The bytes of the attributes, with their tags.
    fn of<'a>(&self, message: &'a [u8]) -> &'a [u8] {
        message.get(self.from..self.to).unwrap_or_default()
    }
}

struct NumberPoint {
    at: EventTime,
    start: Option<EventTime>,
    value: f64,
}

/// A gauge's or sum's point; `None` for one that says that there is no value.
fn number_point(message: &[u8]) -> Result<Option<(NumberPoint, &[u8])>, Unusual> {
    let (mut at, mut start, mut value, mut flags) = (0, 0, None, 0);
    let (mut fields, mut attributes) = (Fields(message), Run::default());
    loop {
        let before = fields.0.len();
        let Some(field) = fields.next() else { break };
        match field? {
            (2, field) => start = fixed64(field)?,
            (3, field) => at = fixed64(field)?,
            (4, field) => value = Some(float(field)?),
            // Exemplars: the full decoder checks what is in them.
            (5, _) => return Err(Unusual),
            #[allow(
                clippy::cast_precision_loss,
                reason = "readings are f64; whole numbers beyond 2^53 lose what no detector sees"
            )]
            (6, field) => value = Some(fixed64(field)?.cast_signed() as f64),
            (7, field) => attributes.take(field, message.len(), before, fields.0.len())?,
            (8, field) => flags = varint(field)?,
            _ => {}
        }
    }
    if is_unrecorded(flags) {
        // What can't be read spoils the request all the same.
        point_labels(attributes.of(message))?;
        return Ok(None);
    }
    let point = NumberPoint {
        at: otlp::time(at).ok_or(Unusual)?,
        start: otlp::time(start),
        value: value.ok_or(Unusual)?,
    };
    Ok(Some((point, attributes.of(message))))
}

#[allow(clippy::cast_possible_truncation, reason = "as protobuf reads a uint32")]
const fn is_unrecorded(flags: u64) -> bool {
    otlp::is_unrecorded(flags as u32)
}

fn histogram_point<'a>(
    points: &mut Points<'_>,
    names: Names<'_, 'a>,
    message: &'a [u8],
    temporality: Temporality,
) -> Result<(), Unusual> {
    let (mut at, mut start, mut count, mut sum, mut flags) = (0, 0, 0, None, 0);
    let (mut counts, mut bounds) = (None, None);
    let (mut fields, mut attributes) = (Fields(message), Run::default());
    loop {
        let before = fields.0.len();
        let Some(field) = fields.next() else { break };
        match field? {
            (2, field) => start = fixed64(field)?,
            (3, field) => at = fixed64(field)?,
            (4, field) => count = fixed64(field)?,
            (5, field) => sum = Some(float(field)?),
            (6, field) => once(&mut counts, field)?,
            (7, field) => once(&mut bounds, field)?,
            (8, _) => return Err(Unusual),
            (9, field) => attributes.take(field, message.len(), before, fields.0.len())?,
            (10, field) => flags = varint(field)?,
            (11 | 12, field) => {
                fixed64(field)?;
            }
            _ => {}
        }
    }
    if is_unrecorded(flags) {
        point_labels(attributes.of(message))?;
        return Ok(());
    }
    let mut bound_list = [0.0; BUCKETS_MAX];
    let mut count_list = [0; BUCKETS_MAX + 1];
    let bounds = read_packed(bounds.unwrap_or_default(), &mut bound_list, f64::from_bits)?;
    let counts = read_packed(counts.unwrap_or_default(), &mut count_list, |bits| bits)?;
    let (bound_list, mut counts_read) = (bound_list.get(..bounds), count_list.get(..counts));
    let only = [count];
    if counts == 0 && bounds == 0 {
        // Only the count and the sum were recorded: one bucket holds all.
        counts_read = Some(&only);
    } else if counts != bounds + 1 || bounds > points.source().limits.buckets_max {
        return Err(Unusual);
    }
    let reading = Reading::Histogram {
        bounds: bound_list.ok_or(Unusual)?,
        counts: counts_read.ok_or(Unusual)?,
        sum,
        temporality,
        start: otlp::time(start),
    };
    let at = otlp::time(at).ok_or(Unusual)?;
    keep(points, names, attributes.of(message), at, reading)
}

/// Reads a packed list of eight-byte numbers; says how many.
fn read_packed<T>(bytes: &[u8], into: &mut [T], of: impl Fn(u64) -> T) -> Result<usize, Unusual> {
    let (chunks, rest) = bytes.as_chunks();
    if !rest.is_empty() || chunks.len() > into.len() {
        return Err(Unusual);
    }
    for (to, chunk) in into.iter_mut().zip(chunks) {
        *to = of(u64::from_le_bytes(*chunk));
    }
    Ok(chunks.len())
}

/// The attributes of a point.
fn point_labels(attributes: &[u8]) -> Result<Few<'_, POINT_LABELS>, Unusual> {
    let mut pairs = Few::default();
    for field in Fields(attributes) {
        attribute(bytes(field?.1)?, &mut pairs)?;
    }
    Ok(pairs)
}

/// Adds an attribute to the pairs; one without a value is none.
fn attribute<'a, const N: usize>(message: &'a [u8], pairs: &mut Few<'a, N>) -> Result<(), Unusual> {
    let (mut key, mut value) = ("", None);
    for field in Fields(message) {
        match field? {
            (1, field) => key = text(field)?,
            (2, field) => once(&mut value, field)?,
            (3, field) => {
                varint(field)?;
            }
            _ => {}
        }
    }
    let mut found = None;
    for field in Fields(value.unwrap_or_default()) {
        found = match field? {
            (1, field) => Some(LabelText::Text(text(field)?)),
            (2, field) => Some(LabelText::Text(if varint(field)? == 0 {
                "false"
            } else {
                "true"
            })),
            (3, field) => Some(LabelText::number(varint(field)?.cast_signed())),
            (4..=8, _) => return Err(Unusual),
            _ => found,
        };
    }
    match found {
        Some(value) => pairs.push(key, value).ok_or(Unusual),
        None => Ok(()),
    }
}
