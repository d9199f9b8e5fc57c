//! Where an interface is that is on no bus: a veth, a VLAN, a macvlan, a NIC whose driver tells of no device.
//!
//! Name, address and index of such an interface are a pod's to choose: a link is made with the index that is asked for
//! (`rtnl_newlink_create`, net/core/rtnetlink.c). What nobody can choose is its instance, the number that its directory in
//! sysfs has for as long as the interface lives: what has that is it, whatever it is called and wherever it is. Only where
//! no instance is on record do the others count.

use hardwire_pci::netlink::{Link, NetlinkError, Socket};
use hardwire_pci::{DeviceId, MacAddr, index_of_instance, instance};

use super::fallback_name::is_fallback_name;
use crate::Context;
use crate::journal::{OriginalLink, Record};
use crate::netns::{Netns, reachable};

/// The instance of an attached interface, where it is on no bus and the sysfs of each namespace tells of it.
pub(super) fn known_instance(context: &Context, record: &Record, original: &OriginalLink) -> Option<u64> {
    let is_on_no_bus = matches!(record.device, DeviceId::Interface(_)) && original.hardware.parent.is_none();
    record
        .instance
        .filter(|_| is_on_no_bus && context.sysfs.is_the_kernels())
}

/// The interface on the host, under whatever name.
pub(super) fn on_host(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<Option<Link>, NetlinkError> {
    let index =
        known_instance(context, record, original).and_then(|instance| index_of_instance(&context.sysfs, instance));
    let link = index.map_or(Ok(None), |index| host.link_by_index(index))?;
    match link {
        Some(link) => Ok(Some(link)),
        None => returned(context, record, original, host),
    }
}

/// On the host as it was, under a fallback name that a release gave it, or, for hardware, under the pod's name after its
/// namespace ended. The old name may meanwhile be another's.
fn returned(
    context: &Context,
    record: &Record,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<Option<Link>, NetlinkError> {
    let addressed = |link: &Link| link.mac() == original.mac || link.mac() == record.target.mac;
    let is_it = |link: &Link| {
        let unmoved = link.name == original.name.as_str() && link.index == original.index;
        let returned = link.kind.is_none() && link.name == record.owner.ifname.as_str();
        let permanent = MacAddr::from_bytes(&link.permanent_address).filter(|_| link.kind.is_none());
        permanent.is_some() && permanent == original.hardware.permanent
            || addressed(link) && (unmoved || returned || is_fallback_name(&record.device, &link.name))
    };
    // Hardware has another instance when its driver is bound anew; software with another is another.
    let is_another = |link: &Link| {
        let now = instance(&context.sysfs, &record.device, Some(&link.name));
        !original.hardware.returns && record.instance.zip(now).is_some_and(|(was, is)| was != is)
    };
    let mut links = host.links()?.into_iter();
    Ok(links.find(|link| is_it(link) && !is_another(link)))
}

/// Whether a software interface is in any namespace that can be found. One that only a descriptor holds is not among them:
/// what is there counts as ended with the pod, or its record would stay for ever where it did.
pub(super) fn is_elsewhere(context: &Context, record: &Record, original: &OriginalLink) -> bool {
    let Some(instance) = known_instance(context, record, original) else {
        return false;
    };
    let has_it = |netns: &Netns| match netns.index_of_instance(instance) {
        Ok(index) => index.is_some(),
        Err(error) => {
            tracing::debug!(device = %record.device, "it is not looked for everywhere: {error}");
            false
        }
    };
    let found = reachable().find(has_it);
    if let Some(netns) = &found {
        tracing::warn!(device = %record.device, "it is in network namespace net:[{}], where its pod moved it", netns.inode());
    }
    found.is_some()
}
