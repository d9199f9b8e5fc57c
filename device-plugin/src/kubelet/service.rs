//! The gRPC service of one pool.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use hardwire_proto::deviceplugin as api;
use hardwire_proto::deviceplugin::device_plugin_server::DevicePlugin;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_stream::wrappers::WatchStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tracing::{debug, info, warn};

use crate::config::ResourceName;
use crate::kubelet::allocate::{AllocateError, allocate};
use crate::kubelet::preferred::preferred;
use crate::ledger::allocations::Allocations;
use crate::ledger::podresources::PodResources;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// Who is told of Allocates, and who is asked for a holder.
#[derive(Debug, Clone)]
pub struct Witnesses {
    /// Where Allocates are noted.
    pub allocations: Arc<Allocations>,
    /// The kubelet's word.
    pub podresources: PodResources,
}

/// What a pool answers.
#[derive(Debug)]
pub struct Service {
    /// Which resource, for the log.
    pub resource: ResourceName,
    /// What there is.
    pub offer: watch::Sender<Arc<Offer>>,
    /// How many `ListAndWatch` streams are open.
    pub streams: watch::Sender<usize>,
    /// Who has what.
    pub witnesses: Witnesses,
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

/// The kubelet waits for an Allocate, and all pods of the node with it.
const LOOK_BOUND: Duration = Duration::from_secs(1);
/// The kubelet answers from memory, and waits for our own answer meanwhile.
const HOLDER_BOUND: Duration = Duration::from_secs(1);

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

impl Service {
    /// The offer. If one of these devices lacks something that its pool wants, it is looked for once more.
    async fn complete(&self, offer: Arc<Offer>, ids: &[&str]) -> Arc<Offer> {
        let Some(late) = offer.late(ids.iter().copied()) else {
            return offer;
        };
        let looked = timeout(LOOK_BOUND, spawn_blocking(move || late.look())).await;
        match looked {
            Ok(Ok(found)) => {
                // It may be another offer by now.
                self.offer.send_if_modified(|offer| Offer::complete(offer, &found));
                Arc::clone(&self.offer.borrow())
            }
            Ok(Err(error)) => {
                warn!(resource = %self.resource, "character devices: {error}");
                offer
            }
            Err(_elapsed) => {
                warn!(resource = %self.resource, "character devices: not read within {LOOK_BOUND:?}");
                offer
            }
        }
    }

    /// A device of these that another pod holds, as another resource. What is known of that may be old: the kubelet, which
    /// itself sees to it within one resource, is asked again.
    async fn held_as_other(&self, offer: &Offer, ids: &[&str]) -> Option<AllocateError> {
        let suspects: Vec<(&str, &String)> = ids
            .iter()
            .filter_map(|id| Some((*id, offer.devices.get(*id)?.held_as.as_ref()?)))
            .collect();
        let (first, known) = *suspects.first()?;
        let ours = self.resource.to_string();
        let Ok(Ok(held)) = timeout(HOLDER_BOUND, self.witnesses.podresources.held()).await else {
            return Some(AllocateError::Refused {
                device: first.to_owned(),
                why: known.clone(),
            });
        };
        suspects.into_iter().find_map(|(id, _)| {
            let holder = held.holder(id).filter(|holder| holder.resource != ours)?;
            Some(AllocateError::Refused {
                device: id.to_owned(),
                why: format!("{}/{} has it as {}", holder.namespace, holder.pod, holder.resource),
            })
        })
    }
}

#[tonic::async_trait]
impl DevicePlugin for Service {
    async fn get_device_plugin_options(&self, _: Request<api::Empty>) -> Reply<api::DevicePluginOptions> {
        Ok(Response::new(options()))
    }

    type ListAndWatchStream = Pin<Box<dyn Stream<Item = Result<api::ListAndWatchResponse, Status>> + Send>>;

    async fn list_and_watch(&self, _: Request<api::Empty>) -> Reply<Self::ListAndWatchStream> {
        let open = Open::new(self);
        let mut before: Option<(Arc<Offer>, api::ListAndWatchResponse)> = None;
        let lists = WatchStream::new(self.offer.subscribe()).filter_map(move |offer| {
            let list = offer.list();
            // An offer that comes again is to be sent again; another one may still be the same to the kubelet.
            let is_known =
                |(old, sent): &(Arc<Offer>, api::ListAndWatchResponse)| !Arc::ptr_eq(old, &offer) && *sent == list;
            let sent = (!before.as_ref().is_some_and(is_known)).then(|| {
                // It is in here: the stream counts as open until it is dropped.
                open.metrics.list_sent(&open.resource);
                debug!(resource = %open.resource, devices = list.devices.len(), "list sent");
                Ok(list.clone())
            });
            before = Some((offer, list));
            std::future::ready(sent)
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
        let answer = match self.held_as_other(&offer, &ids).await {
            Some(error) => Err(error),
            None => allocate(&*self.complete(offer, &ids).await, &request),
        };
        self.metrics.allocated(&self.resource, answer.is_ok());
        match answer {
            Ok(response) => {
                let resource = self.resource.to_string();
                self.witnesses.allocations.note(&resource, ids.iter().copied());
                info!(resource = %self.resource, ?ids, "allocated");
                Ok(Response::new(response))
            }
            Err(error) => {
                warn!(resource = %self.resource, ?ids, "not allocated: {error}");
                let message = format!("{}: {error}", self.resource);
                Err(match error {
                    AllocateError::Empty => Status::invalid_argument(message),
                    AllocateError::Refused { .. } => Status::failed_precondition(message),
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
