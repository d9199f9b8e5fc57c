//! What becomes of a list of plugins: decisions about its text only.

use hardwire_cni::node::is_our_entry;
use serde_json::{Map, Value, json};

/// Why a list is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadList {
    /// It is no JSON.
    #[error("it is not understood: {0}")]
    Text(String),
    /// It is one plugin's configuration.
    #[error("it is no list of plugins (plugins): make it a .conflist with its plugin as the first")]
    NoList,
    /// A member of it is not understood.
    #[error("plugins[{0}] is not understood: expected an object with a type")]
    Member(usize),
    /// Its results have no interfaces.
    #[error("cniVersion {0:?} cannot express a pod's interfaces: expected 0.3.1 or later")]
    Version(String),
}

/// A list that was read.
#[derive(Debug, Clone)]
pub(super) struct List {
    whole: Map<String, Value>,
    plugins: Vec<Map<String, Value>>,
}

// === impl List ===

impl List {
    /// Reads a file's text.
    pub(super) fn parse(text: &str) -> Result<Self, BadList> {
        let whole: Map<String, Value> = serde_json::from_str(text).map_err(|error| BadList::Text(error.to_string()))?;
        let Some(Value::Array(members)) = whole.get("plugins") else {
            return Err(BadList::NoList);
        };
        let plugins = members.iter().enumerate().map(|(index, member)| {
            let member = member
                .as_object()
                .filter(|member| member.get("type").is_some_and(Value::is_string));
            member.cloned().ok_or(BadList::Member(index))
        });
        let plugins: Vec<_> = plugins.collect::<Result<_, _>>()?;
        if plugins.is_empty() {
            return Err(BadList::NoList);
        }
        Ok(Self { whole, plugins })
    }

    /// `type` of the plugin that makes the pod's interface.
    pub(super) fn main_plugin(&self) -> &str {
        let first = self.plugins.first().and_then(|plugin| plugin.get("type"));
        first.and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether our entry is in it.
    pub(super) fn has_ours(&self) -> bool {
        self.plugins.iter().any(is_our_entry)
    }

    /// The text with our entry at the end; `None` where it is there.
    pub(super) fn with_ours(&self, program: &str) -> Result<Option<String>, BadList> {
        if self.has_ours() {
            return Ok(None);
        }
        let version = self.whole.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
        if matches!(version, "" | "0.1.0" | "0.2.0") {
            return Err(BadList::Version(version.to_owned()));
        }
        let entry = json!({"type": program, "attach": "pod"});
        let members = self.plugins.iter().cloned().map(Value::Object).chain([entry]);
        self.text(members.collect()).map(Some)
    }

    /// The text without our entry; `None` where it is not there.
    pub(super) fn without_ours(&self) -> Result<Option<String>, BadList> {
        if !self.has_ours() {
            return Ok(None);
        }
        let others = self.plugins.iter().filter(|plugin| !is_our_entry(plugin)).cloned();
        self.text(others.map(Value::Object).collect()).map(Some)
    }

    fn text(&self, plugins: Vec<Value>) -> Result<String, BadList> {
        let mut whole = self.whole.clone();
        whole.insert("plugins".to_owned(), Value::Array(plugins));
        let text = serde_json::to_string_pretty(&whole).map_err(|error| BadList::Text(error.to_string()))?;
        Ok(text + "\n")
    }
}

/// Whether a configuration, of either kind, is Multus' own.
pub(super) fn is_multus(text: &str) -> bool {
    let Ok(config) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let is_its = |plugin: &Value| {
        matches!(
            plugin.get("type").and_then(Value::as_str),
            Some("multus" | "multus-shim")
        )
    };
    let members = config.get("plugins").and_then(Value::as_array);
    is_its(&config) || members.and_then(|members| members.first()).is_some_and(is_its)
}

/// Whether Multus' own configuration has a copy of the default network's list (`delegates`) without our entry. One that only
/// names the list (`clusterNetwork`) goes by it.
pub(super) fn is_copy_without_ours(text: &str) -> bool {
    let Ok(config) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    let member = config
        .get("plugins")
        .and_then(|members| members.get(0))
        .unwrap_or(&config);
    let Some(network) = member.get("delegates").and_then(|delegates| delegates.get(0)) else {
        return false;
    };
    let plugins = network.get("plugins").and_then(Value::as_array).into_iter().flatten();
    !plugins.filter_map(Value::as_object).any(is_our_entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALICO: &str =
        r#"{"name": "k8s", "cniVersion": "0.3.1", "plugins": [{"type": "calico", "mtu": 0}, {"type": "portmap"}]}"#;

    #[test]
    fn our_entry_is_put_at_the_end_once_and_taken_out_again() {
        let list = List::parse(CALICO).unwrap();
        assert_eq!(list.main_plugin(), "calico");
        let text = list.with_ours("hardwire").unwrap().unwrap();
        let chained = List::parse(&text).unwrap();
        assert!(chained.has_ours());
        let last = serde_json::from_str::<Value>(&text).unwrap()["plugins"][2].clone();
        assert_eq!(last, json!({"type": "hardwire", "attach": "pod"}));
        assert_eq!(chained.with_ours("hardwire"), Ok(None));
        let back = chained.without_ours().unwrap().unwrap();
        let of = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(of(&back), of(CALICO));
        assert_eq!(list.without_ours(), Ok(None));
        let spelt = r#"{"plugins": [{"type": "a"}, {"type": "hardwire", "Attach": "Pod"}], "cniVersion": "1.0.0"}"#;
        assert_eq!(List::parse(spelt).unwrap().with_ours("hardwire"), Ok(None));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("{", "not understood"),
            ("[]", "not understood"),
            (r#"{"type": "bridge"}"#, "no list of plugins"),
            (r#"{"plugins": []}"#, "no list of plugins"),
            (r#"{"plugins": [{"type": "a"}, {}]}"#, "plugins[1]"),
        ] {
            let error = List::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let old = List::parse(r#"{"cniVersion": "0.2.0", "plugins": [{"type": "a"}]}"#).unwrap();
        assert_eq!(old.with_ours("hardwire"), Err(BadList::Version("0.2.0".to_owned())));
        assert!(is_multus(r#"{"type": "multus-shim"}"#) && is_multus(r#"{"plugins": [{"type": "multus"}]}"#));
        assert!(!is_multus(CALICO) && !is_multus("{"));
    }
}
