//! What a container gets with its devices: the environment variables of sriov-network-device-plugin.
//!
//! Allocate means neither "taken" nor "free": the kubelet repeats it for one device after init containers and after every
//! failure, and never says when a device is given back. So it is a pure function of the request.

use std::collections::BTreeMap;

use hardwire_proto::deviceplugin as api;

use crate::go_json;
use crate::offer::Offer;

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllocateError {
    /// A container with devices, but without any.
    #[error("the request names no device")]
    Empty,
    /// The pool has no such device.
    #[error("there is no device {0:?} in this pool")]
    Unknown(String),
}

/// Answers all containers of a request, in order.
pub fn allocate(offer: &Offer, request: &api::AllocateRequest) -> Result<api::AllocateResponse, AllocateError> {
    let containers = request.container_requests.iter();
    Ok(api::AllocateResponse {
        container_responses: containers
            .map(|container| one(offer, &container.devices_ids))
            .collect::<Result<_, _>>()?,
    })
}

fn one(offer: &Offer, ids: &[String]) -> Result<api::ContainerAllocateResponse, AllocateError> {
    if ids.is_empty() {
        return Err(AllocateError::Empty);
    }
    let mut infos = BTreeMap::new();
    for id in ids {
        let device = offer.devices.get(id);
        let device = device.ok_or_else(|| AllocateError::Unknown(id.clone()))?;
        infos.insert(id.as_str(), device.info.as_str());
    }
    let (list, info) = (ids.join(","), object(&infos));
    let mut envs = BTreeMap::new();
    for variable in &offer.variables {
        envs.insert(format!("{variable}_INFO"), info.clone());
        envs.insert(variable.clone(), list.clone());
    }
    Ok(api::ContainerAllocateResponse {
        envs,
        ..Default::default()
    })
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
