//! The podresources service: which pod holds which device.

use std::collections::BTreeMap;
use std::path::Path;

use hardwire_proto::deviceplugin as plugin;
use hardwire_proto::podresources as api;
use hardwire_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;
use hardwire_proto::podresources::pod_resources_lister_server::PodResourcesLister;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::{Allocation, ClaimHeld, Resource, Shared, State};

#[derive(Debug)]
pub(super) struct PodResources(pub(super) Shared);

#[tonic::async_trait]
impl PodResourcesLister for PodResources {
    async fn list(
        &self,
        _: Request<api::ListPodResourcesRequest>,
    ) -> Result<Response<api::ListPodResourcesResponse>, Status> {
        let pod_resources = pods(&self.0.state.borrow());
        Ok(Response::new(api::ListPodResourcesResponse { pod_resources }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<api::AllocatableResourcesRequest>,
    ) -> Result<Response<api::AllocatableResourcesResponse>, Status> {
        let state = self.0.state.borrow();
        let healthy = |resource: &Resource| {
            let devices = resource.devices.iter();
            let healthy = devices.filter(|device| device.health == plugin::HEALTHY);
            healthy.map(|device| device.id.clone()).collect::<Vec<_>>()
        };
        let devices = state
            .resources
            .iter()
            .flat_map(|(name, resource)| entries(&state, name, &healthy(resource)));
        Ok(Response::new(api::AllocatableResourcesResponse {
            devices: devices.collect(),
            ..Default::default()
        }))
    }

    async fn get(
        &self,
        request: Request<api::GetPodResourcesRequest>,
    ) -> Result<Response<api::GetPodResourcesResponse>, Status> {
        let request = request.into_inner();
        let pods = pods(&self.0.state.borrow());
        let pod = pods
            .into_iter()
            .find(|pod| pod.name == request.pod_name && pod.namespace == request.pod_namespace);
        let pod_resources = Some(pod.ok_or_else(|| Status::not_found("no such pod"))?);
        Ok(Response::new(api::GetPodResourcesResponse { pod_resources }))
    }
}

/// Asks as a client of the kubelet does.
pub(super) async fn ask(directory: &Path) -> Result<Vec<api::PodResources>, Status> {
    let path = directory.join(api::SOCKET);
    let endpoint = Endpoint::from_shared(format!("unix:{}", path.display()));
    let endpoint = endpoint.map_err(|error| Status::unavailable(error.to_string()))?;
    let channel = endpoint.connect().await;
    let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
    let answer = PodResourcesListerClient::new(channel)
        .list(api::ListPodResourcesRequest {})
        .await?;
    Ok(answer.into_inner().pod_resources)
}

fn pods(state: &State) -> Vec<api::PodResources> {
    let mut pods: BTreeMap<&str, BTreeMap<&str, Vec<&Allocation>>> = BTreeMap::new();
    for allocation in &state.allocations {
        let containers = pods.entry(&allocation.pod).or_default();
        containers.entry(&allocation.container).or_default().push(allocation);
    }
    let container = |(name, held): (&str, Vec<&Allocation>)| api::ContainerResources {
        name: name.to_owned(),
        devices: held
            .iter()
            .flat_map(|a| entries(state, &a.resource, &a.devices))
            .collect(),
        ..Default::default()
    };
    for held in &state.claims {
        pods.entry(&held.pod).or_default().entry("main").or_default();
    }
    let pod = |(pod, containers): (&str, BTreeMap<&str, Vec<&Allocation>>)| {
        let (namespace, name) = pod.split_once('/').unwrap_or(("default", pod));
        let mut containers: Vec<api::ContainerResources> = containers.into_iter().map(container).collect();
        if let Some(first) = containers.first_mut() {
            let of_pod = state.claims.iter().filter(|held| held.pod == pod);
            first.dynamic_resources = of_pod.map(|held| dynamic(namespace, held)).collect();
        }
        api::PodResources {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            containers,
            ..Default::default()
        }
    };
    pods.into_iter().map(pod).collect()
}

fn dynamic(namespace: &str, held: &ClaimHeld) -> api::DynamicResource {
    api::DynamicResource {
        claim_name: held.claim.clone(),
        claim_namespace: namespace.to_owned(),
        claim_resources: vec![api::ClaimResource {
            driver_name: held.driver.clone(),
            device_name: held.device.clone(),
            ..Default::default()
        }],
    }
}

/// One entry per NUMA node: a device with two of them is told twice, as the kubelet does.
fn entries(state: &State, resource: &str, ids: &[String]) -> Vec<api::ContainerDevices> {
    let mut by_node: BTreeMap<Option<i64>, Vec<String>> = BTreeMap::new();
    for id in ids {
        let nodes = nodes(state, resource, id);
        for node in nodes {
            by_node.entry(node).or_default().push(id.clone());
        }
    }
    let entry = |(node, device_ids): (Option<i64>, Vec<String>)| api::ContainerDevices {
        resource_name: resource.to_owned(),
        device_ids,
        topology: node.map(|id| api::TopologyInfo {
            nodes: vec![api::NumaNode { id }],
        }),
    };
    by_node.into_iter().map(entry).collect()
}

fn nodes(state: &State, resource: &str, id: &str) -> Vec<Option<i64>> {
    let devices = state.resources.get(resource).map(|entry| entry.devices.as_slice());
    let device = devices.unwrap_or_default().iter().find(|device| device.id == id);
    let topology = device.and_then(|device| device.topology.as_ref());
    let nodes: Vec<Option<i64>> = topology
        .map(|topology| topology.nodes.iter().map(|node| Some(node.id)).collect())
        .unwrap_or_default();
    if nodes.is_empty() { vec![None] } else { nodes }
}
