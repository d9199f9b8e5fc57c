//! Everything that can be seen from outside, as one list of named values.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::node::{host_links, run};

/// Names and values; what differs between two is easily said.
///
/// What is not compared, and why:
/// - `ifindex`: the kernel may give another one when a device returns to a namespace; nothing names a device by it across
///   a move, and [`host_links`] leaves it out.
/// - `addr_assign_type` (sysfs only): any address that is set, be it the old one, counts as "set" from then on.
/// - IPv6 link-local addresses, and IPv6 routes that the kernel makes itself: it makes and removes them when the carrier
///   comes and goes, in its own time.
/// - host-local's `last_reserved_ip.*` and `lock`: where its next search begins, and an empty file; neither reserves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View(BTreeMap<String, Value>);

impl View {
    /// Adds a value.
    pub fn add(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// Adds links (names, altnames, MACs, MTU, flags, alias), addresses and routes of the calling thread's namespace.
    pub fn add_host(&mut self) {
        for link in host_links() {
            let name = link["ifname"].as_str().unwrap_or_default().to_owned();
            self.add(format!("link {name}"), link);
        }
        self.add_network("host", &[]);
    }

    /// Adds links, addresses and routes of a named namespace, under another name.
    pub fn add_netns(&mut self, shown: &str, netns: &str) {
        self.add_network(shown, &["-netns", netns]);
    }

    /// Without a namespace.
    #[must_use]
    pub fn without_netns(mut self, shown: &str) -> Self {
        self.0.retain(|name, _| !name.contains(&format!("of {shown}")));
        self
    }

    /// Adds every file below a directory, with what is in it.
    pub fn add_files(&mut self, name: &str, directory: &Path) {
        for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
            let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // Of host-local, and where the queue for the move ended last.
            let own = file == "lock" || file.starts_with("last_reserved_ip") || path.ends_with("queue/tail");
            if path.is_dir() {
                self.add_files(&format!("{name}/{file}"), &path);
            } else if !own {
                let content = fs::read(&path).unwrap_or_default();
                self.add(format!("{name}/{file}"), String::from_utf8_lossy(&content).into());
            }
        }
    }

    /// Without the files of the state directory that say nothing: locks that nobody holds, a record that was never renamed,
    /// a place in the queue. The next ADD takes them over, or clears them away.
    #[must_use]
    pub fn without_leftovers(mut self) -> Self {
        let says_nothing = |name: &str| {
            let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
            let of_the_journal = matches!(extension, Some("lock" | "ipam" | "tmp"));
            name.starts_with("state/") && (of_the_journal || name.starts_with("state/queue/"))
        };
        self.0.retain(|name, _| !says_nothing(name));
        self
    }

    /// What is otherwise than before, one line each.
    pub fn changes_since(&self, before: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(before.0.keys()).collect();
        let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        names
            .into_iter()
            .filter(|name| self.0.get(*name) != before.0.get(*name))
            .map(|name| {
                format!(
                    "{name}: was {}, is {}",
                    show(before.0.get(name)),
                    show(self.0.get(name))
                )
            })
            .collect()
    }

    fn add_network(&mut self, name: &str, options: &[&str]) {
        let addresses = ip(options, &["address", "show"]);
        let kept = |link: &Value| {
            let addresses = link["addr_info"].as_array().into_iter().flatten();
            let addresses = addresses.filter(|address| !(address["family"] == "inet6" && address["scope"] == "link"));
            let addresses = addresses.map(|a| json!([a["local"], a["prefixlen"]]));
            json!({ "ifname": link["ifname"], "addresses": addresses.collect::<Vec<_>>() })
        };
        self.add(format!("addresses of {name}"), addresses.iter().map(kept).collect());
        let routes = ip(options, &["route", "show", "table", "all"]);
        let kernels = |route: &Value| {
            let v6 = route["dst"]
                .as_str()
                .is_some_and(|destination| destination.contains(':'));
            v6 && route["protocol"] == "kernel"
        };
        let routes = routes.into_iter().filter(|route| !kernels(route));
        let routes = routes.map(|route| without(&route, "flags")).collect();
        self.add(format!("routes of {name}"), routes);
    }
}

/// Flags of a route say whether its link has a carrier.
fn without(value: &Value, key: &str) -> Value {
    let mut map: Map<String, Value> = value.as_object().cloned().unwrap_or_default();
    map.remove(key);
    map.into()
}

fn ip(options: &[&str], words: &[&str]) -> Vec<Value> {
    let text = run(&[&["ip"], options, &["-json"], words].concat());
    serde_json::from_str(&text).unwrap_or_default()
}
