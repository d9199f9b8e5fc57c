//! A VF's attributes on its PF, wherever the PF is.
//!
//! A PF can be moved into a namespace like any interface, by an attachment of ours or by a hand; its VFs keep their
//! attributes then, and only its own interface takes messages about them. *Not seen* is not *gone*: what its driver holds is
//! gone with the driver, with the device, or with its VFs (sysfs tells of these in every namespace).

use hardwire_pci::char_devices::is_userspace_driver;
use hardwire_pci::netlink::{Link, Socket};
use hardwire_pci::{Device, DeviceId, MacAddr, PortName};

use super::ReleaseError;
use crate::Context;
use crate::device::is_link_of;
use crate::journal::{OriginalVf, Record};
use crate::netns::{Entered, Netns, reachable};
use crate::pf::{OwnAddress, Pf, PfError, VfPort, pf_of};
use crate::report::daemon_listens;

/// Where a PF is.
pub(super) enum PfLocation {
    /// In the host's namespace.
    Host(Pf),
    /// In another, with a socket there.
    Elsewhere(Pf, Socket),
    /// In one that is not found.
    Hidden,
    /// Nowhere, or nothing of what it held about its VFs is left.
    Gone,
}

/// What became of a VF's attributes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PfRestored {
    /// The PF could be told of them; where it could not, they are as they were set.
    pub(super) is_done: bool,
    /// The admin MAC that somebody else gave the VF meanwhile.
    pub(super) foreign_mac: Option<MacAddr>,
}

impl PfRestored {
    pub(super) const NOTHING_TO_DO: Self = Self {
        is_done: true,
        foreign_mac: None,
    };
}

/// Puts the VF's attributes back. `link` is its interface as it is now.
pub(super) fn restore_vf(
    context: &Context,
    record: &Record,
    vf: &OriginalVf,
    link: Option<&Link>,
    host: &mut Socket,
) -> Result<PfRestored, ReleaseError> {
    let mut there;
    let (pf, socket) = match locate(context, &vf.pf) {
        PfLocation::Host(pf) => (pf, host),
        PfLocation::Elsewhere(pf, socket) => {
            tracing::info!(device = %record.device, "{pf} is in another network namespace, and told there");
            there = socket;
            (pf, &mut there)
        }
        PfLocation::Hidden => {
            tracing::warn!(device = %record.device, pf = %vf.pf, "the PF is in no namespace that can be reached: the VF keeps its attributes");
            return Ok(PfRestored::default());
        }
        PfLocation::Gone => {
            tracing::info!(device = %record.device, pf = %vf.pf, "the PF is gone, and the VF's attributes with it");
            return Ok(PfRestored::NOTHING_TO_DO);
        }
    };
    let own = OwnAddress {
        before: record.link.as_ref().and_then(|link| link.mac),
        now: link.and_then(Link::mac),
    };
    let mut port = VfPort {
        socket,
        pf,
        vf: vf.index,
    };
    let told = |foreign_mac| PfRestored {
        is_done: true,
        foreign_mac,
    };
    match port.restore(vf, in_doubt(context, record, vf), own) {
        Err(PfError::NoVf { pf, vf }) => {
            tracing::info!(device = %record.device, "{pf} has no VF {vf} any more");
            Ok(PfRestored::NOTHING_TO_DO)
        }
        result => result.map(told).map_err(|source| ReleaseError::Pf {
            device: record.device.clone(),
            source: Box::new(source),
        }),
    }
}

/// Whether anybody may have changed the VF since it was attached. While the daemon hears of every event of the PF, and had
/// none that was not ours, the PF need not be asked for all its VFs to know.
fn in_doubt(context: &Context, record: &Record, vf: &OriginalVf) -> bool {
    let undisturbed = vf.in_force.is_some() && context.baselines.in_force(&vf.pf) == vf.in_force;
    // What nobody owned has just been looked at.
    let nobodys = record.attempt.is_empty();
    !(nobodys || undisturbed && daemon_listens(&context.state))
}

/// Finds a PF: on the host, in the namespace that its own attachment names, or in any that can be reached.
pub(super) fn locate(context: &Context, id: &DeviceId) -> PfLocation {
    if let Some(pf) = pf_of(id, &context.sysfs) {
        return PfLocation::Host(pf);
    }
    if !holds_vfs(context, id) {
        return PfLocation::Gone;
    }
    let found = attached(context, id).find_map(|entered| within(id, entered));
    let found = found.or_else(|| {
        let mut all = reachable().filter_map(|netns| netns.enter().ok());
        all.find_map(|entered| within(id, entered))
    });
    found.map_or(PfLocation::Hidden, |(pf, socket)| PfLocation::Elsewhere(pf, socket))
}

/// Whether the PF is on its bus, under a driver of the kernel's, with VFs.
fn holds_vfs(context: &Context, id: &DeviceId) -> bool {
    let (sysfs, directory) = (&context.sysfs, Device::directory(&context.sysfs, id));
    let driver = sysfs.link_name(&directory.join("driver"));
    let is_driven = driver.is_some_and(|driver| !is_userspace_driver(&driver));
    match sysfs.number::<u32>(&directory.join("sriov_numvfs")) {
        Ok(vfs) => is_driven && vfs > 0,
        Err(error) => is_driven && !error.is_missing(),
    }
}

/// The namespaces of the PF's own attachments: each of its ports can have one.
fn attached(context: &Context, id: &DeviceId) -> impl Iterator<Item = Entered> {
    let records = context.journal.of_all_ports(id).unwrap_or_default();
    records.into_iter().filter_map(|record| {
        let owner = record.owner;
        let entered = Netns::open(&owner.netns_path).and_then(Netns::enter).ok()?;
        owner.netns.is(&entered.identity).then_some(entered)
    })
}

fn within(id: &DeviceId, entered: Entered) -> Option<(Pf, Socket)> {
    let mut socket = entered.socket;
    let mut links = socket.links().ok()?.into_iter();
    // Beside its uplink a PF in switchdev mode has the representors of its functions.
    let is_own = |link: &Link| match link.phys_port_name.as_deref().and_then(PortName::parse) {
        Some(PortName::Vf { .. } | PortName::Sf { .. }) => false,
        Some(PortName::Physical(_)) | None => is_link_of(link, id) == Some(true),
    };
    let link = links.find(is_own)?;
    let pf = Pf {
        id: id.clone(),
        name: link.name,
        index: link.index,
    };
    Some((pf, socket))
}
