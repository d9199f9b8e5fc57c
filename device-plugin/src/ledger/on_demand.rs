//! An attachment that an operator wants released at once: only one that repair would release too, sooner or later.
//!
//! The ledger's answer decides: its owner is gone by the journal and its namespace, and the kubelet, which must be heard, names
//! no pod that has the device.

use hardwire_cni::Context;
use hardwire_cni::ipam::ReleasedBy;
use hardwire_cni::release::{is_abandoned, reclaim};
use hardwire_pci::DeviceId;
use hardwire_pci::netlink::Socket;
use tokio::task::spawn_blocking;
use tracing::info;

use super::podresources::PodResources;

/// Releases the attachment of a device that nobody has. Returns what was done, or why nothing was.
pub async fn release(context: Context, podresources: PodResources, device: DeviceId) -> Result<String, String> {
    let record = context.journal.get(&device).map_err(|error| error.to_string())?;
    let record = record.ok_or_else(|| format!("{device} is not attached"))?;
    let (container, netns) = (record.owner.container_id.clone(), record.owner.netns_path.clone());
    let held = podresources.held().await;
    let held = held.map_err(|error| format!("{device} is not known to be free: {error}"))?;
    if let Some(holder) = held.holder(&device.to_string()) {
        let (namespace, pod) = (&holder.namespace, &holder.pod);
        return Err(format!(
            "{device} is not free: the kubelet says that {namespace}/{pod} has it"
        ));
    }
    info!(%device, %container, "releasing the attachment, as an operator asks");
    let released = spawn_blocking(move || {
        if !is_abandoned(&record) {
            return Err(format!(
                "{device} is not free: its namespace {netns} lives, or may live"
            ));
        }
        let mut host = Socket::open().map_err(|error| error.to_string())?;
        let errors = reclaim(&context, &record, is_abandoned, ReleasedBy::Repair, &mut host);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if errors.is_empty() {
            Ok(format!("{device} is released: it is as it was"))
        } else {
            Err(format!("{device} is not released yet: {}", errors.join("; ")))
        }
    });
    released.await.unwrap_or_else(|error| Err(error.to_string()))
}
