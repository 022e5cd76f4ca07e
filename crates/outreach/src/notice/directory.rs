//! Customers as pseudonyms, laid out small and found by region.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forecall_area::{Area, Grid, Point};
use forecall_types::{
    Cell, ContactChannel, Customer, CustomerId, ElementId, EventTime, Language, Purpose, RegionCode,
    RejectReason, SERVED_BY_MAX, ServiceName,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Customers in one domain: two million at ≤ 128 B keep a partition's snapshot under 256 MiB.
pub(crate) const CUSTOMERS_MAX: usize = 2_000_000;
/// Services in one domain: one bit each in a customer's mask.
pub(crate) const SERVICES_MAX: usize = 64;

/// A customer's number in the directory; never used again after them.
pub(crate) type PersonNo = u32;

/// One customer, small: names are numbers, sets are bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: CustomerId,
    /// When this was known.
    at: EventTime,
    /// When they last called or replied.
    pub(crate) active_at: EventTime,
    pub(crate) region: u32,
    /// Index of the cell they are in, 0 where it isn't known.
    place: u64,
    served_by: Box<[u32]>,
    services: u64,
    /// Most wanted first, three bits each, 0 ends.
    channels: u16,
    /// Purposes agreed to, and [`PRIORITY`].
    consents: u8,
    pub(crate) language: Language,
    /// Messages planned on `day`.
    pub(crate) sent_today: u8,
    /// Day of the last message, counted from 1970 in the zone of the person's region.
    pub(crate) day: i32,
}

/// The bit beside the purposes: they must not wait (medical or alarm dependence, disability, a contract).
const PRIORITY: u8 = 128;

const fn consent_bit(purpose: Purpose) -> u8 {
    match purpose {
        Purpose::ServiceNotice => 1,
        Purpose::PlannedWork => 2,
        Purpose::Safety => 4,
        Purpose::Survey => 8,
        Purpose::Marketing => 16,
    }
}

const fn channel_code(channel: ContactChannel) -> u16 {
    match channel {
        ContactChannel::Sms => 1,
        ContactChannel::Email => 2,
        ContactChannel::Push => 3,
        ContactChannel::Chat => 4,
        ContactChannel::Webhook => 5,
    }
}

impl Person {
    /// Whether they agreed to messages of this purpose.
    pub(crate) const fn agreed_to(&self, purpose: Purpose) -> bool {
        self.consents & consent_bit(purpose) != 0
    }

    /// The cell they are in, where it is known.
    pub(crate) fn place(&self) -> Option<Cell> {
        Cell::from_index(self.place).ok()
    }

    /// Whether they must not be left waiting.
    pub(crate) const fn is_priority(&self) -> bool {
        self.consents & PRIORITY != 0
    }

    /// Their channels, most wanted first.
    pub(crate) fn channels(&self) -> impl Iterator<Item = ContactChannel> + '_ {
        (0..5).map_while(|place| {
            let code = (self.channels >> (3 * place)) & 7;
            ContactChannel::ALL
                .into_iter()
                .find(|channel| channel_code(*channel) == code)
        })
    }
}

/// Names as numbers, with a count of who uses them: a name nobody uses is forgotten, so that an erased customer leaves
/// nothing behind, not even the name of their line.
#[derive(Debug, Clone, Default)]
struct Names {
    slots: Vec<Option<(Arc<str>, u32)>>,
    numbers: BTreeMap<Arc<str>, u32>,
    free: BTreeSet<u32>,
}

impl Names {
    fn from_slots(slots: Vec<Option<(Arc<str>, u32)>>) -> Self {
        let mut names = Self::default();
        for (number, slot) in (0..).zip(&slots) {
            match slot {
                Some((name, _)) => {
                    names.numbers.insert(Arc::clone(name), number);
                }
                None => {
                    names.free.insert(number);
                }
            }
        }
        names.slots = slots;
        names
    }

    fn get(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    fn name(&self, number: u32) -> Option<&str> {
        let slot = self.slots.get(usize::try_from(number).ok()?)?;
        slot.as_ref().map(|(name, _)| name.as_ref())
    }

    fn take(&mut self, name: &str) -> u32 {
        let number = match self.get(name) {
            Some(number) => number,
            None => {
                let number = self
                    .free
                    .pop_first()
                    .unwrap_or_else(|| u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
                let name: Arc<str> = Arc::from(name);
                let slot = Some((Arc::clone(&name), 0));
                match usize::try_from(number).ok().and_then(|i| self.slots.get_mut(i)) {
                    Some(free) => *free = slot,
                    None => self.slots.push(slot),
                }
                self.numbers.insert(name, number);
                number
            }
        };
        if let Some(Some((_, users))) = usize::try_from(number).ok().and_then(|i| self.slots.get_mut(i)) {
            *users = users.saturating_add(1);
        }
        number
    }

    fn release(&mut self, number: u32) {
        let Some(slot) = usize::try_from(number).ok().and_then(|i| self.slots.get_mut(i)) else {
            return;
        };
        if let Some((name, users)) = slot {
            *users = users.saturating_sub(1);
            if *users == 0 {
                self.numbers.remove(name);
                self.free.insert(number);
                *slot = None;
            }
        }
    }
}

/// Where a person is, so laid out that those near each other stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    field: Grid,
    centre: Point,
    no: PersonNo,
    region: u32,
}

impl Spot {
    fn of(no: PersonNo, person: &Person) -> Option<Self> {
        let centre = Point::centre_of(person.place()?);
        Some(Self {
            field: Grid::of(centre),
            centre,
            no,
            region: person.region,
        })
    }
}

/// The customers of one domain.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    people: BTreeMap<PersonNo, Person>,
    next: PersonNo,
    regions: Names,
    elements: Names,
    services: Names,
    // Found again from the above when a snapshot is read.
    by_id: BTreeMap<CustomerId, PersonNo>,
    by_region: BTreeMap<u32, BTreeSet<PersonNo>>,
    spots: BTreeSet<Spot>,
}

impl Serialize for Directory {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let names = (&self.regions.slots, &self.elements.slots, &self.services.slots);
        (&self.people, self.next, names).serialize(to)
    }
}

type Slots = Vec<Option<(Arc<str>, u32)>>;

impl<'de> Deserialize<'de> for Directory {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        type Saved = (BTreeMap<PersonNo, Person>, PersonNo, (Slots, Slots, Slots));
        let (people, next, (regions, elements, services)) = Saved::deserialize(from)?;
        let mut directory = Self {
            next,
            regions: Names::from_slots(regions),
            elements: Names::from_slots(elements),
            services: Names::from_slots(services),
            ..Self::default()
        };
        for (no, person) in &people {
            directory.by_id.insert(person.id.clone(), *no);
            directory.by_region.entry(person.region).or_default().insert(*no);
            directory.spots.extend(Spot::of(*no, person));
        }
        directory.people = people;
        Ok(directory)
    }
}

impl Directory {
    /// New, or newer than what is known.
    ///
    /// # Errors
    /// Why it isn't taken: older than what is known, or over a bound.
    pub(crate) fn upsert(&mut self, customer: &Customer) -> Result<(), (RejectReason, &'static str)> {
        if customer.served_by.len() > SERVED_BY_MAX {
            return Err((RejectReason::TooLarge, "more than 8 elements serve the customer"));
        }
        let known = self.by_id.get(&customer.id).copied();
        match known.and_then(|no| self.people.get(&no)) {
            Some(person) if person.at > customer.at => {
                return Err((RejectReason::Late, "a newer state of the customer is known"));
            }
            Some(_) => {}
            None if self.people.len() >= CUSTOMERS_MAX => {
                return Err((RejectReason::TooLarge, "the domain has its most customers"));
            }
            None => {}
        }
        let new_services = customer
            .services
            .iter()
            .filter(|s| self.services.get(s.as_str()).is_none())
            .count();
        if self.services.numbers.len() + new_services > SERVICES_MAX {
            return Err((RejectReason::TooLarge, "the domain has its most services"));
        }
        let old = known.and_then(|no| self.remove(no));
        let no = known.unwrap_or_else(|| {
            let no = self.next;
            self.next = self.next.saturating_add(1);
            no
        });
        let person = self.person(customer, old.as_ref());
        self.by_id.insert(person.id.clone(), no);
        self.by_region.entry(person.region).or_default().insert(no);
        self.spots.extend(Spot::of(no, &person));
        self.people.insert(no, person);
        Ok(())
    }

    fn person(&mut self, customer: &Customer, old: Option<&Person>) -> Person {
        let mut channels = 0;
        // Five places are all that five channels need; a repeated one would be the customer's twice.
        let mut listed: Vec<ContactChannel> = Vec::new();
        for channel in &customer.channels {
            if !listed.contains(channel) {
                channels |= channel_code(*channel) << (3 * listed.len());
                listed.push(*channel);
            }
        }
        Person {
            id: customer.id.clone(),
            at: customer.at,
            active_at: old.map_or(EventTime::MIN, |p| p.active_at),
            region: self.regions.take(customer.region.as_str()),
            place: customer.place.map_or(0, Cell::index),
            served_by: customer
                .served_by
                .iter()
                .map(|e| self.elements.take(e.as_str()))
                .collect(),
            services: customer
                .services
                .iter()
                .fold(0, |mask, s| mask | 1 << self.services.take(s.as_str())),
            channels,
            consents: customer
                .consents
                .iter()
                .fold(if customer.priority { PRIORITY } else { 0 }, |mask, c| {
                    mask | consent_bit(*c)
                }),
            language: customer.language,
            sent_today: old.map_or(0, |p| p.sent_today),
            day: old.map_or(0, |p| p.day),
        }
    }

    fn remove(&mut self, no: PersonNo) -> Option<Person> {
        let person = self.people.remove(&no)?;
        self.by_id.remove(&person.id);
        if let Some(spot) = Spot::of(no, &person) {
            self.spots.remove(&spot);
        }
        if let Some(people) = self.by_region.get_mut(&person.region) {
            people.remove(&no);
            if people.is_empty() {
                self.by_region.remove(&person.region);
            }
        }
        self.regions.release(person.region);
        for element in &person.served_by {
            self.elements.release(*element);
        }
        for service in 0..64 {
            if person.services >> service & 1 == 1 {
                self.services.release(service);
            }
        }
        Some(person)
    }

    /// Nothing of them is kept; their number, for others to forget too.
    pub(crate) fn erase(&mut self, id: &CustomerId) -> Option<PersonNo> {
        let no = self.by_id.get(id).copied()?;
        self.remove(no);
        Some(no)
    }

    /// They called or replied.
    pub(crate) fn saw(&mut self, id: &CustomerId, at: EventTime) {
        if let Some(person) = self.by_id.get(id).and_then(|no| self.people.get_mut(no)) {
            person.active_at = person.active_at.max(at);
        }
    }

    /// The number of a customer.
    pub(crate) fn number(&self, id: &CustomerId) -> Option<PersonNo> {
        self.by_id.get(id).copied()
    }

    /// By number.
    pub(crate) fn get(&self, no: PersonNo) -> Option<&Person> {
        self.people.get(&no)
    }

    /// By number, to change.
    pub(crate) fn get_mut(&mut self, no: PersonNo) -> Option<&mut Person> {
        self.people.get_mut(&no)
    }

    /// The region with this number.
    pub(crate) fn region(&self, number: u32) -> Option<RegionCode> {
        self.regions
            .name(number)
            .and_then(|name| RegionCode::new(name).ok())
    }

    /// Regions with customers, and who is in each.
    pub(crate) fn by_region(&self) -> impl Iterator<Item = (RegionCode, &BTreeSet<PersonNo>)> {
        self.by_region
            .iter()
            .filter_map(|(number, people)| Some((self.region(*number)?, people)))
    }

    /// Regions as numbers; one nobody lives in has none.
    pub(crate) fn regions<'a>(&self, codes: impl IntoIterator<Item = &'a RegionCode>) -> BTreeSet<u32> {
        codes
            .into_iter()
            .filter_map(|code| self.regions.get(code.as_str()))
            .collect()
    }

    /// People of these regions the centres of whose cells lie in an area.
    pub(crate) fn in_area<'d>(
        &'d self,
        area: &'d Area,
        regions: &'d BTreeSet<u32>,
    ) -> impl Iterator<Item = PersonNo> + 'd {
        let spot = |field, least: bool| Spot {
            field,
            centre: Point {
                lat: if least { i32::MIN } else { i32::MAX },
                lng: if least { i32::MIN } else { i32::MAX },
            },
            no: if least { 0 } else { PersonNo::MAX },
            region: if least { 0 } else { u32::MAX },
        };
        let rows = area.bounds().rows();
        let near = rows.flat_map(move |(from, to)| self.spots.range(spot(from, true)..=spot(to, false)));
        // Neighbours in one cell stand side by side: asked once.
        let mut last: Option<(Point, bool)> = None;
        near.filter(move |spot| {
            let known = last.filter(|(centre, _)| *centre == spot.centre);
            let (_, is_in) = *last.insert(known.unwrap_or_else(|| (spot.centre, area.contains(spot.centre))));
            is_in && regions.contains(&spot.region)
        })
        .map(|spot| spot.no)
    }

    /// These people, or all from the first on where they are many: then to look at each is faster than to look for each.
    pub(crate) fn among<'d>(
        &'d self,
        people: &'d [PersonNo],
    ) -> impl Iterator<Item = (PersonNo, &'d Person)> {
        let are_many = people.len() > self.people.len() / 8;
        let all = are_many.then(|| self.people.iter()).into_iter().flatten();
        let mut wanted = people.iter().peekable();
        let scanned = all.filter(move |(no, _)| {
            while wanted.next_if(|w| w < no).is_some() {}
            wanted.next_if_eq(no).is_some()
        });
        let few = (!are_many).then_some(people).into_iter().flatten();
        let sought = few.filter_map(|no| Some((no, self.people.get(no)?)));
        scanned.chain(sought).map(|(no, person)| (*no, person))
    }

    /// Services as a mask; a name no customer uses has no bit.
    pub(crate) fn services<'a>(&self, names: impl IntoIterator<Item = &'a ServiceName>) -> u64 {
        names
            .into_iter()
            .filter_map(|name| self.services.get(name.as_str()))
            .fold(0, |mask, number| mask | 1 << number)
    }

    /// Elements as numbers; a name that serves nobody has none.
    pub(crate) fn elements<'a>(&self, names: impl IntoIterator<Item = &'a ElementId>) -> BTreeSet<u32> {
        names
            .into_iter()
            .filter_map(|name| self.elements.get(name.as_str()))
            .collect()
    }
}

impl Person {
    /// Whether they use one of these services.
    pub(crate) const fn uses(&self, services: u64) -> bool {
        self.services & services != 0
    }

    /// Whether one of these elements serves them; `None` if it isn't known what does.
    pub(crate) fn served_by_any(&self, elements: &BTreeSet<u32>) -> Option<bool> {
        (!self.served_by.is_empty()).then(|| self.served_by.iter().any(|e| elements.contains(e)))
    }
}
