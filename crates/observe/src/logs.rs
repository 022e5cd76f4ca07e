use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// `text` or `json`.
    pub format: LogFormat,
    /// Level, or levels by target as `tracing` writes them: `info`, `warn,forecall_kafka=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: "info".to_owned(),
        }
    }
}

/// The level can't be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is not a log level; write error, warn, info, debug or trace, or `info,forecall_kafka=debug`"
)]
pub struct NotALogLevel {
    /// What was given.
    pub text: String,
    /// The cause.
    #[source]
    pub source: tracing_subscriber::filter::ParseError,
}

/// Starts logging; a second call changes nothing.
///
/// # Errors
/// The level can't be read.
pub fn init_logs(settings: &LogSettings) -> Result<(), NotALogLevel> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|source| NotALogLevel {
        text: settings.level.clone(),
        source,
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Already started by someone else (a test): theirs stays.
    let _ = match settings.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_level_is_named() {
        let settings = LogSettings {
            level: "loud=very".to_owned(),
            ..LogSettings::default()
        };
        let error = init_logs(&settings).unwrap_err();
        assert!(
            error.to_string().starts_with("`loud=very` is not a log level"),
            "{error}"
        );
    }
}
