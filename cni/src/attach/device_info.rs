//! The device-info file that a runtime asks for (`runtimeConfig.CNIDeviceInfoFile`).
//!
//! Contract: device-info-spec 1.1.0 of the Network Plumbing Working Group. Multus copies the device plugin's file there
//! before the ADD, reads it after, and removes it on DEL; one that is there already is kept.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use hardwire_pci::{Device, DeviceId, PortName, Sysfs, read_device};
use serde_json::{Map, Value, json};

use crate::device::Candidate;
use crate::protocol::{CniError, code};

/// Writes the file, where there is something to say and nobody has said it. Tells whether it is ours.
pub fn write_device_info(path: &Path, candidate: &Candidate, sysfs: &Sysfs) -> Result<bool, CniError> {
    let Some(info) = device_info(candidate, sysfs) else {
        return Ok(false);
    };
    let failed = |error: &io::Error| {
        CniError::new(
            code::IO,
            format!("runtimeConfig.CNIDeviceInfoFile: {}: {error}", path.display()),
        )
    };
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.map_err(|error| failed(&error))?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(path);
    let mut file = match file {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        file => file.map_err(|error| failed(&error))?,
    };
    if let Err(error) = file.write_all(info.to_string().as_bytes()) {
        remove_device_info(path);
        return Err(failed(&error));
    }
    Ok(true)
}

/// Removes the file of an ADD that failed.
pub fn remove_device_info(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!("removing {}: {error}", path.display());
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
