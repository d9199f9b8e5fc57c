//! A node for the tests of this room.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_cni::journal::{InPod, PodName};
use hardwire_pci::{Device, DeviceId, Function, IfName, Inventory, LinkType, MacAddr, Netdev};

use super::facts::Facts;
use super::snapshot::Snapshot;
use crate::ask::view::{Seen, View};
use crate::ledger::Holding;
use crate::ledger::podresources::Holder;
use crate::ledger::told::{Attached, Told};
use crate::pools::Hardware;
use crate::telemetry::metrics::readiness::Standing;

/// The PF of all.
pub(super) const PF: &str = "0000:01:00.0";

pub(super) fn id(n: usize) -> DeviceId {
    format!("0000:{:02x}:{:02x}.{}", 2 + n / 256, n / 8 % 32, n % 8)
        .parse()
        .unwrap()
}

fn netdev(name: &str) -> Netdev {
    Netdev {
        name: name.parse::<IfName>().unwrap(),
        index: 7,
        mac: Some(MacAddr::ZERO),
        mtu: 1500,
        link_type: LinkType::Ether,
        port: None,
        number: None,
        switch_id: None,
    }
}

/// A PF with so many VFs, each free, healthy, and in one pool.
pub(super) fn node(vfs: usize) -> Facts {
    let pf = Device {
        netdevs: vec![netdev("ens1f0")],
        ..Device::unknown(PF.parse().unwrap())
    };
    let vf = |n| Device {
        driver: Some("vfio-pci".to_owned()),
        numa_node: Some(0),
        function: Function::Vf {
            pf: Some(pf.id.clone()),
            index: Some(u32::try_from(n).unwrap()),
        },
        ..Device::unknown(id(n))
    };
    let mut devices: Vec<Device> = (0..vfs).map(vf).chain([pf.clone()]).collect();
    devices.sort_by(|a, b| a.id.cmp(&b.id));
    let seen = Seen {
        healthy: true,
        reason: None,
        pool: "intel.com/vfs".to_owned(),
        had_netdev: false,
        held_as: None,
        kind: None,
        since: None,
    };
    let view = View {
        devices: (0..vfs).map(|n| (id(n), seen.clone())).collect(),
        ..View::default()
    };
    Facts {
        snapshot: Snapshot {
            view: Arc::new(view),
            hardware: Arc::new(Hardware {
                inventory: Inventory {
                    devices,
                    skipped: Vec::new(),
                },
                ..Hardware::default()
            }),
            held: Arc::default(),
            is_rest_free: true,
        },
        told: Told::default(),
        standing: Standing::default(),
    }
}

impl Facts {
    pub(super) fn change(&mut self, n: usize, change: impl FnOnce(&mut Seen)) {
        let view = Arc::make_mut(&mut self.snapshot.view);
        change(view.devices.get_mut(&id(n)).unwrap());
    }

    pub(super) fn ill(&mut self, n: usize, reason: &str) {
        self.change(n, |seen| {
            (seen.healthy, seen.reason) = (false, Some(reason.to_owned()));
        });
    }

    pub(super) fn well(&mut self, n: usize) {
        self.change(n, |seen| (seen.healthy, seen.reason) = (true, None));
    }

    /// A pod has it, by the kubelet's word.
    pub(super) fn hold(&mut self, n: usize, namespace: &str, pod: &str, container: &str) {
        let holding = Holding {
            pod: Some(Holder {
                namespace: namespace.to_owned(),
                pod: pod.to_owned(),
                container: container.to_owned(),
                resource: "intel.com/vfs".to_owned(),
            }),
            ..Holding::default()
        };
        Arc::make_mut(&mut self.snapshot.held).insert(id(n), holding);
    }

    /// It is attached, as the journal has it.
    pub(super) fn attach(&mut self, n: usize, pod: Option<(&str, &str)>, container_id: &str, addresses: &[&str]) {
        let attached = Attached {
            network: "vfs".parse().unwrap(),
            interface: "net1".parse().unwrap(),
            container_id: container_id.parse().unwrap(),
            pod: pod.map(|(namespace, name)| PodName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                uid: Some(format!("uid-{name}")),
            }),
            in_pod: InPod {
                mac: Some("02:00:00:00:00:01".parse().unwrap()),
                addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
            },
        };
        self.attached_mut().insert(id(n), attached);
    }

    pub(super) fn attached_mut(&mut self) -> &mut BTreeMap<DeviceId, Attached> {
        Arc::make_mut(&mut self.told.attached)
    }

    /// It is not in the machine any more.
    pub(super) fn remove(&mut self, n: usize) {
        Arc::make_mut(&mut self.snapshot.hardware)
            .inventory
            .devices
            .retain(|device| device.id != id(n));
        self.ill(n, "gone from the bus");
    }
}
