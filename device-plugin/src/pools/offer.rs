//! What a pool shows to the kubelet: its devices as `ListAndWatch` sends them, and what Allocate needs to know of each, made
//! beforehand, so that Allocate touches nothing on its way (pod admission on a node is serial).

use std::collections::BTreeMap;

use hardwire_pci::in_shares;
use hardwire_proto::deviceplugin as api;

use crate::config::{Placement, Pool};
use crate::container::device_info::device_info;
use crate::container::{CdiPool, Characters, Document, HostPaths, Member, Node, Published, info};

/// A pool as the kubelet sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// By id.
    pub devices: BTreeMap<String, Offered>,
    /// Names of the environment variables that list a container's devices; the second for shells.
    pub variables: Vec<String>,
    /// How the container runtime knows the devices, where CDI is on.
    pub cdi: Option<CdiPool>,
    /// Which devices the kubelet is advised to take.
    pub placement: Placement,
}

/// A device as the kubelet sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered {
    /// Whether it may be given out.
    pub healthy: bool,
    /// Why an Allocate of it is refused.
    pub refused: Option<String>,
    /// Who has it as another resource, as far as is known; asked again before an Allocate is refused for it.
    pub held_as: Option<String>,
    /// Somebody has it, or had it until a moment ago.
    pub is_held: bool,
    /// Told to the kubelet, and at most one: podresources lists a device once per node.
    pub numa_node: Option<u32>,
    /// Its PF, or what it hangs below, where that is to be seen.
    pub pf: Option<String>,
    /// What containers are told of it, as JSON.
    pub info: String,
    /// What containers get with it.
    pub nodes: Vec<Node>,
    /// What Multus is told of it.
    pub device_info: Option<Document>,
}

// === impl Offer ===

impl Offer {
    /// The devices of a pool. Reads from sysfs what containers get with each.
    pub fn new<'a>(pool: &Pool, members: impl IntoIterator<Item = Member<'a>>, host_paths: &HostPaths) -> Self {
        let members: Vec<Member<'a>> = members.into_iter().collect();
        let publisher = &host_paths.publisher;
        let shared = host_paths.shared(members.iter().any(|member| member.needs.rdma));
        let offered = |member: &Member<'a>| {
            let characters = Characters::read(&host_paths.sysfs, &shared, member);
            Offered {
                healthy: member.healthy,
                refused: member.refused.clone(),
                held_as: member.held_as.clone(),
                is_held: member.is_held,
                numa_node: member.device.numa_node.filter(|_| !pool.exclude_topology),
                pf: member.device.pf().map(ToString::to_string),
                info: info(pool, member, &characters),
                nodes: characters.nodes(),
                device_info: device_info(&publisher.device_info, pool, member, &characters),
            }
        };
        let made = |share: &[Member<'a>]| -> Vec<(String, Offered)> {
            let each = share.iter();
            each.map(|member| (member.device.id.to_string(), offered(member)))
                .collect()
        };
        let devices: BTreeMap<String, Offered> = in_shares(&members, made).into_iter().flatten().collect();
        let nodes = devices.iter().map(|(id, offered)| (id.as_str(), &offered.nodes[..]));
        Self {
            cdi: publisher
                .use_cdi
                .then(|| CdiPool::new(publisher, &pool.resource, pool.device_type, nodes))
                .flatten(),
            devices,
            variables: pool.variables.clone(),
            placement: pool.placement,
        }
    }

    /// The message of `ListAndWatch`.
    pub fn list(&self) -> api::ListAndWatchResponse {
        let device = |(id, offered): (&String, &Offered)| api::Device {
            id: id.clone(),
            health: if offered.healthy { api::HEALTHY } else { api::UNHEALTHY }.to_owned(),
            topology: offered.numa_node.map(|node| api::TopologyInfo {
                nodes: vec![api::NumaNode { id: node.into() }],
            }),
        };
        api::ListAndWatchResponse {
            devices: self.devices.iter().map(device).collect(),
        }
    }
}

impl Published for Offer {
    fn device_infos(&self) -> impl Iterator<Item = &Document> {
        self.devices.values().filter_map(|device| device.device_info.as_ref())
    }

    fn cdi(&self) -> Option<&CdiPool> {
        self.cdi.as_ref()
    }
}
