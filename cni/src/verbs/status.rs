//! STATUS: could an ADD work now?
//!
//! Contract: CNI spec 1.1.0 "STATUS": 50 where it could not. That all devices are in use is no reason: a runtime would
//! declare the node not ready.

use hardwire_pci::netlink::Socket;
use rustix::thread::{CapabilitySet, capabilities};

use super::ownership::id_to_lock;
use crate::Context;
use crate::config::{Base, NetConf};
use crate::device::is_present;
use crate::ipam::{Delegate, find};
use crate::protocol::{CniError, Command, Environment, SpecVersion, code};

/// Checks the state directory, the rights, the device that the configuration itself names, and IPAM.
pub fn status(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    let version = base.version_since(SpecVersion::V1_1_0, "STATUS")?;
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
    if conf.device.ways().next().is_some() {
        let id = id_to_lock(&conf, context, &mut host).map_err(|error| unavailable(&error))?;
        if !is_present(&id, context) {
            return Err(unavailable(&format!(
                "{id}, which the configuration names, is not on this host"
            )));
        }
    }
    let Some(plugin) = conf.base.ipam.as_deref() else {
        return Ok(());
    };
    find(plugin, &environment.path).map_err(|error| unavailable(&error))?;
    Delegate::of_call(plugin, environment, stdin).run(Command::Status)
}
