//! STATUS: could an ADD work now?
//!
//! Contract: CNI spec 1.1.0 "STATUS": 50 where it could not, 51 where existing attachments may have lost their network as
//! well, which is so when every PF that the configuration can use is gone or without carrier: of a configuration that names
//! its device that device's PF, else, as the device comes from a pool, each PF that the daemon knows. That all devices are in
//! use is no reason: a runtime would declare the node not ready.

use std::collections::BTreeSet;

use hardwire_pci::netlink::Socket;
use hardwire_pci::{Device, DeviceId, pf_interface};
use rustix::thread::{CapabilitySet, capabilities};

use crate::Context;
use crate::config::{Base, NetConf};
use crate::device::{identify, is_present};
use crate::ipam::Delegate;
use crate::node::NodeConfig;
use crate::protocol::{CniError, Environment, SpecVersion, code};

/// Checks the state directory, the rights, the device that the configuration itself names, and IPAM.
pub fn status(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    let version = base.version_since(SpecVersion::WITH_GC_AND_STATUS, "STATUS")?;
    let conf = NetConf::parse(base, version, &environment.args)?;
    let unavailable = |why: &dyn std::fmt::Display| CniError::new(code::UNAVAILABLE, why);
    context.journal.probe().map_err(|error| unavailable(&error))?;
    let mut host = Socket::open().map_err(|error| unavailable(&error))?;
    let effective = capabilities(None).map(|sets| sets.effective);
    if !effective.is_ok_and(|set| set.contains(CapabilitySet::NET_ADMIN | CapabilitySet::SYS_ADMIN)) {
        return Err(unavailable(
            &"CAP_NET_ADMIN and CAP_SYS_ADMIN are needed to move a device into a pod",
        ));
    }
    let named = if conf.device.lookups().next().is_some() {
        let id = identify(&conf.device, context, &mut host).map_err(|error| unavailable(&error))?;
        if !is_present(&id, context) {
            return Err(unavailable(&format!(
                "{id}, which the configuration names, is not on this host"
            )));
        }
        Some(id)
    } else {
        None
    };
    NodeConfig::read(&context.plugin_config).map_err(|error| unavailable(&error))?;
    if let Some(why) = cut_off(context, named.as_ref(), &mut host) {
        return Err(CniError::new(code::LIMITED, why));
    }
    let Some(plugin) = conf.base.ipam.as_deref() else {
        return Ok(());
    };
    context.leases.probe().map_err(|error| unavailable(&error))?;
    Delegate::of_call(plugin, environment, stdin).status(version)
}

/// Why no device that the configuration can use reaches anything, by the daemon's records; `None` if one may, or if there
/// are no records.
fn cut_off(context: &Context, named: Option<&DeviceId>, host: &mut Socket) -> Option<String> {
    let records = match named {
        Some(id) => context.baselines.get(id).into_iter().collect(),
        None => context.baselines.all(),
    };
    let mut pfs = BTreeSet::new();
    for record in &records {
        // What has no PF has no carrier either while nobody uses it: it tells nothing.
        pfs.insert(record.vf.as_ref()?.pf.clone());
    }
    let mut reasons = Vec::new();
    for pf in pfs {
        let Some((name, index)) = pf_interface(&context.sysfs, &pf) else {
            // Without an interface here it may be in another namespace, with its carrier.
            if Device::directory(&context.sysfs, &pf).exists() {
                return None;
            }
            reasons.push(format!("PF {pf} is gone"));
            continue;
        };
        match host.link_by_index(index) {
            Ok(Some(link)) if link.flags.has_carrier() => return None,
            Ok(_) => reasons.push(format!("PF {name} ({pf}) has no carrier")),
            Err(_unknown) => return None,
        }
    }
    (!reasons.is_empty()).then(|| format!("no device for this network reaches anything: {}", reasons.join(", ")))
}
