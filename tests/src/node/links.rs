//! Links and VFs as `ip -json` shows them.

use serde_json::{Map, Value};

use super::shell::run;

/// An address with its prefix length, as `ip` prints it.
pub type Address = String;

fn query(words: &[&str]) -> Value {
    let text = run(words);
    // iproute2 prints nothing at all for an empty list.
    if text.trim().is_empty() {
        Value::Array(Vec::new())
    } else {
        serde_json::from_str(&text).expect("JSON of ip")
    }
}

/// What an attachment must put back of a link. Not its index, which may be taken when it returns.
fn comparable(link: &Value) -> Map<String, Value> {
    let keys = [
        "ifname",
        "address",
        "mtu",
        "link_type",
        "altnames",
        "promiscuity",
        "allmulti",
        "ifalias",
        "master",
        "broadcast",
        "txqlen",
        "group",
        "linkmode",
        "gso_max_size",
        "gso_max_segs",
        "gro_max_size",
        "xdp",
    ];
    let mut kept: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), link.get(*key)?.clone())))
        .collect();
    let flags = link["flags"].as_array().cloned().unwrap_or_default();
    let administrative = [
        "UP",
        "PROMISC",
        "ALLMULTI",
        "MULTICAST",
        "NOARP",
        "DYNAMIC",
        "NOTRAILERS",
    ];
    let flags = flags
        .into_iter()
        .filter(|flag| flag.as_str().is_some_and(|f| administrative.contains(&f)));
    kept.insert("flags".to_owned(), flags.collect());
    kept
}

/// Every link of the host, without what may rightly differ between two looks.
pub fn host_links() -> Vec<Value> {
    let links = query(&["ip", "-json", "-details", "link", "show"]);
    let mut links: Vec<Value> = links
        .as_array()
        .expect("a list")
        .iter()
        .map(|l| comparable(l).into())
        .collect();
    links.sort_by_key(|link| link["ifname"].to_string());
    links
}

/// One link of the host, by name.
#[track_caller]
pub fn host_link(name: &str) -> Value {
    let links = host_links();
    let found = links.iter().find(|link| link["ifname"] == name).cloned();
    found.unwrap_or_else(|| panic!("{name} is not on the host: {links:?}"))
}

/// One link of a namespace, whole, with its addresses.
#[track_caller]
pub fn link_in(netns: &str, name: &str) -> Option<Value> {
    let links = query(&["ip", "-netns", netns, "-json", "-details", "address", "show"]);
    links
        .as_array()
        .expect("a list")
        .iter()
        .find(|link| link["ifname"] == name)
        .cloned()
}

/// All VFs as their PF shows them.
#[track_caller]
pub fn vfs(pf: &str) -> Vec<Value> {
    let link = query(&["ip", "-json", "link", "show", "dev", pf]);
    let vfs = link[0]["vfinfo_list"].as_array().cloned();
    vfs.unwrap_or_else(|| panic!("{pf} shows no VFs: {link}"))
}

/// A VF as its PF shows it.
#[track_caller]
pub fn vf(pf: &str, index: u32) -> Value {
    let found = vfs(pf).into_iter().find(|vf| vf["vf"] == index);
    found.unwrap_or_else(|| panic!("{pf} shows no VF {index}"))
}
