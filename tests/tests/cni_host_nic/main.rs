//! A host interface by name: attached, used, put back; and every way of asking wrongly leaves no trace.
//!
//! veth stands in for the NIC: to the kernel's move it is one, and it can be made in any number.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod attached;
mod refusals;
mod restored;

use std::fs;

use hardwire_tests::node::{Pod, Veth, host_links};
use hardwire_tests::plugin::Plugin;
use serde_json::{Value, json};

/// A pair of interfaces on the host: one to attach, the other its neighbour. Removed when dropped.
struct Nic(Veth);

impl Nic {
    fn new(name: &str) -> Self {
        Self(Veth::new(name))
    }

    fn conf(&self, extra: &Value) -> Value {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.0.name()});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        conf
    }
}

/// Runs an ADD that must fail with `code` and a message naming `parts`, and leave nothing behind.
#[track_caller]
fn refused(plugin: &Plugin, pod: &Pod, conf: &Value, code: u32, parts: &[&str]) {
    let (host, inside, state) = (host_links(), pod.link_names(), plugin.state_files());
    plugin.call("ADD", pod, conf).failure_naming(code, parts);
    assert_eq!(host_links(), host, "links of the host");
    assert_eq!(pod.link_names(), inside, "links of the pod");
    assert_eq!(plugin.state_files(), state, "files of the journal");
}

#[test]
fn log_lines_name_the_call_and_go_to_the_file_that_is_asked_for() {
    let (nic, pod, plugin) = (Nic::new("hwlog"), Pod::new("log"), Plugin::new());
    let file = plugin.directory().join("logs/hardwire.log");
    let conf = nic.conf(&json!({"logFile": file, "ipam": {"type": "nosuch"}}));
    let outcome = plugin.call("ADD", &pod, &conf);
    outcome.failure_naming(999, &["nosuch"]);
    assert_eq!(outcome.stderr, "");
    let text = fs::read_to_string(&file).expect("the log");
    for part in [
        "net-a",
        pod.name(),
        &pod.path(),
        "net1",
        "net/hwlog",
        "failed to find plugin",
        "nosuch",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let link = plugin.directory().join("link.log");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    let outcome = plugin.call("ADD", &pod, &nic.conf(&json!({"logFile": link, "logLevel": "error"})));
    outcome.success();
    assert!(outcome.stderr.contains("failed to set log file"), "{}", outcome.stderr);
    assert_eq!(
        fs::read_to_string(&file).expect("the log"),
        text,
        "nothing through the link"
    );
    plugin.del(&pod, &nic.conf(&json!({})));
}
