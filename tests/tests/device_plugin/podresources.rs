//! Which pod holds which device: the kubelet's answer, as the daemon reads it.

use hardwire_device_plugin::ledger::podresources::{Held, Holder, PodResources, PodResourcesError};
use hardwire_proto::podresources as api;
use hardwire_proto::podresources::pod_resources_lister_server::{PodResourcesLister, PodResourcesListerServer};
use hardwire_tests::kubelet::End;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use super::*;

fn held(kubelet: &Kubelet, site: &Site) -> Result<Held, PodResourcesError> {
    kubelet.block_on(PodResources::at(&site.kubelet_dir()).held())
}

#[test]
fn holders_are_known_as_long_as_the_kubelet_counts_them() {
    let running = Running::registered(3);
    let ask = || held(&running.kubelet, &running.site).unwrap();
    assert_eq!(ask(), Held::default());

    let one = running.kubelet.admit("red/a", "main", RESOURCE, 2).unwrap().devices;
    let other = running.kubelet.admit("blue/b", "side", RESOURCE, 1).unwrap().devices;
    let holder = |namespace: &str, pod: &str, container: &str| Holder {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
        resource: RESOURCE.to_owned(),
    };
    let now = ask();
    assert_eq!(now.holder(&one[0]), Some(&holder("red", "a", "main")));
    assert_eq!(now.holder(&one[1]), Some(&holder("red", "a", "main")));
    assert_eq!(now.holder(&other[0]), Some(&holder("blue", "b", "side")));
    assert_eq!(now.holder("0000:09:00.0"), None);
    assert_eq!(now.iter().count(), 3);

    running.kubelet.free("red/a");
    let left: Vec<String> = ask().iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(left, other);
}

#[test]
fn a_killed_kubelet_is_an_error_and_a_new_one_answers_with_what_it_remembers() {
    let mut running = Running::registered(1);
    running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    running.kubelet.end(End::Killed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(PodResources::at(&running.site.kubelet_dir()).held());
    let error = refused.unwrap_err().to_string();
    assert!(
        error.contains("pod-resources/kubelet.sock") && error.contains("refused"),
        "{error}"
    );

    running.kubelet.restart(End::Killed).unwrap();
    let now = held(&running.kubelet, &running.site).unwrap();
    assert_eq!(now.holder("0000:01:10.0").unwrap().pod, "a");
}

/// A kubelet of a large node: gRPC's usual bound of 4 MiB is not enough.
struct Large;

#[tonic::async_trait]
impl PodResourcesLister for Large {
    async fn list(
        &self,
        _: Request<api::ListPodResourcesRequest>,
    ) -> Result<Response<api::ListPodResourcesResponse>, Status> {
        let pod = |number: usize| api::PodResources {
            name: format!("pod-{number}"),
            namespace: "n".repeat(6 << 10),
            containers: vec![api::ContainerResources {
                devices: vec![api::ContainerDevices {
                    device_ids: vec![format!("id-{number}")],
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let pod_resources = (0..1_000).map(pod).collect();
        Ok(Response::new(api::ListPodResourcesResponse { pod_resources }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<api::AllocatableResourcesRequest>,
    ) -> Result<Response<api::AllocatableResourcesResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }

    async fn get(
        &self,
        _: Request<api::GetPodResourcesRequest>,
    ) -> Result<Response<api::GetPodResourcesResponse>, Status> {
        Err(Status::unimplemented("not asked"))
    }
}

#[test]
fn an_answer_of_six_mebibytes_is_read() {
    let site = Site::new();
    let socket = site.kubelet_dir().join(api::SOCKET);
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let held = runtime.block_on(async {
        let listener = UnixListenerStream::new(tokio::net::UnixListener::bind(&socket).unwrap());
        let service = PodResourcesListerServer::new(Large);
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(listener),
        );
        PodResources::at(&site.kubelet_dir()).held().await.unwrap()
    });
    assert_eq!(held.iter().count(), 1_000);
    assert_eq!(held.holder("id-999").unwrap().pod, "pod-999");
}
