//! Log lines: to stderr, or to the file that the configuration names, never to stdout.
//!
//! As sriov-cni has it: a `logFile` takes the place of stderr; one that cannot be had is said so on stderr, and the call goes
//! on. Unlike there it may only be one of a few places, and a file that we made: its name is a tenant's, the rights are the
//! node's.

mod file;
mod place;
mod rotation;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hardwire_cni::Context;
use hardwire_cni::config::{LogLevel, LogSettings};
use hardwire_cni::node::NodeConfig;
use hardwire_cni::printable::{LineForm, Lines, excerpt};
use place::Place;
use rustix::io::Errno;
use tracing::level_filters::LevelFilter;

/// Longest text of a path in a warning, bytes.
const PATH_EXCERPT: usize = 256;

/// How often another call may come between looking at a file and opening it.
const ATTEMPTS: u32 = 8;

/// Starts logging for this call, and says what of its settings is ignored. `variable` returns what the process environment, which is the runtime's, has for a name.
pub(crate) fn start(settings: &LogSettings, variable: impl Fn(&str) -> Option<OsString>) {
    open_log(settings, variable);
    for ignored in &settings.ignored {
        tracing::warn!("{ignored}");
    }
}

fn open_log(settings: &LogSettings, variable: impl Fn(&str) -> Option<OsString>) {
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_target(false)
        .with_max_level(level)
        .with_ansi(false)
        // They would go to a stderr that just failed, and panic.
        .log_internal_errors(false);
    if let Some(path) = &settings.file {
        match open(path, operators_directory(variable).as_deref()) {
            Ok(file) => {
                let lines = Mutex::new(Lines::new(file, LineForm::Text));
                return builder.with_writer(lines).init();
            }
            Err(error) => {
                let path = excerpt(path, PATH_EXCERPT);
                // There is nowhere else to say it.
                drop(writeln!(
                    io::stderr(),
                    "hardwire: failed to set log file {path}: {error}"
                ));
            }
        }
    }
    builder.with_writer(|| Lines::new(io::stderr(), LineForm::Text)).init();
}

/// Where the operator allows log files beside the usual places: `HARDWIRE_LOG_DIR`, or `logDirectory` of `plugin.json`. A
/// file that is not believed allows nothing; who attaches says so.
fn operators_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let given = variable("HARDWIRE_LOG_DIR").filter(|directory| !directory.is_empty());
    given.map(PathBuf::from).or_else(|| {
        let config = NodeConfig::read(&Context::read(variable).plugin_config)
            .ok()
            .flatten()?;
        config.log_directory().map(Path::to_owned)
    })
}

/// Opens the log file of this path, or makes it; a large one is rotated first.
fn open(path: &str, directory: Option<&Path>) -> io::Result<File> {
    let place = Place::of(path, directory).map_err(io::Error::other)?;
    let (directory, name) = (place.directory()?, place.name());
    for _attempt in 0..ATTEMPTS {
        match file::ours(&directory, name)? {
            Some((file, stat)) if rotation::is_due(&stat) => rotation::rotate(&directory, name, &file)?,
            Some((file, _)) => return Ok(file),
            None => match file::make(&directory, name) {
                Err(Errno::EXIST) => {}
                made => return Ok(made?),
            },
        }
    }
    Err(io::Error::other("other calls keep changing it"))
}
