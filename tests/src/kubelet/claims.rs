//! A client of a driver of claims, as the kubelet's plugin watcher and DRA manager are.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hardwire_proto::dra::{v1, v1beta1};
use hardwire_proto::drahealth as health;
use hardwire_proto::drahealth::dra_resource_health_client::DraResourceHealthClient;
use hardwire_proto::pluginregistration as registration;
use hardwire_proto::pluginregistration::registration_client::RegistrationClient;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use super::Kubelet;

/// A driver that was found, and introduced itself.
#[derive(Debug)]
pub struct DriverClient<'a> {
    kubelet: &'a Kubelet,
    /// What it says of itself.
    pub info: registration::PluginInfo,
    registry: PathBuf,
}

/// A claim as the kubelet names it.
pub fn claim(namespace: &str, name: &str, uid: &str) -> v1::Claim {
    v1::Claim {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    }
}

async fn connect(path: &Path) -> Result<Channel, Status> {
    let endpoint = Endpoint::from_shared(format!("unix:{}", path.display()));
    let endpoint = endpoint.map_err(|error| Status::unavailable(error.to_string()))?;
    let channel = endpoint.connect().await;
    channel.map_err(|error| Status::unavailable(error.to_string()))
}

// === impl DriverClient ===

impl<'a> DriverClient<'a> {
    pub(super) fn find(kubelet: &'a Kubelet, directory: &Path, driver: &str, bound: Duration) -> Self {
        let registry = directory
            .join(registration::DIRECTORY)
            .join(format!("{driver}-reg.sock"));
        let deadline = Instant::now() + bound;
        let info = loop {
            let asked = kubelet.block_on(async {
                let mut client = RegistrationClient::new(connect(&registry).await?);
                let info = client.get_info(registration::InfoRequest {}).await?.into_inner();
                let status = registration::RegistrationStatus {
                    plugin_registered: true,
                    error: String::new(),
                };
                client.notify_registration_status(status).await?;
                Ok::<_, Status>(info)
            });
            match asked {
                Ok(info) => break info,
                Err(error) => assert!(Instant::now() < deadline, "{}: {error}", registry.display()),
            }
            sleep(Duration::from_millis(10));
        };
        Self {
            kubelet,
            info,
            registry,
        }
    }

    /// Its socket in the registry.
    pub fn registry(&self) -> &Path {
        &self.registry
    }

    /// Calls `NodePrepareResources`.
    pub fn prepare(&self, claims: &[v1::Claim]) -> Result<v1::NodePrepareResourcesResponse, Status> {
        let request = v1::NodePrepareResourcesRequest {
            claims: claims.to_vec(),
        };
        self.kubelet.block_on(async {
            let channel = connect(Path::new(&self.info.endpoint)).await?;
            let mut client = v1::dra_plugin_client::DraPluginClient::new(channel);
            Ok(client.node_prepare_resources(request).await?.into_inner())
        })
    }

    /// The same, as a kubelet of before 1.34 does.
    pub fn prepare_as_before(&self, claims: &[v1::Claim]) -> Result<v1::NodePrepareResourcesResponse, Status> {
        let request = v1::NodePrepareResourcesRequest {
            claims: claims.to_vec(),
        };
        self.kubelet.block_on(async {
            let channel = connect(Path::new(&self.info.endpoint)).await?;
            let mut client = v1beta1::dra_plugin_client::DraPluginClient::new(channel);
            Ok(client.node_prepare_resources(request).await?.into_inner())
        })
    }

    /// Calls `NodeUnprepareResources`.
    pub fn unprepare(&self, claims: &[v1::Claim]) -> Result<v1::NodeUnprepareResourcesResponse, Status> {
        let request = v1::NodeUnprepareResourcesRequest {
            claims: claims.to_vec(),
        };
        self.kubelet.block_on(async {
            let channel = connect(Path::new(&self.info.endpoint)).await?;
            let mut client = v1::dra_plugin_client::DraPluginClient::new(channel);
            Ok(client.node_unprepare_resources(request).await?.into_inner())
        })
    }

    /// The first list of its devices' health that is right, of one stream.
    ///
    /// # Panics
    /// Without one in time.
    pub fn health(
        &self,
        is_right: impl Fn(&[health::DeviceHealth]) -> bool,
        bound: Duration,
    ) -> Vec<health::DeviceHealth> {
        let lists = async {
            let channel = connect(Path::new(&self.info.endpoint)).await?;
            let mut client = DraResourceHealthClient::new(channel);
            let mut lists = client
                .node_watch_resources(health::NodeWatchResourcesRequest {})
                .await?
                .into_inner();
            loop {
                let list = lists
                    .message()
                    .await?
                    .ok_or_else(|| Status::aborted("the stream ended"))?;
                if is_right(&list.devices) {
                    return Ok::<_, Status>(list.devices);
                }
            }
        };
        let right = self
            .kubelet
            .block_on(async { tokio::time::timeout(bound, lists).await });
        right.expect("a right list in time").expect("a stream")
    }
}
