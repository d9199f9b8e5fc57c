//! What is read of a device only where somebody asks for it: it costs a driver call, or concerns few devices.
//!
//! Contract: `net/X/speed` (Documentation/ABI/testing/sysfs-class-net), `infiniband/X/ports/P/pkeys/I`
//! (Documentation/ABI/stable/sysfs-class-infiniband), names of the auxiliary bus (`include/linux/auxiliary_bus.h`).

use crate::device::Device;
use crate::id::AuxiliaryName;
use crate::sysfs::Sysfs;

/// Types of the auxiliary devices that RDMA drivers bind to, those of mlx5, bnxt, mana, ice and idpf.
const RDMA_TYPES: [&str; 4] = ["rdma", "roce", "iwarp", "core_rdma"];

impl Device {
    /// Mbit/s of the device's own interface. `None` without one, and while it is down or has no carrier: most drivers
    /// tell nothing then.
    pub fn speed(&self, sysfs: &Sysfs) -> Option<u32> {
        let name = self.netdev()?.name.as_str();
        // Those of virtio functions hang deeper.
        let directories = [Self::directory(sysfs, &self.id).join("net"), sysfs.path("class/net")];
        let mut files = directories.map(|net| net.join(name).join("speed")).into_iter();
        // SPEED_UNKNOWN is printed as -1.
        let speed = files.find_map(|file| sysfs.number::<i64>(&file).ok())?;
        u32::try_from(speed).ok().filter(|speed| *speed != 0)
    }

    /// The partition keys at index 0 of port 1 of its RDMA devices. Only those of InfiniBand mean anything.
    pub fn pkeys(&self, sysfs: &Sysfs) -> Vec<u16> {
        let directory = Self::directory(sysfs, &self.id).join("infiniband");
        let devices = self.rdma.iter();
        let key = |name: &String| {
            let file = directory.join(name).join("ports/1/pkeys/0");
            u16::try_from(sysfs.hex(&file, 4).ok()?).ok()
        };
        devices.filter_map(key).collect()
    }

    /// Whether it can do RDMA, also where its RDMA device is in a pod and not to be seen (`rdma system set netns exclusive`):
    /// the auxiliary device that the RDMA driver is bound to stays. Drivers from before the auxiliary bus (Linux 5.11) have
    /// none.
    pub fn has_rdma(&self, sysfs: &Sysfs) -> bool {
        let is_rdma = |name: String| AuxiliaryName::parse(&name).is_some_and(|name| RDMA_TYPES.contains(&name.kind()));
        !self.rdma.is_empty() || sysfs.names(&Self::directory(sysfs, &self.id)).into_iter().any(is_rdma)
    }
}
