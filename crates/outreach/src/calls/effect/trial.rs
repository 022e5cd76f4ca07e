//! From assignments and contacts, person by person, to what the analysis takes: arms, later contacts, and those that can't be matched.
//!
//! A window of a person runs from the assignment for as long as the *shortest* hold-out of the incident: both arms are looked at
//! for the same time. Contacts before it are nobody's effect, contacts after it are told apart, up to a day after the release.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;

use super::Arms;

/// Assignments kept: 150 bytes each, 1.5 GB.
pub const ASSIGNMENTS_MAX: usize = 10_000_000;
/// Later contacts are those up to a day after the release.
const LATER: Duration = Duration::from_secs(86_400);

/// Which part a person was assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arm {
    /// Told at once, whether the message came or not.
    Told,
    /// Told at the release.
    HeldOut,
}

/// One person in one incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The incident.
    pub incident: Arc<str>,
    /// The person: a pseudonym.
    pub customer: Arc<str>,
    /// What was assigned as a whole: a household, an area; the person where people were.
    pub unit: Arc<str>,
    /// To which part.
    pub arm: Arm,
    /// When.
    pub at: EventTime,
    /// When the hold-out ended; none for those told at once.
    pub released_at: Option<EventTime>,
    /// The person's segments, in the order of the dimensions the trial was made with.
    pub segments: Vec<Arc<str>>,
}

/// What a person did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Made a contact, over any channel.
    Contact,
    /// Wants no more notices.
    OptOut,
    /// Complained.
    Complaint,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact<'a> {
    /// When.
    pub at: EventTime,
    /// Who: a pseudonym; none where the number isn't known.
    pub customer: Option<&'a str>,
    /// Over what.
    pub channel: &'a str,
    /// What.
    pub deed: Deed,
}

/// Why an assignment can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAssigned {
    /// The same person in the same incident.
    #[error("{customer} is assigned a second time in {incident}: a person has one arm in an incident")]
    Twice {
        /// The person.
        customer: Arc<str>,
        /// The incident.
        incident: Arc<str>,
    },
    /// Released before being held out.
    #[error("{customer} in {incident}: a hold-out needs a release after its assignment")]
    Release {
        /// The person.
        customer: Arc<str>,
        /// The incident.
        incident: Arc<str>,
    },
    /// One unit in both arms.
    #[error("{unit} in {incident} has people in both arms: a unit is assigned as a whole")]
    Divided {
        /// The unit.
        unit: Arc<str>,
        /// The incident.
        incident: Arc<str>,
    },
    /// Another number of segments.
    #[error("{given} segments where there are {dimensions}")]
    Segments {
        /// As given.
        given: usize,
        /// As the trial has them.
        dimensions: usize,
    },
    /// Beyond [`ASSIGNMENTS_MAX`].
    #[error("more than {ASSIGNMENTS_MAX} assignments: analyse years apart")]
    Full,
}

/// What one arm did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArmCounts {
    /// People.
    pub people: u64,
    /// People with a contact up to the release.
    pub with_contact: u64,
    /// Contacts up to the release.
    pub contacts: u64,
    /// The same by channel.
    pub by_channel: BTreeMap<Arc<str>, u64>,
    /// Contacts from the release to a day after it.
    pub later: u64,
    /// Opt-outs up to a day after the release.
    pub opt_outs: u64,
    /// Complaints up to a day after the release.
    pub complaints: u64,
}

/// One incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentCounts {
    /// Its name.
    pub incident: Arc<str>,
    /// The earliest assignment.
    pub from: EventTime,
    /// How long both arms are looked at; none: nobody was held out, nothing is measured.
    pub window: Option<Duration>,
    /// Those told.
    pub told: ArmCounts,
    /// Those held out.
    pub held_out: ArmCounts,
    /// Contacts in the window whose maker isn't known. They may be of either arm, or of nobody the incident touches.
    pub unmatched: u64,
    /// For each dimension, the arms of each segment.
    pub segments: Vec<BTreeMap<Arc<str>, Arms>>,
}

impl IncidentCounts {
    /// What the analysis takes.
    pub const fn arms(&self) -> Arms {
        Arms {
            told: self.told.people,
            held_out: self.held_out.people,
            told_contacts: self.told.with_contact,
            held_out_contacts: self.held_out.with_contact,
        }
    }
}

#[derive(Debug, Clone)]
struct Member {
    incident: usize,
    arm: Arm,
    unit: Arc<str>,
    at: EventTime,
    segments: Vec<Arc<str>>,
    contacts: u32,
}

/// Assignments, and then contacts, one by one and in any order.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    dimensions: usize,
    names: BTreeMap<Arc<str>, usize>,
    incidents: Vec<IncidentCounts>,
    /// End of the widest window of each incident, for contacts without a name.
    ends: Vec<EventTime>,
    units: BTreeMap<(usize, Arc<str>), Arm>,
    people: BTreeMap<Arc<str>, Vec<Member>>,
    count: usize,
    /// Contacts of people who are in no incident's window.
    pub elsewhere: u64,
}

impl Trial {
    /// With so many dimensions of segments.
    pub fn new(dimensions: usize) -> Self {
        Self {
            dimensions,
            ..Self::default()
        }
    }

    /// Takes in who was assigned to what. All of them have to come before the first contact.
    ///
    /// # Errors
    /// Why it can't be; then nothing is changed.
    pub fn assign(&mut self, assignment: Assignment) -> Result<(), NotAssigned> {
        let Assignment {
            incident,
            customer,
            unit,
            arm,
            at,
            released_at,
            segments,
        } = assignment;
        if segments.len() != self.dimensions {
            return Err(NotAssigned::Segments {
                given: segments.len(),
                dimensions: self.dimensions,
            });
        }
        if self.count >= ASSIGNMENTS_MAX {
            return Err(NotAssigned::Full);
        }
        let number = self.names.get(&incident).copied();
        if let Some(number) = number {
            let members = self.people.get(&customer).map_or(&[][..], Vec::as_slice);
            if members.iter().any(|m| m.incident == number) {
                return Err(NotAssigned::Twice { customer, incident });
            }
            let other = self.units.get(&(number, Arc::clone(&unit)));
            if other.is_some_and(|other| *other != arm) {
                return Err(NotAssigned::Divided { unit, incident });
            }
        }
        let held = match (arm, released_at) {
            (Arm::Told, _) => None,
            (Arm::HeldOut, Some(released)) if released > at => Some(released.since(at)),
            (Arm::HeldOut, _) => return Err(NotAssigned::Release { customer, incident }),
        };
        let number = number.unwrap_or_else(|| {
            let number = self.incidents.len();
            self.names.insert(Arc::clone(&incident), number);
            self.incidents.push(IncidentCounts {
                incident,
                from: at,
                window: None,
                told: ArmCounts::default(),
                held_out: ArmCounts::default(),
                unmatched: 0,
                segments: vec![BTreeMap::new(); self.dimensions],
            });
            self.ends.push(at);
            number
        });
        if let Some(known) = self.incidents.get_mut(number) {
            known.from = known.from.min(at);
            known.window = match (known.window, held) {
                (Some(window), Some(held)) => Some(window.min(held)),
                (window, held) => window.or(held),
            };
            side(known, arm).people += 1;
            for (of, segment) in known.segments.iter_mut().zip(&segments) {
                let arms = of.entry(Arc::clone(segment)).or_default();
                match arm {
                    Arm::Told => arms.told += 1,
                    Arm::HeldOut => arms.held_out += 1,
                }
            }
        }
        if let Some(end) = self.ends.get_mut(number) {
            *end = (*end).max(at);
        }
        self.units.insert((number, Arc::clone(&unit)), arm);
        let member = Member {
            incident: number,
            arm,
            unit,
            at,
            segments,
            contacts: 0,
        };
        self.people.entry(customer).or_default().push(member);
        self.count += 1;
        Ok(())
    }

    /// Takes in what somebody did.
    pub fn contact(&mut self, contact: &Contact<'_>) {
        let Some(customer) = contact.customer else {
            self.nameless(contact);
            return;
        };
        let mut belongs = false;
        for member in self.people.get_mut(customer).into_iter().flatten() {
            let Some(known) = self.incidents.get_mut(member.incident) else {
                continue;
            };
            let Some(window) = known.window else {
                continue;
            };
            let end = member.at.plus(window);
            if contact.at < member.at || contact.at >= end.plus(LATER) {
                continue;
            }
            belongs = true;
            let within = contact.at < end;
            let counts = side(known, member.arm);
            match contact.deed {
                Deed::OptOut => counts.opt_outs += 1,
                Deed::Complaint => counts.complaints += 1,
                Deed::Contact if within => {
                    counts.contacts += 1;
                    *counts.by_channel.entry(Arc::from(contact.channel)).or_default() += 1;
                    if member.contacts == 0 {
                        counts.with_contact += 1;
                        for (of, segment) in known.segments.iter_mut().zip(&member.segments) {
                            if let Some(arms) = of.get_mut(segment) {
                                match member.arm {
                                    Arm::Told => arms.told_contacts += 1,
                                    Arm::HeldOut => arms.held_out_contacts += 1,
                                }
                            }
                        }
                    }
                    member.contacts = member.contacts.saturating_add(1);
                }
                Deed::Contact => counts.later += 1,
            }
        }
        if !belongs {
            self.elsewhere += 1;
        }
    }

    /// One whose maker isn't known: a row of its own in each incident whose window it falls into, never dropped.
    fn nameless(&mut self, contact: &Contact<'_>) {
        let mut belongs = false;
        for (known, end) in self.incidents.iter_mut().zip(&self.ends) {
            let Some(window) = known.window else {
                continue;
            };
            if contact.deed == Deed::Contact && (known.from..end.plus(window)).contains(&contact.at) {
                known.unmatched += 1;
                belongs = true;
            }
        }
        if !belongs {
            self.elsewhere += 1;
        }
    }

    /// All incidents, by their first assignment.
    pub fn incidents(&self) -> Vec<IncidentCounts> {
        let mut all = self.incidents.clone();
        all.sort_by(|a, b| (a.from, &a.incident).cmp(&(b.from, &b.incident)));
        all
    }

    /// How much more the contacts of units vary than those of people by themselves: Σ (y_u − n_u p)² ÷ Σ n_u p (1 − p) over
    /// the units of each incident and arm, p that arm's share; at least 1. The design effect of assigning whole units.
    #[allow(clippy::cast_precision_loss, reason = "numbers of people")]
    pub fn dispersion(&self) -> f64 {
        let mut units: BTreeMap<(usize, &str), (f64, f64)> = BTreeMap::new();
        for member in self.people.values().flatten() {
            let (people, with) = units.entry((member.incident, &member.unit)).or_default();
            *people += 1.0;
            *with += f64::from(u8::from(member.contacts > 0));
        }
        let (mut found, mut plain) = (0.0, 0.0);
        for ((number, unit), (people, with)) in &units {
            let arm = self.units.get(&(*number, Arc::from(*unit)));
            let Some((known, arm)) = self.incidents.get(*number).zip(arm) else {
                continue;
            };
            let counts = match arm {
                Arm::Told => &known.told,
                Arm::HeldOut => &known.held_out,
            };
            let share = counts.with_contact as f64 / counts.people.max(1) as f64;
            found += (with - people * share) * (with - people * share);
            plain += people * share * (1.0 - share);
        }
        if plain > 0.0 {
            (found / plain).max(1.0)
        } else {
            1.0
        }
    }
}

fn side(known: &mut IncidentCounts, arm: Arm) -> &mut ArmCounts {
    match arm {
        Arm::Told => &mut known.told,
        Arm::HeldOut => &mut known.held_out,
    }
}
