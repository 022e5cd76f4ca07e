//! By which settings a series is judged: found once, when it is new, and kept as a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{Fingerprint, LABEL_VALUE_BYTES_MAX, LABELS_MAX, SeriesKey, fits};

use crate::calendar::CalendarEntry;
use crate::detector::SETS_MAX;
use crate::limits::check_limits;
use crate::peers::check_peers;
use crate::settings::{NO_WEEKDAYS, are_weekdays};
use crate::{DetectSettings, DetectSettingsError, MetricKind};

/// Calendars in one configuration: more places than an operator has weeks to tell apart.
pub const CALENDARS_MAX: usize = 63;

/// Rules in one configuration; each new series is tried against them in order.
pub const RULES_MAX: usize = 255;
const _: () = assert!(CALENDARS_MAX < SETS_MAX, "each calendar has a number");
/// Stars in a pattern: each may cost a walk over the text.
const STARS_MAX: usize = 8;

/// Settings as they hold for some series.
#[derive(Debug, Clone)]
struct Set {
    settings: DetectSettings,
    kind: Option<MetricKind>,
    detects: bool,
}

/// All sets that series can have, made from the settings alone, so that a number means the same in every run of them.
#[derive(Debug)]
pub(crate) struct Gates {
    general: Arc<DetectSettings>,
    /// By rule, within it by calendar, and within that by limit; first those of no rule, no calendar and no limit.
    sets: Vec<Set>,
    mark: Fingerprint,
}

impl Gates {
    pub(crate) fn new(general: &Arc<DetectSettings>) -> Self {
        let bare = DetectSettings {
            calendars: Vec::new(),
            rules: Vec::new(),
            peers: Vec::new(),
            limits: None,
            ..DetectSettings::clone(general)
        };
        let mut sets = Vec::new();
        for rule in std::iter::once(None).chain(general.rules.iter().map(Some)) {
            for calendar in std::iter::once(None).chain(general.calendars.iter().map(Some)) {
                let mut settings = in_place(bare.clone(), calendar);
                if let Some(rule) = rule {
                    rule.apply(&mut settings);
                }
                for limit in std::iter::once(None).chain(general.heeded().iter().map(Some)) {
                    settings.limits = limit.map(|limit| vec![limit.clone()]);
                    sets.push(Set {
                        settings: settings.clone(),
                        kind: rule.and_then(|rule| rule.kind),
                        detects: rule.is_none_or(|rule| rule.detect != Some(false)),
                    });
                }
            }
        }
        sets.truncate(SETS_MAX);
        Self {
            sets,
            mark: Fingerprint::of(
                format!(
                    "{:?} {:?} {:?}",
                    general.calendars,
                    general.rules,
                    general.heeded()
                )
                .as_bytes(),
            ),
            general: Arc::clone(general),
        }
    }

    /// Of what the numbers are: those of another mark mean something else.
    pub(crate) const fn mark(&self) -> Fingerprint {
        self.mark
    }

    /// Whether all series have one set.
    pub(crate) fn is_one(&self) -> bool {
        self.sets.len() <= 1
    }

    /// The number of a series' set.
    pub(crate) fn find(&self, series: &SeriesKey) -> u16 {
        let (calendars, rules) = (&self.general.calendars, &self.general.rules);
        let number = |found: Option<usize>| found.map_or(0, |place| place + 1);
        let rule = number(rules.iter().position(|rule| rule.is_of(series)));
        let labels = calendars.iter().position(|c| labels_fit(&c.r#match, series));
        let limits = self.general.heeded();
        let limit = number(limits.iter().position(|limit| limit.is_of(series)));
        let set = (rule * (calendars.len() + 1) + number(labels)) * (limits.len() + 1) + limit;
        u16::try_from(set).unwrap_or(0)
    }

    fn set(&self, number: u16) -> Option<&Set> {
        self.sets.get(usize::from(number))
    }

    /// The settings a series is judged by; the general ones for a number that is none, as a damaged memory might hold.
    pub(crate) fn settings(&self, number: u16) -> &DetectSettings {
        self.set(number).map_or(&self.general, |set| &set.settings)
    }

    /// Whether its series are judged at all.
    pub(crate) fn detects(&self, number: u16) -> bool {
        self.set(number).is_none_or(|set| set.detects)
    }

    /// What its metrics are declared to measure.
    pub(crate) fn kind(&self, number: u16) -> Option<MetricKind> {
        self.set(number)?.kind
    }
}

impl DetectSettings {
    /// Combinations of rules, calendars and so many limits.
    const fn sets(&self, limits: usize) -> usize {
        (self.rules.len() + 1) * (self.calendars.len() + 1) * (limits + 1)
    }

    /// Whether so many limits go with the rules and calendars.
    pub const fn has_room_for(&self, limits: usize) -> bool {
        self.sets(limits) <= SETS_MAX
    }
}

fn in_place(mut settings: DetectSettings, calendar: Option<&CalendarEntry>) -> DetectSettings {
    if let Some(calendar) = calendar {
        let CalendarEntry {
            r#match: _,
            time_zone,
            rest_days,
            holidays,
        } = calendar.clone();
        settings.time_zone = time_zone.or(settings.time_zone);
        settings.rest_days = rest_days.unwrap_or(settings.rest_days);
        settings.holidays = holidays.unwrap_or(settings.holidays);
    }
    settings
}

/// Whether each pattern fits the series' label of that name; one of the point goes before one of the resource.
pub(crate) fn labels_fit(patterns: &BTreeMap<String, String>, series: &SeriesKey) -> bool {
    patterns.iter().all(|(name, pattern)| {
        let value = series.labels.get(name).or_else(|| series.resource.get(name));
        value.is_some_and(|value| fits(pattern, value))
    })
}

/// Whether each entry of the lists says something, of some series, and goes with the rest.
pub(crate) fn check_lists(settings: &DetectSettings) -> Result<(), DetectSettingsError> {
    check_calendars(settings)?;
    check_peers(&settings.peers)?;
    check_limits(settings.heeded())?;
    let rules = &settings.rules;
    if rules.len() > RULES_MAX {
        let why = format!("holds {}, at most {RULES_MAX}", rules.len());
        return Err(DetectSettingsError::new("rules", &why));
    }
    let sets = settings.sets(settings.heeded().len());
    if sets > SETS_MAX {
        let why = format!(
            "`calendars` and `limits` make {sets} combinations, at most {SETS_MAX}; none of each counts as one"
        );
        return Err(DetectSettingsError::new("rules", &why));
    }
    for (number, rule) in rules.iter().enumerate() {
        let within = |error: DetectSettingsError| error.within("rules", number);
        rule.check(settings).map_err(within)?;
        let before = rules.iter().take(number).position(|other| other.chooses_as(rule));
        if let Some(before) = before {
            let why = format!(
                "and the like choose what entry {} does, so that this one never counts",
                before + 1
            );
            return Err(within(DetectSettingsError::new("metric", &why)));
        }
    }
    Ok(())
}

fn check_calendars(settings: &DetectSettings) -> Result<(), DetectSettingsError> {
    let calendars = &settings.calendars;
    if calendars.len() > CALENDARS_MAX {
        let why = format!("holds {}, at most {CALENDARS_MAX}", calendars.len());
        return Err(DetectSettingsError::new("calendars", &why));
    }
    for (number, calendar) in calendars.iter().enumerate() {
        check_calendar(calendar).map_err(|error| error.within("calendars", number))?;
    }
    Ok(())
}

fn check_calendar(calendar: &CalendarEntry) -> Result<(), DetectSettingsError> {
    let wrong = DetectSettingsError::new;
    if calendar.r#match.is_empty() {
        return Err(wrong(
            "match",
            "names no label: a week that all series share is `time_zone`, `rest_days` and `holidays` of `detect` itself",
        ));
    }
    check_patterns(&calendar.r#match)?;
    if calendar.time_zone.is_none() && calendar.rest_days.is_none() && calendar.holidays.is_none() {
        return Err(wrong(
            "match",
            "is all there is: `time_zone`, `rest_days` or `holidays` must stand beside it",
        ));
    }
    match &calendar.rest_days {
        Some(days) if !are_weekdays(days) => Err(wrong("rest_days", NO_WEEKDAYS)),
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn check_patterns(patterns: &BTreeMap<String, String>) -> Result<(), DetectSettingsError> {
    if patterns.len() > LABELS_MAX {
        return Err(DetectSettingsError::new(
            "match",
            "names more labels than a series may have",
        ));
    }
    for (name, pattern) in patterns {
        if name.is_empty() {
            return Err(DetectSettingsError::new("match", "holds a label without a name"));
        }
        check_pattern("match", pattern)?;
    }
    Ok(())
}

pub(crate) fn check_pattern(field: &str, pattern: &str) -> Result<(), DetectSettingsError> {
    let why = if pattern.is_empty() {
        "holds an empty pattern, which nothing fits; `*` fits all"
    } else if pattern.len() > LABEL_VALUE_BYTES_MAX {
        "holds a pattern longer than any label"
    } else if pattern.matches('*').count() > STARS_MAX {
        "holds a pattern of more than 8 `*`"
    } else {
        return Ok(());
    };
    Err(DetectSettingsError::new(field, why))
}
