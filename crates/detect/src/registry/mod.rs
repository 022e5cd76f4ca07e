//! All series of a partition: known by number, each text kept once, what a sample touches side by side.

mod adopt;
mod hush;
mod index;
mod pack;
mod prior;
mod runs;
mod sets;
mod siblings;
mod texts;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use forecall_stage::Chunks;
use forecall_types::{DomainName, EventTime, Fingerprint, KeyView, SeriesKey};
use serde::{Deserialize, Serialize};

use self::index::{Index, SLOTS_MAX};
use self::pack::{pack, pack_labels, unpack, unpack_labels};
pub(crate) use self::siblings::Census;
use self::texts::Texts;
pub(crate) use self::traffic::Counters;
use crate::Detector;
use crate::gates::Gates;
use crate::rate::{Part, Prior};

/// What a sample touches first, 32 bytes: who it is, when it was last, and where the rest lies.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Head {
    id: u128,
    last_at: EventTime,
    links: Links,
}

/// First detector (20 bits), memory of the last point (20 bits), samples waiting in the buffer (24 bits).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Links(u64);

const NONE: u32 = SLOTS_MAX;
const LINK_BITS: u32 = 20;
const WAITING_ONE: u64 = 1 << (2 * LINK_BITS);

impl Links {
    const EMPTY: Self = Self((NONE as u64) << LINK_BITS | NONE as u64);

    #[allow(clippy::cast_possible_truncation, reason = "masked to twenty bits")]
    const fn link(self, shift: u32) -> Option<u32> {
        let link = (self.0 >> shift) as u32 & NONE;
        if link == NONE { None } else { Some(link) }
    }

    const fn set(&mut self, shift: u32, link: u32) {
        self.0 = self.0 & !((NONE as u64) << shift) | ((link & NONE) as u64) << shift;
    }
}

/// What only a new, a told or a refused series needs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cold {
    /// Domain, metric and unit; `VACANT`: nobody's.
    name: u32,
    resource: u32,
    labels: u32,
}

const VACANT: u32 = u32::MAX;
/// Domains a partition may carry; one more is refused like a series too many. A source has one, an operator a few.
const DOMAINS_MAX: usize = 1_024;
/// Text a series may take on average: names and labels of telemetry take about 100 B, and most series share them.
const TEXT_BYTES_PER_SERIES_MAX: usize = 256;
/// A series that has hardly begun gives its place away after this long a silence.
const IDLE_YOUNG: Duration = Duration::from_secs(600);
/// Series looked at to find a place for a new one: so a flood of new names costs a bounded look each.
const LOOKS_MAX: usize = 32;

/// The partition holds as many series as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// What a new series may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Series at most.
    pub(crate) series_max: u32,
    /// The watermark.
    pub(crate) now: EventTime,
    /// A series silent for longer gives its place away where there is none left.
    pub(crate) idle: Duration,
    /// How far samples come late: what waits is no silence.
    pub(crate) lateness: Duration,
    /// Samples after which a series has grown up.
    pub(crate) grown_samples: u32,
}

/// Entries of up to 32 bytes in a chunk: 12 KiB, copied within a microsecond where a snapshot still needs it.
const SMALL: usize = 512;
/// Detectors in a chunk: 13 KiB, for the same reason.
const LARGE: usize = 32;

/// See the module.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    domains: Vec<DomainName>,
    heads: Chunks<Head, SMALL>,
    colds: Chunks<Cold, SMALL>,
    detectors: Chunks<Detector, LARGE>,
    priors: Chunks<Prior, SMALL>,
    texts: Texts,
    free: Vec<u32>,
    free_detectors: Vec<u32>,
    free_priors: Vec<u32>,
    /// Where the next look for a place begins.
    hand: u32,
    evicted: u64,
    /// Series given up that nobody has asked after yet: at most one a call.
    #[serde(skip)]
    left: Vec<u32>,
    #[serde(skip)]
    index: Index,
}

fn at<T: Clone, const N: usize>(list: &Chunks<T, N>, number: u32) -> Option<&T> {
    list.get(usize::try_from(number).ok()?)
}

fn at_mut<T: Clone, const N: usize>(list: &mut Chunks<T, N>, number: u32) -> Option<&mut T> {
    list.get_mut(usize::try_from(number).ok()?)
}

/// A place for one more: a free one, else the next.
fn place_in<T: Clone, const N: usize>(
    list: &mut Chunks<T, N>,
    free: &mut Vec<u32>,
    value: T,
) -> Result<u32, Full> {
    if let Some(number) = free.pop() {
        if let Some(place) = at_mut(list, number) {
            *place = value;
        }
        return Ok(number);
    }
    let number = u32::try_from(list.len()).ok().filter(|n| *n < NONE).ok_or(Full)?;
    list.push(value);
    Ok(number)
}

impl Registry {
    pub(crate) fn domains(&self) -> &[DomainName] {
        &self.domains
    }

    /// The number of a domain.
    pub(crate) fn known_domain(&self, name: &DomainName) -> Option<u16> {
        u16::try_from(self.domains.iter().position(|d| d == name)?).ok()
    }

    /// The number of a domain, new ones added.
    pub(crate) fn domain(&mut self, name: &DomainName) -> Result<u16, Full> {
        if let Some(number) = self.known_domain(name) {
            return Ok(number);
        }
        if self.domains.len() >= DOMAINS_MAX {
            return Err(Full);
        }
        self.domains.push(name.clone());
        u16::try_from(self.domains.len() - 1).map_err(|_| Full)
    }

    /// Series given up for others so far.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// How many series it holds.
    pub(crate) const fn len(&self) -> usize {
        self.heads.len() - self.free.len()
    }

    pub(crate) fn find(&self, id: u128) -> Option<u32> {
        self.index
            .find(id, |slot| at(&self.heads, slot).is_some_and(|head| head.id == id))
    }

    /// The number of a series, new ones added where there is room.
    pub(crate) fn intern(
        &mut self,
        domain: u16,
        id: u128,
        key: KeyView<'_>,
        room: &Room,
    ) -> Result<u32, Full> {
        if let Some(slot) = self.find(id) {
            return Ok(slot);
        }
        let max = usize::try_from(room.series_max).map_err(|_| Full)?;
        if (self.len() >= max || self.texts.bytes() >= max.saturating_mul(TEXT_BYTES_PER_SERIES_MAX))
            && !self.make_room(room)
        {
            return Err(Full);
        }
        let cold = self.keep_texts(domain, key)?;
        let head = Head {
            id,
            last_at: EventTime::MIN,
            links: Links::EMPTY,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                if let (Some(h), Some(c)) = (at_mut(&mut self.heads, slot), at_mut(&mut self.colds, slot)) {
                    (*h, *c) = (head, cold);
                }
                slot
            }
            None => {
                let slot = u32::try_from(self.heads.len()).map_err(|_| Full)?;
                self.heads.push(head);
                self.colds.push(cold);
                slot
            }
        };
        let heads = &self.heads;
        self.index.insert(id, slot, |s| at(heads, s).map(|head| head.id));
        Ok(slot)
    }

    fn keep_texts(&mut self, domain: u16, key: KeyView<'_>) -> Result<Cold, Full> {
        let mut text = Vec::with_capacity(128);
        text.extend_from_slice(&domain.to_le_bytes());
        pack(&mut text, key.metric);
        text.extend_from_slice(key.unit.as_bytes());
        let name = self.texts.take(&text)?;
        let mut numbers = [NONE; 2];
        for (number, labels) in numbers.iter_mut().zip([key.resource, key.labels]) {
            text.clear();
            pack_labels(&mut text, labels);
            match self.texts.take(&text) {
                Ok(taken) => *number = taken,
                Err(full) => {
                    self.texts.give_back(name);
                    return Err(full);
                }
            }
        }
        let [resource, labels] = numbers;
        Ok(Cold {
            name,
            resource,
            labels,
        })
    }

    /// Gives up the next series that has been silent for too long; says whether one was found.
    fn make_room(&mut self, room: &Room) -> bool {
        let slots = u32::try_from(self.heads.len()).unwrap_or(0);
        for _ in 0..LOOKS_MAX.min(self.heads.len()) {
            let slot = if self.hand < slots { self.hand } else { 0 };
            self.hand = slot + 1;
            if self.may_go(slot, room) {
                self.evict(slot);
                self.evicted += 1;
                return true;
            }
        }
        false
    }

    fn may_go(&self, slot: u32, room: &Room) -> bool {
        let (Some(head), Some(cold)) = (at(&self.heads, slot), at(&self.colds, slot)) else {
            return false;
        };
        let waits = head.links.0 >= WAITING_ONE;
        let has_bin = self.prior(slot).is_some_and(|p| matches!(p, Prior::Bin(_)));
        if cold.name == VACANT || waits || has_bin || head.last_at == EventTime::MIN {
            return false;
        }
        let mut grown = false;
        let mut next = head.links.link(0);
        while let Some(detector) = next.and_then(|n| at(&self.detectors, n)) {
            if detector.is_open() {
                return false;
            }
            grown |= detector.seen() >= room.grown_samples;
            next = detector.next();
        }
        let idle = if grown { room.idle } else { IDLE_YOUNG };
        room.now.since(head.last_at) > idle.max(room.lateness)
    }

    fn evict(&mut self, slot: u32) {
        let (Some(head), Some(cold)) = (at(&self.heads, slot).copied(), at_mut(&mut self.colds, slot)) else {
            return;
        };
        for text in [cold.name, cold.resource, cold.labels] {
            self.texts.give_back(text);
        }
        cold.name = VACANT;
        let heads = &self.heads;
        self.index
            .remove(head.id, slot, |s| at(heads, s).map(|head| head.id));
        let mut next = head.links.link(0);
        while let Some(number) = next {
            next = at(&self.detectors, number).and_then(Detector::next);
            self.free_detectors.push(number);
        }
        if let Some(number) = head.links.link(LINK_BITS) {
            if let Some(prior) = at_mut(&mut self.priors, number) {
                *prior = Prior::None;
            }
            self.free_priors.push(number);
        }
        self.free.push(slot);
        self.left.push(slot);
    }

    /// One more sample of the series waits.
    pub(crate) fn begin_waiting(&mut self, slot: u32) {
        if let Some(head) = at_mut(&mut self.heads, slot) {
            head.links.0 += WAITING_ONE;
        }
    }

    /// A sample's turn has come: when its series was last, `None` for the first time.
    pub(crate) fn end_waiting(&mut self, slot: u32) -> Option<EventTime> {
        let head = at_mut(&mut self.heads, slot)?;
        if head.links.0 >= WAITING_ONE {
            head.links.0 -= WAITING_ONE;
        }
        Some(head.last_at).filter(|at| *at != EventTime::MIN)
    }

    pub(crate) fn last_at(&self, slot: u32) -> Option<EventTime> {
        Some(at(&self.heads, slot)?.last_at).filter(|at| *at != EventTime::MIN)
    }

    pub(crate) fn set_last_at(&mut self, slot: u32, to: EventTime) {
        if let Some(head) = at_mut(&mut self.heads, slot) {
            head.last_at = to;
        }
    }

    /// The domain of a series.
    pub(crate) fn domain_of(&self, slot: u32) -> Option<&DomainName> {
        let (domain, _) = self.name(slot).split_first_chunk()?;
        self.domains.get(usize::from(u16::from_le_bytes(*domain)))
    }

    fn name(&self, slot: u32) -> &[u8] {
        at(&self.colds, slot).map_or(&[], |cold| self.texts.get(cold.name))
    }

    /// Name of the metric.
    pub(crate) fn metric(&self, slot: u32) -> &str {
        self.metric_and_unit(slot).0
    }

    fn metric_and_unit(&self, slot: u32) -> (&str, &str) {
        let mut text = self.name(slot).get(2..).unwrap_or_default();
        let metric = unpack(&mut text).unwrap_or_default();
        (metric, std::str::from_utf8(text).unwrap_or_default())
    }

    /// The key of a part of a series, made anew.
    pub(crate) fn key(&self, slot: u32, part: Part) -> Option<SeriesKey> {
        let cold = at(&self.colds, slot)?;
        let (metric, unit) = self.metric_and_unit(slot);
        let (metric, unit) = part.name_and_unit(metric, unit);
        Some(SeriesKey {
            metric: Arc::from(metric),
            unit: Arc::from(unit),
            resource: unpack_labels(self.texts.get(cold.resource)),
            labels: unpack_labels(self.texts.get(cold.labels)),
        })
    }

    fn part_number(&self, slot: u32, part: Part) -> (Option<u32>, Option<u32>) {
        let mut last = None;
        let mut next = at(&self.heads, slot).and_then(|head| head.links.link(0));
        while let Some((number, detector)) = next.and_then(|n| Some((n, at(&self.detectors, n)?))) {
            if detector.part() == part {
                return (Some(number), last);
            }
            (last, next) = (Some(number), detector.next());
        }
        (None, last)
    }

    /// The detector of a part, where there is one already.
    pub(crate) fn known_part(&self, slot: u32, part: Part) -> Option<&Detector> {
        at(&self.detectors, self.part_number(slot, part).0?)
    }

    /// The number of a part's detector, a new one added.
    pub(crate) fn part(&mut self, slot: u32, part: Part, max: u32, gates: &Gates) -> Result<u32, Full> {
        let (known, last) = self.part_number(slot, part);
        if let Some(number) = known {
            return Ok(number);
        }
        let count = self.detectors.len() - self.free_detectors.len();
        if count >= usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(Full);
        }
        let (metric, unit) = self.metric_and_unit(slot);
        let (metric, unit) = part.name_and_unit(metric, unit);
        let mut detector = Detector::new(&metric, &unit, part);
        if !gates.is_one()
            && let Some((set, nature)) = self.set_of(slot, part, gates)
        {
            detector.put_in_set(set, nature);
        }
        let number = place_in(&mut self.detectors, &mut self.free_detectors, detector)?;
        match last {
            Some(last) => {
                if let Some(last) = at_mut(&mut self.detectors, last) {
                    last.set_next(number);
                }
            }
            None => {
                if let Some(head) = at_mut(&mut self.heads, slot) {
                    head.links.set(0, number);
                }
            }
        }
        Ok(number)
    }

    pub(crate) fn detector(&self, number: u32) -> Option<&Detector> {
        at(&self.detectors, number)
    }

    pub(crate) fn detector_mut(&mut self, number: u32) -> Option<&mut Detector> {
        at_mut(&mut self.detectors, number)
    }

    /// Reads a series' index cell and head, so that they are near when its sample is taken in.
    pub(crate) fn touch(&self, id: u128) -> u64 {
        self.index
            .guess(id)
            .and_then(|slot| at(&self.heads, slot))
            .map_or(0, |head| head.links.0)
    }

    /// Reads a series' head.
    pub(crate) fn touch_head(&self, slot: u32) -> Option<u32> {
        at(&self.heads, slot)?.links.link(0)
    }

    /// Reads a detector, line by line.
    pub(crate) fn touch_detector(&self, number: Option<u32>) -> u32 {
        number
            .and_then(|n| at(&self.detectors, n))
            .map_or(0, Detector::touch)
    }

    /// What is saved of it, as it is now. The index is made anew by who loads it.
    pub(crate) fn share(&mut self) -> Self {
        Self {
            domains: self.domains.clone(),
            heads: self.heads.share(),
            colds: self.colds.share(),
            detectors: self.detectors.share(),
            priors: self.priors.share(),
            texts: self.texts.share(),
            free: self.free.clone(),
            free_detectors: self.free_detectors.clone(),
            free_priors: self.free_priors.clone(),
            hand: self.hand,
            evicted: self.evicted,
            left: Vec::new(),
            index: Index::default(),
        }
    }

    /// Makes what isn't saved, after loading.
    pub(crate) fn rebuild(&mut self) {
        self.texts.rebuild();
        self.index = Index::default();
        let heads = &self.heads;
        for ((slot, head), cold) in (0_u32..).zip(heads.iter()).zip(self.colds.iter()) {
            if cold.name != VACANT {
                self.index
                    .insert(head.id, slot, |s| at(heads, s).map(|head| head.id));
            }
        }
    }
}

/// A series' identity within the partition: two domains may name a series alike.
pub(crate) const fn series_id(domain: Fingerprint, series: Fingerprint) -> u128 {
    domain.as_u128() ^ series.as_u128()
}
