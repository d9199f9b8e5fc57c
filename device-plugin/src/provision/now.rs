//! A PF and its VFs as they are.

use hardwire_pci::netlink::VfState;
use hardwire_pci::{DeviceId, IfName};
use serde::Serialize;

use crate::config::pfs::{EswitchMode, PfIdentity};

/// A PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfNow {
    /// Which device.
    pub id: DeviceId,
    /// What a configuration may call it by.
    pub identity: PfIdentity,
    /// Its interface in the host's namespace, by name and index.
    pub interface: Option<(IfName, u32)>,
    /// `sriov_totalvfs`; none where nothing tells.
    pub total_vfs: Option<u32>,
    /// `sriov_numvfs`.
    pub num_vfs: u32,
    /// `sriov_drivers_autoprobe`; none where there is no such file.
    pub autoprobe: Option<bool>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// The MTUs that its driver takes.
    pub mtu_range: Option<(u32, u32)>,
    /// Whether its interface is up.
    pub is_up: Option<bool>,
    /// What its switch does; none where it has none.
    pub mode: Option<EswitchMode>,
    /// What tells it from the same PF after a driver was bound anew; none where nothing does.
    pub instance: Option<u64>,
    /// What the node uses it for.
    pub used_by_node: Option<String>,
    /// Its VFs, by index.
    pub vfs: Vec<VfNow>,
}

/// A VF.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VfNow {
    /// N of `virtfnN`.
    pub index: u32,
    /// Which device it is; none of one that is nothing but a number to its PF.
    pub id: Option<DeviceId>,
    /// The bound driver.
    pub driver: Option<String>,
    /// `driver_override`.
    pub driver_override: Option<String>,
    /// Its interface in the host's namespace.
    pub interface: Option<IfName>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// What the PF holds about it; none where nobody can be asked.
    pub state: Option<VfState>,
    /// `MSI-X` vectors, where its PF's driver shares them out and the VF tells.
    pub msix: Option<u32>,
    /// What the kernel or the node says of its use.
    pub used: Option<String>,
}

/// A PF in short, for those who read a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The bound driver.
    pub driver: Option<String>,
    /// How many VFs it may have.
    pub total_vfs: Option<u32>,
    /// How many it has.
    pub num_vfs: u32,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Whether it is up.
    pub link_up: Option<bool>,
    /// What its switch does.
    pub eswitch_mode: Option<EswitchMode>,
    /// Whether new VFs are bound by themselves.
    pub drivers_autoprobe: Option<bool>,
}

// === impl PfNow ===

impl PfNow {
    /// How a person calls it: by its interface, or by its address.
    pub fn name(&self) -> &str {
        self.identity.name.as_deref().unwrap_or(&self.identity.address)
    }

    /// The same with both.
    pub fn full_name(&self) -> String {
        match &self.identity.name {
            Some(name) => format!("{name} ({})", self.identity.address),
            None => self.identity.address.clone(),
        }
    }

    /// Whether somebody means it by its name or by its address.
    pub fn is_called(&self, name: &str) -> bool {
        self.identity.name.as_deref() == Some(name) || self.identity.address == name || self.id.to_string() == name
    }

    /// The VF with an index.
    pub fn vf(&self, index: u32) -> Option<&VfNow> {
        self.vfs.iter().find(|vf| vf.index == index)
    }

    /// In short.
    pub fn summary(&self) -> Summary {
        Summary {
            driver: self.identity.driver.clone(),
            total_vfs: self.total_vfs,
            num_vfs: self.num_vfs,
            mtu: self.mtu,
            link_up: self.is_up,
            eswitch_mode: self.mode,
            drivers_autoprobe: self.autoprobe,
        }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = vec![match self.total_vfs {
            Some(total) => format!("{} of {total} VFs", self.num_vfs),
            None => format!("{} VFs", self.num_vfs),
        }];
        parts.extend(self.mtu.map(|mtu| format!("MTU {mtu}")));
        parts.extend(self.link_up.map(|up| if up { "up" } else { "down" }.to_owned()));
        parts.extend(self.eswitch_mode.map(|mode| mode.word().to_owned()));
        f.write_str(&parts.join(", "))
    }
}
