//! Which pod holds which device, as the kubelet tells it.
//!
//! Contract: the kubelet's podresources API, version v1, on `pod-resources/kubelet.sock` below its directory. It lists a
//! device from the moment it is allocated, before the container and its attachment are there, until the kubelet next
//! notices that the pod has ended. A device with several NUMA nodes is listed once for each. The kubelet answers 100 calls a
//! second at most and is away while it restarts: who asks must be able to do without an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hardwire_proto::podresources as api;
use hardwire_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;
use tokio::time::timeout;
use tonic::transport::Endpoint;

/// For the connection, and again for the answer: the kubelet answers from memory.
const BOUND: Duration = Duration::from_secs(2);
/// What other clients of the API allow (Multus); a few hundred pods with all their CPUs and devices are far below.
const LARGEST_ANSWER: usize = 16 << 20;

/// Why it is not known who holds what.
#[derive(Debug, thiserror::Error)]
pub enum PodResourcesError {
    /// It does not answer the door.
    #[error("{}", not_connected(path, source))]
    Connect {
        /// Its socket.
        path: PathBuf,
        /// What the transport says.
        source: tonic::transport::Error,
    },
    /// It answers with an error.
    #[error("{}: List failed: {} ({:?})", path.display(), status.message(), status.code())]
    Refused {
        /// Its socket.
        path: PathBuf,
        /// What it says.
        status: tonic::Status,
    },
    /// It says nothing.
    #[error("{}: no answer within {BOUND:?}", .0.display())]
    TooLate(PathBuf),
}

/// The kubelet's podresources API.
#[derive(Debug, Clone)]
pub struct PodResources {
    socket: PathBuf,
}

/// Who has a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// As which resource, which may be another plugin's.
    pub resource: String,
}

/// Which device is held by whom, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    by_device: BTreeMap<String, Holder>,
    /// Namespace and name of every pod that the kubelet runs, whatever it holds.
    pods: BTreeSet<(String, String)>,
    /// By namespace and name of a pod, namespace and name of each of its claims that was prepared, of whichever driver.
    claims: BTreeMap<(String, String), BTreeSet<(String, String)>>,
}

fn not_connected(path: &Path, source: &tonic::transport::Error) -> String {
    if is_missing(source) {
        return format!("{} is not there", path.display());
    }
    format!("{}: {}", path.display(), crate::telemetry::causes(source))
}

fn is_missing(error: &tonic::transport::Error) -> bool {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::NotFound)
    })
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            namespace,
            pod,
            container,
            resource: _,
        } = self;
        write!(f, "pod {namespace}/{pod} (container {container})")
    }
}

// === impl PodResourcesError ===

impl PodResourcesError {
    /// Whether there is no socket: one that comes is an event, while a socket that begins to answer is none.
    pub fn is_without_socket(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if is_missing(source))
    }
}

// === impl PodResources ===

impl PodResources {
    /// The API of the kubelet whose directory this is, `/var/lib/kubelet` in production.
    pub fn at(kubelet_dir: &Path) -> Self {
        Self {
            socket: kubelet_dir.join(api::SOCKET),
        }
    }

    /// The API whose socket is in this directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            socket: directory.join(api::KUBELET_SOCKET),
        }
    }

    /// Asks, on a connection of its own: a kept one would not survive a restart of the kubelet.
    pub async fn held(&self) -> Result<Held, PodResourcesError> {
        let path = || self.socket.clone();
        let connect = |source| PodResourcesError::Connect { path: path(), source };
        let endpoint = Endpoint::from_shared(format!("unix:{}", self.socket.display())).map_err(connect)?;
        let channel = timeout(BOUND, endpoint.connect()).await;
        let channel = channel
            .map_err(|_elapsed| PodResourcesError::TooLate(path()))?
            .map_err(connect)?;
        let mut client = PodResourcesListerClient::new(channel).max_decoding_message_size(LARGEST_ANSWER);
        let answer = timeout(BOUND, client.list(api::ListPodResourcesRequest {})).await;
        let answer = answer.map_err(|_elapsed| PodResourcesError::TooLate(path()))?;
        let answer = answer.map_err(|status| PodResourcesError::Refused { path: path(), status })?;
        Ok(answer.into_inner().into())
    }
}

// === impl Held ===

impl From<api::ListPodResourcesResponse> for Held {
    fn from(answer: api::ListPodResourcesResponse) -> Self {
        let (mut by_device, mut pods) = (BTreeMap::new(), BTreeSet::new());
        let mut claims: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for pod in answer.pod_resources {
            for container in pod.containers {
                for devices in container.devices {
                    let holder = Holder {
                        namespace: pod.namespace.clone(),
                        pod: pod.name.clone(),
                        container: container.name.clone(),
                        resource: devices.resource_name,
                    };
                    by_device.extend(devices.device_ids.into_iter().map(|id| (id, holder.clone())));
                }
                for claim in container.dynamic_resources {
                    let of_pod = claims.entry((pod.namespace.clone(), pod.name.clone()));
                    of_pod.or_default().insert((claim.claim_namespace, claim.claim_name));
                }
            }
            pods.insert((pod.namespace, pod.name));
        }
        Self {
            by_device,
            pods,
            claims,
        }
    }
}

impl Held {
    /// Who has the device with this id, of whichever resource.
    pub fn holder(&self, device_id: &str) -> Option<&Holder> {
        self.by_device.get(device_id)
    }

    /// Whether the kubelet names any pod: one that has just started may not yet.
    pub fn has_pods(&self) -> bool {
        !self.pods.is_empty()
    }

    /// Whether no pod holds any.
    pub fn is_empty(&self) -> bool {
        self.by_device.is_empty()
    }

    /// Whether the kubelet runs a pod.
    pub fn runs(&self, namespace: &str, pod: &str) -> bool {
        self.pods.contains(&(namespace.to_owned(), pod.to_owned()))
    }

    /// Namespace and name of the claims that a pod has.
    pub fn claims_of(&self, namespace: &str, pod: &str) -> impl Iterator<Item = &(String, String)> {
        let of_pod = self.claims.get(&(namespace.to_owned(), pod.to_owned()));
        of_pod.into_iter().flatten()
    }

    /// All ids that are held, other plugins' too, and by whom.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Holder)> {
        self.by_device.iter().map(|(id, holder)| (id.as_str(), holder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test)
    }

    #[test]
    fn a_kubelet_that_is_away_is_an_error_with_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let error = run(PodResources::at(directory.path()).held()).unwrap_err();
        assert!(matches!(error, PodResourcesError::Connect { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.ends_with("pod-resources/kubelet.sock is not there"), "{text}");
        assert!(error.is_without_socket());
    }

    #[test]
    fn a_kubelet_that_hangs_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("pod-resources")).unwrap();
        // Connections stay in its backlog: they succeed, and nobody ever answers.
        let silent = std::os::unix::net::UnixListener::bind(directory.path().join(api::SOCKET)).unwrap();
        let begun = std::time::Instant::now();
        let error = run(PodResources::at(directory.path()).held()).unwrap_err();
        assert!(matches!(error, PodResourcesError::TooLate(_)), "{error:?}");
        assert!(!error.is_without_socket());
        drop(silent);
        let refused = run(PodResources::at(directory.path()).held()).unwrap_err();
        assert!(matches!(refused, PodResourcesError::Connect { .. }), "{refused:?}");
        assert!(!refused.is_without_socket(), "its file is still there");
        assert!(begun.elapsed() < BOUND * 3, "{:?}", begun.elapsed());
    }
}
