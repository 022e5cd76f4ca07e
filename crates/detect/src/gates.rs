//! By which settings a series is judged: found once, when it is new, and kept as a number.

use std::collections::BTreeMap;
use std::sync::Arc;

use forecall_types::{Fingerprint, LABEL_VALUE_BYTES_MAX, LABELS_MAX, SeriesKey, fits};

use crate::calendar::CalendarEntry;
use crate::detector::SETS_MAX;
use crate::settings::{NO_WEEKDAYS, are_weekdays};
use crate::{DetectSettings, DetectSettingsError};

/// Calendars in one configuration: more places than an operator has weeks to tell apart.
pub const CALENDARS_MAX: usize = 63;

const _: () = assert!(CALENDARS_MAX < SETS_MAX, "each calendar has a number");
/// Stars in a pattern: each may cost a walk over the text.
const STARS_MAX: usize = 8;

/// Settings as they hold for some series.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    pub(crate) settings: DetectSettings,
}

/// All sets that series can have, made from the settings alone, so that a number means the same in every run of them.
#[derive(Debug)]
pub(crate) struct Gates {
    general: Arc<DetectSettings>,
    /// By calendar.
    sets: Vec<Set>,
    mark: Fingerprint,
}

impl Gates {
    pub(crate) fn new(general: &Arc<DetectSettings>) -> Self {
        let bare = DetectSettings {
            calendars: Vec::new(),
            ..DetectSettings::clone(general)
        };
        let places = general.calendars.iter().take(CALENDARS_MAX).map(Some);
        let sets = std::iter::once(None).chain(places).map(|calendar| Set {
            settings: in_place(bare.clone(), calendar),
        });
        Self {
            sets: sets.collect(),
            mark: Fingerprint::of(format!("{:?}", general.calendars).as_bytes()),
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
        let calendar = self
            .general
            .calendars
            .iter()
            .take(CALENDARS_MAX)
            .position(|calendar| labels_fit(&calendar.r#match, series));
        u16::try_from(calendar.map_or(0, |place| place + 1)).unwrap_or(0)
    }

    /// The settings a series is judged by; the general ones for a number that is none, as a damaged memory might hold.
    pub(crate) fn settings(&self, set: u16) -> &DetectSettings {
        self.sets
            .get(usize::from(set))
            .map_or(&self.general, |set| &set.settings)
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
fn labels_fit(patterns: &BTreeMap<String, String>, series: &SeriesKey) -> bool {
    patterns.iter().all(|(name, pattern)| {
        let value = series.labels.get(name).or_else(|| series.resource.get(name));
        value.is_some_and(|value| fits(pattern, value))
    })
}

/// Whether each calendar says something, of some series.
pub(crate) fn check_calendars(settings: &DetectSettings) -> Result<(), DetectSettingsError> {
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

fn check_patterns(patterns: &BTreeMap<String, String>) -> Result<(), DetectSettingsError> {
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

fn check_pattern(field: &str, pattern: &str) -> Result<(), DetectSettingsError> {
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
