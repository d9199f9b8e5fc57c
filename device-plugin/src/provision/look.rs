//! Reading PFs and their VFs: sysfs below the injectable root, and netlink where that is the kernel's.

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Devlink, Link, Socket, VfState};
use hardwire_pci::{
    BaseClass, Device, DeviceId, Function, MacAddr, NetdevsimPort, PortName, Sysfs, instance, pf_interface,
};

use super::now::{PfNow, VfNow};
use crate::config::is_vfio;
use crate::config::pfs::{EswitchMode, PfIdentity};
use crate::pools::Hardware;

/// What is asked beside sysfs; nothing of a tree of files, whose interfaces are not those of this kernel.
#[derive(Debug, Default)]
struct Asked {
    socket: Option<Socket>,
    devlink: Option<Devlink>,
}

/// Every PF of the node.
pub fn pfs(sysfs: &Sysfs) -> Vec<PfNow> {
    pfs_among(sysfs, &Hardware::read(sysfs), |_device| true)
}

/// One PF, if it is there.
pub fn pf_alone(sysfs: &Sysfs, id: &DeviceId) -> Vec<PfNow> {
    pfs_among(sysfs, &Hardware::read(sysfs), |device| device.id == *id)
}

fn pfs_among(sysfs: &Sysfs, hardware: &Hardware, is_meant: impl Fn(&Device) -> bool) -> Vec<PfNow> {
    let mut asked = Asked::of(sysfs);
    let devices = hardware.inventory.devices.iter();
    devices
        .filter(|device| is_meant(device) && !device.id.is_further_port())
        .filter_map(|device| pf(sysfs, hardware, &mut asked, device))
        .collect()
}

// === impl Asked ===

impl Asked {
    fn of(sysfs: &Sysfs) -> Self {
        if !sysfs.is_the_kernels() {
            return Self::default();
        }
        Self {
            socket: Socket::open().ok(),
            devlink: Devlink::open().ok().flatten(),
        }
    }

    fn link(&mut self, index: u32) -> Option<Link> {
        self.socket.as_mut()?.link_by_index(index).ok()?
    }

    fn vfs(&mut self, pf: u32) -> Vec<(u32, VfState)> {
        let vfs = self.socket.as_mut().map(|socket| socket.vfs(pf));
        vfs.and_then(Result::ok).unwrap_or_default()
    }

    fn mode(&mut self, id: &DeviceId) -> Option<EswitchMode> {
        let (bus, name) = devlink_name(id)?;
        match self.devlink.as_mut()?.eswitch_mode(bus, &name).ok()?? {
            0 => Some(EswitchMode::Legacy),
            1 => Some(EswitchMode::Switchdev),
            _ => None,
        }
    }
}

/// How devlink calls a device: by its bus and its name there.
pub fn devlink_name(id: &DeviceId) -> Option<(&'static str, String)> {
    match id {
        DeviceId::Pci(address) | DeviceId::PciPort { function: address, .. } => Some(("pci", address.to_string())),
        DeviceId::Netdevsim(port) => Some(("netdevsim", format!("netdevsim{}", port.device))),
        DeviceId::Auxiliary(_) | DeviceId::Interface(_) => None,
    }
}

fn pf(sysfs: &Sysfs, hardware: &Hardware, asked: &mut Asked, device: &Device) -> Option<PfNow> {
    let Function::Pf { total_vfs, num_vfs, .. } = device.function else {
        return None;
    };
    let directory = Device::directory(sysfs, &device.id);
    let netdev = device.netdev();
    let link = netdev.and_then(|netdev| asked.link(netdev.index));
    let mode = asked.mode(&device.id);
    let mac = |mac: MacAddr| mac.to_string();
    let permanent = link
        .as_ref()
        .and_then(|link| MacAddr::from_bytes(&link.permanent_address));
    let mut macs: Vec<String> = netdev
        .and_then(|netdev| netdev.mac)
        .into_iter()
        .chain(permanent)
        .map(mac)
        .collect();
    macs.dedup();
    let flags = netdev.and_then(|netdev| {
        let file = sysfs.path("class/net").join(netdev.name.as_str()).join("flags");
        u32::from_str_radix(sysfs.optional_text(&file)?.strip_prefix("0x")?, 16).ok()
    });
    let states = match netdev {
        Some(netdev) if num_vfs > 0 => asked.vfs(netdev.index),
        _ => Vec::new(),
    };
    let autoprobe = sysfs.optional_text(&directory.join("sriov_drivers_autoprobe"));
    Some(PfNow {
        id: device.id.clone(),
        identity: PfIdentity {
            address: match &device.id {
                DeviceId::Netdevsim(port) => format!("netdevsim{}", port.device),
                id => id.to_string(),
            },
            name: netdev.map(|netdev| netdev.name.to_string()),
            altnames: link.as_ref().map(|link| link.altnames.clone()).unwrap_or_default(),
            macs,
            vendor: device.vendor.clone(),
            device: device.device.clone(),
            driver: device.driver.clone(),
            numa_node: device.numa_node,
        },
        interface: netdev.map(|netdev| (netdev.name.clone(), netdev.index)),
        total_vfs: Some(total_vfs).filter(|total| *total != u32::MAX),
        num_vfs,
        autoprobe: autoprobe.map(|text| text != "0"),
        mtu: netdev.map(|netdev| netdev.mtu),
        mtu_range: link.as_ref().map(|link| (link.min_mtu, link.max_mtu)),
        is_up: flags.map(|flags| flags & 1 != 0),
        mode,
        instance: number_of(sysfs, device),
        used_by_node: used_by_node(sysfs, hardware, &device.id),
        vfs: vfs(sysfs, hardware, device, num_vfs, mode, &states),
    })
}

/// The same number as in what is read of a PF.
pub fn instance_of(sysfs: &Sysfs, id: &DeviceId) -> Option<u64> {
    let (name, _) = pf_interface(sysfs, id)?;
    instance(sysfs, &DeviceId::Interface(name.clone()), Some(name.as_str()))
}

/// Which instance of a PF it is: a driver that is bound anew makes another interface.
fn number_of(sysfs: &Sysfs, device: &Device) -> Option<u64> {
    let name = device.netdev()?.name.clone();
    instance(sysfs, &DeviceId::Interface(name.clone()), Some(name.as_str()))
}

fn used_by_node(sysfs: &Sysfs, hardware: &Hardware, id: &DeviceId) -> Option<String> {
    let used = hardware.host_use(id).filter(|_| sysfs.is_the_kernels());
    used.map(ToString::to_string)
}

fn vfs(
    sysfs: &Sysfs,
    hardware: &Hardware,
    pf: &Device,
    count: u32,
    mode: Option<EswitchMode>,
    states: &[(u32, VfState)],
) -> Vec<VfNow> {
    let Function::Pf { vfs, .. } = &pf.function else {
        return Vec::new();
    };
    let state = |index: u32| {
        let found = states.binary_search_by_key(&index, |(index, _)| *index);
        found.ok().and_then(|at| states.get(at)).map(|(_, state)| *state)
    };
    let function = |index: u32| {
        if let DeviceId::Netdevsim(port) = &pf.id {
            return VfNow {
                state: state(index),
                ..netdevsim_vf(hardware, port, index, mode)
            };
        }
        let id = vfs.iter().find(|vf| vf.index == index).map(|vf| &vf.id);
        VfNow {
            index,
            state: state(index),
            ..id.map(|id| pci_vf(sysfs, hardware, id)).unwrap_or_default()
        }
    };
    (0..count).map(function).collect()
}

fn pci_vf(sysfs: &Sysfs, hardware: &Hardware, id: &DeviceId) -> VfNow {
    let Some(device) = hardware.inventory.get(id) else {
        return VfNow {
            id: Some(id.clone()),
            used: Some("not to be read, which may mean anything".to_owned()),
            ..VfNow::default()
        };
    };
    let directory = Device::directory(sysfs, id);
    let netdev = device.netdev();
    VfNow {
        index: 0,
        id: Some(id.clone()),
        driver: device.driver.clone(),
        driver_override: sysfs
            .optional_text(&directory.join("driver_override"))
            .filter(|text| text != "(null)"),
        interface: netdev.map(|netdev| netdev.name.clone()),
        mtu: netdev.map(|netdev| netdev.mtu),
        state: None,
        msix: sysfs.number(&directory.join("sriov_vf_msix_count")).ok(),
        used: used_by_kernel(sysfs, device).or_else(|| {
            let used = used_by_node(sysfs, hardware, id)?;
            Some(format!("the node's own: {used}"))
        }),
    }
}

/// What the kernel says of the use of a VF. `enable` of one with vfio-pci counts who has opened it, for which nobody needs the
/// right to open it too.
fn used_by_kernel(sysfs: &Sysfs, device: &Device) -> Option<String> {
    let driver = device.driver.as_deref()?;
    if is_vfio(driver) {
        let file = Device::directory(sysfs, &device.id).join("enable");
        let users = sysfs.number::<u32>(&file).unwrap_or_default();
        return (users > 0).then(|| format!("open in user space through {driver} (its file enable says {users})"));
    }
    let has_interface = BaseClass::of(device.class) == Some(BaseClass::Network) && !is_userspace_driver(driver);
    let is_away = has_interface && device.netdevs.is_empty();
    is_away.then(|| format!("in use: {driver} drives it, and its interface is in another namespace"))
}

/// In mode `switchdev` its VFs have ports, whose PF is number 0 (`nsim_dev_port_add`); otherwise they are numbers.
fn netdevsim_vf(hardware: &Hardware, pf: &NetdevsimPort, index: u32, mode: Option<EswitchMode>) -> VfNow {
    let id = DeviceId::Netdevsim(NetdevsimPort {
        device: pf.device,
        port: PortName::Vf { pf: 0, vf: index },
    });
    if mode != Some(EswitchMode::Switchdev) {
        return VfNow {
            index,
            ..VfNow::default()
        };
    }
    let device = hardware.inventory.get(&id);
    let netdev = device.and_then(Device::netdev);
    VfNow {
        index,
        used: device
            .is_none()
            .then(|| "in use: its interface is in another namespace".to_owned()),
        interface: netdev.map(|netdev| netdev.name.clone()),
        mtu: netdev.map(|netdev| netdev.mtu),
        driver: device.and_then(|device| device.driver.clone()),
        id: Some(id),
        ..VfNow::default()
    }
}
