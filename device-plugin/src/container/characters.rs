//! The character devices that a container gets with one device.

use hardwire_pci::char_devices::{RdmaFiles, Vfio, uio, vhost_vdpa};
use hardwire_pci::{Sysfs, VdpaDriver};

use super::Member;
use super::Node;
use super::host_paths::Shared;
use crate::config::Needs;

/// The control file of VFIO's groups.
pub(super) const VFIO: &str = "/dev/vfio/vfio";
/// The control file of iommufd.
const IOMMU: &str = "/dev/iommu";
pub(super) const RDMA_CM: &str = "/dev/infiniband/rdma_cm";
pub(super) const VHOST_NET: &str = "/dev/vhost-net";
pub(super) const TUN: &str = "/dev/net/tun";

/// What a container gets with one device, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Characters {
    /// A VFIO driver has the device.
    pub vfio: Option<Vfio>,
    /// `uioN`: a UIO driver has it.
    pub uio: Option<String>,
    /// Its vDPA device, where the pool wants one.
    pub vdpa: Option<Vdpa>,
    /// Its RDMA devices, where the pool wants them.
    pub rdma: Vec<RdmaFiles>,
    /// `/dev/infiniband/rdma_cm`.
    pub rdma_cm: bool,
    /// `/dev/iommu`, for the VFIO device's own file.
    pub iommu: bool,
    /// `/dev/vhost-net` and `/dev/net/tun`: both or neither, since neither is of use alone.
    pub vhost_net: bool,
}

/// A vDPA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdpa {
    /// Its name on bus vdpa.
    pub name: String,
    /// What it is offered through.
    pub driver: VdpaDriver,
    /// `vhost-vdpa-N`.
    pub file: Option<String>,
}

// === impl Characters ===

impl Characters {
    /// Reads what there is of what the device's pool wants.
    pub fn read(sysfs: &Sysfs, shared: &Shared, member: &Member<'_>) -> Self {
        let (device, needs) = (member.device, member.needs);
        let vfio = Vfio::read(sysfs, &shared.vfio, device);
        let rdma = if needs.rdma { shared.rdma.of(device) } else { Vec::new() };
        let vdpa = needs.vdpa.and_then(|driver| {
            let mut all = device.vdpa.iter();
            let vdpa = all.find(|vdpa| vdpa.driver == Some(driver))?;
            Some(Vdpa {
                name: vdpa.name.clone(),
                driver,
                file: vhost_vdpa(sysfs, device, vdpa),
            })
        });
        Self {
            iommu: shared.iommu && vfio.as_ref().is_some_and(|vfio| vfio.device.is_some()),
            uio: uio(sysfs, device),
            vdpa,
            rdma_cm: shared.rdma_cm && !rdma.is_empty(),
            vhost_net: needs.vhost_net && shared.vhost_net,
            vfio,
            rdma,
        }
    }

    /// Whether all is there of what the pool wants every device to have. A module may be loaded later.
    pub fn has_all(&self, needs: Needs) -> bool {
        let has_rdma = self.rdma.iter().any(|rdma| !rdma.files.is_empty()) && self.rdma_cm;
        (has_rdma || !needs.rdma) && (self.vhost_net || !needs.vhost_net)
    }

    /// The nodes, each once.
    pub fn nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        if let Some(vfio) = &self.vfio {
            nodes.extend(vfio_nodes(vfio));
        }
        let named = |name: &String| Node::at(format!("/dev/{name}"));
        nodes.extend(self.uio.iter().map(named));
        nodes.extend(self.vdpa.iter().filter_map(|vdpa| vdpa.file.as_ref().map(named)));
        let rdma = self.rdma.iter().flat_map(|rdma| &rdma.files);
        nodes.extend(rdma.map(|name| Node::at(format!("/dev/infiniband/{name}"))));
        let fixed = [
            (self.iommu, IOMMU),
            (self.rdma_cm, RDMA_CM),
            (self.vhost_net, VHOST_NET),
            (self.vhost_net, TUN),
        ];
        let fixed = fixed.into_iter().filter(|(given, _)| *given);
        nodes.extend(fixed.map(|(_, path)| Node::at(path)));
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

fn vfio_nodes(vfio: &Vfio) -> impl Iterator<Item = Node> {
    let group = vfio.group.map(|group| {
        let path = format!("/dev/vfio/{group}");
        if vfio.no_iommu {
            // Drivers in the container look for the group where it always is.
            Node {
                host: format!("/dev/vfio/noiommu-{group}"),
                inside: Some(path),
            }
        } else {
            Node::at(path)
        }
    });
    let device = vfio.device.as_ref();
    // Without a group a kernel may have no control file of groups either, unless iommufd stands in for it.
    let control = (group.is_some() || device.is_none()).then(|| Node::at(VFIO));
    let device = device.map(|name| Node::at(format!("/dev/vfio/devices/{name}")));
    [control, group, device].into_iter().flatten()
}
