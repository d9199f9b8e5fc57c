//! The running server of one pool.

use std::sync::Arc;
use std::time::Duration;

use hardwire_proto::deviceplugin::device_plugin_server::DevicePluginServer;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::warn;

use super::service::{Service, Witnesses};
use crate::config::ResourceName;
use crate::events::socket::SocketFile;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// How long streams and calls may take to end. Streams are told to; calls are answered from memory.
const STOP_BOUND: Duration = Duration::from_secs(2);

/// A server.
#[derive(Debug)]
pub struct Serving {
    file: SocketFile,
    streams: watch::Receiver<usize>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

// === impl Serving ===

impl Serving {
    /// Serves a pool at once.
    pub fn start(
        resource: ResourceName,
        offer: watch::Sender<Arc<Offer>>,
        witnesses: Witnesses,
        listener: UnixListener,
        file: SocketFile,
        metrics: Metrics,
    ) -> Self {
        let (count, streams) = watch::channel(0);
        let stop = CancellationToken::new();
        let service = Service {
            resource,
            offer,
            streams: count,
            witnesses,
            stop: stop.clone(),
            metrics,
        };
        let server = Server::builder()
            .add_service(DevicePluginServer::new(service))
            .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop.clone().cancelled_owned());
        Self {
            file,
            streams,
            stop,
            task: tokio::spawn(server),
        }
    }

    /// Our place in the directory.
    pub fn file(&self) -> &SocketFile {
        &self.file
    }

    /// How many `ListAndWatch` streams are open.
    pub fn streams(&self) -> watch::Receiver<usize> {
        self.streams.clone()
    }

    /// Ends the streams, waits for them, and removes the socket.
    pub async fn stop(mut self) {
        self.stop.cancel();
        match tokio::time::timeout(STOP_BOUND, &mut self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => warn!("{}: {error}", self.file.path().display()),
            Ok(Err(error)) => warn!("{}: {error}", self.file.path().display()),
            Err(_elapsed) => {
                self.task.abort();
                warn!("{}: a call did not end", self.file.path().display());
            }
        }
    }
}
