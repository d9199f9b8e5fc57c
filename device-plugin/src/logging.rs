//! Logs: on stderr, so that stdout stays for what a command prints.

use tracing_subscriber::EnvFilter;

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: time, level, message, fields.
    Text,
    /// For collectors: one JSON object with timestamp, level, target, message and the fields beside each other.
    Json,
}

/// A filter that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("log level {filter:?}: {reason}")]
pub struct BadLogLevel {
    /// As given.
    pub filter: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Starts logging; `level` counts where `RUST_LOG` is not set.
pub fn start(level: &str, format: LogFormat) -> Result<(), BadLogLevel> {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_unset| level.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| BadLogLevel {
        reason: error.to_string(),
        filter,
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // They would go to a stderr that just failed, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
    Ok(())
}
