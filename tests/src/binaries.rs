//! Where the programs under test are.
//!
//! `HARDWIRE_DIST` names the folder that `hack/build` filled, so that `hack/test` tests what is shipped; without it, what
//! cargo built beside the test.

use std::io::Write;
use std::path::PathBuf;

/// The CNI plugin.
pub fn hardwire() -> PathBuf {
    program("hardwire")
}

/// The device manager.
pub fn hardwired() -> PathBuf {
    program("hardwired")
}

/// What speaks to the API server for it.
pub fn hardwired_cluster() -> PathBuf {
    program("hardwired-cluster")
}

fn program(name: &str) -> PathBuf {
    let dist = std::env::var_os("HARDWIRE_DIST").map(PathBuf::from);
    let beside = || {
        let test = std::env::current_exe().expect("the test's own path");
        test.ancestors().nth(2).expect("target/PROFILE").to_owned()
    };
    let path = dist.unwrap_or_else(beside).join(name);
    assert!(
        path.is_file(),
        "{} is not built: run hack/build, or cargo build",
        path.display()
    );
    path
}

/// A program of others that tests use, in one of the folders that `HARDWIRE_PEERS` lists; where it is in none, a line says
/// what is left out.
pub fn peer(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("HARDWIRE_PEERS").unwrap_or_default();
    let found = std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        drop(writeln!(
            std::io::stderr(),
            "left out: no {name} in HARDWIRE_PEERS ({})",
            folders.display()
        ));
    }
    found
}
