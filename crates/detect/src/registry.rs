use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{DomainName, EventTime, Fingerprint, SeriesKey};
use serde::{Deserialize, Serialize};

use crate::Detector;
use crate::rate::{Part, Prior};

/// A series as it comes in, and the scored ones made of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Raw {
    pub(crate) key: Arc<SeriesKey>,
    pub(crate) domain: u32,
    pub(crate) last_at: Option<EventTime>,
    pub(crate) prior: Prior,
    parts: Vec<(Part, u32)>,
}

/// All series of the partition: each key is held once, series are known by number.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    domains: Vec<DomainName>,
    numbers: BTreeMap<(u32, Fingerprint), u32>,
    raws: Vec<Raw>,
    detectors: Vec<Detector>,
}

/// The partition holds as many series as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Domains a partition may carry; one more is refused like a series too many. A source has one, an operator a few.
const DOMAINS_MAX: usize = 1_024;

impl Registry {
    pub(crate) fn domains(&self) -> &[DomainName] {
        &self.domains
    }

    /// The number of a domain, new ones added.
    pub(crate) fn domain(&mut self, name: &DomainName) -> Result<u32, Full> {
        let known = self.domains.iter().position(|d| d == name);
        let index = match known {
            Some(index) => index,
            None if self.domains.len() >= DOMAINS_MAX => return Err(Full),
            None => {
                self.domains.push(name.clone());
                self.domains.len() - 1
            }
        };
        u32::try_from(index).map_err(|_| Full)
    }

    pub(crate) fn find(&self, domain: u32, series: Fingerprint) -> Option<u32> {
        self.numbers.get(&(domain, series)).copied()
    }

    /// The number of a series, new ones added.
    pub(crate) fn intern(
        &mut self,
        domain: u32,
        series: Fingerprint,
        key: &SeriesKey,
        max: u32,
    ) -> Result<u32, Full> {
        if let Some(number) = self.find(domain, series) {
            return Ok(number);
        }
        let number = u32::try_from(self.raws.len()).map_err(|_| Full)?;
        if number >= max {
            return Err(Full);
        }
        self.numbers.insert((domain, series), number);
        self.raws.push(Raw {
            key: Arc::new(key.clone()),
            domain,
            last_at: None,
            prior: Prior::None,
            parts: Vec::new(),
        });
        Ok(number)
    }

    pub(crate) fn raw(&self, number: u32) -> Option<&Raw> {
        self.raws.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn raw_mut(&mut self, number: u32) -> Option<&mut Raw> {
        self.raws.get_mut(usize::try_from(number).ok()?)
    }

    pub(crate) fn detector_mut(&mut self, number: u32) -> Option<&mut Detector> {
        self.detectors.get_mut(usize::try_from(number).ok()?)
    }

    /// The domain of a raw series.
    pub(crate) fn domain_of(&self, raw: u32) -> Option<&DomainName> {
        let domain = self.raw(raw)?.domain;
        self.domains.get(usize::try_from(domain).ok()?)
    }

    /// The detector of a part, where there is one already.
    pub(crate) fn known_part(&self, raw: u32, part: Part) -> Option<&Detector> {
        let (_, number) = self.raw(raw)?.parts.iter().find(|(p, _)| *p == part)?;
        self.detectors.get(usize::try_from(*number).ok()?)
    }

    /// The number of a part's detector, a new one added.
    pub(crate) fn part(&mut self, raw: u32, part: Part, max: u32) -> Result<u32, Full> {
        let next = u32::try_from(self.detectors.len()).map_err(|_| Full)?;
        let series = self.raw_mut(raw).ok_or(Full)?;
        if let Some((_, number)) = series.parts.iter().find(|(p, _)| *p == part) {
            return Ok(*number);
        }
        if next >= max {
            return Err(Full);
        }
        let key = match part {
            Part::Same => Arc::clone(&series.key),
            Part::Rate | Part::ObservationRate | Part::Quantile(_) => {
                let (metric, unit) = part.name_and_unit(&series.key.metric, &series.key.unit);
                Arc::new(series.key.with_metric(&metric, &unit))
            }
        };
        series.parts.push((part, next));
        self.detectors.push(Detector::new(key));
        Ok(next)
    }
}
