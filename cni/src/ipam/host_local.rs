//! host-local's store: a file for each address, which names the container that has it.
//!
//! host-local leaves it to the system when its files reach the disk. One that a power cut left empty names nobody: no DEL finds
//! it, and its address is never given again. So its write-out is begun here, as that of the lease is.
//! Contract: host-local's documentation: the files are `DATADIR/NETWORK/ADDRESS`, and `ipam.dataDir` is `/var/lib/cni/networks`
//! unless it is given.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use serde_json::Value;

use crate::protocol::{AnyCase, IpConfig, NetworkName};
use crate::write_out;

/// Its name in `ipam.type`.
pub(super) const NAME: &str = "host-local";
/// Where its stores are unless `dataDir` says otherwise.
pub(super) const DATA_DIR: &str = "/var/lib/cni/networks";
/// A container id, a line's end and an interface's name: more than this is no file of host-local's.
const LARGEST: usize = 4096;

/// Begins the write-out of the files of addresses that host-local has given out for this configuration.
pub(super) fn begin_write_out(config: &[u8], ips: &[IpConfig]) {
    let Some(store) = store(config) else { return };
    for ip in ips {
        // A tenant has chosen the folder: what is no plain file there is not waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = open(store.join(ip.address.ip().to_string()), flags, Mode::empty()) else {
            continue;
        };
        let is_plain = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
        if fstat(&file).is_ok_and(|status| is_plain(status.st_mode)) {
            write_out::begin(&file, LARGEST);
        }
    }
}

/// The folder of a network's addresses; `None` where the configuration names none that is the same for us as for host-local.
fn store(config: &[u8]) -> Option<PathBuf> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let fields = AnyCase::new(config.as_object()?);
    let network: NetworkName = fields.get("name")?.as_str()?.parse().ok()?;
    let given = AnyCase::new(fields.get("ipam")?.as_object()?).get("dataDir");
    let given = given.map_or(Some(""), Value::as_str)?;
    let data_dir = Path::new(if given.is_empty() { DATA_DIR } else { given });
    data_dir.is_absolute().then(|| data_dir.join(network.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_where_host_local_has_it() {
        for (config, expected) in [
            (r#"{"name": "vfs", "ipam": {}}"#, Some("/var/lib/cni/networks/vfs")),
            (
                r#"{"name": "vfs", "ipam": {"dataDir": ""}}"#,
                Some("/var/lib/cni/networks/vfs"),
            ),
            (r#"{"name": "vfs", "ipam": {"dataDir": "/run/x"}}"#, Some("/run/x/vfs")),
            (r#"{"NAME": "vfs", "IPAM": {"datadir": "/run/x/"}}"#, Some("/run/x/vfs")),
            (r#"{"name": "vfs", "ipam": {"dataDir": "networks"}}"#, None),
            (r#"{"name": "vfs", "ipam": {"dataDir": 7}}"#, None),
            (r#"{"name": "../vfs", "ipam": {}}"#, None),
            (r#"{"ipam": {}}"#, None),
            ("[", None),
        ] {
            assert_eq!(store(config.as_bytes()).as_deref(), expected.map(Path::new), "{config}");
        }
    }
}
