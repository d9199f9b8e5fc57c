//! Logs: on stderr, so that stdout stays for what a command prints.
//!
//! What a tenant wrote reaches the log through pods' objects, the plugin's reports and interfaces that pods named: each line
//! is spelt out where it leaves, so that none of it looks like a line of its own.

use hardwire_cni::printable::{LineForm, Lines};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

/// Takes precedence over `--log-level`, as it does in other programs.
const VARIABLE: &str = "RUST_LOG";

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
    let filter = std::env::var(VARIABLE).unwrap_or_else(|_unset| level.to_owned());
    // By target and level only: filters by span and field would bring an engine for regular expressions.
    let targets: Targets = filter
        .parse()
        .map_err(|error: tracing_subscriber::filter::ParseError| BadLogLevel {
            reason: error.to_string(),
            filter,
        })?;
    let form = match format {
        LogFormat::Text => LineForm::Text,
        LogFormat::Json => LineForm::Json,
    };
    let log = fmt::layer()
        .with_writer(move || Lines::new(std::io::stderr(), form))
        .with_ansi(false)
        // They would go to a stderr that just failed, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => registry().with(log.with_target(false).with_filter(targets)).init(),
        LogFormat::Json => {
            let log = log.json().flatten_event(true).with_current_span(false);
            registry().with(log.with_filter(targets)).init();
        }
    }
    // Otherwise it would be a line of its own form, and one that names no thread's work. Who waits for the task says what it means.
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), "{panic}");
    }));
    Ok(())
}
