//! When the driver is served: while the configuration gives devices to claims, and as long as a claim is prepared.
//!
//! Its own socket comes first and the one in `plugins_registry` last, which the kubelet dials as soon as it is there; on the way
//! out the other way round. A kubelet that starts dials it again, and says so, which is when its slices are looked at: it has
//! deleted them. Whoever of us the kubelet has lost for 30 s has lost its slices too.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use hardwire_proto::dra::{self, v1, v1beta1};
use hardwire_proto::drahealth::dra_resource_health_server::DraResourceHealthServer;
use hardwire_proto::pluginregistration::DIRECTORY as REGISTRY;
use hardwire_proto::pluginregistration::registration_server::RegistrationServer;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tracing::{error, info, warn};

use super::claims::Claims;
use super::health::Health;
use super::registration::Introduction;
use super::rewriting::Rewriting;
use super::service::Service;
use crate::config::DriverName;
use crate::events::backoff::Backoff;
use crate::events::connections::{Limits, speaking};
use crate::events::directory::Directory;
use crate::events::socket::{BindError, SocketFile, bind};
use crate::ledger::claims::Prepared;
use crate::telemetry::metrics::Metrics;

/// How long calls may take to end when we do. Who prepares a claim waits for an API server, and the kubelet asks again.
const STOP_BOUND: Duration = Duration::from_secs(2);
/// A client speaks first, as soon as it is connected. Only root gets here.
const SILENT: Limits = Limits {
    most: 16,
    longest: Duration::from_secs(10),
};

/// What the driver is served with.
#[derive(Debug, Clone)]
pub struct Driver {
    /// The claims.
    pub claims: Claims,
    /// Told of those that are prepared.
    pub prepared: watch::Receiver<Arc<Prepared>>,
    /// The kubelet's directory.
    pub kubelet_dir: PathBuf,
    /// The name of the node, where it has one.
    pub node: Option<String>,
    /// Counts how often the kubelet took us.
    pub taken: watch::Sender<u64>,
    /// The numbers.
    pub metrics: Metrics,
}

/// Why it is not served.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    /// A socket cannot be made.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Its directory cannot.
    #[error("{}: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A server, and its socket.
#[derive(Debug)]
struct Serving {
    file: SocketFile,
    stop: CancellationToken,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

// === impl Driver ===

impl Driver {
    /// Serves until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        self.claims.sweep().await;
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let driver = self.wanted();
            let Some(name) = driver.clone() else {
                self.metrics.driver(None);
                let another = self.until_another(driver.as_ref());
                stop.run_until_cancelled(another).await;
                continue;
            };
            if let Some(why) = self.missing() {
                error!(driver = %name, "pools with via: dra are given to nobody: {why}");
                self.metrics.driver(Some(format!("driver {name}: {why}")));
                stop.run_until_cancelled(self.until_another(driver.as_ref())).await;
                continue;
            }
            match self.serve(&name, &stop).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    warn!(driver = %name, "not served: {error}");
                    self.metrics.driver(Some(format!("driver {name}: {error}")));
                    let pause = backoff.pause();
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = sleep(pause) => {}
                        () = self.until_another(driver.as_ref()) => {}
                    }
                }
            }
        }
    }

    /// Whose claims there are: the configuration's driver, or that of the claims that an earlier one had.
    fn wanted(&self) -> Option<DriverName> {
        let claimable = self.claims.claimable();
        let configured = claimable.borrow().driver.clone();
        let of_claims = || DriverName::new(&self.prepared.borrow().records.first()?.driver);
        configured.or_else(of_claims)
    }

    /// Why claims cannot be prepared here.
    fn missing(&self) -> Option<String> {
        if !self.claims.has_api() {
            return Some("what a claim was allocated is in the Kubernetes API, which --kube does not name".to_owned());
        }
        self.node
            .is_none()
            .then(|| "the name of this node is not known: set NODE_NAME".to_owned())
    }

    async fn until_another(&self, driver: Option<&DriverName>) {
        let (mut claimable, mut prepared) = (self.claims.claimable(), self.prepared.clone());
        while self.wanted().as_ref() == driver {
            let changed = tokio::select! {
                changed = claimable.changed() => changed,
                changed = prepared.changed() => changed,
            };
            if changed.is_err() {
                // The daemon ends.
                std::future::pending::<Infallible>().await;
            }
        }
    }

    /// Serves under a name until there is another, or a reason to begin anew.
    async fn serve(&self, name: &DriverName, stop: &CancellationToken) -> Result<(), ServeError> {
        let own = self.kubelet_dir.join(dra::DIRECTORY).join(name.as_str());
        let own = watched(&own)?;
        let registry = watched(&self.kubelet_dir.join(REGISTRY))?;
        let services = self.serve_claims(name, &own)?;
        let introduction = self.introduce(name, services.file.path(), &registry);
        let introduction = match introduction {
            Ok(introduction) => introduction,
            Err(error) => {
                services.end().await;
                return Err(error);
            }
        };
        self.metrics
            .driver(Some(format!("driver {name}: not registered with the kubelet")));
        info!(driver = %name, "served; waiting for the kubelet in {}", registry.path().display());
        let ended = |serving: &Serving| serving.stop.clone();
        let (first, second) = (ended(&services), ended(&introduction));
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.until_another(Some(name)) => info!(driver = %name, "ends"),
            () = gone(&registry, &introduction.file) => info!(driver = %name, "its socket was removed; making it anew"),
            () = gone(&own, &services.file) => info!(driver = %name, "its socket was removed; making it anew"),
            () = first.cancelled() => {}
            () = second.cancelled() => {}
        }
        introduction.end().await;
        services.end().await;
        Ok(())
    }

    fn serve_claims(&self, name: &DriverName, directory: &Directory) -> Result<Serving, ServeError> {
        let (listener, file) = bind(&directory.path().join("dra.sock"))?;
        let stop = CancellationToken::new();
        let service = Service {
            driver: name.clone(),
            claims: self.claims.clone(),
        };
        let health = Health {
            claimable: self.claims.claimable(),
            node: self.node.clone().unwrap_or_default(),
            stop: stop.clone(),
        };
        let server = Server::builder()
            .add_service(v1::dra_plugin_server::DraPluginServer::new(service.clone()))
            .add_service(v1beta1::dra_plugin_server::DraPluginServer::new(service))
            .add_service(DraResourceHealthServer::new(health));
        let incoming = incoming(&file, listener);
        let stopped = stop.clone().cancelled_owned();
        Ok(Serving::start(file, stop, async move {
            server.serve_with_incoming_shutdown(incoming, stopped).await
        }))
    }

    fn introduce(&self, name: &DriverName, endpoint: &Path, registry: &Directory) -> Result<Serving, ServeError> {
        let (listener, file) = bind(&registry.path().join(format!("{name}-reg.sock")))?;
        let stop = CancellationToken::new();
        let introduction = Introduction {
            driver: name.clone(),
            endpoint: endpoint.to_owned(),
            taken: self.taken.clone(),
            metrics: self.metrics.clone(),
        };
        let server = Server::builder().add_service(RegistrationServer::new(introduction));
        let incoming = incoming(&file, listener);
        let stopped = stop.clone().cancelled_owned();
        Ok(Serving::start(file, stop, async move {
            server.serve_with_incoming_shutdown(incoming, stopped).await
        }))
    }
}

fn watched(path: &Path) -> Result<Directory, ServeError> {
    Directory::watch(path, Some("sock")).map_err(|source| ServeError::Directory {
        path: path.to_owned(),
        source,
    })
}

fn incoming(
    file: &SocketFile,
    listener: UnixListener,
) -> impl futures_util::Stream<Item = io::Result<Rewriting>> + use<> {
    let what = file.path().display().to_string();
    speaking(&what, listener, SILENT).map(|stream| stream.map(Rewriting::new))
}

async fn gone(directory: &Directory, file: &SocketFile) {
    directory.wait_for(|_| (!file.is_there()).then_some(())).await;
}

// === impl Serving ===

impl Serving {
    /// `stop` ends the server, and is cancelled when that ends by itself.
    fn start(
        file: SocketFile,
        stop: CancellationToken,
        server: impl Future<Output = Result<(), tonic::transport::Error>> + Send + 'static,
    ) -> Self {
        let end = stop.clone().drop_guard();
        let task = tokio::spawn(async move {
            let _end = end;
            server.await
        });
        Self { file, stop, task }
    }

    /// Removes the socket when calls have ended, or had their time.
    async fn end(mut self) {
        self.stop.cancel();
        let path = self.file.path().to_owned();
        match timeout(STOP_BOUND, &mut self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => warn!("{}: {error}", path.display()),
            Ok(Err(error)) => warn!("{}: {error}", path.display()),
            Err(_elapsed) => self.task.abort(),
        }
    }
}
