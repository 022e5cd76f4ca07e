//! What is shown of chosen series, to those who look at them: no part of the state, and nothing is decided by it.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{Band, Channel, ChannelScore, DomainName, EventTime, SeriesKey, fits};
use serde::{Deserialize, Serialize};

use super::DetectStage;
use crate::Judgement;
use crate::gates::labels_fit;
use crate::rate::Part;

/// Series of a partition that are shown at most: each costs a second look at every sample.
pub const SHOWN_MAX: usize = 1_000;

/// Which series are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShownSeries {
    /// Name of the metric as an anomaly tells it (`….rate`, `….p95`), in which `*` stands for any run of characters. Left out: all.
    pub metric: Option<String>,
    /// Labels of the series → value, likewise: all must match. A label of the point goes before one of the resource.
    pub r#match: BTreeMap<String, String>,
}

impl ShownSeries {
    fn is_of(&self, series: &SeriesKey) -> bool {
        let is_named = self
            .metric
            .as_ref()
            .is_none_or(|pattern| fits(pattern, &series.metric));
        is_named && labels_fit(&self.r#match, series)
    }
}

/// A series at its last sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Whose it is.
    pub domain: DomainName,
    /// Which (as scored: a counter as its rate).
    pub series: Arc<SeriesKey>,
    /// When it was measured.
    pub at: EventTime,
    /// What was measured.
    pub value: f64,
    /// What was expected, and what is normal of a single value; `None` while the detector still warms up.
    pub normal: Option<(f64, Band)>,
    /// Its score, as a share of the one from which a sample counts as abnormal: 1 and more does. 0 where the deviation is too small
    /// to matter.
    pub score: f64,
    /// What each channel said by itself, on the scale of scores; empty while the detector still warms up.
    pub channels: Box<[ChannelScore]>,
    /// Whether an anomaly is open.
    pub is_open: bool,
}

/// What is known of a detector's being shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mark {
    #[default]
    Unknown,
    Left,
    Shown,
}

#[derive(Debug, Clone)]
pub(super) struct Showing {
    chosen: Arc<[ShownSeries]>,
    /// By number of the detector.
    marks: Vec<Mark>,
    shown: usize,
    /// Series given up when the marks were made: numbers are given anew then.
    evicted: u64,
    keys: BTreeMap<u32, Arc<SeriesKey>>,
    told: Vec<Shown>,
}

impl Showing {
    /// Whether a detector's series is one of those; its key is asked for once.
    pub(super) fn wants(
        &mut self,
        index: u32,
        evicted: u64,
        key: impl FnOnce() -> Option<SeriesKey>,
    ) -> bool {
        if self.evicted != evicted {
            self.evicted = evicted;
            self.marks.clear();
            self.keys.clear();
            self.shown = 0;
        }
        let Ok(place) = usize::try_from(index) else {
            return false;
        };
        if self.marks.len() <= place {
            self.marks.resize(place + 1, Mark::Unknown);
        }
        let Some(mark) = self.marks.get_mut(place) else {
            return false;
        };
        if *mark == Mark::Unknown {
            let chosen = key().filter(|key| self.chosen.iter().any(|c| c.is_of(key)));
            *mark = match chosen {
                Some(key) if self.shown < SHOWN_MAX => {
                    self.shown += 1;
                    self.keys.insert(index, Arc::new(key));
                    Mark::Shown
                }
                Some(_) | None => Mark::Left,
            };
        }
        *mark == Mark::Shown
    }
}

impl DetectStage {
    /// Shows these series, if any: [`take_shown`](Self::take_shown).
    #[must_use]
    pub fn showing(mut self, chosen: &Arc<[ShownSeries]>) -> Self {
        self.showing = (!chosen.is_empty()).then(|| {
            Box::new(Showing {
                chosen: Arc::clone(chosen),
                marks: Vec::new(),
                shown: 0,
                evicted: self.evicted(),
                keys: BTreeMap::new(),
                told: Vec::new(),
            })
        });
        self
    }

    /// What was judged of the series chosen since it was asked last, in order.
    pub fn take_shown(&mut self) -> Vec<Shown> {
        self.showing
            .as_mut()
            .map_or_else(Vec::new, |showing| std::mem::take(&mut showing.told))
    }

    pub(super) fn show(
        &mut self,
        (slot, part, index): (u32, Part, u32),
        (at, value): (EventTime, f64),
        judgement: &Judgement,
        channels: &[ChannelScore],
    ) {
        let registry = &mut self.state.registry;
        let Some(domain) = registry.domain_of(slot).cloned() else {
            return;
        };
        let Some(detector) = registry.known_part(slot, part) else {
            return;
        };
        let settings = self.gates.settings(detector.set());
        let (asked, is_open) = (detector.asked_of(judgement.channel, settings), detector.is_open());
        let spike = channels.iter().find(|c| c.channel == Channel::Spike);
        let Some(showing) = self.showing.as_mut() else {
            return;
        };
        let Some(series) = showing.keys.get(&index) else {
            return;
        };
        showing.told.push(Shown {
            domain,
            series: Arc::clone(series),
            at,
            value,
            normal: spike.map(|spike| (spike.expected, spike.band)),
            score: judgement.gated.max(0.0) / asked,
            channels: channels.into(),
            is_open,
        });
    }
}
