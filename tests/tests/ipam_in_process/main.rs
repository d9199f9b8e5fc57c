//! host-local and static without their programs, beside the programs: on one store in turn, with the same answers.
//!
//! Runs here, not in the emulated node: nothing of the kernel's network is touched, and each step is a program's start.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod random;
mod server;
mod together;
mod walk;

use std::path::{Path, PathBuf};

use hardwire_tests::plugin::REFERENCE_PLUGINS;

/// The reference plugins that are here: the distribution's, and the newest.
fn programs(name: &str) -> Vec<PathBuf> {
    let others = std::env::var("HARDWIRE_PEERS").unwrap_or_default();
    let folders = others
        .split(':')
        .chain([REFERENCE_PLUGINS])
        .filter(|folder| !folder.is_empty());
    let programs: Vec<PathBuf> = folders.map(|folder| Path::new(folder).join(name)).collect();
    programs.into_iter().filter(|program| program.is_file()).collect()
}
