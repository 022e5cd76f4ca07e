//! A series moves from one partition's registry to another's, with all that is known of it.

use forecall_types::Fingerprint;

use super::{Cold, Full, Head, LINK_BITS, Links, NONE, Registry, VACANT, WAITING_ONE, at, at_mut, place_in};
use crate::rate::Part;

/// Where a series stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Adopted {
    pub(crate) slot: u32,
    /// Its detectors: the number each had, and the one it has.
    pub(crate) detectors: Vec<(u32, u32)>,
}

impl Registry {
    /// The series it holds, by number, and the entity of each.
    pub(crate) fn entities(&self) -> impl Iterator<Item = (u32, Fingerprint)> {
        (0_u32..)
            .zip(self.colds.iter())
            .filter(|(_, cold)| cold.name != VACANT)
            .filter_map(|(slot, _)| Some((slot, self.key(slot, Part::Same)?.entity())))
    }

    /// Takes a series over; `None`: it is known here already, and stays as it is.
    pub(crate) fn adopt(&mut self, from: &Self, slot: u32, series_max: u32) -> Result<Option<Adopted>, Full> {
        let (Some(old), Some(texts)) = (at(&from.heads, slot), at(&from.colds, slot)) else {
            return Ok(None);
        };
        if self.find(old.id).is_some() {
            return Ok(None);
        }
        if self.len() >= usize::try_from(series_max).map_err(|_| Full)? {
            return Err(Full);
        }
        let domain = from.domain_of(slot).ok_or(Full)?.clone();
        let mut name = self.domain(&domain)?.to_le_bytes().to_vec();
        name.extend_from_slice(from.name(slot).get(2..).unwrap_or_default());
        let cold = Cold {
            name: self.texts.take(&name)?,
            resource: self.texts.take(from.texts.get(texts.resource))?,
            labels: self.texts.take(from.texts.get(texts.labels))?,
        };
        // The samples that wait come along, so their number does.
        let waiting = old.links.0 / WAITING_ONE * WAITING_ONE;
        let mut head = Head {
            links: Links(Links::EMPTY.0 | waiting),
            ..*old
        };
        let mut detectors = Vec::new();
        let mut next = old.links.link(0);
        while let Some((number, detector)) = next.and_then(|n| Some((n, at(&from.detectors, n)?))) {
            next = detector.next();
            let mut moved = detector.clone();
            moved.set_next(u32::MAX);
            let new = place_in(&mut self.detectors, &mut self.free_detectors, moved)?;
            match detectors.last() {
                None => head.links.set(0, new),
                Some((_, last)) => {
                    if let Some(last) = at_mut(&mut self.detectors, *last) {
                        last.set_next(new);
                    }
                }
            }
            detectors.push((number, new));
        }
        if let Some(prior) = old.links.link(LINK_BITS).and_then(|n| at(&from.priors, n)) {
            let number = place_in(&mut self.priors, &mut self.free_priors, prior.clone())?;
            head.links.set(LINK_BITS, number);
        }
        let slot = u32::try_from(self.heads.len())
            .ok()
            .filter(|s| *s < NONE)
            .ok_or(Full)?;
        self.heads.push(head);
        self.colds.push(cold);
        let heads = &self.heads;
        self.index
            .insert(head.id, slot, |s| at(heads, s).map(|head| head.id));
        Ok(Some(Adopted { slot, detectors }))
    }
}
