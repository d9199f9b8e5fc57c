//! One device of the object.

use std::borrow::Cow;

use hardwire_cni::printable::printable;
use hardwire_pci::{Device, DeviceId, MacAddr};
use serde::Serialize;

use super::facts::Facts;
use super::measure::{Measure, cut};
use crate::ask::view::Seen;
use crate::ledger::Holding;
use crate::ledger::told::Attached;
use crate::pools::Hardware;

/// A device, as `deploy/base/crd.yaml` describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    id: &'a DeviceId,
    pool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    numa_node: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pf: Option<&'a DeviceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pf_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vf: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'static str>,
    healthy: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'a, str>>,
    ownership: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Holder<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachment: Option<Attachment<'a>>,
}

/// A pod, by the kubelet's word, or by the journal's where the kubelet names none.
#[derive(Debug, Serialize)]
struct Holder<'a> {
    namespace: Cow<'a, str>,
    pod: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Cow<'a, str>>,
}

/// What the pod has of it.
#[derive(Debug, Serialize)]
struct Attachment<'a> {
    network: Cow<'a, str>,
    interface: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<MacAddr>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    addresses: &'a [String],
}

// === impl Row ===

impl<'a> Row<'a> {
    /// A device of a pool; `is_cut` is set if anything of it had to be left out.
    pub(super) fn new(
        facts: &'a Facts,
        (id, seen): (&'a DeviceId, &'a Seen),
        measure: &Measure,
        is_cut: &mut bool,
    ) -> Self {
        let hardware = &*facts.snapshot.hardware;
        let device = hardware.inventory.get(id);
        let holding = facts.snapshot.held.get(id);
        let attached = facts.attached().get(id);
        let mut shorten = |text: &'a str, most: usize| {
            let cut = cut(text, most);
            *is_cut |= matches!(cut, Cow::Owned(_));
            cut
        };
        let holder = holder(holding, attached).map(|(namespace, pod, container)| Holder {
            namespace: shorten(namespace, measure.name),
            pod: shorten(pod, measure.name),
            container: container
                .filter(|_| measure.is_whole)
                .map(|name| shorten(name, measure.name)),
        });
        let attachment = attached.map(|attached| Attachment {
            network: shorten(attached.network.as_str(), measure.name),
            interface: attached.interface.as_str(),
            mac: attached.in_pod.mac,
            addresses: &attached.in_pod.addresses[..attached.in_pod.addresses.len().min(measure.addresses)],
        });
        let reason = seen.reason.as_deref().map(|reason| match printable(reason) {
            Cow::Borrowed(reason) => shorten(reason, measure.reason),
            Cow::Owned(reason) => Cow::Owned(cut(&reason, measure.reason).into_owned()),
        });
        let left_out = |kept: usize| attached.is_some_and(|attached| attached.in_pod.addresses.len() > kept);
        *is_cut |= !measure.is_whole || left_out(measure.addresses);
        let name = |device: &'a Device| device.netdev().map(|netdev| netdev.name.as_str());
        Self {
            id,
            pool: &seen.pool,
            driver: device.and_then(|device| device.driver.as_deref()),
            numa_node: device.and_then(|device| device.numa_node),
            pf: device.and_then(Device::pf),
            pf_name: device
                .and_then(|device| hardware.pf_name(device))
                .filter(|_| measure.is_whole),
            vf: device.and_then(Device::function_index),
            interface: device.and_then(name).filter(|_| measure.is_whole),
            link: device.and_then(|device| link(hardware, device)),
            healthy: seen.healthy,
            reason,
            ownership: match holding {
                Some(_) => "Held",
                None if facts.snapshot.is_rest_free => "Free",
                None => "Unknown",
            },
            holder,
            attachment,
        }
    }
}

/// Namespace, pod, and the container where it is known.
fn holder<'a>(
    holding: Option<&'a Holding>,
    attached: Option<&'a Attached>,
) -> Option<(&'a str, &'a str, Option<&'a str>)> {
    let by_kubelet = holding.and_then(|holding| holding.pod.as_ref());
    let by_kubelet = by_kubelet.map(|pod| (&*pod.namespace, &*pod.pod, Some(&*pod.container)));
    let by_journal = || {
        let pod = attached?.pod.as_ref()?;
        Some((&*pod.namespace, &*pod.name, None))
    };
    by_kubelet.or_else(by_journal)
}

/// Whether the PF has a carrier, where it can be asked.
fn link(hardware: &Hardware, device: &Device) -> Option<&'static str> {
    let pf = hardware.inventory.pf_of(device).unwrap_or(device);
    if hardware.carrierless.contains(&pf.id) {
        return Some("Down");
    }
    pf.netdev().map(|_| "Up")
}
