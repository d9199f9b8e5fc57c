//! netplan's files and nmstate's states.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Claim;

/// What a file claims.
pub(super) fn claims(text: &str, by: &str) -> Vec<Claim> {
    // Another YAML than ours may be read by its own readers; what cannot be read here names nobody.
    let Ok(document) = serde_saphyr::from_str::<Value>(text) else {
        return Vec::new();
    };
    let netplan = document.pointer("/network/ethernets").and_then(Value::as_object);
    let state = document.get("desiredState").unwrap_or(&document);
    let nmstate = state.get("interfaces").and_then(Value::as_array);
    let mut claims = netplan.map(|ethernets| of_netplan(ethernets, by)).unwrap_or_default();
    for interface in nmstate.into_iter().flatten() {
        if interface.pointer("/ethernet/sr-iov").is_some_and(Value::is_object)
            && let Some(name) = text_of(interface, "name")
        {
            claims.push(named(by, name));
        }
    }
    claims
}

fn of_netplan(ethernets: &Map<String, Value>, by: &str) -> Vec<Claim> {
    // A VF's definition names its PF's.
    let with_vfs: BTreeSet<&str> = ethernets
        .values()
        .filter_map(|device| device.get("link")?.as_str())
        .collect();
    let makes = |id: &str, device: &Value| {
        let words = ["virtual-function-count", "embedded-switch-mode"];
        with_vfs.contains(id)
            || words
                .iter()
                .any(|word| device.get(word).is_some_and(|value| !value.is_null()))
    };
    let made = ethernets.iter().filter(|(id, device)| makes(id, device));
    made.map(|(id, device)| {
        let Some(matching) = device.get("match").filter(|matching| matching.is_object()) else {
            return named(by, id);
        };
        let list = |key: &str| text_of(matching, key).into_iter().map(str::to_owned);
        // With set-name, it is called so by now.
        let names = list("name").chain(text_of(device, "set-name").map(str::to_owned));
        Claim {
            by: by.to_owned(),
            names: names.collect(),
            macs: list("macaddress").map(|mac| mac.to_ascii_lowercase()).collect(),
            drivers: list("driver").collect(),
            paths: Vec::new(),
        }
    })
    .collect()
}

fn named(by: &str, name: &str) -> Claim {
    Claim {
        by: by.to_owned(),
        names: vec![name.to_owned()],
        ..Claim::default()
    }
}

fn text_of<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}
