//! A network device as sysfs describes it.

use std::path::PathBuf;

use crate::id::{DeviceId, PortName};
use crate::ifname::IfName;
use crate::mac::MacAddr;
use crate::sysfs::Sysfs;

/// A device: a PCI function of class 02 or 12, a subfunction, a port on bus netdevsim, or a software interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it sits.
    pub id: DeviceId,
    /// PCI vendor, four lower-case hex digits; empty off PCI.
    pub vendor: String,
    /// PCI device, four lower-case hex digits; empty off PCI.
    pub device: String,
    /// PCI class, `0x020000` for Ethernet; 0 off PCI.
    pub class: u32,
    /// The bound driver.
    pub driver: Option<String>,
    /// The NUMA node; `None` where the kernel knows none.
    pub numa_node: Option<u32>,
    /// The IOMMU group.
    pub iommu_group: Option<u32>,
    /// `acpi_index`: the number that the firmware gives an onboard or slotted device.
    pub acpi_index: Option<String>,
    /// Its RDMA devices (`infiniband/`), in the order of their names. One that was moved into a pod is not to be seen.
    pub rdma: Vec<String>,
    /// Its vDPA devices, in the order of their names.
    pub vdpa: Vec<Vdpa>,
    /// Its interfaces in the namespace of the reader, representors included.
    pub netdevs: Vec<Netdev>,
    /// What it is among the functions of its hardware.
    pub function: Function,
}

/// Base class in a PCI class code, as far as this model goes (PCI Code and ID Assignment).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseClass {
    /// 02: network controller.
    Network,
    /// 12: processing accelerator.
    Accelerator,
}

impl BaseClass {
    /// The base class of a class code of three bytes; `None` for all others.
    pub fn of(class: u32) -> Option<Self> {
        match class >> 16 {
            0x02 => Some(Self::Network),
            0x12 => Some(Self::Accelerator),
            _ => None,
        }
    }
}

/// The part that a device plays in SR-IOV.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Function {
    /// It has no SR-IOV capability.
    Plain,
    /// A physical function.
    Pf {
        /// `sriov_totalvfs`.
        total_vfs: u32,
        /// `sriov_numvfs`.
        num_vfs: u32,
        /// The VFs that exist, by index.
        vfs: Vec<Vf>,
    },
    /// A virtual function. Inside a virtual machine neither its PF nor its index is to be seen.
    Vf {
        /// Its PF.
        pf: Option<DeviceId>,
        /// N of the PF's `virtfnN`; none for a further port of a VF, for its PF tells only of the function.
        index: Option<u32>,
    },
    /// A subfunction.
    Sf {
        /// The PCI function that it hangs below.
        parent: Option<DeviceId>,
        /// `sfnum`.
        number: Option<u32>,
    },
}

/// A vDPA device (`/sys/bus/vdpa/devices`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdpa {
    /// `vdpaN`.
    pub name: String,
    /// What it is bound to; none while it is bound to nothing known.
    pub driver: Option<VdpaDriver>,
}

/// What a vDPA device is offered through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VdpaDriver {
    /// `vhost_vdpa`: a character device for a user-space driver.
    Vhost,
    /// `virtio_vdpa`: an interface of the kernel.
    Virtio,
}

/// A VF as its PF lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vf {
    /// N of `virtfnN`.
    pub index: u32,
    /// Which device it is.
    pub id: DeviceId,
}

/// A network interface of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netdev {
    /// Name.
    pub name: IfName,
    /// Index.
    pub index: u32,
    /// MAC address, for link types that have one.
    pub mac: Option<MacAddr>,
    /// Bytes.
    pub mtu: u32,
    /// Kind of link layer.
    pub link_type: LinkType,
    /// `phys_port_name`, where it follows the kernel's scheme.
    pub port: Option<PortName>,
    /// Which port of its function it is, where that has several; none where nothing tells, or where nobody asked.
    pub number: Option<u32>,
    /// `phys_switch_id`.
    pub switch_id: Option<String>,
}

/// `ARPHRD_*`, as far as network hardware has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// 1.
    Ether,
    /// 32.
    Infiniband,
    /// Any other.
    Other(u16),
}

impl From<u16> for LinkType {
    fn from(hardware: u16) -> Self {
        match hardware {
            1 => Self::Ether,
            32 => Self::Infiniband,
            other => Self::Other(other),
        }
    }
}

impl std::fmt::Display for LinkType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ether => f.write_str("ether"),
            Self::Infiniband => f.write_str("infiniband"),
            Self::Other(hardware) => write!(f, "type {hardware}"),
        }
    }
}

impl Netdev {
    /// Whether it stands, on the switch's side, for a function that somebody else uses. Only meaningful on PCI: on bus
    /// netdevsim, which has no functions, the VF's port is the VF.
    pub fn is_representor(&self) -> bool {
        matches!(self.port, Some(PortName::Vf { .. } | PortName::Sf { .. }))
    }
}

impl Device {
    /// A device of which nothing but the id is known.
    pub fn unknown(id: DeviceId) -> Self {
        Self {
            id,
            vendor: String::new(),
            device: String::new(),
            class: 0,
            driver: None,
            numa_node: None,
            iommu_group: None,
            acpi_index: None,
            rdma: Vec::new(),
            vdpa: Vec::new(),
            netdevs: Vec::new(),
            function: Function::Plain,
        }
    }

    /// The directory of a device in the tree.
    pub fn directory(sysfs: &Sysfs, id: &DeviceId) -> PathBuf {
        match id {
            DeviceId::Pci(address) | DeviceId::PciPort { function: address, .. } => {
                sysfs.path(format!("bus/pci/devices/{address}"))
            }
            DeviceId::Netdevsim(port) => sysfs.path(format!("bus/netdevsim/devices/netdevsim{}", port.device)),
            DeviceId::Auxiliary(name) => sysfs.path(format!("bus/auxiliary/devices/{}", name.as_str())),
            DeviceId::Interface(name) => sysfs.path(format!("class/net/{name}")),
        }
    }

    /// The device's own interface, and the first one of a function with several ports. Of a PF in switchdev mode that is the
    /// uplink: a physical port of a switch, whatever comes first in the directory.
    pub fn netdev(&self) -> Option<&Netdev> {
        self.ports().into_iter().next()
    }

    /// The interfaces that stand for this PF's functions.
    pub fn representors(&self) -> impl Iterator<Item = &Netdev> {
        let on_pci = self.id.pci().is_some();
        self.netdevs
            .iter()
            .filter(move |netdev| on_pci && netdev.is_representor())
    }

    /// The PF, for a VF or SF that shows one.
    pub fn pf(&self) -> Option<&DeviceId> {
        match &self.function {
            Function::Vf { pf, .. } => pf.as_ref(),
            Function::Sf { parent, .. } => parent.as_ref(),
            Function::Plain | Function::Pf { .. } => None,
        }
    }

    /// The VF index, for a VF that shows one.
    pub fn vf_index(&self) -> Option<u32> {
        match &self.function {
            Function::Vf { index, .. } => *index,
            Function::Plain | Function::Pf { .. } | Function::Sf { .. } => None,
        }
    }

    /// What it is counted by among the functions of its PF: a VF's index, a subfunction's `sfnum`.
    pub fn function_index(&self) -> Option<u32> {
        match &self.function {
            Function::Vf { index, .. } => *index,
            Function::Sf { number, .. } => *number,
            Function::Plain | Function::Pf { .. } => None,
        }
    }
}
