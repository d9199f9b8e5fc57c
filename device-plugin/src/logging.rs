//! Logs: text on stderr, so that stdout stays for what a command prints.

use tracing_subscriber::EnvFilter;

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
pub fn start(level: &str) -> Result<(), BadLogLevel> {
    let filter = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_else(|_unset| level.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| BadLogLevel {
        reason: error.to_string(),
        filter,
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        // They would go to a stderr that just failed, and panic.
        .log_internal_errors(false)
        .with_target(false)
        .init();
    Ok(())
}
