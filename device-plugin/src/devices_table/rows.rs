//! What is told of each device.

use hardwire_pci::{Device, Netdev, Skipped};
use serde::Serialize;

use crate::config::Pool;
use crate::pools::{Assignment, Hardware, Place};

/// All devices of a node.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) devices: Vec<Row>,
    pub(super) skipped: Vec<SkippedRow>,
}

/// One device, or one representor.
#[derive(Debug, Serialize)]
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
}

/// A device that could not be read.
#[derive(Debug, Serialize)]
pub(super) struct SkippedRow {
    pub(super) device: String,
    pub(super) reason: String,
}

// === impl Report ===

impl Report {
    pub(super) fn new(hardware: &Hardware, assignment: &Assignment, pools: &[Pool]) -> Self {
        let mut devices = Vec::new();
        for device in &hardware.inventory.devices {
            let mut row = Row::new(hardware, device);
            match assignment.places.get(&device.id) {
                Some(Place::Pool(index)) => row.pool = pools.get(*index).map(|pool| pool.resource.to_string()),
                Some(Place::Nowhere(reason)) => row.reason = Some(reason.to_string()),
                None => {}
            }
            devices.push(row);
            devices.extend(device.representors().map(|netdev| Row::representor(device, netdev)));
        }
        let skipped = hardware.inventory.skipped.iter().map(SkippedRow::new).collect();
        Self { devices, skipped }
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
            netdev: None,
            mac: None,
            mtu: None,
            link_type: None,
            numa_node: device.numa_node,
            iommu_group: device.iommu_group,
            pool: None,
            reason: None,
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
            vendor: None,
            product: None,
            pf: Some(pf.id.to_string()),
            pf_name: pf.netdev().map(|netdev| netdev.name.to_string()),
            vf: None,
            driver: pf.driver.clone(),
            netdev: None,
            mac: None,
            mtu: None,
            link_type: None,
            numa_node: None,
            iommu_group: None,
            pool: None,
            reason: Some(format!("representor of {port}")),
        };
        row.with(netdev)
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
