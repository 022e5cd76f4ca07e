use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

/// What the running process logs; unset where logs were started by someone else (a test).
static LEVEL: OnceLock<Handle<EnvFilter, Registry>> = OnceLock::new();

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

fn filter_of(level: &str) -> Result<EnvFilter, NotALogLevel> {
    EnvFilter::try_new(level).map_err(|source| NotALogLevel {
        text: level.to_owned(),
        source,
    })
}

/// Starts logging; a second call changes nothing.
///
/// # Errors
/// The level can't be read.
pub fn init_logs(settings: &LogSettings) -> Result<(), NotALogLevel> {
    let (filter, handle) = reload::Layer::new(filter_of(&settings.level)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match settings.format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    // Already started by someone else (a test): theirs stays.
    if started.is_ok() {
        let _ = LEVEL.set(handle);
    }
    Ok(())
}

/// Logs at another level from now on. Where logs were not started by [`init_logs`], it is only looked at.
///
/// # Errors
/// The level can't be read; the one of before holds.
pub fn set_log_level(level: &str) -> Result<(), NotALogLevel> {
    let filter = filter_of(level)?;
    if let Some(handle) = LEVEL.get() {
        // It fails only where the subscriber is gone: then nothing is logged.
        let _ = handle.reload(filter);
    }
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
        assert!(set_log_level("loud=very").is_err());
    }

    #[test]
    fn the_level_changes_while_it_runs() {
        init_logs(&LogSettings {
            level: "warn".to_owned(),
            ..LogSettings::default()
        })
        .unwrap();
        assert!(!tracing::enabled!(tracing::Level::DEBUG));
        set_log_level("info,forecall_observe=debug").unwrap();
        assert!(tracing::enabled!(tracing::Level::DEBUG));
        set_log_level("warn").unwrap();
        assert!(!tracing::enabled!(tracing::Level::INFO));
    }
}
