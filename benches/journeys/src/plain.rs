//! The plain way: a hash map of structs by customer, rule and key, and a set of deadlines. In order of arrival: it puts
//! nothing into order and knows no waves.

use std::collections::{BTreeSet, HashMap};

use forecall_types::{CustomerEvent, CustomerId, DomainName, EventTime, RegionCode};

use crate::world::RULES;

type Name = (CustomerId, usize, u64);

#[allow(dead_code, reason = "what a failure tells of, held for it")]
struct Open {
    domain: DomainName,
    region: Option<RegionCode>,
    started: EventTime,
    deadline: EventTime,
}

/// Open journeys.
#[derive(Default)]
pub(crate) struct Plain {
    open: HashMap<Name, Open>,
    due: BTreeSet<(EventTime, Name)>,
    pub(crate) failed: u64,
}

impl Plain {
    pub(crate) fn open(&self) -> u64 {
        self.open.len() as u64
    }

    pub(crate) fn take(&mut self, event: &CustomerEvent) {
        while let Some(first) = self.due.pop_first() {
            if first.0 >= event.at {
                self.due.insert(first);
                break;
            }
            self.open.remove(&first.1);
            self.failed += 1;
        }
        let key = event.key.map_or(0, std::num::NonZeroU64::get);
        for (rule, (start, end, within)) in RULES.iter().enumerate() {
            let name = (event.customer.clone(), rule, key);
            if event.kind.as_str() == *start {
                let deadline = event.at.plus(std::time::Duration::from_secs(*within));
                self.due.insert((deadline, name.clone()));
                let open = Open {
                    domain: event.domain.clone(),
                    region: event.region.clone(),
                    started: event.at,
                    deadline,
                };
                self.open.insert(name, open);
            } else if event.kind.as_str() == *end
                && let Some(open) = self.open.remove(&name)
            {
                self.due.remove(&(open.deadline, name));
            }
        }
    }
}
