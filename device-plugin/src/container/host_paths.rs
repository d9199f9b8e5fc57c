//! What an offer is made with besides its pool and its devices.

use std::path::PathBuf;

use hardwire_pci::char_devices::{RdmaClasses, VfioClasses, has_misc};
use hardwire_pci::{Device, Sysfs};

use super::Publisher;

/// Where things are on this node.
#[derive(Debug, Clone)]
pub struct HostPaths {
    /// The tree that devices are read from.
    pub sysfs: Sysfs,
    /// The node's /dev, or what a container sees of it.
    pub dev: PathBuf,
    /// Where documents go.
    pub publisher: Publisher,
}

/// What is the same for all devices of an offer, read once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared {
    /// The files of VFIO's groups.
    pub vfio: VfioClasses,
    /// The files of RDMA devices.
    pub rdma: RdmaClasses,
    /// There is `/dev/infiniband/rdma_cm`.
    pub rdma_cm: bool,
    /// There is `/dev/iommu`.
    pub iommu: bool,
    /// There are `/dev/vhost-net` and `/dev/net/tun`.
    pub vhost_net: bool,
}

// === impl HostPaths ===

impl HostPaths {
    /// Reads what all devices share; of RDMA only if one of them needs it.
    pub fn shared(&self, rdma: bool) -> Shared {
        let rdma = rdma.then(|| RdmaClasses::read(&self.sysfs));
        self.with_misc(rdma.unwrap_or_default())
    }

    /// The same for one device.
    pub fn shared_by(&self, device: &Device) -> Shared {
        self.with_misc(RdmaClasses::read_below(&self.sysfs, device))
    }

    fn with_misc(&self, rdma: RdmaClasses) -> Shared {
        // The kernel's list has what its own modules registered. The node of a module that is loaded on first use is in
        // /dev without.
        let is_there = |misc: &str, node: &str| has_misc(&self.sysfs, misc) || self.dev.join(node).exists();
        Shared {
            vfio: VfioClasses::read(&self.sysfs),
            rdma,
            rdma_cm: is_there("rdma_cm", "infiniband/rdma_cm"),
            iommu: is_there("iommu", "iommu"),
            vhost_net: is_there("vhost-net", "vhost-net") && is_there("tun", "net/tun"),
        }
    }
}
