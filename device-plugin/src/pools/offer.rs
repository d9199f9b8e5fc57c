//! What a pool shows to the kubelet: its devices as `ListAndWatch` sends them, and what Allocate needs to know of each, made
//! beforehand, so that Allocate touches nothing on its way (pod admission on a node is serial). Only a device whose character
//! devices were not all there is looked at once more ([`Late`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_pci::in_parallel;
use hardwire_proto::deviceplugin as api;

use super::given::Given;
use super::late::{Late, Maker};
use crate::config::{Placement, Pool};
use crate::container::{CdiPool, Document, HostPaths, Member, Published};

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
    /// What late character devices are found with.
    maker: Option<Arc<Maker>>,
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
    /// What a container gets with it.
    pub given: Given,
}

// === impl Offer ===

impl Offer {
    /// The devices of a pool. Reads from sysfs what containers get with each.
    pub fn new<'a>(pool: &Pool, members: impl IntoIterator<Item = Member<'a>>, host_paths: &HostPaths) -> Self {
        let members: Vec<Member<'a>> = members.into_iter().collect();
        let shared = host_paths.shared(members.iter().any(|member| member.needs.rdma));
        let offered = |member: &Member<'a>| Offered {
            healthy: member.healthy,
            refused: member.refused.clone(),
            held_as: member.held_as.clone(),
            is_held: member.is_held,
            numa_node: member.device.numa_node.filter(|_| !pool.exclude_topology),
            pf: member.device.pf().map(ToString::to_string),
            given: Given::read(pool, member, host_paths, &shared),
        };
        let made = |share: &[Member<'a>]| -> Vec<(String, Offered)> {
            let each = share.iter();
            each.map(|member| (member.device.id.to_string(), offered(member)))
                .collect()
        };
        let devices: BTreeMap<String, Offered> = in_parallel(&members, made).into_iter().flatten().collect();
        let is_late = is_late(&devices);
        Self {
            cdi: cdi(pool, &devices, host_paths),
            devices,
            variables: pool.variables.clone(),
            placement: pool.placement,
            maker: is_late.then(|| Arc::new(Maker::new(pool, host_paths))),
        }
    }

    /// Those of these devices that lacked something when the offer was made, to be looked at again.
    pub fn late<'a>(&self, ids: impl IntoIterator<Item = &'a str>) -> Option<Late> {
        let maker = self.maker.as_ref()?;
        let lacking = |id: &'a str| Some((id.to_owned(), self.devices.get(id)?.given.lacks?));
        let lacking: Vec<_> = ids.into_iter().filter_map(lacking).collect();
        (!lacking.is_empty()).then(|| Late::new(Arc::clone(maker), lacking))
    }

    /// Takes over what was found of devices that lacked something; whether anything changed by that.
    pub fn complete(this: &mut Arc<Self>, found: &BTreeMap<String, Given>) -> bool {
        let is_news = |(id, given): &(&String, &Given)| {
            let device = this.devices.get(*id);
            device.is_some_and(|device| device.given.lacks.is_some() && device.given != **given)
        };
        let news: Vec<_> = found.iter().filter(is_news).collect();
        let Some(maker) = this.maker.clone().filter(|_| !news.is_empty()) else {
            return false;
        };
        let offer = Arc::make_mut(this);
        for (id, given) in news {
            if let Some(device) = offer.devices.get_mut(id) {
                device.given = given.clone();
            }
        }
        offer.cdi = cdi(maker.pool(), &offer.devices, maker.host_paths());
        offer.maker = Some(maker).filter(|_| is_late(&offer.devices));
        true
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

/// Whether one of them lacks something.
fn is_late(devices: &BTreeMap<String, Offered>) -> bool {
    devices.values().any(|device| device.given.lacks.is_some())
}

fn cdi(pool: &Pool, devices: &BTreeMap<String, Offered>, host_paths: &HostPaths) -> Option<CdiPool> {
    let publisher = &host_paths.publisher;
    let nodes = devices
        .iter()
        .map(|(id, offered)| (id.as_str(), &offered.given.nodes[..]));
    publisher
        .use_cdi
        .then(|| CdiPool::new(publisher, &pool.resource, pool.device_type, nodes))
        .flatten()
}

impl Published for Offer {
    fn device_infos(&self) -> impl Iterator<Item = &Document> {
        self.devices
            .values()
            .filter_map(|device| device.given.device_info.as_ref())
    }

    fn cdi(&self) -> Option<&CdiPool> {
        self.cdi.as_ref()
    }
}
