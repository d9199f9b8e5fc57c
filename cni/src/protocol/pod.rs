//! Which pod a call is for, as the runtime says in `CNI_ARGS`.
//!
//! Contract: `K8S_POD_NAMESPACE`, `K8S_POD_NAME` and `K8S_POD_UID`, which containerd, CRI-O and Multus write, and the container
//! id, which is the sandbox's. The uid is the kubelet's own, of a static pod too.

use serde::{Deserialize, Serialize};

use super::environment::Environment;

/// A pod, as its runtime names it; what the runtime does not say is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallingPod {
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its uid.
    #[serde(default)]
    pub uid: String,
    /// Its sandbox, `CNI_CONTAINERID`.
    #[serde(default)]
    pub sandbox: String,
}

// === impl CallingPod ===

impl CallingPod {
    /// The pod of a call; `None` of one that names none, as of cnitool or podman.
    pub fn of(environment: &Environment) -> Option<Self> {
        let text = |key| environment.args.get(key).unwrap_or_default().to_owned();
        let pod = Self {
            namespace: text("K8S_POD_NAMESPACE"),
            name: text("K8S_POD_NAME"),
            uid: text("K8S_POD_UID"),
            sandbox: environment.container_id().map(ToString::to_string).unwrap_or_default(),
        };
        (!pod.name.is_empty() || !pod.uid.is_empty()).then_some(pod)
    }
}

impl std::fmt::Display for CallingPod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pod {}/{}", self.namespace, self.name)?;
        if self.uid.is_empty() {
            Ok(())
        } else {
            write!(f, " (uid {})", self.uid)
        }
    }
}
