//! Which finding met which truth.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forecall_types::EventTime;

/// A time in which there was trouble, as people said afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Truth {
    /// Its first moment.
    pub from: EventTime,
    /// Its last moment.
    pub to: EventTime,
    /// The service that was hit; `None`: any.
    pub service: Option<Arc<str>>,
    /// The region that was hit; `None`: any.
    pub region: Option<Arc<str>>,
    /// What kind of trouble, in the words of whoever labelled it.
    pub kind: Option<Arc<str>>,
}

impl Truth {
    /// Trouble of any service in any region.
    pub const fn new(from: EventTime, to: EventTime) -> Self {
        Self {
            from,
            to,
            service: None,
            region: None,
            kind: None,
        }
    }

    fn is_of(&self, finding: &Finding) -> bool {
        let within = |wanted: &Option<Arc<str>>, has: &BTreeSet<Arc<str>>| {
            wanted.as_ref().is_none_or(|wanted| has.contains(wanted))
        };
        within(&self.service, &finding.services) && within(&self.region, &finding.regions)
    }
}

/// What a run told.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Its id: of two that began at one time the lesser goes first.
    pub id: Arc<str>,
    /// When it was first told with a weight above all before: (when, probability or score), in order. Never empty.
    pub rise: Vec<(EventTime, f64)>,
    /// When it was over, or last heard of.
    pub to: EventTime,
    /// Services it names.
    pub services: BTreeSet<Arc<str>>,
    /// Regions it names.
    pub regions: BTreeSet<Arc<str>>,
    /// How many people or teams it called.
    pub pages: u32,
    /// The probability it was first told with, where it was a prediction.
    pub forecast: Option<f64>,
    /// When customers were hit, as the run itself saw it.
    pub impact: Option<EventTime>,
}

impl Finding {
    /// A finding of weight 1 that names no scope and calls one.
    pub fn new(id: &str, from: EventTime, to: EventTime) -> Self {
        Self {
            id: Arc::from(id),
            rise: vec![(from, 1.0)],
            to,
            services: BTreeSet::new(),
            regions: BTreeSet::new(),
            pages: 1,
            forecast: None,
            impact: None,
        }
    }

    /// When it was first told with at least this weight; `None`: never.
    pub fn since(&self, least: f64) -> Option<EventTime> {
        self.rise
            .iter()
            .find(|(_, weight)| *weight >= least)
            .map(|(at, _)| *at)
    }
}

/// What counts as met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// A finding that began so long before a truth still told of it; one that began earlier did only if it lasted until then.
    pub lead_max: Duration,
}

impl Default for Rules {
    /// An hour: the horizon of a prediction.
    fn default() -> Self {
        Self {
            lead_max: Duration::from_secs(3_600),
        }
    }
}

/// Truths and findings brought together.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// Truths in order, each with the beginning of the finding that is its own.
    pub truths: Vec<(Truth, Option<EventTime>)>,
    /// Findings by beginning and id: the index in what was given, and whether it met any truth.
    pub findings: Vec<(usize, bool)>,
}

/// Gives each truth a finding of its own, so that as many as possible have one, the earliest where there is a choice. One finding
/// is the own of one truth at most: one that never ends would find them all. Findings that never weighed `least` are left out.
pub fn pair(truths: &[Truth], findings: &[Finding], rules: Rules, least: f64) -> Paired {
    let mut truths = truths.to_vec();
    truths.sort();
    let mut told: Vec<(EventTime, &str, usize)> = findings
        .iter()
        .enumerate()
        .filter_map(|(n, finding)| Some((finding.since(least)?, &*finding.id, n)))
        .collect();
    told.sort_unstable();
    let of: Vec<Vec<usize>> = truths
        .iter()
        .map(|truth| {
            let before_end = told.iter().take_while(|(from, ..)| *from <= truth.to);
            (0..)
                .zip(before_end)
                .filter(|(_, (from, _, n))| {
                    findings.get(*n).is_some_and(|finding| {
                        let lasts = finding.to >= truth.from || truth.from.since(*from) <= rules.lead_max;
                        lasts && truth.is_of(finding)
                    })
                })
                .map(|(place, _)| place)
                .collect()
        })
        .collect();
    let mut met = vec![false; told.len()];
    for place in of.iter().flatten() {
        if let Some(met) = met.get_mut(*place) {
            *met = true;
        }
    }
    let partners = partners(&of, told.len());
    Paired {
        truths: truths
            .into_iter()
            .zip(partners)
            .map(|(truth, place)| {
                let from = place.and_then(|place| told.get(place)).map(|(from, ..)| *from);
                (truth, from)
            })
            .collect(),
        findings: told.iter().zip(met).map(|((.., n), met)| (*n, met)).collect(),
    }
}

/// The greatest matching (Kuhn): each truth takes the first of its findings that is free or whose truth can take another.
fn partners(of: &[Vec<usize>], findings: usize) -> Vec<Option<usize>> {
    let mut owner: Vec<Option<usize>> = vec![None; findings];
    for truth in 0..of.len() {
        let mut tried = vec![false; findings];
        take(truth, of, &mut owner, &mut tried);
    }
    let mut partners = vec![None; of.len()];
    for (place, truth) in owner.iter().enumerate() {
        if let Some(partner) = truth.and_then(|truth| partners.get_mut(truth)) {
            *partner = Some(place);
        }
    }
    partners
}

/// No deeper than there are truths.
fn take(truth: usize, of: &[Vec<usize>], owner: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for place in of.get(truth).into_iter().flatten().copied() {
        match tried.get_mut(place) {
            Some(tried) if !*tried => *tried = true,
            _ => continue,
        }
        let free = match owner.get(place).copied().flatten() {
            Some(other) => take(other, of, owner, tried),
            None => true,
        };
        if free && let Some(owner) = owner.get_mut(place) {
            *owner = Some(truth);
            return true;
        }
    }
    false
}
