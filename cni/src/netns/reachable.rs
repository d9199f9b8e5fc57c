//! Every network namespace that this process can find: of the processes that it sees, and those with a name.
//!
//! For looks off the path of an attachment: a node may have hundreds. One that only a descriptor or a bind mount elsewhere
//! keeps is not among them, so what was not found in any of these may still be somewhere.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use super::Netns;

/// Where names are kept (`NETNS_RUN_DIR` of iproute2, and the runtimes').
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// All of them, each once, our own included. One that ends meanwhile is left out.
pub fn reachable() -> Vec<Netns> {
    let of_processes = names("/proc")
        .into_iter()
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_pid))
        .map(|path| path.join("ns/net"));
    let named = NAMED.into_iter().flat_map(names);
    let mut seen = HashSet::new();
    of_processes
        .chain(named)
        .filter_map(|path| Netns::open(path.to_str()?).ok())
        .filter(|netns| seen.insert((netns.device, netns.inode)))
        .collect()
}

fn names(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
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
        let ours = reachable().into_iter().filter(|netns| netns.is_same(&own));
        assert_eq!(ours.count(), 1);
    }
}
