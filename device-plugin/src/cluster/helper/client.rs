//! A client for the API that `--kube` names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use crate::cluster::access::KubeAccess;

/// A connection is kept for a write that follows soon.
const KEPT: Duration = Duration::from_secs(30);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The kubeconfig is of no use.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<KubeconfigError>,
    },
    /// The kubeconfig asks for what is not done.
    #[error("{}: proxy-url: no proxy is used, and a cluster that is behind one only cannot be told", .0.display())]
    Proxy(PathBuf),
    /// What a pod is given is not there.
    #[error(transparent)]
    Pod(#[from] InClusterError),
    /// What it says cannot be used.
    #[error("{}", crate::telemetry::causes(source))]
    Client {
        /// What cannot.
        source: Box<kube::Error>,
    },
}

/// A client, of files as they are now. It has no bounds of its own: who asks has. Within a runtime; may wait for files, and for
/// a program that a kubeconfig names.
pub(super) fn client(access: &KubeAccess) -> Result<Client, ClientError> {
    let config = match access {
        KubeAccess::Off | KubeAccess::Auto => Config::incluster()?,
        KubeAccess::File(path) => from_file(path)?,
    };
    with(&config).map_err(|source| ClientError::Client {
        source: Box::new(source),
    })
}

fn from_file(path: &Path) -> Result<Config, ClientError> {
    let error = |source| ClientError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(error)?;
    let clusters = kubeconfig.clusters.iter().filter_map(|named| named.cluster.as_ref());
    if clusters
        .filter_map(|cluster| cluster.proxy_url.as_ref())
        .any(|url| !url.is_empty())
    {
        return Err(ClientError::Proxy(path.to_owned()));
    }
    // Reads nothing that the runtime would have to wait for, and is not asynchronous but in name.
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).now_or_never();
    config
        .unwrap_or(Err(KubeconfigError::CurrentContextNotSet))
        .map_err(error)
}

/// Without kube's own layers for tracing, which would log each failure, and for repeating requests: when to ask again is the
/// daemon's to say. Nor is there one for proxies, which variables of the environment would name: an API server is a neighbour.
fn with(config: &Config) -> kube::Result<Client> {
    let connector = config.rustls_https_connector()?;
    let http = legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(KEPT)
        .pool_max_idle_per_host(1)
        .build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_that_is_of_no_use_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("kubeconfig");
        let error = |path: &Path| {
            let error = from_file(path).unwrap_err();
            error.to_string()
        };
        assert!(error(&path).contains(path.to_str().unwrap()), "{}", error(&path));
        std::fs::write(&path, "clusters: 7").unwrap();
        assert!(error(&path).contains("YAML"), "{}", error(&path));
        std::fs::write(&path, "apiVersion: v1\nkind: Config").unwrap();
        assert!(error(&path).contains("context"), "{}", error(&path));
        let proxied = "apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: \"https://a\", proxy-url: \"http://p\"}}]";
        std::fs::write(&path, proxied).unwrap();
        assert!(error(&path).contains("proxy-url"), "{}", error(&path));
    }
}
