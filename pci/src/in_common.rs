//! What many devices have in common: the VFs of a PF, and which buses there are.
//!
//! Contract: `/sys/bus/pci/devices/A/virtfnN` (Documentation/ABI/testing/sysfs-bus-pci), `/sys/bus/vdpa` (drivers/vdpa/vdpa.c).

use std::collections::HashMap;

use crate::address::PciAddress;
use crate::device::{Device, Vf};
use crate::id::DeviceId;
use crate::sysfs::{Directory, Sysfs};

/// What many devices have in common, read once for all of them: a node may have a thousand.
#[derive(Debug, Default)]
pub(crate) struct InCommon {
    /// The VFs of each PF, by index.
    pfs: HashMap<PciAddress, Vec<Vf>>,
    /// Of each of those VFs its PF and its index there.
    vfs: HashMap<PciAddress, (PciAddress, u32)>,
    /// There is a bus of vDPA devices.
    vdpa_bus: Option<bool>,
}

// === impl InCommon ===

impl InCommon {
    /// The VFs of a PF, by index.
    pub(crate) fn vfs_of(&mut self, sysfs: &Sysfs, pf: PciAddress) -> &[Vf] {
        let vfs = &mut self.vfs;
        self.pfs.entry(pf).or_insert_with(|| {
            let read = virtfns(sysfs, pf).inspect(|(index, vf)| {
                vfs.insert(*vf, (pf, *index));
            });
            read.map(|(index, vf)| Vf {
                index,
                id: DeviceId::Pci(vf),
            })
            .collect()
        })
    }

    /// The PF of a VF, where its VFs are known, and the VF's index: `physfn` and `virtfnN` are made and removed together.
    pub(crate) fn pf_of(&self, vf: PciAddress) -> Option<(PciAddress, u32)> {
        self.vfs.get(&vf).copied()
    }

    pub(crate) fn has_vdpa_bus(&mut self, sysfs: &Sysfs) -> bool {
        *self.vdpa_bus.get_or_insert_with(|| has_vdpa_bus(sysfs))
    }
}

/// The VFs of a PF: `virtfn0`, `virtfn1`, ... without a gap, as `sriov_enable` makes them.
fn virtfns(sysfs: &Sysfs, pf: PciAddress) -> impl Iterator<Item = (u32, PciAddress)> + use<> {
    let directory = Directory::open(Device::directory(sysfs, &DeviceId::Pci(pf))).ok();
    (0..).map_while(move |index: u32| {
        let vf = directory.as_ref()?.link_name(&format!("virtfn{index}"))?;
        Some((index, vf.parse().ok()?))
    })
}

/// Whether there is a bus of vDPA devices.
pub(crate) fn has_vdpa_bus(sysfs: &Sysfs) -> bool {
    sysfs.path("bus/vdpa").is_dir()
}
