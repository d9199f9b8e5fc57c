//! Every network namespace that this process can find: of the processes that it sees, and those with a name.
//!
//! For looks off the path of an attachment: a node may have hundreds. One that only a descriptor or a bind mount elsewhere
//! keeps is not among them, so what was not found in any of these may still be somewhere.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hardwire_pci::noted;

use super::Netns;

/// Where names are kept (`NETNS_RUN_DIR` of iproute2, and the runtimes').
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// All of them, each once, our own included. One that ends meanwhile is left out. Each is opened when its turn comes: a node
/// may have more of them than a process may have files.
pub fn reachable() -> impl Iterator<Item = Netns> {
    let of_processes = names("/proc")
        .into_iter()
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_pid))
        .map(|path| path.join("ns/net"));
    let named = NAMED.into_iter().flat_map(names);
    let mut seen = HashSet::new();
    // Most processes share one with others: to look at a path costs less than to open what it names.
    let mut is_new = move |path: &PathBuf| {
        let known = fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
        known.is_ok_and(|netns| seen.insert(netns))
    };
    let paths = of_processes.chain(named).filter(move |path| is_new(path));
    paths.filter_map(|path| Netns::open(path.to_str()?).ok())
}

fn names(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).map_err(noted).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn is_pid(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_among_them_once() {
        let own = Netns::own().unwrap();
        let ours = reachable().filter(|netns| netns.is_same(&own));
        assert_eq!(ours.count(), 1);
    }
}
