//! Admission of a container: which devices it gets, and what the plugin says to that.

use std::collections::BTreeSet;

use hardwire_proto::deviceplugin as api;
use tonic::Status;

use super::plugins::client;
use super::{Allocation, Shared, checkpoint};

/// Why a container is not admitted.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// Nobody ever registered the resource.
    #[error("cannot allocate unregistered device {0}")]
    Unregistered(String),
    /// It has devices, and none is healthy.
    #[error("no healthy devices present; cannot allocate unhealthy devices {0}")]
    NoneHealthy(String),
    /// Too few are left.
    #[error("requested number of devices unavailable for {resource}. Requested: {requested}, Available: {available}")]
    TooFew {
        /// Of what.
        resource: String,
        /// How many the container wants.
        requested: usize,
        /// How many there are.
        available: usize,
    },
    /// It has devices of this resource already.
    #[error("{0} holds devices of this resource already")]
    AlreadyAdmitted(String),
    /// The plugin refuses.
    #[error("{0}")]
    Plugin(#[from] Status),
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

pub(super) async fn allocate(
    shared: &Shared,
    resource: &str,
    containers: &[&[&str]],
) -> Result<api::AllocateResponse, Status> {
    let container = |ids: &&[&str]| api::ContainerAllocateRequest {
        devices_ids: strings(ids),
    };
    let request = api::AllocateRequest {
        container_requests: containers.iter().map(container).collect(),
    };
    let answer = client(shared, resource)?.allocate(request).await?;
    Ok(answer.into_inner())
}

pub(super) async fn preferred(
    shared: &Shared,
    resource: &str,
    available: &[&str],
    must_include: &[&str],
    size: i32,
) -> Result<api::PreferredAllocationResponse, Status> {
    let request = api::PreferredAllocationRequest {
        container_requests: vec![api::ContainerPreferredAllocationRequest {
            available_device_i_ds: strings(available),
            must_include_device_i_ds: strings(must_include),
            allocation_size: size,
        }],
    };
    let answer = client(shared, resource)?.get_preferred_allocation(request).await?;
    Ok(answer.into_inner())
}

pub(super) async fn admit(
    shared: &Shared,
    pod: &str,
    container: &str,
    resource: &str,
    count: usize,
) -> Result<Allocation, AdmissionError> {
    let available = available(shared, pod, container, resource)?;
    if available.len() < count {
        return Err(AdmissionError::TooFew {
            resource: resource.to_owned(),
            requested: count,
            available: available.len(),
        });
    }
    let devices = choose(shared, resource, available, count).await?;
    let ids: Vec<&str> = devices.iter().map(String::as_str).collect();
    let answer = allocate(shared, resource, &[&ids]).await?;
    let response = answer.container_responses.into_iter().next();
    let response = response.ok_or_else(|| Status::unknown("no containers return in allocation response"))?;
    let allocation = Allocation {
        pod: pod.to_owned(),
        container: container.to_owned(),
        resource: resource.to_owned(),
        devices,
        response,
    };
    shared
        .state
        .send_modify(|state| state.allocations.push(allocation.clone()));
    checkpoint::write(shared);
    shared.tell(&format!("{pod} gets {} of {resource}", allocation.devices.join(" ")));
    Ok(allocation)
}

/// Healthy devices that nobody holds.
fn available(shared: &Shared, pod: &str, container: &str, resource: &str) -> Result<BTreeSet<String>, AdmissionError> {
    let state = shared.state.borrow();
    let held = |a: &Allocation| a.pod == pod && a.container == container && a.resource == resource;
    if state.allocations.iter().any(held) {
        return Err(AdmissionError::AlreadyAdmitted(format!(
            "{pod}, container {container},"
        )));
    }
    let entry = state.resources.get(resource);
    let entry = entry.ok_or_else(|| AdmissionError::Unregistered(resource.to_owned()))?;
    if entry.allocatable() == 0 {
        return Err(AdmissionError::NoneHealthy(resource.to_owned()));
    }
    let healthy = entry.devices.iter().filter(|device| device.health == api::HEALTHY);
    let free = healthy.filter(|device| !state.is_allocated(resource, &device.id));
    Ok(free.map(|device| device.id.clone()).collect())
}

/// As many as wanted: what the plugin prefers first, then any.
async fn choose(
    shared: &Shared,
    resource: &str,
    mut available: BTreeSet<String>,
    count: usize,
) -> Result<Vec<String>, Status> {
    let asks = {
        let state = shared.state.borrow();
        let entry = state.resources.get(resource);
        entry.is_some_and(|entry| entry.options.get_preferred_allocation_available)
    };
    let mut chosen = Vec::new();
    if asks {
        let ids: Vec<&str> = available.iter().map(String::as_str).collect();
        let size = i32::try_from(count).unwrap_or(i32::MAX);
        let preferred = preferred(shared, resource, &ids, &[], size).await?;
        let answers = preferred.container_responses.into_iter();
        let ids: Vec<String> = answers.flat_map(|answer| answer.device_i_ds).collect();
        chosen.extend(ids.into_iter().filter(|id| available.remove(id)));
    }
    chosen.extend(available);
    chosen.truncate(count);
    Ok(chosen)
}

pub(super) fn free(shared: &Shared, pod: &str) -> Vec<Allocation> {
    let mut freed = Vec::new();
    shared.state.send_modify(|state| {
        freed = state.allocations.extract_if(.., |held| held.pod == pod).collect();
    });
    checkpoint::write(shared);
    shared.tell(&format!("{pod} is gone"));
    freed
}
