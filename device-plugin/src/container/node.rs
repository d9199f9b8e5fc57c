//! A device node in a container.

use hardwire_proto::deviceplugin as api;

/// Read and write, not make: what sriov-network-device-plugin gives.
pub const PERMISSIONS: &str = "rw";

/// A device node in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Path on the node.
    pub host: String,
    /// Path in the container, where it is another.
    pub inside: Option<String>,
}

// === impl Node ===

impl Node {
    /// The same path on both sides.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            host: path.into(),
            inside: None,
        }
    }

    /// Path in the container.
    pub fn path(&self) -> &str {
        self.inside.as_ref().unwrap_or(&self.host)
    }

    /// As Allocate answers it.
    pub fn spec(&self) -> api::DeviceSpec {
        api::DeviceSpec {
            container_path: self.path().to_owned(),
            host_path: self.host.clone(),
            permissions: PERMISSIONS.to_owned(),
        }
    }
}
