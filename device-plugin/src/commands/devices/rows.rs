//! What is told of each device.

use hardwire_cni::journal::Record;
use hardwire_pci::{Device, DeviceId, Netdev, Skipped};
use serde::Serialize;

use super::configuration::Told;
use super::uses::Uses;
use crate::config::Pool;
use crate::pools::{Assignment, Hardware, PoolMatch};

/// All devices of a node.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) devices: Vec<Row>,
    pub(super) skipped: Vec<SkippedRow>,
    /// What is not known of them, and why.
    pub(super) unknown: Vec<String>,
    /// Where the pools come from.
    pub(super) configuration: Told,
}

/// One device, or one representor.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) device: String,
    pub(super) vendor: Option<String>,
    pub(super) product: Option<String>,
    pub(super) pf: Option<String>,
    pub(super) pf_name: Option<String>,
    pub(super) vf: Option<u32>,
    pub(super) driver: Option<String>,
    pub(super) netdev: Option<String>,
    pub(super) mac: Option<String>,
    pub(super) mtu: Option<u32>,
    pub(super) link_type: Option<String>,
    pub(super) numa_node: Option<u32>,
    pub(super) iommu_group: Option<u32>,
    /// The resource.
    pub(super) pool: Option<String>,
    /// Why in no pool.
    pub(super) reason: Option<String>,
    /// Whether a container may get it; none without a daemon.
    pub(super) healthy: Option<bool>,
    /// Why not.
    pub(super) unhealthy_because: Option<String>,
    /// Whose it is, by the kubelet's word.
    pub(super) namespace: Option<String>,
    pub(super) pod: Option<String>,
    pub(super) container: Option<String>,
    /// `name` of the CNI configuration that attached it.
    pub(super) network: Option<String>,
    /// Its name in the pod.
    pub(super) interface: Option<String>,
    /// The pod's network namespace, as the runtime calls it.
    pub(super) netns: Option<String>,
    pub(super) container_id: Option<String>,
}

/// A device that could not be read.
#[derive(Debug, Serialize)]
pub(super) struct SkippedRow {
    pub(super) device: String,
    pub(super) reason: String,
}

// === impl Report ===

impl Report {
    pub(super) fn new(
        hardware: &Hardware,
        assignment: &Assignment,
        pools: &[Pool],
        uses: &Uses,
        configuration: Told,
    ) -> Self {
        let mut devices = Vec::new();
        for device in &hardware.inventory.devices {
            let mut row = Row::new(hardware, device);
            match assignment.matches.get(&device.id) {
                Some(PoolMatch::Pool(index)) => row.pool = pools.get(*index).map(|pool| pool.resource.to_string()),
                Some(PoolMatch::Unmatched(reason)) => row.reason = Some(reason.to_string()),
                None => {}
            }
            devices.push(row.used(uses, &device.id));
            devices.extend(device.representors().map(|netdev| Row::representor(device, netdev)));
        }
        let gone = |record: &&Record| hardware.inventory.get(&record.device).is_none();
        let gone = uses.attachments.values().filter(gone);
        devices.extend(gone.map(|record| Row::gone(&record.device).used(uses, &record.device)));
        let skipped = hardware.inventory.skipped.iter().map(SkippedRow::new).collect();
        Self {
            devices,
            skipped,
            unknown: uses.unknown.clone(),
            configuration,
        }
    }
}

// === impl Row ===

impl Row {
    fn new(hardware: &Hardware, device: &Device) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let row = Self {
            device: device.id.to_string(),
            vendor: text(&device.vendor),
            product: text(&device.device),
            pf: device.pf().map(ToString::to_string),
            pf_name: hardware.pf_name(device).map(str::to_owned),
            vf: device.vf_index(),
            driver: device.driver.clone(),
            numa_node: device.numa_node,
            iommu_group: device.iommu_group,
            ..Self::default()
        };
        match device.netdev() {
            Some(netdev) => row.with(netdev),
            None => row,
        }
    }

    /// The port of a PF's switch that stands for one of its functions.
    fn representor(pf: &Device, netdev: &Netdev) -> Self {
        let port = netdev.port.map(|port| port.to_string()).unwrap_or_default();
        let row = Self {
            device: format!("{}/{port}", pf.id),
            pf: Some(pf.id.to_string()),
            pf_name: pf.netdev().map(|netdev| netdev.name.to_string()),
            driver: pf.driver.clone(),
            reason: Some(format!("representor of {port}")),
            ..Self::default()
        };
        row.with(netdev)
    }

    /// A device that vanished while it was attached.
    fn gone(device: &DeviceId) -> Self {
        Self {
            device: device.to_string(),
            reason: Some("not on this node any more".to_owned()),
            ..Self::default()
        }
    }

    fn used(mut self, uses: &Uses, device: &DeviceId) -> Self {
        if let Some(seen) = uses.view.devices.get(device) {
            self.healthy = Some(seen.healthy);
            self.unhealthy_because.clone_from(&seen.reason);
        }
        if let Some(holder) = uses.held.holder(&self.device) {
            self.namespace = Some(holder.namespace.clone());
            self.pod = Some(holder.pod.clone());
            self.container = Some(holder.container.clone());
        }
        if let Some(record) = uses.attachments.get(device) {
            let owner = &record.owner;
            self.network = Some(owner.network.to_string());
            self.interface = Some(owner.ifname.to_string());
            self.netns = Some(owner.netns_path.clone());
            self.container_id = Some(owner.container_id.to_string());
        }
        self
    }

    fn with(self, netdev: &Netdev) -> Self {
        Self {
            netdev: Some(netdev.name.to_string()),
            mac: netdev.mac.map(|mac| mac.to_string()),
            mtu: Some(netdev.mtu),
            link_type: Some(netdev.link_type.to_string()),
            ..self
        }
    }
}

// === impl SkippedRow ===

impl SkippedRow {
    fn new(skipped: &Skipped) -> Self {
        Self {
            device: skipped.name.clone(),
            reason: skipped.reason.clone(),
        }
    }
}
