//! The daemon's own pod, as the downward API tells it (deploy/base): commands for people name it.

use serde::{Deserialize, Serialize};

/// The variable that has the node's name in the cluster.
pub const NODE_NAME: &str = "NODE_NAME";
const NAME: &str = "POD_NAME";
const NAMESPACE: &str = "POD_NAMESPACE";

/// The pod that a process of ours is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnPod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its node; empty where that is not said.
    pub node: String,
}

// === impl OwnPod ===

impl OwnPod {
    /// Of this process; none in no pod, or in one whose manifest does not tell.
    pub fn of_this_process() -> Option<Self> {
        Self::told(|name| std::env::var(name).ok())
    }

    fn told(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let text = |name| variable(name).filter(|text| !text.is_empty());
        Some(Self {
            namespace: text(NAMESPACE)?,
            name: text(NAME)?,
            node: text(NODE_NAME).unwrap_or_default(),
        })
    }

    /// Namespace and name of its `DaemonSet`, which puts a hyphen and five characters behind its name.
    pub fn daemonset(&self) -> Option<(String, String)> {
        let (name, suffix) = self.name.rsplit_once('-')?;
        (suffix.len() == 5).then(|| (self.namespace.clone(), name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_known_where_its_manifest_tells_and_its_daemonset_by_its_name() {
        let told = |pairs: &[(&str, &str)]| {
            OwnPod::told(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let pod = told(&[(NAME, "hardwired-x7k2p"), (NAMESPACE, "hardwire"), (NODE_NAME, "n1")]).unwrap();
        assert_eq!(pod.daemonset(), Some(("hardwire".to_owned(), "hardwired".to_owned())));
        assert_eq!(told(&[(NAME, "hardwired-x7k2p"), (NAMESPACE, "")]), None);
        let odd = told(&[(NAME, "by-hand"), (NAMESPACE, "a")]).unwrap();
        assert_eq!((odd.node.as_str(), odd.daemonset()), ("", None));
    }
}
