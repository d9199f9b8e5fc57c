//! From the configuration's name of a device to the device.
//!
//! Done twice for an attachment: before its lock, for the id to lock, and under it. A name or an address may have become
//! another interface's in between, so the second answer is the one that counts, if it has the first one's id.

use std::fmt::Write as _;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{
    Device, DeviceId, MacAddr, Netdev, PciAddress, PortName, ReadError, number_of_port, read_attachable,
};

use super::{Candidate, attached, id_of_link};
use crate::Context;
use crate::config::{DeviceName, KernelPath, LookupBy};
use crate::protocol::{CniError, code};

/// The id of the device that the configuration names, before anything else is known of it: to lock it. It may be in a pod.
pub(crate) fn identify(name: &DeviceName, context: &Context, socket: &mut Socket) -> Result<DeviceId, CniError> {
    let mut ways = name.lookups();
    if let (Some(LookupBy::Id(_, id)), None) = (ways.next(), ways.next())
        && !id.is_further_port()
    {
        // Whatever else there is to know of it is read under the lock.
        return Ok(id.clone());
    }
    let error = match locate(name, context, socket) {
        Ok(candidate) => return Ok(candidate.device.id),
        Err(error) => error,
    };
    for way in name.lookups() {
        if let Some(id) = attached::find(&way, context)? {
            return Ok(id);
        }
    }
    Err(error)
}

/// What one of the ways leads to.
struct Found {
    candidate: Candidate,
    /// It is a function whose ports are devices of their own: another way may tell which.
    is_undecided: bool,
}

/// Every way in which the configuration names the device must lead to the same one.
pub(super) fn locate(name: &DeviceName, context: &Context, socket: &mut Socket) -> Result<Candidate, CniError> {
    let mut best: Option<(String, Found)> = None;
    for way in name.lookups() {
        let found = match &way {
            LookupBy::Id(field, id) => by_id(field, id, context, socket)?,
            LookupBy::Interface(interface) => by_interface(way.field(), &find_link(&way, interface, socket)?, context)?,
            LookupBy::Hardware(mac) => by_interface(way.field(), &find_by_mac(*mac, socket)?, context)?,
            LookupBy::Path(path) => by_path(path, context, socket)?,
        };
        let id = &found.candidate.device.id;
        if let Some((first, other)) = &best {
            let other_id = &other.candidate.device.id;
            if !is_same(other_id, id) {
                return Err(CniError::config(format!(
                    "{first} (which is {other_id}) and {way} (which is {id}) name different devices: give one of them"
                )));
            }
            // The address of a function says less than the id of its port.
            if found.is_undecided || !(other.is_undecided || id.is_further_port()) {
                continue;
            }
        }
        best = Some((way.to_string(), found));
    }
    let (way, found) = best.ok_or_else(missing)?;
    if found.is_undecided {
        first_port(&way, found.candidate.device, context, socket)
    } else {
        Ok(found.candidate)
    }
}

/// Whether two ids may be of one device: the address of a function stands for any of its ports.
fn is_same(one: &DeviceId, other: &DeviceId) -> bool {
    let is_function = |id: &DeviceId| matches!(id, DeviceId::Pci(_));
    one == other || (is_function(one) || is_function(other)) && one.pci().is_some() && one.pci() == other.pci()
}

/// The first port of a function, if the address of the function is all that is given, and may mean that.
fn first_port(way: &str, device: Device, context: &Context, socket: &mut Socket) -> Result<Candidate, CniError> {
    let mut ports = String::new();
    for port in device.ports() {
        // Writing to a string cannot fail.
        let _ = write!(
            ports,
            "{}{} is {}",
            if ports.is_empty() { "" } else { ", " },
            port.name,
            spelled(&device, port)
        );
    }
    let numbered = device.netdev().is_some_and(|first| first.number.is_some());
    let function = device.id.pci().filter(|_| numbered);
    if function.is_none_or(|function| !attached::is_offered(function, context)) {
        return Err(CniError::config(format!(
            "{way}: it has several ports: {ports}: give the id of one of them, or its interface as device or hwaddr"
        )));
    }
    let netdev = device.netdev().cloned();
    let link = netdev.as_ref().map(|netdev| link_of(netdev, socket)).transpose()?;
    Ok(Candidate {
        device,
        netdev,
        link,
        pf: None,
        node_use: None,
    })
}

/// The id of a port as a configuration may give it: the first one's has its number too.
fn spelled(device: &Device, port: &Netdev) -> String {
    match (device.id.pci(), port.number) {
        (Some(function), Some(number)) => DeviceId::PciPort { function, port: number }.to_string(),
        _ => device.id.to_string(),
    }
}

/// The error for a configuration that names no device.
fn missing() -> CniError {
    CniError::config(
        "deviceID: missing: give deviceID (a PCI address, which Multus fills in for a resource), or device (the name of a \
         host interface), hwaddr (its MAC address) or kernelpath (its directory below /sys/devices)",
    )
}

fn find_link(way: &LookupBy<'_>, name: &str, socket: &mut Socket) -> Result<Link, CniError> {
    let asked = |error: NetlinkError| CniError::new(code::INTERNAL, format!("looking up interface {name}: {error}"));
    let link = socket.link_by_name(name).map_err(asked)?;
    link.ok_or_else(|| CniError::config(format!("{}: no interface {name:?} on this host", way.field())))
}

/// The hardware interface with this MAC; VLANs and the like have their lower device's.
fn find_by_mac(mac: MacAddr, socket: &mut Socket) -> Result<Link, CniError> {
    let asked = |error: NetlinkError| CniError::new(code::INTERNAL, format!("looking up {mac}: {error}"));
    let links = socket.links().map_err(asked)?;
    let mut with_it = links
        .into_iter()
        .filter(|link| link.mac() == Some(mac))
        .collect::<Vec<_>>();
    let rank = |link: &Link| (link.lower.is_some(), link.kind.is_some());
    with_it.sort_by_key(|link| (rank(link), link.index));
    let mut found = with_it.into_iter();
    let none = || CniError::config(format!("hwaddr: no interface with the MAC address {mac} on this host"));
    let first = found.next().ok_or_else(none)?;
    match found.next().filter(|second| rank(second) == rank(&first)) {
        None => Ok(first),
        Some(second) => Err(CniError::config(format!(
            "hwaddr: {} and {} have the MAC address {mac}: give device or deviceID",
            first.name, second.name
        ))),
    }
}

fn by_id(field: &str, id: &DeviceId, context: &Context, socket: &mut Socket) -> Result<Found, CniError> {
    let device = read_attachable(&context.sysfs, id).map_err(|error| unreadable(field, id, &error))?;
    let is_undecided = !device.id.is_further_port() && device.ports().len() > 1;
    let netdev = device.netdev().filter(|_| !is_undecided).cloned();
    let link = match &netdev {
        Some(netdev) => Some(link_of(netdev, socket)?),
        None if is_undecided => None,
        None => {
            no_interface(&device)?;
            None
        }
    };
    Ok(Found {
        candidate: Candidate {
            device,
            netdev,
            link,
            pf: None,
            node_use: None,
        },
        is_undecided,
    })
}

/// The device in a directory below `/sys/devices`, or the one interface that the kernel has for it there.
fn by_path(path: &KernelPath, context: &Context, socket: &mut Socket) -> Result<Found, CniError> {
    let sysfs = &context.sysfs;
    let refused = |why: &dyn std::fmt::Display| CniError::config(format!("kernelpath: {path} {why}"));
    let there = sysfs.path("").canonicalize().and_then(|root| {
        let directory = sysfs.path(path.below_sys()).canonicalize()?;
        // A link on the way would lead to another device than the path says.
        Ok(directory == root.join(path.below_sys()))
    });
    match there {
        Ok(true) => {}
        Ok(false) => return Err(refused(&"is a link: give the directory that it leads to")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CniError::gone(
                refused(&"is not there: no such device on this host").msg,
            ));
        }
        Err(error) => return Err(refused(&format_args!("cannot be read: {error}"))),
    }
    if let Some(id) = path.id().filter(|id| Device::directory(sysfs, id).exists()) {
        return by_id("kernelpath", id, context, socket);
    }
    match &sysfs.names(&sysfs.path(path.below_sys()).join("net"))[..] {
        [] => Err(refused(&"has no interface in the host's network namespace")),
        [name] => {
            let found = find_link(&LookupBy::Path(path), name, socket)?;
            by_interface("kernelpath", &found, context)
        }
        names => Err(refused(&format_args!(
            "has several interfaces: give one of {} as device",
            names.join(", ")
        ))),
    }
}

fn link_of(netdev: &Netdev, socket: &mut Socket) -> Result<Link, CniError> {
    let failed = |error| CniError::new(code::INTERNAL, format!("reading {}: {error}", netdev.name));
    let link = socket.link_by_index(netdev.index).map_err(failed)?;
    link.ok_or_else(|| CniError::new(code::TRY_AGAIN, format!("{} went away", netdev.name)))
}

fn unreadable(field: &str, id: &DeviceId, error: &ReadError) -> CniError {
    match error {
        ReadError::Missing(_) => CniError::gone(format!("{field}: no such device on this host: {id}")),
        ReadError::Sysfs(error) => CniError::new(code::INTERNAL, format!("{field}: {id} cannot be read: {error}")),
    }
}

/// A device without an interface here is user space's, somebody else's, or nobody's.
fn no_interface(device: &Device) -> Result<(), CniError> {
    let id = &device.id;
    if device.representors().next().is_some() {
        return Err(CniError::config(format!(
            "{id} has only representors here: they are never attached"
        )));
    }
    match device.driver.as_deref() {
        Some(driver) if is_userspace_driver(driver) => Ok(()),
        Some(driver) => Err(CniError::new(
            code::TRY_AGAIN,
            format!("{id} (driver {driver}) has no interface in the host's network namespace: another pod has it"),
        )),
        None => Err(CniError::new(
            code::REFUSED,
            format!("{id} is bound to no driver: it has no interface to attach"),
        )),
    }
}

fn by_interface(field: &str, link: &Link, context: &Context) -> Result<Found, CniError> {
    let (name, sysfs) = (&link.name, &context.sysfs);
    if link.flags.is_loopback() {
        return Err(CniError::config(format!("{field}: {name} is the loopback interface")));
    }
    let id = id_of_link(link, sysfs).map_err(|error| CniError::config(format!("{field}: {error}")))?;
    let device = match &id {
        // There is nothing to it but its interface.
        DeviceId::Interface(name) => Device {
            netdevs: vec![Netdev {
                name: name.clone(),
                index: link.index,
                mac: link.mac(),
                mtu: link.mtu,
                link_type: link.hardware.into(),
                port: link.phys_port_name.as_deref().and_then(PortName::parse),
                number: None,
                switch_id: None,
            }],
            ..Device::unknown(id.clone())
        },
        id => read_attachable(sysfs, id).map_err(|error| unreadable(field, id, &error))?,
    };
    let gone = || CniError::config(format!("{field}: interface {name:?} went away"));
    let netdev = device.netdevs.iter().find(|netdev| netdev.index == link.index).cloned();
    let netdev = netdev.ok_or_else(gone)?;
    let Some(function) = id.pci() else {
        return Ok(with_interface(device, netdev, link));
    };
    if netdev.is_representor() {
        let port = netdev.port.map(|port| port.to_string()).unwrap_or_default();
        return Err(CniError::config(format!(
            "{field}: {name} is the representor of {port}: it is never attached"
        )));
    }
    if device.ports().iter().all(|port| port.index != netdev.index) {
        return Err(CniError::config(format!(
            "{field}: {name} is no port of its own of {id}: give the interface that it stands beside"
        )));
    }
    let port = id_of_port(&device, &netdev, function, context);
    if port == id {
        return Ok(with_interface(device, netdev, link));
    }
    let device = read_attachable(sysfs, &port).map_err(|error| unreadable(field, &port, &error))?;
    let netdev = device.netdevs.iter().find(|netdev| netdev.index == link.index).cloned();
    Ok(with_interface(device, netdev.ok_or_else(gone)?, link))
}

fn with_interface(device: Device, netdev: Netdev, link: &Link) -> Found {
    Found {
        candidate: Candidate {
            device,
            netdev: Some(netdev),
            link: Some(link.clone()),
            pf: None,
            node_use: None,
        },
        is_undecided: false,
    }
}

/// The id of one port of a function. One that is alone here is not the first if the first is in a pod.
fn id_of_port(device: &Device, netdev: &Netdev, function: PciAddress, context: &Context) -> DeviceId {
    if device.ports().len() > 1 {
        return device.id_of_port(netdev);
    }
    let number = attached::first_port(function, context)
        .and_then(|first| number_of_port(&context.sysfs, function, netdev.index).filter(|number| *number != first));
    number.map_or(DeviceId::Pci(function), |port| DeviceId::PciPort { function, port })
}
