//! Who serves an IPAM plugin's part: its program, or this one.

use serde_json::Value;

use super::Kind;
use crate::node::NodeConfig;
use crate::protocol::AnyCase;

/// What a configuration and the operator say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipam) enum Permission {
    /// The program, and nobody else.
    Program,
    /// This program where the other is not installed.
    WhereMissing,
    /// This program.
    InProcess,
}

/// What they say. A path of a tenant's that no directory of the operator's holds is left to the program, which opens what it
/// likes: none is chosen for this process.
pub(in crate::ipam) fn permission(kind: Kind, config: &[u8], operator: &NodeConfig) -> Permission {
    let config: Value = serde_json::from_slice(config).unwrap_or_default();
    let fields = config.as_object().map(AnyCase::new);
    let section = fields.and_then(|fields| fields.get("ipam")).and_then(Value::as_object);
    let Some(section) = section.map(AnyCase::new) else {
        return Permission::Program;
    };
    let asked = section.get("inProcess").and_then(Value::as_bool);
    match (asked, operator.ipam_in_process()) {
        _ if kind == Kind::HostLocal && !has_plain_paths(section, operator) => Permission::Program,
        (_, Some(false)) | (Some(false), _) => Permission::Program,
        (Some(true), _) | (None, Some(true)) => Permission::InProcess,
        (None, None) => Permission::WhereMissing,
    }
}

fn has_plain_paths(section: AnyCase<'_>, operator: &NodeConfig) -> bool {
    let is_fine = |key: &str, is_allowed: &dyn Fn(&str) -> bool| match section.get(key) {
        None => true,
        Some(Value::String(text)) => text.is_empty() || is_allowed(text),
        Some(_) => false,
    };
    is_fine("dataDir", &|path| operator.ipam_store(path).is_some())
        && is_fine("resolvConf", &|path| operator.allows_resolv_conf(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rule_9_a_tenants_path_is_never_opened_here() {
        let operator: NodeConfig =
            serde_json::from_value(json!({"ipamDataDirs": ["/srv/ipam"], "ipamResolvConfs": ["/etc/pods.conf"]}))
                .unwrap();
        for (section, expected) in [
            (json!({}), Permission::WhereMissing),
            (json!({"inProcess": true}), Permission::InProcess),
            (json!({"inProcess": false}), Permission::Program),
            (json!({"inProcess": true, "dataDir": ""}), Permission::InProcess),
            (
                json!({"inProcess": true, "dataDir": "/var/lib/cni/networks/x"}),
                Permission::InProcess,
            ),
            (
                json!({"inProcess": true, "dataDir": "/srv/ipam"}),
                Permission::InProcess,
            ),
            (
                json!({"inProcess": true, "dataDir": "/srv/ipam/a/b"}),
                Permission::InProcess,
            ),
            (
                json!({"inProcess": true, "dataDir": "/srv/ipam/../x"}),
                Permission::Program,
            ),
            (json!({"inProcess": true, "dataDir": "/srv/ipamx"}), Permission::Program),
            (json!({"inProcess": true, "dataDir": "srv/ipam"}), Permission::Program),
            (json!({"inProcess": true, "dataDir": "/etc"}), Permission::Program),
            (json!({"inProcess": true, "DATADIR": "/etc"}), Permission::Program),
            (json!({"inProcess": true, "dataDir": 7}), Permission::Program),
            (
                json!({"inProcess": true, "resolvConf": "/etc/pods.conf"}),
                Permission::InProcess,
            ),
            (
                json!({"inProcess": true, "resolvConf": "/etc/shadow"}),
                Permission::Program,
            ),
        ] {
            let config = serde_json::to_vec(&json!({"name": "n", "ipam": section})).unwrap();
            assert_eq!(permission(Kind::HostLocal, &config, &operator), expected, "{section}");
        }
    }

    #[test]
    fn the_operators_word_keeps_the_program() {
        let operator = |word: bool| serde_json::from_value::<NodeConfig>(json!({"ipamInProcess": word})).unwrap();
        let asked = br#"{"ipam": {"inProcess": true}}"#;
        assert_eq!(permission(Kind::Static, asked, &operator(false)), Permission::Program);
        assert_eq!(
            permission(Kind::Static, br#"{"ipam": {}}"#, &operator(true)),
            Permission::InProcess
        );
    }
}
