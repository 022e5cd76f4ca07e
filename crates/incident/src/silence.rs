//! Silences: by a person's word, what matches pages nobody for a while.
//!
//! A silence holds pages back and nothing else. Evidence opens incidents as before, and customers are told as before: they are hit, whoever
//! sleeps. An incident is covered where one silence covers all of it: every service, every region, and each piece of its active
//! evidence. What grows beyond the silence pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forecall_types::{
    Command, EventTime, Evidence, Incident, Matchers, NAME_BYTES_MAX, RejectReason, Remark, SilenceId,
    Silenced, fits,
};
use serde::{Deserialize, Serialize};

use crate::command::{Refusal, not_allowed};
use crate::group::{Domain, Open};
use crate::predict::Assessment;
use crate::publish::Step;
use crate::reason::moment;

/// Silences of one domain in force at once, some 2 KiB each: each open incident is held against all of them at each step.
pub const SILENCES_MAX: usize = 256;
/// Longest silence: what must be silent for longer is to be repaired, or taken out of the configuration.
pub const SILENCE_SPAN_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Patterns of one silence, of all kinds together: more is a mistake, or several silences.
pub const PATTERNS_MAX: usize = 64;

/// One silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Silence {
    matchers: Matchers,
    said: Silenced,
}

/// Those in force in one domain, at most [`SILENCES_MAX`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Silences(BTreeMap<SilenceId, Silence>);

impl Silences {
    /// How many are in force at `at`.
    pub(crate) fn count(&self, at: Option<EventTime>) -> usize {
        let is_in_force = |silence: &&Silence| at.is_none_or(|at| silence.said.until > at);
        self.0.values().filter(is_in_force).count()
    }

    /// Forgets those that are over.
    pub(crate) fn expire(&mut self, at: EventTime) {
        self.0.retain(|_, silence| silence.said.until > at);
    }

    /// The silence that covers an incident; of several that which lasts longest.
    fn over(&self, incident: &Incident, a: &Assessment) -> Option<&Silenced> {
        let covering = self.0.values().filter(|s| covers(&s.matchers, incident, a));
        covering
            .map(|silence| &silence.said)
            .max_by(|x, y| x.until.cmp(&y.until).then_with(|| y.id.cmp(&x.id)))
    }
}

fn covers(matchers: &Matchers, incident: &Incident, a: &Assessment) -> bool {
    let any = |patterns: &BTreeSet<Arc<str>>, name: &str| {
        patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern, name))
    };
    let labels_fit = |e: &Evidence| {
        let mut wanted = matchers.labels.iter();
        wanted.all(|(name, pattern)| e.series.resource.get(name).is_some_and(|v| fits(pattern, v)))
    };
    let counts = |e: &&Evidence| e.active && e.muted_by.is_none();
    let active = || a.evidence.iter().map(|w| &w.evidence).filter(counts);
    let is_of_evidence = !matchers.metrics.is_empty() || !matchers.labels.is_empty();
    let scope = &incident.scope;
    scope.services.iter().all(|s| any(&matchers.services, s.as_str()))
        && scope.regions.iter().all(|r| any(&matchers.regions, r.as_str()))
        // Where nothing is measured no metric and no label can be meant.
        && (!is_of_evidence || active().next().is_some())
        && active().all(|e| any(&matchers.metrics, &e.series.metric) && labels_fit(e))
}

/// `silenced until 14:30 UTC by noc: the rack is moved`.
pub(crate) fn in_words(silenced: &Silenced, now: EventTime) -> String {
    format!(
        "silenced until {} by {}: {}",
        moment(silenced.until, now),
        silenced.by,
        silenced.reason
    )
}

impl Domain {
    /// Takes a silence, or says why not.
    pub(crate) fn silence(
        &mut self,
        command: &Command,
        matchers: &Matchers,
        until: EventTime,
        reason: &Remark,
        step: &Step<'_>,
    ) -> Result<(), Refusal> {
        let Ok(id) = SilenceId::new(&command.id) else {
            return Err(not_allowed("its id can't be that of a silence"));
        };
        let count = matchers.patterns().count();
        if count == 0 {
            return Err(not_allowed("it says nothing of what is to be silent"));
        }
        if count > PATTERNS_MAX || matchers.patterns().any(|p| p.len() > NAME_BYTES_MAX) {
            return Err(not_allowed(format!(
                "more than {PATTERNS_MAX} patterns, or one longer than {NAME_BYTES_MAX} bytes"
            )));
        }
        if until <= command.at || until <= step.at {
            return Err(not_allowed("it is over already"));
        }
        if until.since(command.at) > SILENCE_SPAN_MAX {
            return Err(not_allowed("it lasts more than 30 days"));
        }
        self.silences.expire(step.at);
        if self.silences.0.len() >= SILENCES_MAX {
            let why = format!("{SILENCES_MAX} silences are in force already");
            return Err((RejectReason::SeriesLimit, why));
        }
        let said = Silenced {
            id: id.clone(),
            until,
            by: command.by.clone(),
            reason: reason.clone(),
        };
        let matchers = matchers.clone();
        self.silences.0.insert(id, Silence { matchers, said });
        Ok(())
    }

    /// Ends a silence.
    pub(crate) fn unsilence(&mut self, id: &SilenceId, step: &Step<'_>) -> Result<(), Refusal> {
        self.silences.expire(step.at);
        let found = self.silences.0.remove(id);
        found.map_or_else(
            || Err(not_allowed(format!("no silence {id} is in force"))),
            |_| Ok(()),
        )
    }

    /// The silence that covers an incident now. The canary's incidents call nobody anyway.
    pub(crate) fn silenced(&self, open: &Open, a: &Assessment) -> Option<Silenced> {
        if self.name.is_canary() {
            return None;
        }
        self.silences.over(&open.incident, a).cloned()
    }

    /// Notes that an incident has come under a silence, or from under it: both are news.
    pub(crate) fn note_silence(&self, open: &mut Open, a: &Assessment, step: &Step<'_>) {
        let now = self.silenced(open, a);
        if now == open.incident.silenced {
            return;
        }
        open.notes.push(
            now.as_ref()
                .map_or_else(|| "no longer silenced".into(), |s| in_words(s, step.at)),
        );
        open.incident.silenced = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(id: &str, until: i64) -> Silenced {
        Silenced {
            id: SilenceId::new(id).unwrap(),
            until: EventTime::from_secs(until),
            by: "noc".into(),
            reason: Remark::new("the rack is moved").unwrap(),
        }
    }

    #[test]
    fn the_day_is_named_where_it_is_another() {
        let now = EventTime::from_secs(1_795_925_400);
        let text = |secs: i64| in_words(&said("s", 1_795_925_400 + secs), now);
        assert_eq!(text(3_600), "silenced until 05:10 UTC by noc: the rack is moved");
        assert_eq!(
            text(86_400 * 3),
            "silenced until 2026-12-02 04:10 UTC by noc: the rack is moved"
        );
    }

    #[test]
    fn those_that_are_over_are_forgotten() {
        let mut silences = Silences::default();
        for (id, until) in [("a", 10), ("b", 20)] {
            let silence = Silence {
                matchers: Matchers::default(),
                said: said(id, until),
            };
            silences.0.insert(SilenceId::new(id).unwrap(), silence);
        }
        assert_eq!(silences.count(Some(EventTime::from_secs(10))), 1);
        silences.expire(EventTime::from_secs(20));
        assert_eq!(silences.count(None), 0);
    }
}
