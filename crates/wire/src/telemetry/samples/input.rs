use std::sync::Arc;

use forecall_types::{
    DomainName, EventTime, KeyIndex, LabelSpan, Position, Reading, Reject, SampleBatch, SamplesRecord,
    SourceMark, SourcePartition, SourcePulse, SourceTopic, Span, Temporality,
};

use super::{
    EVENTS, GAUGE, HISTOGRAM, LABELS_OF_KEYS_MAX, MARK_CAUGHT_UP, MARK_NEWEST, MARK_PULSE, MARK_SILENT,
    ROWS_MAX, SUM, SUMMARY, VERSION, VERSION_BEFORE, VERSION_CONTEXT, bad, too_many,
};
use crate::telemetry::points::is_finite;

/// The bytes not read yet. Nothing is allocated for more elements than there are bytes left to hold them.
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Reject> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| bad("it ends too soon"))?;
        self.rest = rest;
        Ok(*first)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Reject> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| bad("it ends too soon"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn number(&mut self) -> Result<u64, Reject> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && part > 1 {
                return Err(bad("a number is too large"));
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(bad("a number is too long"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, Reject> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn partition(&mut self) -> Result<i32, Reject> {
        i32::try_from(self.signed()?).map_err(|_| bad("a partition is out of range"))
    }

    fn float(&mut self) -> Result<f64, Reject> {
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(self.bytes(8)?) {
            *to = *from;
        }
        Ok(f64::from_le_bytes(bytes))
    }

    pub(super) fn flag(&mut self) -> Result<bool, Reject> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(bad("a flag is neither 0 nor 1")),
        }
    }

    fn start(&mut self) -> Result<Option<EventTime>, Reject> {
        Ok(if self.flag()? {
            Some(EventTime::from_nanos(self.signed()?))
        } else {
            None
        })
    }

    fn temporality(&mut self) -> Result<Temporality, Reject> {
        Ok(if self.flag()? {
            Temporality::Delta
        } else {
            Temporality::Cumulative
        })
    }

    /// A count of elements of at least `bytes_each` bytes: never more than the bytes left can hold.
    pub(super) fn count(&mut self, bytes_each: usize) -> Result<usize, Reject> {
        usize::try_from(self.number()?)
            .ok()
            .filter(|count| *count <= self.rest.len() / bytes_each)
            .ok_or_else(|| bad("a count is beyond the record's end"))
    }

    pub(super) fn one_of<'t, T>(&mut self, table: &'t [T]) -> Result<&'t T, Reject> {
        usize::try_from(self.number()?)
            .ok()
            .and_then(|index| table.get(index))
            .ok_or_else(|| bad("an index is out of range"))
    }

    fn strings(&mut self) -> Result<Vec<&'a str>, Reject> {
        let count = self.count(1)?;
        let mut strings = Vec::with_capacity(count);
        for _ in 0..count {
            let len = self.count(1)?;
            strings.push(std::str::from_utf8(self.bytes(len)?).map_err(|_| bad("a string is not UTF-8"))?);
        }
        Ok(strings)
    }

    /// Label sets as they lie in the batch, and how many labels each has.
    fn label_sets(&mut self, strings: &[&'a str], batch: &mut SampleBatch) -> Result<Vec<LabelSpan>, Reject> {
        let count = self.count(1)?;
        let mut sets = Vec::with_capacity(count);
        let (mut set, mut labels) = (Vec::new(), 0_usize);
        for _ in 0..count {
            let pairs = self.count(2)?;
            labels += pairs;
            if labels > LABELS_OF_KEYS_MAX {
                return Err(too_many(LABELS_OF_KEYS_MAX, "labels"));
            }
            set.clear();
            for _ in 0..pairs {
                set.push((*self.one_of(strings)?, *self.one_of(strings)?));
            }
            sets.push(batch.keep_labels(&mut set));
        }
        Ok(sets)
    }

    pub(super) fn record(&mut self, spare: Option<SamplesRecord>) -> Result<SamplesRecord, Reject> {
        let version = self.byte()?;
        if ![VERSION, VERSION_BEFORE, VERSION_CONTEXT].contains(&version) {
            return Err(bad("its version is not known"));
        }
        let (mut batch, mut marks, mut contexts, names) = match spare {
            Some(spare) => {
                let names = (spare.domain, spare.origin.topic);
                (spare.batch, spare.marks, spare.contexts, Some(names))
            }
            None => (SampleBatch::default(), Vec::new(), Vec::new(), None),
        };
        batch.clear();
        marks.clear();
        contexts.clear();
        let strings = self.strings()?;
        let sets = self.label_sets(&strings, &mut batch)?;
        let (old_domain, old_topic) = names.unzip();
        let domain = *self.one_of(&strings)?;
        let domain = match old_domain.filter(|old| old.as_str() == domain) {
            Some(same) => same,
            None => DomainName::new(domain).map_err(|_| bad("its domain is not a name"))?,
        };
        let topic = *self.one_of(&strings)?;
        let origin = Position {
            topic: old_topic
                .filter(|old| **old == *topic)
                .unwrap_or_else(|| Arc::from(topic)),
            partition: self.partition()?,
            offset: self.signed()?,
        };
        let appended_at = EventTime::from_nanos(self.signed()?);
        self.marks(version == VERSION_BEFORE, &strings, &mut marks)?;
        if version == VERSION_CONTEXT {
            self.contexts(&strings, &mut contexts)?;
        }
        let keys = self.keys(&strings, &sets, &mut batch)?;
        self.rows(&keys, &mut batch)?;
        Ok(SamplesRecord {
            domain,
            origin,
            appended_at,
            batch,
            marks,
            contexts,
            links: Vec::new(),
        })
    }

    fn marks(
        &mut self,
        is_before: bool,
        strings: &[&'a str],
        marks: &mut Vec<SourceMark>,
    ) -> Result<(), Reject> {
        for _ in 0..self.count(3)? {
            let source = SourcePartition {
                topic: Arc::from(*self.one_of(strings)?),
                partition: self.partition()?,
            };
            marks.push(if is_before {
                self.mark_before(source)?
            } else {
                self.mark(source, strings)?
            });
        }
        Ok(())
    }

    fn mark(&mut self, source: SourcePartition, strings: &[&'a str]) -> Result<SourceMark, Reject> {
        let flags = self.byte()?;
        let is = |flag: u8| flags & flag != 0;
        let known = MARK_NEWEST | MARK_PULSE | MARK_CAUGHT_UP | MARK_SILENT;
        if flags & !known != 0 || !is(MARK_PULSE) && (is(MARK_CAUGHT_UP) || is(MARK_SILENT)) {
            return Err(bad("the flags of a mark make no sense"));
        }
        let newest = self.time_if(is(MARK_NEWEST))?;
        let silent_until = self.time_if(is(MARK_SILENT))?;
        let mut pulse = None;
        if is(MARK_PULSE) {
            let mut topics = Vec::new();
            for _ in 0..self.count(2)? {
                topics.push(SourceTopic {
                    topic: Arc::from(*self.one_of(strings)?),
                    partitions: u32::try_from(self.number()?)
                        .map_err(|_| bad("a topic has too many partitions"))?,
                });
            }
            pulse = Some(SourcePulse {
                caught_up: is(MARK_CAUGHT_UP),
                silent_until,
                topics,
            });
        }
        Ok(SourceMark {
            source,
            newest,
            pulse,
        })
    }

    /// A mark as it was written before: an idle source held nobody up, however long it had been so.
    fn mark_before(&mut self, source: SourcePartition) -> Result<SourceMark, Reject> {
        Ok(SourceMark {
            source,
            newest: self.time_if(true)?,
            pulse: self.flag()?.then(|| SourcePulse {
                caught_up: true,
                silent_until: Some(EventTime::MAX),
                topics: Vec::new(),
            }),
        })
    }

    fn time_if(&mut self, is_there: bool) -> Result<Option<EventTime>, Reject> {
        is_there
            .then(|| self.signed().map(EventTime::from_nanos))
            .transpose()
    }

    fn keys(
        &mut self,
        strings: &[&'a str],
        sets: &[LabelSpan],
        batch: &mut SampleBatch,
    ) -> Result<Vec<KeyIndex>, Reject> {
        let count = self.count(4)?;
        if count > ROWS_MAX {
            return Err(too_many(ROWS_MAX, "keys"));
        }
        // Each string is kept once, when a key first names it.
        let mut kept: Vec<Option<Span>> = vec![None; strings.len()];
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let metric = self.kept(strings, &mut kept, batch)?;
            let unit = self.kept(strings, &mut kept, batch)?;
            let (resource, labels) = (*self.one_of(sets)?, *self.one_of(sets)?);
            keys.push(batch.keep_key(metric, unit, resource, labels));
        }
        Ok(keys)
    }

    fn kept(
        &mut self,
        strings: &[&'a str],
        kept: &mut [Option<Span>],
        batch: &mut SampleBatch,
    ) -> Result<Span, Reject> {
        let index = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let (Some(text), Some(kept)) = (strings.get(index), kept.get_mut(index)) else {
            return Err(bad("an index is out of range"));
        };
        Ok(*kept.get_or_insert_with(|| batch.keep_text(text)))
    }

    fn rows(&mut self, keys: &[KeyIndex], batch: &mut SampleBatch) -> Result<(), Reject> {
        let count = self.count(4)?;
        if count > ROWS_MAX {
            return Err(too_many(ROWS_MAX, "rows"));
        }
        let mut last = 0_i64;
        for _ in 0..count {
            let key = *self.one_of(keys)?;
            last = last.wrapping_add(self.signed()?);
            self.reading(batch, key, EventTime::from_nanos(last))?;
        }
        Ok(())
    }

    fn reading(&mut self, batch: &mut SampleBatch, key: KeyIndex, at: EventTime) -> Result<(), Reject> {
        let mut push = |reading: Reading<'_>| {
            if is_finite(&reading) {
                batch.push_row(key, at, reading);
                Ok(())
            } else {
                Err(bad("a number is not finite"))
            }
        };
        match self.byte()? {
            GAUGE => push(Reading::Gauge(self.float()?)),
            SUM => push(Reading::Sum {
                value: self.float()?,
                temporality: self.temporality()?,
                monotonic: self.flag()?,
                start: self.start()?,
            }),
            HISTOGRAM => {
                let len = self.count(8)?;
                let bounds = (0..len).map(|_| self.float()).collect::<Result<Vec<_>, _>>()?;
                let counts = (0..=len).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
                let sum = if self.flag()? { Some(self.float()?) } else { None };
                push(Reading::Histogram {
                    bounds: &bounds,
                    counts: &counts,
                    sum,
                    temporality: self.temporality()?,
                    start: self.start()?,
                })
            }
            SUMMARY => {
                let len = self.count(16)?;
                let quantiles = (0..len)
                    .map(|_| Ok((self.float()?, self.float()?)))
                    .collect::<Result<Vec<_>, Reject>>()?;
                push(Reading::Summary {
                    quantiles: &quantiles,
                    sum: self.float()?,
                    count: self.number()?,
                    start: self.start()?,
                })
            }
            EVENTS => push(Reading::Events {
                count: self.number()?,
            }),
            _ => Err(bad("a row is of no known kind")),
        }
    }
}
