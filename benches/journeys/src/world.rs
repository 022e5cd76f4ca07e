//! Customers who pay, and most of whose packages become active.

use std::num::NonZeroU64;
use std::sync::Arc;

use forecall_bench_input::{below, next, uniform};
use forecall_journey::{JourneyRuleEntry, JourneySettings, JourneyStepEntry, JourneyTunables};
use forecall_types::{
    CustomerEvent, CustomerEventKind, CustomerId, DomainName, EventTime, JourneyEntry, RegionCode, Tick,
};

/// Seconds that the rules allow: journeys of ten minutes, an hour, a day.
pub(crate) const RULES: [(&str, &str, u64); 3] = [
    ("payment.accepted", "package.activated", 600),
    ("ticket.opened", "ticket.answered", 3_600),
    ("order.shipped", "order.delivered", 86_400),
];
/// Events a second of event time: 30,000 wait for the lateness of a minute.
const EVENTS_A_SECOND: i64 = 500;

pub(crate) fn settings() -> Arc<JourneySettings> {
    let rules: Vec<JourneyRuleEntry> = RULES
        .iter()
        .map(|(start, end, within_seconds)| JourneyRuleEntry {
            name: (*start).to_owned(),
            start: vec![(*start).to_owned()],
            steps: vec![JourneyStepEntry {
                expect: vec![(*end).to_owned()],
                within_seconds: *within_seconds,
            }],
            by_key: true,
            service: "packages".to_owned(),
            ..JourneyRuleEntry::default()
        })
        .collect();
    let mut tunables = JourneyTunables {
        open_max: 16_777_214,
        // The tick that lets the last of the first ones go on comes hours before the mix does.
        future_seconds: 86_400,
        ..JourneyTunables::default()
    };
    // Failures here are chance, and each is to be told.
    tunables.waves.share_min = 1.0;
    Arc::new(JourneySettings::new(&rules, tunables).expect("rules of a constant"))
}

pub(crate) struct World {
    state: u64,
    id: u128,
    domain: DomainName,
    regions: Vec<RegionCode>,
    kinds: Vec<(CustomerEventKind, CustomerEventKind)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let kind = |text: &str| CustomerEventKind::new(text).expect("a constant");
        Self {
            state: seed,
            id: 0,
            domain: DomainName::new("isp").expect("a constant"),
            regions: (0..31)
                .map(|i| RegionCode::new(&format!("IR-{i:02}")).expect("a constant"))
                .collect(),
            kinds: RULES
                .iter()
                .map(|(start, end, _)| (kind(start), kind(end)))
                .collect(),
        }
    }

    fn customer(&mut self) -> CustomerId {
        CustomerId::of_number(u128::from(next(&mut self.state)) << 16)
    }

    fn event(
        &mut self,
        kind: CustomerEventKind,
        customer: CustomerId,
        at: EventTime,
        key: u64,
    ) -> CustomerEvent {
        self.id += 1;
        let region = below(&mut self.state, self.regions.len());
        CustomerEvent {
            // Ids are hashes: they come in no order.
            id: u128::from(next(&mut self.state)) << 64 | self.id,
            domain: self.domain.clone(),
            kind,
            customer,
            at,
            key: NonZeroU64::new(key),
            service: None,
            region: self.regions.get(region).cloned(),
        }
    }

    /// One of a day's journeys begins; a hundred thousand a second, so that none of the first is over when the last begins.
    pub(crate) fn start(&mut self) -> CustomerEvent {
        let at = EventTime::from_nanos(i64::try_from(self.id).unwrap_or(0) * 10_000);
        let customer = self.customer();
        let key = next(&mut self.state) | 1;
        let kind = self.kinds[2].0.clone();
        self.event(kind, customer, at, key)
    }

    /// So late that nothing waits.
    pub(crate) fn tick(&self) -> JourneyEntry {
        let at = EventTime::from_secs(i64::try_from(self.id / 100_000).unwrap_or(0) + 400);
        JourneyEntry::Tick(Tick { at })
    }

    /// Journeys of all rules, of which nine of ten end in time, in order of time; begins after the day's.
    pub(crate) fn mix(&mut self, events: u64) -> Vec<CustomerEvent> {
        let from = i64::try_from(self.id / 100_000).unwrap_or(0) + 1_000;
        let mut all = Vec::new();
        let mut started = 0_i64;
        while (all.len() as u64) < events {
            let rule = below(&mut self.state, RULES.len());
            let at =
                EventTime::from_nanos(from * 1_000_000_000 + started * 1_000_000_000 / (EVENTS_A_SECOND / 2));
            started += 1;
            let (customer, key) = (self.customer(), next(&mut self.state) | 1);
            let (start, end) = self.kinds[rule].clone();
            all.push(self.event(start, customer.clone(), at, key));
            if uniform(&mut self.state) < 0.9 {
                // Soon after, as most are; the longest in the time allowed.
                let within = RULES[rule].2.min(600) as f64 * uniform(&mut self.state);
                let at = EventTime::from_nanos(at.nanos() + (within * 1e9) as i64);
                all.push(self.event(end, customer, at, key));
            }
        }
        all.truncate(usize::try_from(events).unwrap_or(usize::MAX));
        all.sort_by_key(|event| event.at);
        all
    }
}
