//! What the fuzz targets beside this crate (`fuzz/`) give their inputs to. Each takes any bytes, and panics where the crate
//! does what it must not.
#![allow(clippy::expect_used, reason = "what a target stands on fails it where it fails")]

use std::fs;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use netlink_sys::Socket as RawSocket;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::netlink::{Socket, notices_in};
use crate::{DeviceId, IfName, Inventory, MacAddr, NodeUses, PciAddress, Sysfs, read_attachable, read_device};

/// Takes an input.
pub type Target = fn(&[u8]);

/// All of them, by their names.
pub const TARGETS: &[(&str, Target)] = &[
    ("identifiers", identifiers),
    ("netlink_notices", netlink_notices),
    ("netlink_replies", netlink_replies),
    ("sysfs_tree", sysfs_tree),
];

/// What becomes a type is written as what becomes the same again.
pub fn identifiers(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(address) = text.parse::<PciAddress>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
    if let Ok(mac) = text.parse::<MacAddr>() {
        assert_eq!(mac.to_string().parse(), Ok(mac));
    }
    if let Ok(name) = text.parse::<IfName>() {
        assert!(
            !name.as_str().contains(['/', '%', '\0']) && name.as_str().len() < 16,
            "{name}"
        );
    }
    if let Ok(id) = text.parse::<DeviceId>() {
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        let stem = id.file_stem();
        assert!(!stem.contains(['/', '\0']) && stem != "." && stem != "..", "{stem}");
    }
}

/// A datagram of the kernel's, unasked.
pub fn netlink_notices(input: &[u8]) {
    notices_in(input);
}

/// Answers of the kernel's: the first byte is the question, and each datagram has its length before it.
pub fn netlink_replies(input: &[u8]) {
    let [question, datagrams @ ..] = input else { return };
    let (ours, kernels) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).expect("a pair of sockets");
    let mut rest = datagrams;
    while let [low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (datagram, others) = after.split_at(length);
        // What the queue does not hold is not answered.
        if send(&kernels, datagram, SendFlags::DONTWAIT).is_err() {
            break;
        }
        rest = others;
    }
    // SAFETY: the descriptor is this one's from here on.
    #[allow(unsafe_code, reason = "the crate makes a socket of a descriptor in no other way")]
    let raw = unsafe { RawSocket::from_raw_fd(ours.into_raw_fd()) };
    let mut socket = Socket::over(raw);
    match question % 10 {
        0 => drop(socket.links()),
        1 => drop(socket.link_by_index(1)),
        2 => drop(socket.link_by_name("eth0")),
        3 => drop(socket.vfs(1)),
        4 => drop(socket.addresses(Some(1))),
        5 => drop(socket.routes()),
        6 => drop(socket.default_routes(1)),
        7 => drop(socket.kept(1, "eth0")),
        8 => drop(socket.all_links()),
        _ => drop(NodeUses::read(&mut socket)),
    }
}

/// Attributes that a device's directory may have, and the links.
const ATTRIBUTES: [&str; 12] = [
    "vendor",
    "device",
    "class",
    "sriov_numvfs",
    "sriov_totalvfs",
    "numa_node",
    "current_link_speed",
    "modalias",
    "net/eth0/address",
    "net/eth0/ifindex",
    "net/eth0/dev_port",
    "net/eth0/phys_port_name",
];
const LINKS: [&str; 6] = [
    "driver",
    "physfn",
    "virtfn0",
    "virtfn1",
    "iommu_group",
    "net/eth0/device",
];

/// A tree with two functions: each line of the input is an attribute or a link of one of them.
pub fn sysfs_tree(input: &[u8]) {
    let directory = tempfile::tempdir().expect("a directory");
    let sysfs = Sysfs::at(directory.path());
    for line in input.split(|byte| *byte == b'\n').take(64) {
        let [which, attribute, value @ ..] = line else { continue };
        let function = ["0000:01:00.0", "0000:01:10.1"][usize::from(which % 2)];
        let place = directory.path().join("bus/pci/devices").join(function);
        let wanted = usize::from(*attribute) % (ATTRIBUTES.len() + LINKS.len());
        let made = match (ATTRIBUTES.get(wanted), LINKS.get(wanted.wrapping_sub(ATTRIBUTES.len()))) {
            (Some(name), _) => made_below(&place, name).and_then(|path| fs::write(path, value)),
            (_, Some(name)) => made_below(&place, name).and_then(|path| {
                let target = value.iter().filter(|byte| **byte != 0).map(|byte| char::from(*byte));
                symlink(target.collect::<String>(), path)
            }),
            _ => Ok(()),
        };
        // A name that is taken, or a target that is no path.
        drop(made);
    }
    let mut inventory = Inventory::read(&sysfs);
    let ids: Vec<DeviceId> = inventory.devices.iter().map(|device| device.id.clone()).collect();
    for id in &ids {
        drop(read_device(&sysfs, id));
        drop(read_attachable(&sysfs, id));
    }
    inventory.reread_pci(&sysfs, ids.iter().filter_map(DeviceId::pci));
}

fn made_below(place: &Path, name: &str) -> std::io::Result<std::path::PathBuf> {
    let path = place.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(path)
}

#[cfg(test)]
#[path = "../fuzz/bounds.rs"]
mod bounds;
#[cfg(test)]
#[path = "../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: bounds::Counting = bounds::Counting;

    #[test]
    fn what_the_fuzzer_found_stays_mended() {
        replay::replay(env!("CARGO_MANIFEST_DIR"), TARGETS);
    }
}
