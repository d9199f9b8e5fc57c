//! Who else makes the VFs of a PF, by their own files: those are compared only.
//!
//! Contract: systemd.network(5) and systemd.link(5) (`[SR-IOV]`, `SR-IOVVirtualFunctions=`); netplan's YAML
//! (`virtual-function-count`, `embedded-switch-mode`, `link:` on a VF); NetworkManager's keyfiles (`[sriov]`); nmstate's states
//! (`ethernet.sr-iov`); sriov-network-operator's record of each PF (`/etc/sriov-operator/pci/ADDRESS`).

mod keyfiles;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::Pattern;
use crate::config::pfs::PfIdentity;

/// Where files of each kind are, below the root, and who reads them.
const KEYFILES: [(&str, &str); 6] = [
    ("etc/systemd/network", "systemd-networkd"),
    ("run/systemd/network", "systemd-networkd"),
    ("usr/lib/systemd/network", "systemd-networkd"),
    ("etc/NetworkManager/system-connections", "NetworkManager"),
    ("run/NetworkManager/system-connections", "NetworkManager"),
    ("usr/lib/NetworkManager/system-connections", "NetworkManager"),
];
const YAML: [(&str, &str); 3] = [
    ("etc/netplan", "netplan"),
    ("run/netplan", "netplan"),
    ("etc/nmstate", "nmstate"),
];
const OPERATOR: &str = "etc/sriov-operator/pci";
/// A file that is larger configures no interface.
const LARGEST: u64 = 1 << 20;

/// A PF that a file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Claim {
    by: String,
    names: Vec<String>,
    macs: Vec<String>,
    drivers: Vec<String>,
    /// Parts of a bus address, as `ID_PATH` has it.
    paths: Vec<String>,
}

/// Who makes VFs of which PFs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owners {
    claims: Vec<Claim>,
}

// === impl Claim ===

impl Claim {
    /// Whether it is about a PF: by all that it says, and it must say something.
    fn is_of(&self, pf: &PfIdentity) -> bool {
        let any = |wanted: &[String], texts: &[&str]| {
            let matches = |wanted: &String| texts.iter().any(|text| Pattern::new(wanted).matches(text));
            wanted.is_empty() || wanted.iter().any(matches)
        };
        let names: Vec<&str> = pf.name.iter().chain(&pf.altnames).map(String::as_str).collect();
        let macs: Vec<&str> = pf.macs.iter().map(String::as_str).collect();
        let drivers: Vec<&str> = pf.driver.iter().map(String::as_str).collect();
        let path = format!("pci-{}", pf.address);
        let says = [&self.names, &self.macs, &self.drivers, &self.paths];
        says.iter().any(|said| !said.is_empty())
            && any(&self.names, &names)
            && any(&self.macs, &macs)
            && any(&self.drivers, &drivers)
            && any(&self.paths, &[&path, &pf.address])
    }
}

// === impl Owners ===

impl Owners {
    /// Reads the files below a root, `/` on a node.
    pub fn read(root: &Path) -> Self {
        let mut owners = Self::default();
        for (directory, who) in KEYFILES {
            for (path, text) in files(&root.join(directory)) {
                let by = format!("{who} ({})", path.display());
                owners.claims.extend(keyfiles::claim(&text, &by));
            }
        }
        for (directory, who) in YAML {
            for (path, text) in files(&root.join(directory)) {
                let by = format!("{who} ({})", path.display());
                owners.claims.extend(yaml::claims(&text, &by));
            }
        }
        for (path, _) in files(&root.join(OPERATOR)) {
            let address = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            owners.claims.push(Claim {
                by: format!("sriov-network-operator ({})", path.display()),
                paths: vec![address.to_owned()],
                ..Claim::default()
            });
        }
        owners
    }

    /// Who makes the VFs of a PF.
    pub fn of(&self, pf: &PfIdentity) -> Option<&str> {
        let claim = self.claims.iter().find(|claim| claim.is_of(pf))?;
        Some(&claim.by)
    }
}

/// The files in a directory and in the drop-in directories in it, by name.
fn files(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    for path in paths {
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() {
            // A drop-in's [Match] is its file's.
            let base = path.with_extension("");
            let main = fs::read_to_string(&base).unwrap_or_default();
            for (path, text) in files(&path) {
                found.push((path, format!("{main}\n{text}")));
            }
        } else if metadata.len() <= LARGEST
            && let Ok(text) = fs::read_to_string(&path)
        {
            found.push((path, text));
        }
    }
    found
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
