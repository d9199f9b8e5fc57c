//! A node on which nothing is wrong, as facts: a running daemon with one pool, a kubelet, one PF whose VFs a test adds.

use std::time::{Duration, SystemTime};

use hardwire_cni::journal::{Owner, PodName, Record, Step};
use hardwire_cni::netns::NetnsIdentity;
use hardwire_pci::{Device, DeviceId, Function, LinkType, Netdev};
use hardwire_proto::podresources as api;
use serde_json::{Value, json};

use super::hardware::PfLink;
use super::iommu::{Iommu, Processor};
use super::state::Attached;
use super::*;
use crate::ask::in_force::InForce;
use crate::config::Defaults;
use crate::events::socket::Behind;
use crate::ledger::podresources::Held;
use crate::pools::assign;

/// The PF.
const PF: &str = "0000:01:00.0";

fn device(id: &str, driver: Option<&str>, function: Function) -> Device {
    Device {
        id: id.parse().unwrap(),
        vendor: "8086".to_owned(),
        device: "10c9".to_owned(),
        class: 0x02_0000,
        driver: driver.map(str::to_owned),
        numa_node: None,
        iommu_group: None,
        acpi_index: None,
        rdma: Vec::new(),
        vdpa: Vec::new(),
        netdevs: Vec::new(),
        function,
    }
}

impl Facts {
    /// With the pool `intel.com/vfs` of all VFs with igbvf.
    pub(in super::super) fn sample() -> Self {
        Self::with_pools(&json!([{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]))
    }

    /// With these pools.
    pub(in super::super) fn with_pools(pools: &Value) -> Self {
        let defaults = Defaults {
            resource_prefix: "intel.com".to_owned(),
            plugin_directory: "/p".into(),
        };
        let config = Config::from_json(json!({"resourceList": pools}), &defaults).unwrap();
        let pf = Function::Pf {
            total_vfs: 8,
            num_vfs: 7,
            vfs: Vec::new(),
        };
        let mut facts = Self {
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_743_153),
            places: Places {
                sysfs: "/sys".into(),
                proc: "/proc".into(),
                device_plugins: "/p".into(),
                pod_resources: "/var/lib/kubelet/pod-resources".into(),
                cni_bin: "/opt/cni/bin".into(),
                cni_conf: "/etc/cni/net.d".into(),
                cni_state: "/var/lib/cni".into(),
                state: "/run/hardwire".into(),
                leases: "/var/lib/hardwire".into(),
                defaults: defaults.clone(),
                in_pod: false,
                pod: None,
                daemonset: ("kube-system".to_owned(), "hardwired".to_owned()),
                container: None,
                cni_program: "/usr/bin/hardwire".into(),
                cluster_node: None,
                node: "node-1".to_owned(),
            },
            daemon: Ok(Running {
                kubelet_dir: "/var/lib/kubelet".into(),
                pod_resources_dir: "/var/lib/kubelet/pod-resources".into(),
                sysfs_root: "/sys".into(),
                defaults,
                cni_bin_dir: "/opt/cni/bin".into(),
                cni_program: "/usr/bin/hardwire".into(),
                in_force: InForce::default(),
                unregistered: Vec::new(),
                provisioning: Vec::new(),
                rights: Rights::default(),
                pod: None,
            }),
            configured: Configured {
                config,
                file: Some("/etc/hardwire/config.json".into()),
                ..Configured::default()
            },
            hardware: HardwareFacts::default(),
            kubelet: KubeletFacts {
                registration: Some(Behind::Somebody),
                has_directory: true,
                has_service: Some(true),
                checkpoint: None,
                held: Ok(Held::default()),
                listening_since: None,
                processes: None,
                plugins: Vec::new(),
                has_upstream: None,
            },
            plugin: PluginFacts::default(),
            networks: NetworkFacts::default(),
            state: StateFacts::default(),
            rights: Rights::default(),
            unseen: Vec::new(),
        };
        facts.hardware.iommu = Iommu {
            groups: 1,
            is_waived: false,
            command_line: Some("ro".to_owned()),
            processor: Processor::Intel,
        };
        facts
            .hardware
            .hardware
            .inventory
            .devices
            .push(device(PF, Some("igb"), pf));
        facts.rename_pf("eth0");
        facts
    }

    /// The PF has none of its eight VFs.
    pub(in super::super) fn without_vfs(&mut self) {
        let devices = &mut self.hardware.hardware.inventory.devices;
        devices.truncate(1);
        devices[0].function = Function::Pf {
            total_vfs: 8,
            num_vfs: 0,
            vfs: Vec::new(),
        };
        self.assign();
    }

    /// A VF of the PF, and its id.
    pub(in super::super) fn add_vf(&mut self, index: u32, driver: Option<&str>) -> DeviceId {
        let function = Function::Vf {
            pf: Some(PF.parse().unwrap()),
            index: Some(index),
        };
        let vf = device(&format!("0000:01:10.{index}"), driver, function);
        let id = vf.id.clone();
        self.hardware.hardware.inventory.devices.push(vf);
        self.assign();
        id
    }

    /// Gives the PF's interface another name.
    pub(in super::super) fn rename_pf(&mut self, name: &str) {
        let link = PfLink {
            name: name.to_owned(),
            is_up: Some(true),
            has_carrier: Some(true),
        };
        self.hardware.links.insert(PF.parse().unwrap(), link);
        let pf = &mut self.hardware.hardware.inventory.devices[0];
        pf.netdevs = vec![Netdev {
            name: name.parse().unwrap(),
            index: 2,
            mac: None,
            mtu: 1500,
            link_type: LinkType::Ether,
            port: None,
            number: None,
            switch_id: None,
        }];
        self.assign();
    }

    /// Sets the PF up or down.
    pub(in super::super) fn set_link(&mut self, is_up: Option<bool>) {
        let link = self.hardware.links.values_mut().next().unwrap();
        link.is_up = is_up;
    }

    fn assign(&mut self) {
        self.hardware.assignment = assign(&self.hardware.hardware, &self.configured.config.pools);
    }

    /// A pod has a device by the journal, for an hour now; its namespace lives and nobody is in it.
    pub(in super::super) fn attach(&mut self, device: &str, namespace: &str, pod: &str) {
        let owner = Owner {
            network: "blue".parse().unwrap(),
            container_id: "c1".parse().unwrap(),
            ifname: "net1".parse().unwrap(),
            netns_path: "/run/netns/pod1".to_owned(),
            netns: NetnsIdentity {
                cookie: None,
                device: 4,
                inode: 7,
            },
        };
        let mut record = Record::new(device.parse().unwrap(), "1-1".to_owned(), owner, Step::Attached);
        record.pod = Some(PodName {
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
            uid: None,
        });
        let attached = Attached {
            record,
            since: Some(self.now - Duration::from_secs(3600)),
            is_abandoned: false,
            is_hidden: false,
            processes: Some(0),
        };
        self.state.attachments.insert(device.parse().unwrap(), attached);
    }

    /// A pod has a device by the kubelet, and is all that it tells.
    pub(in super::super) fn hold(&mut self, namespace: &str, pod: &str, resource: &str, device: &str) {
        let devices = api::ContainerDevices {
            resource_name: resource.to_owned(),
            device_ids: vec![device.to_owned()],
            ..api::ContainerDevices::default()
        };
        let container = api::ContainerResources {
            name: "main".to_owned(),
            devices: vec![devices],
            ..api::ContainerResources::default()
        };
        let pod = api::PodResources {
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
            containers: vec![container],
            ..api::PodResources::default()
        };
        self.kubelet.held = Ok(Held::from(api::ListPodResourcesResponse {
            pod_resources: vec![pod],
        }));
    }
}
