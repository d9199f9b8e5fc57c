//! The gRPC service of one pool.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use hardwire_proto::deviceplugin as api;
use hardwire_proto::deviceplugin::device_plugin_server::DevicePlugin;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{debug, info, warn};

use crate::config::ResourceName;
use crate::kubelet::allocate::{AllocateError, allocate};
use crate::kubelet::preferred::preferred;
use crate::ledger::allocations::Allocations;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// What a pool answers.
#[derive(Debug)]
pub struct Service {
    /// Which resource, for the log.
    pub resource: ResourceName,
    /// What there is.
    pub offer: watch::Sender<Arc<Offer>>,
    /// How many `ListAndWatch` streams are open.
    pub streams: watch::Sender<usize>,
    /// Where Allocates are noted.
    pub allocations: Arc<Allocations>,
    /// Ends the streams; a server with an open stream would never stop.
    pub stop: CancellationToken,
    /// Where it is counted.
    pub metrics: Metrics,
}

/// What the kubelet may call, said at registration and when it asks.
pub(super) fn options() -> api::DevicePluginOptions {
    api::DevicePluginOptions {
        pre_start_required: false,
        get_preferred_allocation_available: true,
    }
}

/// Counts a stream as long as it is open.
struct Open {
    streams: watch::Sender<usize>,
    resource: ResourceName,
    metrics: Metrics,
}

type Reply<T> = Result<Response<T>, Status>;

// === impl Open ===

impl Open {
    fn new(service: &Service) -> Self {
        let open = Self {
            streams: service.streams.clone(),
            resource: service.resource.clone(),
            metrics: service.metrics.clone(),
        };
        open.count(|open| *open += 1);
        open
    }

    fn count(&self, change: impl FnOnce(&mut usize)) {
        // Told before it is known, so that who waits for a stream finds it counted.
        self.streams.send_modify(|open| {
            change(open);
            self.metrics.streams(&self.resource, *open);
        });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count(|open| *open -= 1);
    }
}

// === impl Service ===

#[tonic::async_trait]
impl DevicePlugin for Service {
    async fn get_device_plugin_options(&self, _: Request<api::Empty>) -> Reply<api::DevicePluginOptions> {
        Ok(Response::new(options()))
    }

    type ListAndWatchStream = Pin<Box<dyn Stream<Item = Result<api::ListAndWatchResponse, Status>> + Send>>;

    async fn list_and_watch(&self, _: Request<api::Empty>) -> Reply<Self::ListAndWatchStream> {
        let open = Open::new(self);
        let lists = WatchStream::new(self.offer.subscribe()).map(move |offer| {
            // It is in here: the stream counts as open until it is dropped.
            open.metrics.list_sent(&open.resource);
            debug!(resource = %open.resource, devices = offer.devices.len(), "list sent");
            Ok(offer.list())
        });
        let lists = lists.take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(lists)))
    }

    async fn get_preferred_allocation(
        &self,
        request: Request<api::PreferredAllocationRequest>,
    ) -> Reply<api::PreferredAllocationResponse> {
        let offer = Arc::clone(&self.offer.borrow());
        let response = preferred(&offer, &request.into_inner());
        debug!(resource = %self.resource, ?response, "preferred");
        Ok(Response::new(response))
    }

    async fn allocate(&self, request: Request<api::AllocateRequest>) -> Reply<api::AllocateResponse> {
        let request = request.into_inner();
        let ids: Vec<&str> = request
            .container_requests
            .iter()
            .flat_map(|container| container.devices_ids.iter().map(String::as_str))
            .collect();
        let offer = Arc::clone(&self.offer.borrow());
        let answer = allocate(&offer, &request);
        self.metrics.allocated(&self.resource, answer.is_ok());
        match answer {
            Ok(response) => {
                self.allocations.note(ids.iter().copied());
                info!(resource = %self.resource, ?ids, "allocated");
                Ok(Response::new(response))
            }
            Err(error) => {
                warn!(resource = %self.resource, ?ids, "not allocated: {error}");
                let message = format!("{}: {error}", self.resource);
                Err(match error {
                    AllocateError::Empty => Status::invalid_argument(message),
                    AllocateError::Unknown(_) => {
                        // The kubelet's list is not ours: send it again.
                        self.offer.send_modify(|_same| ());
                        Status::not_found(message)
                    }
                })
            }
        }
    }

    async fn pre_start_container(
        &self,
        _: Request<api::PreStartContainerRequest>,
    ) -> Reply<api::PreStartContainerResponse> {
        Ok(Response::new(api::PreStartContainerResponse::default()))
    }
}
