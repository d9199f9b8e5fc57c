//! The kubelet's side of a plugin (plugin/v1beta1/{client,handler,server}.go).

use std::path::Path;
use std::time::Duration;

use hardwire_proto::deviceplugin as api;
use hardwire_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Status, Streaming};

use super::Shared;

const DIAL_BOUND: Duration = Duration::from_secs(10);
const DIAL_PAUSE: Duration = Duration::from_millis(100);

pub(super) type Client = DevicePluginClient<Channel>;

/// A client, and what ends its stream.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    closed: CancellationToken,
}

/// Connects to a plugin's socket; blocks as the kubelet does until it accepts, for at most 10 s.
pub(super) async fn connect(shared: &Shared, endpoint: &str) -> Result<Client, Status> {
    let path = shared.plugin_directory().join(endpoint);
    let deadline = Instant::now() + DIAL_BOUND;
    loop {
        match dial(&path).await {
            Ok(channel) => return Ok(DevicePluginClient::new(channel)),
            Err(error) if Instant::now() >= deadline => {
                return Err(Status::unknown(format!("failed to dial device plugin: {error}")));
            }
            Err(_not_yet) => sleep(DIAL_PAUSE).await,
        }
    }
}

async fn dial(path: &Path) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("unix:{}", path.display()))?
        // As grpc.WithAuthority("localhost") does.
        .origin(Uri::from_static("http://localhost"))
        .connect_timeout(DIAL_BOUND)
        .connect()
        .await
}

/// What happens inside Register, after validation.
pub(super) async fn register(shared: &Shared, request: &api::RegisterRequest) -> Result<(), Status> {
    let mut client = connect(shared, &request.endpoint).await?;
    // The kubelet has no deadline here.
    let options = client.get_device_plugin_options(api::Empty {}).await?;
    let resource = request.resource_name.clone();
    let connection = Connection {
        client,
        closed: CancellationToken::new(),
    };
    shared.state.send_modify(|state| {
        let entry = state.resources.entry(resource.clone()).or_default();
        entry.endpoint.clone_from(&request.endpoint);
        entry.options = options.into_inner();
        entry.lists = 0;
        // An older client is forgotten, not closed: its stream goes on until the plugin ends it.
        state.connections.insert(resource.clone(), connection.clone());
    });
    shared.tell(&format!("{resource} registered"));
    if !shared.behaviour(|behaviour| behaviour.no_stream) {
        tokio::spawn(run(shared.clone(), resource, connection));
    }
    Ok(())
}

/// Follows a client's stream to its end (`server.runClient`).
async fn run(shared: Shared, resource: String, mut connection: Connection) {
    match connection.client.list_and_watch(api::Empty {}).await {
        Ok(lists) => follow(&shared, &resource, lists.into_inner(), &connection.closed).await,
        Err(error) => shared.tell(&format!("{resource}: ListAndWatch failed: {error}")),
    }
    drop(connection);
    // Whoever is registered under the name by now, an innocent successor included (kubernetes#121994).
    disconnect(&shared, &resource);
}

async fn follow(
    shared: &Shared,
    resource: &str,
    mut lists: Streaming<api::ListAndWatchResponse>,
    closed: &CancellationToken,
) {
    loop {
        let message = tokio::select! {
            () = closed.cancelled() => return,
            message = lists.message() => message,
        };
        match message {
            Ok(Some(list)) => receive(shared, resource, list.devices),
            Ok(None) => return shared.tell(&format!("{resource}: the stream ended")),
            Err(error) => return shared.tell(&format!("{resource}: the stream ended: {}", error.message())),
        }
    }
}

fn receive(shared: &Shared, resource: &str, devices: Vec<api::Device>) {
    let mut counts = (0, 0);
    shared.state.send_modify(|state| {
        let entry = state.resources.entry(resource.to_owned()).or_default();
        entry.devices = devices;
        entry.connected = true;
        entry.lists += 1;
        counts = (entry.capacity(), entry.allocatable());
    });
    shared.tell(&format!("{resource}: {} devices, {} healthy", counts.0, counts.1));
}

/// Closes the registered client's connection; its devices are no longer healthy.
pub(super) fn disconnect(shared: &Shared, resource: &str) {
    shared.state.send_modify(|state| {
        if let Some(connection) = state.connections.remove(resource) {
            connection.closed.cancel();
        }
        if let Some(entry) = state.resources.get_mut(resource) {
            entry.stop();
        }
    });
}

/// The client that is registered for a resource.
pub(super) fn client(shared: &Shared, resource: &str) -> Result<Client, Status> {
    let connection = shared.state.borrow().connections.get(resource).cloned();
    let connection = connection.ok_or_else(|| Status::unavailable(format!("endpoint {resource} has been stopped")))?;
    Ok(connection.client)
}
