//! Nothing of a pod stays on an interface: settings, XDP and tcx programs.
//!
//! Done on the host, after the move: nobody in the pod reaches the interface any more, so what is gone stays gone. What a
//! move takes away by itself needs nothing here: addresses, routes, neighbours, proxies, next hops, multicast and secondary
//! hardware addresses, qdiscs with their filters, netfilter's hooks, sysctls, and its place below a bond or bridge
//! (`__dev_change_net_namespace`, net/core/dev.c, sends `NETDEV_UNREGISTER`).

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::{Link, LinkSettings, NetlinkError, Socket, XdpMode, XdpProgram};

use super::ReleaseError;
use crate::journal::InterfaceSettings;
use crate::kernel::ethtool::{clear_steering, restore};
use crate::kernel::{LinkChange, TcxProgram, change_link, detach_link, detach_tcx, tcx_programs, xdp_link};
use crate::{Context, unclean};

/// Where an interface was before it was found on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// In the pod, a moment ago: what is on it and not on record is the pod's.
    Pod,
    /// Where it is, as far as is known: what is on it may be the node's own.
    Host,
}

/// What could not be taken from an interface, each with the reason.
pub(super) type Left = Vec<String>;

/// Makes an interface what its record says. What is not on record is taken from one that comes from a pod.
pub(super) fn clean(original: &InterfaceSettings, link: &Link, from: From, host: &mut Socket) -> Left {
    let mut left = Left::new();
    let settings = original.link.missing_in(&link.settings);
    if settings != LinkSettings::default() {
        let change = LinkChange {
            settings,
            ..LinkChange::default()
        };
        if let Err(error) = change_link(host, link.index, &change) {
            left.push(format!("queue length, group, mode or offload limits: {error}"));
        }
    }
    let unknown_is_the_pods = from == From::Pod;
    if let Some(known) = known(original.xdp.as_deref(), unknown_is_the_pods) {
        let strange = link.xdp.iter().filter(|program| !known.contains(program));
        left.extend(strange.filter_map(|program| take_xdp(link.index, *program, host).err()));
    }
    if let Some(known) = known(original.tcx.as_deref(), unknown_is_the_pods) {
        left.extend(take_tcx(link.index, known));
    }
    if let Some(was) = &original.ethtool {
        // With pause frames on record it was no VF.
        match restore(&link.name, was, was.pause.is_none()) {
            Ok(differing) => left.extend(differing),
            Err(error) => left.push(format!("what ethtool shows: {error}")),
        }
    } else if unknown_is_the_pods && let Err(error) = clear_steering(&link.name) {
        left.push(format!("flow rules and RSS: {error}"));
    }
    left
}

/// What was on record; nothing where nothing is known and whatever is there is the pod's.
fn known<T>(recorded: Option<&[T]>, unknown_is_the_pods: bool) -> Option<&[T]> {
    recorded.or_else(|| unknown_is_the_pods.then_some(&[]))
}

fn take_xdp(index: u32, program: XdpProgram, host: &mut Socket) -> Result<(), String> {
    let change = LinkChange {
        without_xdp: Some(program.mode),
        ..LinkChange::default()
    };
    let taken = change_link(host, index, &change);
    let taken = match taken {
        Err(error) if is_busy(&error) => by_link(index, program.program),
        taken => taken.map_err(|error| error.to_string()),
    };
    let mode = match program.mode {
        XdpMode::Driver => "driver",
        XdpMode::Generic => "generic",
        XdpMode::Hardware => "hardware",
    };
    taken.map_err(|why| format!("XDP program {} ({mode}): {why}", program.program))
}

/// The kernel takes no program by netlink that a `bpf_link` put there.
fn by_link(index: u32, program: u32) -> Result<(), String> {
    let link = xdp_link(index, program).map_err(|error| format!("looking for the bpf_link that holds it: {error}"))?;
    let link = link.ok_or("no bpf_link, or several, can be the one that holds it")?;
    detach_link(link).map_err(|error| format!("bpf_link {link}: {error}"))
}

fn is_busy(error: &NetlinkError) -> bool {
    error.errno() == Some(rustix::io::Errno::BUSY.raw_os_error())
}

fn take_tcx(index: u32, known: &[TcxProgram]) -> Left {
    let there = match tcx_programs(index) {
        Ok(there) => there,
        Err(error) => return vec![format!("tcx programs: whether there are any is not known: {error}")],
    };
    let strange = there.iter().filter(|program| !known.contains(program));
    let failed = |program: &TcxProgram| {
        let error = detach_tcx(index, program).err()?;
        Some(format!(
            "tcx program {} ({:?}): {error}",
            program.program, program.direction
        ))
    };
    strange.filter_map(failed).collect()
}

/// Notes what stays on an interface, for nobody to get it so. A release ends all the same: what cannot be ended now could
/// keep it from ending for ever.
pub(super) fn note(context: &Context, device: &DeviceId, index: u32, left: &Left) -> Result<(), ReleaseError> {
    let failed = |source| ReleaseError::Note {
        device: device.clone(),
        source,
    };
    if left.is_empty() {
        return unclean::forget(&context.state, device).map_err(failed);
    }
    let what = left.join("; ");
    tracing::warn!(%device, "a pod left on its interface what cannot be taken away, so nobody gets it until its driver is bound anew: {what}");
    unclean::note(&context.state, device, index, &what).map_err(failed)
}
