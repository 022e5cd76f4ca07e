//! Whether the rules of journeys can be followed, and whether anything leads to them.

use forecall_incident::Topology;
use forecall_journey::{JourneySettings, JourneySettingsError};
use forecall_types::ServiceName;
use forecall_wire::telemetry::Source;

use crate::check::Findings;
use crate::raw::File;

/// The rules, checked; without any where one is wrong.
pub(crate) fn settings(
    file: &File,
    topology: Option<&Topology>,
    sources: &[Source],
    found: &mut Findings<'_>,
) -> JourneySettings {
    let section = &file.journeys;
    let settings = match JourneySettings::new(&section.rules, section.tunables()) {
        Ok(settings) => settings.simulated(file.simulated),
        Err(error) => {
            found.wrong(&path_of(file, &error), words_of(file, &error));
            return JourneySettings::default();
        }
    };
    for (number, rule) in section.rules.iter().enumerate() {
        let service = ServiceName::new(&rule.service).ok();
        if let (Some(service), Some(topology)) = (service, topology)
            && !topology.knows_service(&service)
        {
            found.wrong(
                &format!("journeys.rules.{number}.service"),
                format!(
                    "journeys: `{}` is about service `{service}`, which `topology.services` doesn't declare: a wave of it would make no \
                     incident",
                    rule.name
                ),
            );
        }
    }
    let topic = sources.iter().find(|s| s.format.is_customer_events());
    match (settings.is_empty(), topic) {
        (false, None) => found.warn(
            "journeys.rules",
            "journeys: there are rules and no source of `format: customer_events`: nothing is watched",
        ),
        (true, Some(source)) => found.warn(
            "sources",
            format!(
                "sources: topic `{}` holds customers' events, and `journeys.rules` has no rule: it isn't read",
                source.topic
            ),
        ),
        (false, Some(_)) | (true, None) => {}
    }
    settings
}

/// The rule of that name, by its number.
fn rule(file: &File, name: &str) -> String {
    // The last of two with one name is the one too many.
    let number = file.journeys.rules.iter().rposition(|rule| rule.name == name);
    number.map_or_else(|| "journeys".to_owned(), |n| format!("journeys.rules.{n}"))
}

/// An owner is a rule, as `name` or as "journey `name`", or all of them.
fn named(owner: &str) -> &str {
    let quoted = owner.strip_prefix("journey `");
    quoted.and_then(|rest| rest.strip_suffix('`')).unwrap_or(owner)
}

fn path_of(file: &File, error: &JourneySettingsError) -> String {
    match error {
        JourneySettingsError::TooMany { owner, .. } if owner == "journeys" => "journeys.rules".to_owned(),
        JourneySettingsError::Wrong { owner, why } if owner == "journeys" => {
            // The first word is the setting's name.
            format!("journeys.{}", why.split(' ').next().unwrap_or_default())
        }
        JourneySettingsError::TooMany { owner, .. }
        | JourneySettingsError::Name { owner, .. }
        | JourneySettingsError::Wrong { owner, .. } => rule(file, named(owner)),
        JourneySettingsError::Twice(name) => rule(file, name),
        JourneySettingsError::Ambiguous { rule: name, .. } => rule(file, name),
    }
}

fn words_of(file: &File, error: &JourneySettingsError) -> String {
    match error {
        JourneySettingsError::Wrong { owner, why } if owner == "journeys" => format!("journeys.{why}"),
        JourneySettingsError::Wrong { owner, why } if owner.is_empty() => {
            format!("journeys: a rule without a `name`: {why}")
        }
        JourneySettingsError::Name { source, .. } if source.text.is_empty() => format!(
            "journeys: {error}; every rule has a `name` and the `service` it is about{}",
            match file.journeys.rules.len() {
                0 | 1 => "",
                _ => ", each name once",
            }
        ),
        JourneySettingsError::TooMany { .. }
        | JourneySettingsError::Name { .. }
        | JourneySettingsError::Twice(_)
        | JourneySettingsError::Ambiguous { .. }
        | JourneySettingsError::Wrong { .. } => format!("journeys: {error}"),
    }
}
