//! STATUS: could an ADD work now?
//!
//! Contract: CNI spec 1.1.0 "STATUS": 50 where no ADD could work, 51 where existing attachments have lost their network as
//! well. A runtime makes the node `NotReady` of either, which takes every pod from it: so only what keeps every device of
//! the configuration from being attached is a reason. A PF without carrier is none, since its VFs are attached all the same
//! and have their network when the cable has; that all devices are in use is none either.
//!
//! What is known here: of a configuration that names its device, that device. Of one whose device comes from a pool, nothing
//! names the pool, so it is every device that the daemon has seen idle; without such records nothing is known, and nothing
//! is refused.

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
pub(super) fn status(context: &Context, environment: &Environment, base: Base, stdin: &[u8]) -> Result<(), CniError> {
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
    // Other devices need nobody's word.
    if named.is_some() && conf.allow_node_device {
        NodeConfig::read(&context.plugin_config).map_err(|error| unavailable(&error))?;
    }
    if let Some(why) = lost(context, named.as_ref()) {
        return Err(CniError::new(code::LIMITED, why));
    }
    let Some(plugin) = conf.base.ipam.as_deref() else {
        return Ok(());
    };
    context.leases.probe().map_err(|error| unavailable(&error))?;
    Delegate::of_call(context, plugin, environment, stdin).status(version)
}

/// Why no device that the configuration can use is there any more, by the daemon's records; `None` if one may be, or if
/// there are no records.
fn lost(context: &Context, named: Option<&DeviceId>) -> Option<String> {
    let records = match named {
        Some(id) => context.baselines.get(id).into_iter().collect(),
        None => context.baselines.all(),
    };
    let mut pfs = BTreeSet::new();
    for record in &records {
        // What has no PF cannot lose it: it tells nothing.
        pfs.insert(record.vf.as_ref()?.pf.clone());
    }
    // A PF without an interface here may have it in another namespace.
    let is_gone =
        |pf: &DeviceId| pf_interface(&context.sysfs, pf).is_none() && !Device::directory(&context.sysfs, pf).exists();
    if pfs.is_empty() || !pfs.iter().all(is_gone) {
        return None;
    }
    let reasons: Vec<String> = pfs.iter().map(|pf| format!("PF {pf} is gone")).collect();
    Some(format!("no device for this network is left: {}", reasons.join(", ")))
}
