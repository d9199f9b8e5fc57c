//! The running server of one pool.

use std::sync::Arc;
use std::time::Duration;

use hardwire_proto::deviceplugin::device_plugin_server::DevicePluginServer;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::warn;

use super::service::{Service, Witnesses};
use crate::config::ResourceName;
use crate::events::connections::{Limits, speaking};
use crate::events::socket::SocketFile;
use crate::pools::offer::Offer;
use crate::telemetry::metrics::Metrics;

/// How long streams and calls may take to end. Streams are told to; calls are answered from memory.
const STOP_BOUND: Duration = Duration::from_secs(2);
/// gRPC's client speaks first, as soon as it is connected (the preface of HTTP/2, RFC 9113, 3.4). Only root gets here: the
/// directory is the kubelet's, with mode 0750.
const SILENT: Limits = Limits {
    most: 32,
    longest: Duration::from_secs(10),
};

/// A server.
#[derive(Debug)]
pub struct Serving {
    file: SocketFile,
    streams: watch::Receiver<usize>,
    stop: CancellationToken,
    ended: CancellationToken,
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
        let connections = speaking(&file.path().display().to_string(), listener, SILENT);
        let server = Server::builder()
            .add_service(DevicePluginServer::new(service))
            .serve_with_incoming_shutdown(connections, stop.clone().cancelled_owned());
        let ended = CancellationToken::new();
        // Dropped, and so cancelled, whichever way the task ends.
        let end = ended.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _end = end;
            server.await
        });
        Self {
            file,
            streams,
            stop,
            ended,
            task,
        }
    }

    /// Our place in the directory.
    pub fn file(&self) -> &SocketFile {
        &self.file
    }

    /// Cancelled when the server has ended.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
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
