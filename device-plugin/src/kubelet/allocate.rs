//! The answer to Allocate: what the offer says of the devices, put together.
//!
//! Allocate means neither "taken" nor "free": the kubelet repeats it for one device after init containers and after every
//! failure, and never says when a device is given back. So the answer depends on offer and request only, and is no where the
//! offer says that the device could be of no use, or is the node's own. On the way, the
//! documents that will be read before the container runs are put where they belong, should somebody have removed them.

use std::collections::BTreeMap;

use hardwire_proto::deviceplugin as api;
use tracing::{error, warn};

use crate::container::go_json;
use crate::container::{CdiPool, Node};
use crate::pools::offer::{Offer, Offered};

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// A container with devices, but without any.
    #[error("the request names no device")]
    Empty,
    /// The pool has no such device.
    #[error("there is no device {0:?} in this pool")]
    Unknown(String),
    /// It cannot be given out.
    #[error("{device} is not given out: {why}")]
    Refused {
        /// Which.
        device: String,
        /// Why.
        why: String,
    },
}

/// Answers all containers of a request, in order.
pub fn allocate(offer: &Offer, request: &api::AllocateRequest) -> Result<api::AllocateResponse, AllocateError> {
    let containers = request.container_requests.iter();
    let containers: Vec<Container<'_>> = containers
        .map(|container| Container::of(offer, &container.devices_ids))
        .collect::<Result<_, _>>()?;
    for device in containers.iter().flat_map(|container| &container.devices) {
        if let Some(file) = &device.given.device_info
            && let Err(error) = file.ensure()
        {
            // Multus does without.
            warn!("{}: {error}", file.path.display());
        }
    }
    let cdi = offer.cdi.as_ref().filter(|cdi| is_ready(cdi));
    Ok(api::AllocateResponse {
        container_responses: containers
            .iter()
            .map(|container| container.answer(&offer.variables, cdi))
            .collect(),
    })
}

/// Whether the runtime will find the devices. If not, they are handed out as without CDI: the container is to run.
fn is_ready(cdi: &CdiPool) -> bool {
    let written = cdi.spec.ensure();
    if let Err(error) = &written {
        error!("no CDI: {}: {error}", cdi.spec.path.display());
    }
    written.is_ok()
}

struct Container<'a> {
    ids: &'a [String],
    devices: Vec<&'a Offered>,
}

// === impl Container ===

impl<'a> Container<'a> {
    fn of(offer: &'a Offer, ids: &'a [String]) -> Result<Self, AllocateError> {
        if ids.is_empty() {
            return Err(AllocateError::Empty);
        }
        let device = |id: &String| {
            let device = offer
                .devices
                .get(id)
                .ok_or_else(|| AllocateError::Unknown(id.clone()))?;
            match &device.refused {
                None => Ok(device),
                Some(why) => Err(AllocateError::Refused {
                    device: id.clone(),
                    why: why.clone(),
                }),
            }
        };
        Ok(Self {
            ids,
            devices: ids.iter().map(device).collect::<Result<_, _>>()?,
        })
    }

    fn answer(&self, variables: &[String], cdi: Option<&CdiPool>) -> api::ContainerAllocateResponse {
        let mut answer = api::ContainerAllocateResponse {
            envs: self.variables(variables),
            ..Default::default()
        };
        match cdi {
            None => answer.devices = self.nodes().map(Node::spec).collect(),
            Some(cdi) => {
                let names: Vec<String> = self.ids.iter().map(|id| cdi.qualified(id)).collect();
                // Kubelets and runtimes up to 1.30 know only the annotation; those that know both apply a device once.
                answer.annotations = BTreeMap::from([(cdi.annotation.clone(), names.join(","))]);
                answer.cdi_devices = names.into_iter().map(|name| api::CdiDevice { name }).collect();
            }
        }
        answer
    }

    fn variables(&self, names: &[String]) -> BTreeMap<String, String> {
        let infos = self.devices.iter().map(|device| device.given.info.as_str());
        let infos = self.ids.iter().map(String::as_str).zip(infos).collect();
        let (list, info) = (self.ids.join(","), object(&infos));
        let mut envs = BTreeMap::new();
        for name in names {
            envs.insert(format!("{name}_INFO"), info.clone());
            envs.insert(name.clone(), list.clone());
        }
        envs
    }

    /// Each path of the node once.
    fn nodes(&self) -> impl Iterator<Item = &'a Node> {
        let nodes = self.devices.iter().flat_map(|device| &device.given.nodes);
        let by_host: BTreeMap<&str, &Node> = nodes.map(|node| (node.host.as_str(), node)).collect();
        by_host.into_values()
    }
}

/// A JSON object of values that are JSON already.
fn object(infos: &BTreeMap<&str, &str>) -> String {
    let member = |(id, info): (&&str, &&str)| {
        let id = go_json::to_string(id).ok()?;
        Some(format!("{id}:{info}"))
    };
    let members: Vec<String> = infos.iter().filter_map(member).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
#[path = "allocate_tests.rs"]
mod tests;
