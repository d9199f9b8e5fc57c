//! `logLevel` and `logFile`, as sriov-cni has them.

use crate::printable::excerpt;
use crate::protocol::AnyCase;

/// As much of a value as a line quotes, bytes.
const QUOTED: usize = 256;

/// Where log lines go, and which. Never an error: a wrong level means info, as it always did, and logging must not fail a
/// DEL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// `logLevel`.
    pub level: LogLevel,
    /// `logFile` as it is spelt; stderr where absent. Whether it may be written is for who opens it to say.
    pub file: Option<String>,
    /// What is ignored of them, and why: to be said once there is where to.
    pub ignored: Vec<String>,
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
    /// `trace`: every netlink message too, byte for byte.
    Trace,
}

impl LogSettings {
    /// Reads both fields.
    pub fn parse(fields: AnyCase<'_>) -> Self {
        let mut ignored = Vec::new();
        let mut text = |key| {
            let value = fields.get(key)?;
            let text = value.as_str();
            if text.is_none() {
                let value = excerpt(&value.to_string(), QUOTED);
                ignored.push(format!("{key}: {value} is ignored: it must be a text"));
            }
            text.filter(|text| !text.is_empty())
        };
        let (level, file) = (text("logLevel"), text("logFile"));
        let level = match level.map(str::to_lowercase).as_deref() {
            Some("panic" | "error") => LogLevel::Error,
            Some("warning") => LogLevel::Warning,
            Some("debug") => LogLevel::Debug,
            Some("trace") => LogLevel::Trace,
            _ => LogLevel::Info,
        };
        Self {
            level,
            file: file.map(str::to_owned),
            ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_of_another_type_is_ignored_and_said_so() {
        let parse = |conf: serde_json::Value| LogSettings::parse(AnyCase::new(conf.as_object().unwrap()));
        let settings = parse(json!({"logLevel": "DEBUG", "logfile": "/var/log/x.log"}));
        assert_eq!(
            (settings.level, settings.file.as_deref(), settings.ignored.len()),
            (LogLevel::Debug, Some("/var/log/x.log"), 0)
        );
        for (conf, key) in [
            (json!({"logFile": ["/var/log/x.log"]}), "logFile"),
            (json!({"logLevel": 3}), "logLevel"),
        ] {
            let settings = parse(conf);
            assert_eq!((settings.level, settings.file), (LogLevel::Info, None));
            assert!(
                settings.ignored.len() == 1 && settings.ignored[0].starts_with(key),
                "{:?}",
                settings.ignored
            );
        }
        for nothing in [json!({}), json!({"logFile": null, "logLevel": ""})] {
            assert_eq!(parse(nothing), LogSettings::default());
        }
        let long = parse(json!({"logFile": ["x".repeat(100_000)]}));
        assert!(long.ignored[0].len() < 2 * QUOTED);
    }
}
