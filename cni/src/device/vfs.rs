//! The VFs of a PF: while one of them is in use, so is the PF. Its pod would lose settings and link with it.
//!
//! PF and VF have locks and records of their own. So that of an ADD of either, at the same time, one at least sees the other,
//! each looks for the other's record once more when its own is written.

use std::fs;

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::Socket;
use hardwire_pci::{Device, DeviceId, NetdevsimPort, PortName, ReadError, node_use, read_device};

use super::spare::unseen;
use crate::Context;
use crate::journal::Step;
use crate::node::Findings;
use crate::protocol::{CniError, code};

/// The VFs that stand below a device; none for what is no PF, or has none made.
pub(crate) fn vfs_of(context: &Context, id: &DeviceId) -> Result<Vec<DeviceId>, CniError> {
    let unknown = |what: &str, error: &dyn std::fmt::Display| {
        CniError::new(
            code::TRY_AGAIN,
            format!("{id}: which VFs it has is not known: {what}: {error}"),
        )
    };
    let sysfs = &context.sysfs;
    let directory = match id {
        DeviceId::Pci(_) | DeviceId::PciPort { .. } => Device::directory(sysfs, id),
        DeviceId::Netdevsim(NetdevsimPort {
            device,
            port: PortName::Physical(_),
        }) => sysfs.path(format!("bus/netdevsim/devices/netdevsim{device}")),
        DeviceId::Netdevsim(_) | DeviceId::Auxiliary(_) | DeviceId::Interface(_) => return Ok(Vec::new()),
    };
    let count: u32 = match sysfs.number(&directory.join("sriov_numvfs")) {
        Ok(count) => count,
        Err(error) if error.is_missing() => 0,
        Err(error) => return Err(unknown("sriov_numvfs", &error)),
    };
    let vf = |index: u32| {
        if let DeviceId::Netdevsim(NetdevsimPort { device, .. }) = id {
            let port = PortName::Vf { pf: 0, vf: index };
            return Ok(DeviceId::Netdevsim(NetdevsimPort { device: *device, port }));
        }
        let link = format!("virtfn{index}");
        let target = fs::read_link(directory.join(&link)).map_err(|error| unknown(&link, &error))?;
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let address = name.parse().map_err(|error| unknown(&link, &error))?;
        Ok(DeviceId::Pci(address))
    };
    (0..count).map(vf).collect()
}

/// Why a VF is in use; `None` if it is free. What cannot be found out counts as a use.
pub(crate) fn vf_in_use(context: &Context, vf: &DeviceId, socket: &mut Socket) -> Option<String> {
    match context.journal.get(vf) {
        Ok(None) => {}
        Ok(Some(record)) => return Some(format!("container {} has it", record.owner.container_id)),
        Err(error) => return Some(error.to_string()),
    }
    let device = match read_device(&context.sysfs, vf) {
        Ok(device) => device,
        Err(ReadError::Missing(_)) => return None,
        Err(error) => return Some(error.to_string()),
    };
    match device.driver.as_deref() {
        None => return None,
        Some(driver) if is_userspace_driver(driver) => return Some(format!("{driver} may have it open")),
        Some(driver) if device.netdevs.is_empty() => {
            return Some(format!("driver {driver}, and its interface is not on the host"));
        }
        Some(_) => {}
    }
    let findings = Findings::read(&context.state);
    device
        .netdevs
        .iter()
        .find_map(|netdev| match node_use(socket, &context.sysfs, netdev) {
            Ok(Some(used)) => Some(format!("{}: {used}", netdev.name)),
            Ok(None) => match unseen(context, &findings, netdev.index) {
                Ok(used) => used.map(|used| format!("{}: {used}", netdev.name)),
                Err(error) => Some(error.to_string()),
            },
            Err(error) => Some(error.to_string()),
        })
}

/// Refuses a PF with VFs in use, as `in_use` tells of each.
pub(crate) fn refuse_with_vfs_in_use(
    pf: &DeviceId,
    vfs: &[DeviceId],
    mut in_use: impl FnMut(&DeviceId) -> Option<String>,
) -> Result<(), CniError> {
    let used = vfs.iter().filter_map(|vf| Some(format!("{vf} ({})", in_use(vf)?)));
    let used: Vec<String> = used.collect();
    if used.is_empty() {
        return Ok(());
    }
    let msg = format!("{pf} is the PF of VFs that are in use: {}", used.join(", "));
    Err(CniError::new(code::TRY_AGAIN, msg))
}

/// Refuses a PF one of whose VFs, or a VF whose PF, is being attached at this moment. The own record is written.
pub(crate) fn refuse_while_its_pf_or_vf_attaches(context: &Context, device: &Device) -> Result<(), CniError> {
    if let Some(pf) = device.pf() {
        // Each port of the PF goes by an id of its own, and takes the VFs with it.
        let records = context.journal.of_all_ports(pf);
        let records = records.map_err(|error| CniError::new(code::IO, error))?;
        let begun = records.iter().find(|record| record.step == Step::Begun);
        let msg = |pf: &DeviceId| format!("{}: its PF {pf} is being attached to a pod", device.id);
        return begun.map_or(Ok(()), |record| {
            Err(CniError::new(code::TRY_AGAIN, msg(&record.device)))
        });
    }
    let vfs = vfs_of(context, &device.id)?;
    refuse_with_vfs_in_use(&device.id, &vfs, |vf| match context.journal.get(vf) {
        Ok(record) => record.map(|record| format!("container {} has it", record.owner.container_id)),
        Err(error) => Some(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use hardwire_pci::Function;

    use super::*;
    use crate::journal::Record;

    #[test]
    fn rule_5_a_vf_is_refused_while_any_port_of_its_pf_is_being_attached() {
        let root = tempfile::tempdir().unwrap();
        let context = Context::read(|name| match name {
            "HARDWIRE_STATE_DIR" | "HARDWIRE_SYSFS_ROOT" => Some(root.path().into()),
            _ => None,
        });
        let vf = Device {
            function: Function::Vf {
                pf: Some("0000:3b:00.0".parse().unwrap()),
                index: Some(1),
            },
            ..Device::unknown("0000:3b:02.1".parse().unwrap())
        };
        for (port, is_its) in [
            ("0000:3b:00.0", true),
            ("0000:3b:00.0/p1", true),
            ("0000:3b:00.1/p1", false),
        ] {
            for (step, is_begun) in [(Step::Begun, true), (Step::Attached, false)] {
                let record = Record {
                    step,
                    ..Record::fixture(port, "c1")
                };
                context.journal.put(&record).unwrap();
                match refuse_while_its_pf_or_vf_attaches(&context, &vf) {
                    Err(error) => assert!(
                        is_its && is_begun && error.code == code::TRY_AGAIN && error.msg.contains(port),
                        "{error}"
                    ),
                    Ok(()) => assert!(!(is_its && is_begun), "{port} {step:?}"),
                }
            }
            context.journal.remove(&port.parse().unwrap()).unwrap();
        }
    }
}
