//! Who calls whom, as the spans of one partition of traces show it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forecall_types::{
    DomainName, EventTime, NEEDS_MAX, Responsibility, ServiceName, ServiceRecord, SourcePartition, SpanLink,
    SpanSide, TRACED_KEPT,
};
use serde::{Deserialize, Serialize};

/// Spans remembered until the other end of their call is read: at 64 bytes each a megabyte of memory. What is called and who
/// calls must lie within so many spans of one partition: of the same one they are where traces are keyed by their id.
pub const SPANS_WAITING_MAX: usize = 16_384;
/// Pairs of caller and callee of one partition: services of a large house, each with a dozen others.
pub const CALLS_TRACED_MAX: usize = 4_096;
/// A call seen so often is no mistake of instrumentation.
pub const CALLS_SEEN_MIN: u32 = 5;
/// What is still seen is said again after this long, so that whoever forgets what isn't said again keeps it.
pub const TRACED_SAID_AGAIN: Duration = Duration::from_secs(6 * 3_600);

/// What is remembered of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Waits {
    /// The span itself, for whoever names it as parent.
    Itself(u64),
    /// For its parent, which wasn't read yet.
    ForParent(u64),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Seen {
    count: u32,
    last: EventTime,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Caller {
    needs: BTreeMap<ServiceName, Seen>,
    said_at: Option<EventTime>,
}

/// Whoever was seen to call, and whom.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Traced {
    waiting: BTreeMap<Waits, ServiceName>,
    /// The oldest first.
    order: VecDeque<Waits>,
    callers: BTreeMap<ServiceName, Caller>,
    calls: usize,
    /// That there is no room was told.
    is_full: bool,
}

/// What a span came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Nothing that must be said.
    Quiet,
    /// What this service needs must be said.
    Due(ServiceName),
    /// There is no room for a further pair of caller and callee: told once.
    Full,
}

impl Traced {
    /// Takes a span; both ends of a call may come first.
    pub(crate) fn take(&mut self, link: &SpanLink) -> Vec<Noted> {
        let mut noted = Vec::new();
        if let (SpanSide::Calls, Some(peer)) = (link.side, &link.peer) {
            noted.push(self.note(&link.service, peer, link.at));
        }
        if let (SpanSide::IsCalled, Some(parent)) = (link.side, link.parent) {
            match self.waiting.get(&Waits::Itself(parent)).cloned() {
                Some(caller) => noted.push(self.note(&caller, &link.service, link.at)),
                None => self.remember(Waits::ForParent(parent), &link.service),
            }
        }
        if let Some(called) = self.waiting.get(&Waits::ForParent(link.span)).cloned() {
            noted.push(self.note(&link.service, &called, link.at));
        }
        self.remember(Waits::Itself(link.span), &link.service);
        noted.retain(|one| *one != Noted::Quiet);
        noted
    }

    fn remember(&mut self, what: Waits, service: &ServiceName) {
        if self.waiting.insert(what, service.clone()).is_some() {
            return;
        }
        self.order.push_back(what);
        if self.order.len() > SPANS_WAITING_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.waiting.remove(&oldest);
        }
    }

    /// Whether one more service that this one calls can be counted.
    fn has_room(&self, caller: &ServiceName) -> bool {
        let needs = self.callers.get(caller).map_or(0, |c| c.needs.len());
        self.calls < CALLS_TRACED_MAX && needs < NEEDS_MAX
    }

    fn note(&mut self, caller: &ServiceName, callee: &ServiceName, at: EventTime) -> Noted {
        if caller == callee {
            return Noted::Quiet;
        }
        let is_new = self
            .callers
            .get(caller)
            .is_none_or(|c| !c.needs.contains_key(callee));
        if is_new {
            if !self.has_room(caller) {
                self.forget(at);
            }
            if !self.has_room(caller) {
                let told = std::mem::replace(&mut self.is_full, true);
                return if told { Noted::Quiet } else { Noted::Full };
            }
            self.calls += 1;
        }
        let known = self.callers.entry(caller.clone()).or_default();
        let seen = known
            .needs
            .entry(callee.clone())
            .or_insert(Seen { count: 0, last: at });
        let was_known = seen.count >= CALLS_SEEN_MIN;
        let was_gone = at.since(seen.last) > TRACED_KEPT;
        seen.count = seen.count.saturating_add(1);
        seen.last = seen.last.max(at);
        let is_known = seen.count >= CALLS_SEEN_MIN;
        let is_old = known
            .said_at
            .is_none_or(|said| at.since(said) >= TRACED_SAID_AGAIN);
        if is_known && (!was_known || was_gone || is_old) {
            Noted::Due(caller.clone())
        } else {
            Noted::Quiet
        }
    }

    /// Drops calls that weren't seen for long.
    fn forget(&mut self, at: EventTime) {
        for caller in self.callers.values_mut() {
            caller.needs.retain(|_, seen| at.since(seen.last) <= TRACED_KEPT);
        }
        self.callers.retain(|_, caller| !caller.needs.is_empty());
        let calls = self.callers.values().map(|caller| caller.needs.len()).sum();
        if calls < self.calls {
            self.is_full = false;
        }
        self.calls = calls;
    }

    /// What a service is known to need, to be said now.
    pub(crate) fn say(
        &mut self,
        service: &ServiceName,
        domain: &DomainName,
        source: &SourcePartition,
    ) -> Option<ServiceRecord> {
        let caller = self.callers.get_mut(service)?;
        let at = caller.needs.values().map(|seen| seen.last).max()?;
        caller.said_at = Some(at);
        let known = caller.needs.iter();
        let known =
            known.filter(|(_, seen)| seen.count >= CALLS_SEEN_MIN && at.since(seen.last) <= TRACED_KEPT);
        Some(ServiceRecord {
            domain: domain.clone(),
            service: service.clone(),
            at,
            traced_by: Some(source.clone()),
            removed: false,
            customer_facing: None,
            responsibility: Responsibility::Unknown,
            depends_on: known.map(|(name, _)| name.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::new(text).unwrap()
    }

    fn link(service: &str, side: SpanSide, span: u64, parent: Option<u64>, at: i64) -> SpanLink {
        SpanLink {
            span,
            parent,
            service: name(service),
            peer: None,
            side,
            at: EventTime::from_secs(at),
        }
    }

    fn said(traced: &mut Traced, service: &str) -> Option<(i64, Vec<String>)> {
        let source = SourcePartition {
            topic: "traces".into(),
            partition: 0,
        };
        let domain = DomainName::new("shop").unwrap();
        let record = traced.say(&name(service), &domain, &source)?;
        let needs = record.depends_on.iter().map(ToString::to_string);
        Some((record.at.secs(), needs.collect()))
    }

    #[test]
    fn both_ends_of_a_call_make_a_dependency_whichever_is_read_first() {
        for called_first in [false, true] {
            let mut traced = Traced::default();
            let mut due = Vec::new();
            for i in 0..u64::from(CALLS_SEEN_MIN) {
                let at = i64::try_from(i).unwrap();
                let mut ends = [
                    link("web", SpanSide::Calls, 10 * i, None, at),
                    link("cart", SpanSide::IsCalled, 10 * i + 1, Some(10 * i), at),
                ];
                if called_first {
                    ends.reverse();
                }
                due.extend(ends.iter().flat_map(|end| traced.take(end)));
            }
            assert_eq!(due, [Noted::Due(name("web"))], "once, at the fifth");
            assert_eq!(said(&mut traced, "web"), Some((4, vec!["cart".to_owned()])));
            assert_eq!(said(&mut traced, "cart"), None);
        }
    }

    #[test]
    fn a_named_peer_needs_no_other_end_and_a_service_does_not_need_itself() {
        let mut traced = Traced::default();
        for i in 0..u64::from(CALLS_SEEN_MIN) {
            let mut call = link("cart", SpanSide::Calls, i, None, 60);
            call.peer = Some(name("redis"));
            let own = link("cart", SpanSide::IsCalled, 100 + i, Some(i), 60);
            traced.take(&call);
            assert!(traced.take(&own).is_empty());
        }
        assert_eq!(said(&mut traced, "cart"), Some((60, vec!["redis".to_owned()])));
    }

    #[test]
    fn what_is_seen_is_said_again_and_what_is_not_is_forgotten() {
        let mut traced = Traced::default();
        let call = |traced: &mut Traced, peer: &str, at: i64| {
            let mut call = link("web", SpanSide::Calls, 1, None, at);
            call.peer = Some(name(peer));
            traced.take(&call)
        };
        for _ in 0..CALLS_SEEN_MIN {
            call(&mut traced, "cart", 0);
            call(&mut traced, "old", 0);
        }
        said(&mut traced, "web");
        assert!(call(&mut traced, "cart", 3_600).is_empty());
        assert_eq!(
            call(&mut traced, "cart", 6 * 3_600),
            [Noted::Due(name("web"))],
            "after six hours"
        );
        assert_eq!(
            said(&mut traced, "web").unwrap().1,
            ["cart", "old"],
            "within the week"
        );
        call(&mut traced, "cart", 8 * 86_400);
        assert_eq!(said(&mut traced, "web").unwrap().1, ["cart"]);
        assert_eq!(
            call(&mut traced, "old", 8 * 86_400),
            [Noted::Due(name("web"))],
            "it is back"
        );
    }

    #[test]
    fn memory_is_bounded_and_the_bound_is_told_once() {
        let mut traced = Traced::default();
        let mut told = Vec::new();
        for i in 0..u64::try_from(SPANS_WAITING_MAX).unwrap() + 100 {
            let mut call = link(&format!("s{}", i / 200), SpanSide::Calls, i, None, 0);
            call.peer = Some(name(&format!("p{i}")));
            told.extend(traced.take(&call));
        }
        assert_eq!(told, [Noted::Full]);
        assert_eq!(
            (traced.calls, traced.waiting.len(), traced.order.len()),
            (CALLS_TRACED_MAX, SPANS_WAITING_MAX, SPANS_WAITING_MAX)
        );
        // After a week none of it is seen any more: there is room.
        let mut call = link("web", SpanSide::Calls, 1, None, 8 * 86_400);
        call.peer = Some(name("cart"));
        traced.take(&call);
        assert_eq!(traced.calls, 1);
    }
}
