//! One pool's life with the kubelet: serve, register, and notice when that has to be done again.
//!
//! Three things end a registration:
//! - our socket is gone: a kubelet that starts removes it. The server is stopped, its streams ended, before a new one is
//!   made and registered: when the kubelet (up to 1.36 at least, kubernetes#121994) sees an old stream end, it throws out
//!   whatever is registered under the name by then, the new registration too;
//! - the stream ended and none follows: the kubelet never reconnects, so the pool is registered again;
//! - no stream ever came.
//!
//! Nothing is registered again while a stream is open.

use std::sync::Arc;
use std::time::Duration;

use hardwire_proto::deviceplugin::KUBELET_SOCKET;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::registration::register;
use super::service::Witnesses;
use super::serving::Serving;
use crate::config::ResourceName;
use crate::events::backoff::Backoff;
use crate::events::directory::Directory;
use crate::events::socket::{BindError, FileId, bind};
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// After Register, and after the end of a stream: how long the kubelet may take to open one.
const STREAM_BOUND: Duration = Duration::from_secs(3);
/// A stream that lasted this long was no accident of a registration race.
const STABLE: Duration = Duration::from_secs(10);

/// A pool and its server.
#[derive(Debug)]
pub struct Plugin {
    resource: ResourceName,
    offer: watch::Sender<Arc<Offer>>,
    witnesses: Witnesses,
    directory: Directory,
    serving: Serving,
    metrics: Metrics,
}

// === impl Plugin ===

impl Plugin {
    /// Serves a pool; fails if another process does.
    pub fn start(
        resource: ResourceName,
        offer: Offer,
        witnesses: Witnesses,
        directory: &Directory,
        metrics: &Metrics,
    ) -> Result<Self, BindError> {
        let healthy = offer.devices.values().filter(|device| device.healthy).count();
        metrics.devices(&resource, healthy, offer.devices.len() - healthy);
        metrics.served(&resource);
        let offer = watch::Sender::new(Arc::new(offer));
        let serving = serve(&resource, &offer, &witnesses, directory, metrics)?;
        Ok(Self {
            resource,
            offer,
            witnesses,
            directory: directory.clone(),
            serving,
            metrics: metrics.clone(),
        })
    }

    /// Where a new offer is put; the kubelet hears of it over its open stream.
    pub fn offer(&self) -> watch::Sender<Arc<Offer>> {
        self.offer.clone()
    }

    /// How many streams are open, as long as its present server lives.
    pub fn streams(&self) -> watch::Receiver<usize> {
        self.serving.streams()
    }

    /// Keeps the pool registered until `stop`, then ends its streams and removes its socket.
    pub async fn run(mut self, stop: CancellationToken) {
        // A pool that nobody keeps any more would stay as the kubelet saw it last.
        let _watched = self.metrics.fatal_panic(&format!("{}: its task", self.resource));
        loop {
            let ended = self.serving.ended();
            let stopped = tokio::select! {
                () = stop.cancelled() => true,
                () = self.socket_gone() => {
                    info!(resource = %self.resource, "the socket was removed; making it anew");
                    false
                }
                () = ended.cancelled() => {
                    error!(resource = %self.resource, "the server ended by itself; making it anew");
                    stop.run_until_cancelled(sleep(STREAM_BOUND)).await.is_none()
                }
                never = self.keep_registered() => match never {},
            };
            self.serving.stop().await;
            self.metrics.registered(&self.resource, false);
            if stopped {
                return self.metrics.forget(&self.resource);
            }
            self.serving = tokio::select! {
                () = stop.cancelled() => return self.metrics.forget(&self.resource),
                serving = serve_at_last(
                    &self.resource,
                    &self.offer,
                    &self.witnesses,
                    &self.directory,
                    &self.metrics,
                ) => serving,
            };
        }
    }

    async fn socket_gone(&self) {
        let gone = || (!self.serving.file().is_there()).then_some(());
        self.directory.wait_for(|_| gone()).await;
    }

    async fn keep_registered(&self) -> std::convert::Infallible {
        let mut backoff = Backoff::default();
        loop {
            self.register(&mut backoff).await;
            let since = Instant::now();
            self.while_streaming().await;
            self.metrics.registered(&self.resource, false);
            warn!(resource = %self.resource, "the kubelet does not listen; registering again");
            if since.elapsed() > STABLE {
                backoff.reset();
            } else {
                self.pause(&mut backoff).await;
            }
        }
    }

    /// Registers, however often it takes.
    async fn register(&self, backoff: &mut Backoff) {
        let resource = &self.resource;
        let socket = self.directory.path().join(KUBELET_SOCKET);
        loop {
            if FileId::of(&socket).is_none() {
                info!(%resource, "waiting for the kubelet: there is no {}", socket.display());
                self.directory.wait_for(|_| FileId::of(&socket)).await;
            }
            match register(&socket, resource).await {
                Ok(()) => {
                    self.metrics.registered(resource, true);
                    return info!(%resource, "registered");
                }
                Err(error) => {
                    self.metrics.not_registered(resource);
                    warn!(%resource, "not registered: {error}");
                }
            }
            self.pause(backoff).await;
        }
    }

    /// Waits before the next attempt; a new kubelet ends the wait and starts the count afresh.
    async fn pause(&self, backoff: &mut Backoff) {
        let socket = self.directory.path().join(KUBELET_SOCKET);
        let before = FileId::of(&socket);
        let is_same = || before.as_ref().is_some_and(|before| before.is_at(&socket));
        let new_kubelet = |_: &_| FileId::of(&socket).filter(|_| !is_same());
        tokio::select! {
            () = sleep(backoff.pause()) => {}
            _id = self.directory.wait_for(new_kubelet) => backoff.reset(),
        }
    }

    /// Returns when no stream has been open for a while.
    async fn while_streaming(&self) {
        let mut streams = self.serving.streams();
        // What wait_for gives is a lock on the count: it is let go at once. The sender lives as long as the server, so a
        // closed channel is as good as no stream.
        while timeout(STREAM_BOUND, streams.wait_for(|open| *open > 0))
            .await
            .is_ok_and(|open| open.is_ok())
        {
            debug!(resource = %self.resource, "the kubelet listens");
            if streams.wait_for(|open| *open == 0).await.is_err() {
                return;
            }
            info!(resource = %self.resource, "the kubelet's stream ended");
        }
    }
}

fn serve(
    resource: &ResourceName,
    offer: &watch::Sender<Arc<Offer>>,
    witnesses: &Witnesses,
    directory: &Directory,
    metrics: &Metrics,
) -> Result<Serving, BindError> {
    let (listener, file) = bind(&directory.path().join(resource.endpoint()))?;
    let (resource, offer) = (resource.clone(), offer.clone());
    let (witnesses, metrics) = (witnesses.clone(), metrics.clone());
    Ok(Serving::start(resource, offer, witnesses, listener, file, metrics))
}

/// Serves, however often it takes: what is in the way now was not there at the start.
async fn serve_at_last(
    resource: &ResourceName,
    offer: &watch::Sender<Arc<Offer>>,
    witnesses: &Witnesses,
    directory: &Directory,
    metrics: &Metrics,
) -> Serving {
    let mut backoff = Backoff::default();
    loop {
        match serve(resource, offer, witnesses, directory, metrics) {
            Ok(serving) => return serving,
            Err(error) => warn!(%resource, "{error}"),
        }
        sleep(backoff.pause()).await;
    }
}
