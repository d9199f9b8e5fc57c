//! The interfaces below a device's directory.
//!
//! Contract: `net/NAME/{ifindex,address,mtu,type,phys_port_name,phys_switch_id,dev_port,dev_id,iflink}`
//! (Documentation/ABI/testing/sysfs-class-net). An attachment reads them too, and each file costs it three system calls:
//! what it does not go by is left out then.

use std::path::{Path, PathBuf};

use crate::device::{LinkType, Netdev};
use crate::id::PortName;
use crate::ifname::IfName;
use crate::ports::{Counted, count, is_uplink};
use crate::read_error::ReadError;
use crate::sysfs::Sysfs;

/// How much is read of each interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that [`Netdev`] has.
    All,
    /// No address and no MTU, and of what is alone below a VF no port: representors stand below a PF, beside its uplink.
    Attachment {
        /// Below a VF.
        is_vf: bool,
        /// The port's number is asked for, though there be one only.
        numbered: bool,
    },
}

/// Reads the interfaces in these directories. One that goes away meanwhile is left out.
pub(crate) fn netdevs(sysfs: &Sysfs, directories: &[PathBuf], extent: Extent) -> Result<Vec<Netdev>, ReadError> {
    let mut named: Vec<(PathBuf, IfName)> = Vec::new();
    for net in directories {
        let names = sysfs.names(net).into_iter().filter_map(|name| name.parse().ok());
        named.extend(names.map(|name: IfName| (net.join(name.as_str()), name)));
    }
    let alone = named.len() == 1;
    let mut found = Vec::new();
    for (path, name) in named {
        found.extend(netdev(sysfs, &path, name, extent, alone)?.map(|netdev| (path, netdev)));
    }
    number(
        sysfs,
        &mut found,
        matches!(extent, Extent::Attachment { numbered: true, .. }),
    );
    Ok(found.into_iter().map(|(_, netdev)| netdev).collect())
}

/// One interface, all of it; `None` if it went away meanwhile, or was renamed, which looks the same.
pub(crate) fn one_netdev(sysfs: &Sysfs, directory: &Path, name: &IfName) -> Result<Option<Netdev>, ReadError> {
    netdev(sysfs, &directory.join(name.as_str()), name.clone(), Extent::All, true)
}

fn netdev(sysfs: &Sysfs, path: &Path, name: IfName, extent: Extent, alone: bool) -> Result<Option<Netdev>, ReadError> {
    let index = match sysfs.number(&path.join("ifindex")) {
        Err(error) if error.is_missing() => return Ok(None),
        index => index?,
    };
    let all = extent == Extent::All;
    let ports = !(alone && matches!(extent, Extent::Attachment { is_vf: true, .. }));
    let text = |file: &str, wanted: bool| wanted.then(|| sysfs.optional_text(&path.join(file))).flatten();
    Ok(Some(Netdev {
        index,
        mac: text("address", all).and_then(|mac| mac.parse().ok()),
        mtu: if all { sysfs.number(&path.join("mtu"))? } else { 0 },
        link_type: sysfs.number::<u16>(&path.join("type"))?.into(),
        port: text("phys_port_name", ports).and_then(|port| PortName::parse(&port)),
        number: None,
        switch_id: text("phys_switch_id", ports),
        name,
    }))
}

/// Tells the ports of a function apart, where there are several.
fn number(sysfs: &Sysfs, found: &mut [(PathBuf, Netdev)], even_one: bool) {
    let uplinks = found.iter().any(|(_, netdev)| is_uplink(netdev));
    let indices: Vec<u32> = found.iter().map(|(_, netdev)| netdev.index).collect();
    let own = |netdev: &Netdev| !netdev.is_representor() && (!uplinks || is_uplink(netdev));
    let mut own: Vec<&mut (PathBuf, Netdev)> = found.iter_mut().filter(|(_, netdev)| own(netdev)).collect();
    if own.len() < 2 && !even_one {
        return;
    }
    // An IPoIB child (`ib0.8001`) stands below the function as well, and is no port of its own.
    let is_child = |path: &Path, netdev: &Netdev| {
        let lower = sysfs.number::<u32>(&path.join("iflink"));
        netdev.link_type == LinkType::Infiniband
            && lower.is_ok_and(|lower| lower != netdev.index && indices.contains(&lower))
    };
    own.retain(|(path, netdev)| !is_child(path, netdev));
    let counted = own.iter().map(|(path, netdev)| Counted {
        dev_port: sysfs.number(&path.join("dev_port")).unwrap_or(0),
        dev_id: dev_id(sysfs, path),
        name: netdev.port,
    });
    let numbers = count(&counted.collect::<Vec<_>>());
    for ((_, netdev), number) in own.into_iter().zip(numbers) {
        netdev.number = number;
    }
}

/// Printed as `0x1` (`fmt_hex`, net/core/net-sysfs.c).
fn dev_id(sysfs: &Sysfs, path: &Path) -> u32 {
    let text = sysfs.optional_text(&path.join("dev_id"));
    text.and_then(|text| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok())
        .unwrap_or(0)
}
