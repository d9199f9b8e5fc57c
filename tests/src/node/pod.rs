//! A pod, as far as its network goes: a named namespace.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::links::link_in;
use super::shell::{run, succeeds, wait_until};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A network namespace, deleted when dropped.
#[derive(Debug)]
pub struct Pod {
    name: String,
}

impl Pod {
    /// A new namespace; `name` helps to tell pods apart in messages.
    pub fn new(name: &str) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hw-{name}-{}-{count}", std::process::id());
        run(&["ip", "netns", "add", &name]);
        Self { name }
    }

    /// Name of the namespace, and the container id of the pod.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path of the namespace.
    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.name)
    }

    /// A link in it.
    pub fn link(&self, name: &str) -> Option<Value> {
        link_in(&self.name, name)
    }

    /// Names of all its links.
    pub fn link_names(&self) -> Vec<String> {
        let text = run(&["ip", "-netns", &self.name, "-json", "link", "show"]);
        let links: Value = serde_json::from_str(&text).expect("JSON of ip");
        let name = |link: &Value| link["ifname"].as_str().map(str::to_owned);
        links.as_array().expect("a list").iter().filter_map(name).collect()
    }

    /// Runs a program inside.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> String {
        run(&[&["ip", "netns", "exec", &self.name], words].concat())
    }

    /// Whether one ping of an address is answered within `seconds`.
    pub fn reaches(&self, address: &str, seconds: u32) -> bool {
        let wait = seconds.to_string();
        succeeds(&[
            "ip", "netns", "exec", &self.name, "ping", "-c", "1", "-w", &wait, address,
        ])
    }

    /// Waits until a link in it has its carrier, which a NIC that was just set up gets a little later.
    #[track_caller]
    pub fn wait_for_carrier(&self, ifname: &str) {
        let carrier = format!("/sys/class/net/{ifname}/carrier");
        wait_until(&format!("{ifname} in {} has no carrier", self.name), || {
            self.run(&["cat", &carrier]).trim() == "1"
        });
    }

    /// Waits until its neighbour table has `mac` for an address: a packet on the way, not an exchange.
    #[track_caller]
    pub fn learns(&self, address: &str, mac: &str) {
        wait_until(&format!("{} does not learn that {address} is {mac}", self.name), || {
            self.run(&["ip", "neighbour", "show", address]).contains(mac)
        });
    }

    /// Ends the namespace early.
    pub fn delete(self) {}
}

impl Drop for Pod {
    fn drop(&mut self) {
        succeeds(&["ip", "netns", "del", &self.name]);
    }
}
