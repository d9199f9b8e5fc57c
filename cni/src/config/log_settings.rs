//! `logLevel` and `logFile`, as sriov-cni has them.

use serde_json::Value;

use crate::protocol::Folded;

/// Where log lines go, and which. Never an error: a wrong level means info, as it always did, and logging must not fail a
/// DEL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// `logLevel`.
    pub level: LogLevel,
    /// `logFile` as it is spelt; stderr where absent. Whether it may be written is for who opens it to say.
    pub file: Option<String>,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// `panic` and `error`.
    Error,
    /// `warning`.
    Warning,
    /// `info`, and anything that is no level.
    #[default]
    Info,
    /// `debug`.
    Debug,
}

impl LogSettings {
    /// Reads both fields.
    pub fn parse(fields: Folded<'_>) -> Self {
        let text = |key| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let level = match text("logLevel").map(str::to_lowercase).as_deref() {
            Some("panic" | "error") => LogLevel::Error,
            Some("warning") => LogLevel::Warning,
            Some("debug") => LogLevel::Debug,
            _ => LogLevel::Info,
        };
        Self {
            level,
            file: text("logFile").map(str::to_owned),
        }
    }
}
