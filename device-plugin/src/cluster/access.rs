//! Where the API is: `--kube`, and what a client for it is made of. Nothing of it is made before it is used.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

/// Where a pod has its service account's token (kubelet, `DefaultAPITokenMountPath`).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The variable that every pod has.
const HOST: &str = "KUBERNETES_SERVICE_HOST";
/// A connection is kept for a write that follows soon.
const KEPT: Duration = Duration::from_secs(30);

/// Whether this node's devices are shown to the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KubeAccess {
    /// They are not.
    Off,
    /// They are where we run in a pod with a service account's token.
    #[default]
    Auto,
    /// They are, as this kubeconfig says.
    File(PathBuf),
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The kubeconfig is of no use.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<kube::config::KubeconfigError>,
    },
    /// What a pod is given is not there.
    #[error(transparent)]
    Pod(#[from] kube::config::InClusterError),
    /// What it says cannot be used.
    #[error("{}", crate::telemetry::causes(source))]
    Client {
        /// What cannot.
        source: Box<kube::Error>,
    },
    /// The node has no name.
    #[error(
        "{name:?}, {origin}, is no name of a node (expected up to 253 small letters, digits, - and .): set NODE_NAME to the node's"
    )]
    Node {
        /// What was taken for one.
        name: String,
        /// Where it is from.
        origin: &'static str,
    },
}

// === impl KubeAccess ===

impl FromStr for KubeAccess {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "off" => Self::Off,
            "auto" => Self::Auto,
            file => Self::File(file.into()),
        })
    }
}

impl fmt::Display for KubeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Auto => f.write_str("auto"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl KubeAccess {
    /// Whether anything is told to the cluster.
    pub fn is_on(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Auto => Path::new(TOKEN).exists() && std::env::var_os(HOST).is_some(),
            Self::File(_) => true,
        }
    }

    /// A client. It has its own bounds for nothing: who asks has. Within a runtime.
    pub fn client(&self) -> Result<Client, AccessError> {
        let config = match self {
            Self::Off | Self::Auto => Config::incluster()?,
            Self::File(path) => from_file(path)?,
        };
        client(&config).map_err(|source| AccessError::Client {
            source: Box::new(source),
        })
    }
}

fn from_file(path: &Path) -> Result<Config, AccessError> {
    let error = |source| AccessError::File {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(error)?;
    // Reads nothing that the runtime would have to wait for, and is not asynchronous but in name.
    let config = futures_util::FutureExt::now_or_never(Config::from_custom_kubeconfig(
        kubeconfig,
        &KubeConfigOptions::default(),
    ));
    config
        .unwrap_or(Err(kube::config::KubeconfigError::CurrentContextNotSet))
        .map_err(error)
}

/// Without kube's own layers for tracing, which would log each failure, and for repeating requests: when to ask again is the
/// schedule's to say.
fn client(config: &Config) -> kube::Result<Client> {
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

/// The name of this node's Node object: `NODE_NAME`, as the downward API sets it, else what the kubelet takes by itself.
pub fn node_name() -> Result<String, AccessError> {
    let named = std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
    let (name, origin) = named.map_or_else(
        || {
            let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            (host.trim().to_lowercase(), "the host's name")
        },
        |name| (name, "from NODE_NAME"),
    );
    if is_node_name(&name) {
        return Ok(name);
    }
    Err(AccessError::Node { name, origin })
}

/// RFC 1123's subdomain.
fn is_node_name(name: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    name.len() <= 253 && name.bytes().all(is_plain) && is_end(name.bytes().next()) && is_end(name.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_file_says_where_the_api_is() {
        let parse = |text: &str| text.parse::<KubeAccess>().unwrap();
        assert_eq!(parse("off"), KubeAccess::Off);
        assert_eq!(parse("auto"), KubeAccess::default());
        assert_eq!(parse("/k"), KubeAccess::File("/k".into()));
        for text in ["off", "auto", "/k"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert!(!KubeAccess::Off.is_on());
        assert!(KubeAccess::File("/k".into()).is_on());
    }

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
    }

    #[test]
    fn a_nodes_name_is_one_that_the_api_takes() {
        for good in ["node1", "ip-10-0-0-1.eu.compute.internal", "7"] {
            assert!(is_node_name(good), "{good}");
        }
        for bad in ["", "Node1", "a_b", "-a", "a.", "a/b", "a b", &"a".repeat(254)] {
            assert!(!is_node_name(bad), "{bad}");
        }
    }
}
