//! `/etc/hardwire/plugin.json`: what the node's operator allows, where no daemon runs that would say so.
//!
//! Believed only where nobody but root can have written it. A key that is not known is an error, as is any other content:
//! a limit that the operator misspelt must not be none.

use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use hardwire_pci::{DeviceId, IfName};
use serde::Deserialize;

use super::trusted::{Untrusted, read_trusted};
use crate::beneath::plain_components;

/// Where the file is.
pub const DEFAULT: &str = "/etc/hardwire/plugin.json";
/// Bytes; far more than a node has devices for.
const LARGEST: u64 = 64 * 1024;
/// Where host-local's stores are unless a configuration says otherwise.
const IPAM_STORES: &str = "/var/lib/cni/networks";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeConfig {
    /// Devices of the node that a NAD with `allowNodeDevice` may have: ids, or names of interfaces.
    #[serde(default)]
    allow_node_devices: Vec<NodeDevice>,
    /// A directory beside the usual ones in which log files may be.
    #[serde(default)]
    log_directory: Option<LogDirectory>,
    /// IPAM plugins that release what a container id has, and nothing else, beside those that are known to.
    #[serde(default)]
    ipam_by_container_id: Vec<String>,
    /// Whether host-local and static are served without their programs, where a configuration does not say so.
    #[serde(default)]
    ipam_in_process: Option<bool>,
    /// Directories beside `/var/lib/cni/networks` below which host-local's stores may be, where no program serves it.
    #[serde(default)]
    ipam_data_dirs: Vec<PlainPath>,
    /// Files that `resolvConf` may name, where no program serves it.
    #[serde(default)]
    ipam_resolv_confs: Vec<PlainPath>,
}

/// Where the stores of host-local are, beneath a directory of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorePlace<'a> {
    /// The operator's directory.
    pub base: PathBuf,
    /// The directories below it, as a configuration names them.
    pub below: Vec<&'a OsStr>,
}

/// Why the file is not believed.
#[derive(Debug, thiserror::Error)]
pub enum NodeConfigError {
    /// The system does not let us read it.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than root may have written it, or it is no file.
    #[error("{}: it is not believed: {why}", path.display())]
    Unsafe {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// Its content makes no sense.
    #[error("{}: {source}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// It is something else than an object.
    #[error("{}: it is no JSON object", .0.display())]
    NoObject(PathBuf),
}

// === impl NodeConfig ===

impl NodeConfig {
    /// Reads the file; `None` where there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, NodeConfigError> {
        let Some(text) = read_trusted(path, LARGEST).map_err(|untrusted| match untrusted {
            Untrusted::Io(source) => NodeConfigError::Io {
                path: path.to_owned(),
                source,
            },
            Untrusted::Unsafe(why) => NodeConfigError::Unsafe {
                path: path.to_owned(),
                why,
            },
        })?
        else {
            return Ok(None);
        };
        // serde takes a list for the values of the keys in their order.
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(NodeConfigError::NoObject(path.to_owned()));
        }
        let config = serde_json::from_slice(&text).map_err(|source| NodeConfigError::Content {
            path: path.to_owned(),
            source,
        });
        config.map(Some)
    }

    /// `ipam.type`s that the operator vouches for: they release by the container id alone.
    pub fn ipam_by_container_id(&self) -> &[String] {
        &self.ipam_by_container_id
    }

    /// Whether the operator names this device, by its id or by one of its interface's names.
    pub fn allows<'a>(&self, device: &DeviceId, names: impl IntoIterator<Item = &'a str>) -> bool {
        let names: Vec<&str> = names.into_iter().collect();
        let mut named = self.allow_node_devices.iter();
        named.any(|NodeDevice(text)| {
            text.parse::<DeviceId>().is_ok_and(|id| id == *device) || names.contains(&text.as_str())
        })
    }

    /// Whether host-local and static are served without their programs; none where that is for each network to say.
    pub fn ipam_in_process(&self) -> Option<bool> {
        self.ipam_in_process
    }

    /// The place of a `dataDir`, if a directory of the operator's holds it.
    pub fn ipam_store<'a>(&self, data_dir: &'a str) -> Option<StorePlace<'a>> {
        let path = plain_components(data_dir.trim_end_matches('/'))?;
        let named = self.ipam_data_dirs.iter().map(|PlainPath(base)| base.as_path());
        let mut bases = named.chain([Path::new(IPAM_STORES)]);
        bases.find_map(|base| {
            let base_text = base.to_str()?;
            let depth = plain_components(base_text)?.len();
            Path::new(data_dir).starts_with(base).then(|| StorePlace {
                base: base.to_owned(),
                below: path[depth..].to_vec(),
            })
        })
    }

    /// Whether `resolvConf` may name this file.
    pub fn allows_resolv_conf(&self, path: &str) -> bool {
        self.ipam_resolv_confs
            .iter()
            .any(|PlainPath(named)| named == Path::new(path))
    }

    /// The directory beside the usual ones in which log files may be: absolute, without `..`.
    pub fn log_directory(&self) -> Option<&Path> {
        self.log_directory.as_ref().map(|directory| directory.0.as_path())
    }
}

/// An absolute path in plain words.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct PlainPath(PathBuf);

impl TryFrom<String> for PlainPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match plain_components(&text) {
            Some(_) => Ok(Self(PathBuf::from(text))),
            None => Err(format!(
                "{text:?}: expected an absolute path without \"..\" or a \"/\" at its end"
            )),
        }
    }
}

/// A device as an operator names it. Names with dots may look like both kinds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct NodeDevice(String);

impl TryFrom<String> for NodeDevice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_device = text.parse::<DeviceId>().is_ok() || text.parse::<IfName>().is_ok();
        is_device
            .then(|| Self(text.clone()))
            .ok_or_else(|| format!("allowNodeDevices: {text:?}: expected an interface name or a full PCI address"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
struct LogDirectory(PathBuf);

impl TryFrom<PathBuf> for LogDirectory {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        let is_plain = path.is_absolute()
            && path
                .components()
                .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        is_plain
            .then(|| Self(path.clone()))
            .ok_or_else(|| format!("logDirectory: {}: expected an absolute path without ..", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn read(text: &str) -> Result<Option<NodeConfig>, NodeConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugin.json");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        NodeConfig::read(&path)
    }

    #[test]
    fn devices_are_named_by_address_or_by_interface() {
        let text = r#"{"allowNodeDevices": ["ens1f0", "0000:3b:00.0"], "logDirectory": "/var/log/mine",
                       "ipamByContainerId": ["mine"]}"#;
        let config = read(text).unwrap().unwrap();
        assert_eq!(config.log_directory(), Some(Path::new("/var/log/mine")));
        assert_eq!(config.ipam_by_container_id(), ["mine"]);
        let device: DeviceId = "0000:3b:00.0".parse().unwrap();
        let other: DeviceId = "0000:3b:00.1".parse().unwrap();
        assert!(config.allows(&device, []));
        assert!(!config.allows(&other, ["ens1f1"]));
        assert!(config.allows(&other, ["ens1f1", "ens1f0"]));
        assert!(!NodeConfig::default().allows(&device, ["ens1f0"]));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "{",
            r#"{"allowNodeDevice": ["ens1f0"]}"#,
            r#"{"allowNodeDevices": "ens1f0"}"#,
            r#"{"allowNodeDevices": ["a/b"]}"#,
            r#"{"allowNodeDevices": [], "allowNodeDevices": ["ens1f0"]}"#,
            r#"{"logDirectory": "log"}"#,
            r#"{"logDirectory": "/var/log/../../etc"}"#,
        ] {
            assert!(matches!(read(text), Err(NodeConfigError::Content { .. })), "{text}");
        }
        for text in ["", "[]", "null", r#"[["ens1f0"]]"#] {
            assert!(matches!(read(text), Err(NodeConfigError::NoObject(_))), "{text}");
        }
        let large = format!("{{\"allowNodeDevices\": [{}]}}", " ".repeat(70_000));
        assert!(matches!(read(&large), Err(NodeConfigError::Unsafe { .. })));
        assert_eq!(read("{}").unwrap(), Some(NodeConfig::default()));
    }

    #[test]
    fn only_a_file_that_nobody_but_root_can_write_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plugin.json");
        assert!(matches!(NodeConfig::read(&path), Ok(None)));
        fs::write(&path, "{}").unwrap();
        for mode in [0o664, 0o646, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(NodeConfig::read(&path), Err(NodeConfigError::Unsafe { .. })),
                "{mode:o}"
            );
        }
        let link = directory.path().join("link.json");
        symlink(&path, &link).unwrap();
        assert!(matches!(NodeConfig::read(&link), Err(NodeConfigError::Unsafe { .. })));
        assert!(matches!(
            NodeConfig::read(directory.path()),
            Err(NodeConfigError::Unsafe { .. })
        ));
    }
}
