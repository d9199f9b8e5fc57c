//! Where the API is, `--kube`, and what this node is called there.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a pod has its service account's token (kubelet, `DefaultAPITokenMountPath`).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The variable that every pod has.
const HOST: &str = "KUBERNETES_SERVICE_HOST";

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

/// The node has no name.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name:?}, {origin}, is no name of a node (expected up to 253 small letters, digits, - and .): set NODE_NAME to the node's"
)]
pub struct NoNodeName {
    /// What was taken for one.
    name: String,
    /// Where it is from.
    origin: &'static str,
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
}

/// The name of this node's Node object: `NODE_NAME`, as the downward API sets it, else what the kubelet takes by itself.
pub fn node_name() -> Result<String, NoNodeName> {
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
    Err(NoNodeName { name, origin })
}

/// RFC 1123's subdomain.
pub(super) fn is_node_name(name: &str) -> bool {
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
    fn a_nodes_name_is_one_that_the_api_takes() {
        for good in ["node1", "ip-10-0-0-1.eu.compute.internal", "7"] {
            assert!(is_node_name(good), "{good}");
        }
        for bad in ["", "Node1", "a_b", "-a", "a.", "a/b", "a b", &"a".repeat(254)] {
            assert!(!is_node_name(bad), "{bad}");
        }
    }
}
