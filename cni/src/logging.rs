//! Log lines: to stderr, or to the file that the configuration names, never to stdout.
//!
//! As sriov-cni has it: a `logFile` takes the place of stderr; one that cannot be opened is said so on stderr, and the call
//! goes on. A symbolic link is refused: the file's name comes from a configuration and is opened with the node's rights.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;

use hardwire_cni::config::{LogLevel, LogSettings};
use tracing::level_filters::LevelFilter;

/// Starts logging for this call.
pub(crate) fn start(settings: &LogSettings) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_target(false)
        .with_max_level(level)
        // They would go to a stderr that just failed, and panic.
        .log_internal_errors(false);
    if let Some(path) = &settings.file {
        match open(path) {
            Ok(file) => return builder.with_ansi(false).with_writer(Mutex::new(file)).init(),
            Err(error) => {
                // There is nowhere else to say it.
                drop(writeln!(
                    io::stderr(),
                    "hardwire: failed to set log file {}: {error}",
                    path.display()
                ));
            }
        }
    }
    builder
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}
