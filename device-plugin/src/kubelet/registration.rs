//! The call to the kubelet.

use std::path::Path;
use std::time::Duration;

use hardwire_proto::deviceplugin as api;
use hardwire_proto::deviceplugin::registration_client::RegistrationClient;
use tonic::transport::Endpoint;

use crate::config::ResourceName;

const CONNECT_BOUND: Duration = Duration::from_secs(5);
/// The kubelet gives itself 10 s to connect to us before it answers.
const REGISTER_BOUND: Duration = Duration::from_secs(30);

/// Why the kubelet does not know us.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// It does not answer the door.
    #[error("{path}: {}", crate::telemetry::causes(source))]
    Connect {
        /// Its socket.
        path: String,
        /// What the transport says.
        source: tonic::transport::Error,
    },
    /// It says no, or nothing.
    #[error("the kubelet refused: {} ({:?})", .0.message(), .0.code())]
    Refused(tonic::Status),
}

/// Introduces a resource to the kubelet at `socket`. The resource is being served by now.
pub async fn register(socket: &Path, resource: &ResourceName) -> Result<(), RegisterError> {
    let path = socket.display().to_string();
    let connect = |source| RegisterError::Connect {
        path: path.clone(),
        source,
    };
    let endpoint = Endpoint::from_shared(format!("unix:{path}")).map_err(connect)?;
    let endpoint = endpoint.connect_timeout(CONNECT_BOUND).timeout(REGISTER_BOUND);
    let channel = endpoint.connect().await.map_err(connect)?;
    let request = api::RegisterRequest {
        version: api::VERSION.to_owned(),
        endpoint: resource.endpoint(),
        resource_name: resource.to_string(),
        options: Some(super::service::options()),
    };
    let registered = RegistrationClient::new(channel).register(request).await;
    registered.map(|_empty| ()).map_err(RegisterError::Refused)
}
