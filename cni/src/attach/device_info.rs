//! The device-info file that a runtime asks for (`runtimeConfig.CNIDeviceInfoFile`).
//!
//! Contract: device-info-spec 1.1.0 of the Network Plumbing Working Group. Multus copies the device plugin's file there
//! before the ADD, reads it after, and removes it on DEL; one that is there already is kept.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use hardwire_pci::{Device, DeviceId, PortName, Sysfs, read_device};
use rustix::fs::Mode;
use serde_json::{Map, Value, json};

use crate::beneath::{Directory, is_plain_name};
use crate::device::Candidate;
use crate::printable::excerpt;
use crate::protocol::{CniError, code};

const FIELD: &str = "runtimeConfig.CNIDeviceInfoFile";

/// A file that device information may be written to: directly in the directory that Multus reads.
///
/// Who writes a NAD may write a runtimeConfig too, so that the path is a tenant's word.
#[derive(Debug)]
pub struct DeviceInfoFile<'a> {
    directory: &'a Path,
    name: &'a str,
}

/// A file that this call made.
#[derive(Debug)]
pub struct WrittenDeviceInfo {
    directory: Directory,
    name: String,
    file: File,
}

impl<'a> DeviceInfoFile<'a> {
    /// The file that `path` names, which must be in `directory`, whichever way `/run` is spelt.
    pub fn named(path: &'a str, directory: &'a Path) -> Result<Self, CniError> {
        let run = |path: &'a Path| path.strip_prefix("/var").ok().filter(|rest| rest.starts_with("run"));
        let spelt = |path: &'a Path| run(path).unwrap_or_else(|| path.strip_prefix("/").unwrap_or(path));
        let (parent, name) = path.rsplit_once('/').unwrap_or_default();
        if parent.starts_with('/') && spelt(Path::new(parent)) == spelt(directory) && is_plain_name(name) {
            return Ok(Self { directory, name });
        }
        Err(CniError::config(format!(
            "{FIELD}: {:?} is not valid: it must be a file in {}",
            excerpt(path, 256),
            directory.display()
        )))
    }

    /// Writes the file, where there is something to say and nobody has said it.
    pub fn write(&self, candidate: &Candidate, sysfs: &Sysfs) -> Result<Option<WrittenDeviceInfo>, CniError> {
        let Some(info) = device_info(candidate, sysfs) else {
            return Ok(None);
        };
        let failed = |error: io::Error| {
            let place = self.directory.join(self.name);
            CniError::new(code::IO, format!("{FIELD}: {}: {error}", place.display()))
        };
        let Some(mut written) = self.create().map_err(failed)? else {
            return Ok(None);
        };
        if let Err(error) = written.file.write_all(info.to_string().as_bytes()) {
            written.remove();
            return Err(failed(error));
        }
        Ok(Some(written))
    }

    /// `None` if the file is there already.
    fn create(&self) -> io::Result<Option<WrittenDeviceInfo>> {
        DirBuilder::new().recursive(true).mode(0o755).create(self.directory)?;
        let directory = Directory::open(self.directory)?;
        match directory.create_new(OsStr::new(self.name), Mode::from_raw_mode(0o444)) {
            Ok(file) => Ok(Some(WrittenDeviceInfo {
                directory,
                name: self.name.to_owned(),
                file,
            })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl WrittenDeviceInfo {
    /// Removes the file of an ADD that failed, unless another has taken its place.
    pub fn remove(self) {
        let name = OsStr::new(&self.name);
        let removed = self.file.metadata().and_then(|ours| match self.directory.stat(name)? {
            Some(there) if (there.st_dev, there.st_ino) == (ours.dev(), ours.ino()) => self.directory.remove(name),
            _ => Ok(()),
        });
        if let Err(error) = removed {
            tracing::warn!("removing {FIELD} {}: {error}", self.name);
        }
    }
}

fn device_info(candidate: &Candidate, sysfs: &Sysfs) -> Option<Value> {
    let device = &candidate.device;
    let pf = device.pf().and_then(|pf| read_device(sysfs, pf).ok());
    let pci = pci_section(device, pf.as_ref())?;
    Some(json!({ "type": "pci", "version": "1.1.0", "pci": pci }))
}

/// What both of us, the plugin and the daemon, say of where a PCI device sits: its address, its PF's, and the interface that
/// stands for it on the PF's switch. `None` for a device that is no PCI function.
pub fn pci_section(device: &Device, pf: Option<&Device>) -> Option<Map<String, Value>> {
    let mut section = Map::new();
    let mut set = |key: &str, value: String| section.insert(key.to_owned(), value.into());
    set("pci-address", device.id.pci()?.to_string());
    if let Some(DeviceId::Pci(address)) = device.pf() {
        set("pf-pci-address", address.to_string());
        let of_ours = |port| matches!(port, Some(PortName::Vf { vf, .. }) if Some(vf) == device.vf_index());
        let mut representors = pf.iter().flat_map(|pf| pf.representors());
        if let Some(netdev) = representors.find(|netdev| of_ours(netdev.port)) {
            set("representor-device", netdev.name.to_string());
        }
    }
    Some(section)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn rule_9_device_information_is_written_in_its_directory_only() {
        let directory = Path::new("/var/run/k8s.cni.cncf.io/devinfo/cni");
        for path in [
            "/var/run/k8s.cni.cncf.io/devinfo/cni/default-net-a-c_net1",
            "/run/k8s.cni.cncf.io/devinfo/cni/x",
        ] {
            assert!(DeviceInfoFile::named(path, directory).is_ok(), "{path}");
        }
        for path in [
            "",
            "x",
            "/etc/cni/net.d/x",
            "/run/x",
            "/tmp/x",
            "run/k8s.cni.cncf.io/devinfo/cni/x",
            "/var/run/k8s.cni.cncf.io/devinfo/x",
            "/var/run/k8s.cni.cncf.io/devinfo/dp/x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/a/x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/..",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/../x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/../../../x",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/a\nb",
            "/var/run/k8s.cni.cncf.io/devinfo/cni/a\0b",
        ] {
            let error = DeviceInfoFile::named(path, directory).unwrap_err();
            assert_eq!(error.code, code::CONFIG, "{path:?}");
            assert!(
                error.msg.contains("CNIDeviceInfoFile") && error.msg.contains("devinfo/cni"),
                "{error}"
            );
        }
    }

    #[test]
    fn rule_9_device_information_follows_no_link_and_replaces_nothing() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("devinfo/cni");
        let named = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let (path, link) = (named("x"), named("link"));
        let file = DeviceInfoFile::named(&path, &directory).unwrap();
        let written = file.create().unwrap().unwrap();
        assert!(file.create().unwrap().is_none());
        symlink(root.path().join("target"), &link).unwrap();
        assert!(
            DeviceInfoFile::named(&link, &directory)
                .unwrap()
                .create()
                .unwrap()
                .is_none()
        );
        assert!(!root.path().join("target").exists());
        // What took its place is not ours to remove.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        written.remove();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "another's");
    }
}
