//! A real NIC on bus usb: a gadget (`g_ether`) behind an emulated host controller (`dummy_hcd`), in the emulated node.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use hardwire_tests::node::{Pod, assert_emulated, host_link, host_links, run, succeeds};
use hardwire_tests::plugin::{Call, Plugin};
use serde_json::{Value, json};

/// The gadget's NIC on the host's side of the cable; unplugged when dropped.
struct Usb {
    name: String,
    plugin: Plugin,
    pod: Option<Pod>,
}

fn interfaces() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net")
        .expect("a directory")
        .filter_map(Result::ok);
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_usb = |name: &String| {
        let bus = fs::read_link(format!("/sys/class/net/{name}/device/subsystem"));
        bus.is_ok_and(|bus| bus.ends_with("usb"))
    };
    names.filter(is_usb).collect()
}

/// Waits for what the kernel does in its own time and tells these tests nothing of.
#[track_caller]
fn wait_for(what: &str, done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn unplug() {
    run(&["modprobe", "-r", "g_ether"]);
}

impl Usb {
    fn plug(pod: &str) -> Self {
        assert_emulated();
        for module in ["cdc_ether", "cdc_subset", "dummy_hcd"] {
            run(&["modprobe", module]);
        }
        run(&[
            "modprobe",
            "g_ether",
            "host_addr=02:00:00:00:05:01",
            "dev_addr=02:00:00:00:05:02",
        ]);
        wait_for("no USB NIC comes up", || !interfaces().is_empty());
        let name = interfaces().remove(0);
        run(&["ip", "link", "set", &name, "name", "hwusb0", "mtu", "1400"]);
        Self {
            name: "hwusb0".to_owned(),
            plugin: Plugin::new(),
            pod: Some(Pod::new(pod)),
        }
    }

    fn call(&self, verb: &str, extra: &Value) -> Call {
        let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "device": self.name});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        self.plugin.request(verb, self.pod.as_ref().expect("the pod"), &conf)
    }

    fn step(&self) -> Value {
        let path = self.plugin.state().join("attachments/net_hwusb0.json");
        let record: Value = serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON");
        record["step"].clone()
    }
}

impl Drop for Usb {
    fn drop(&mut self) {
        self.pod = None;
        succeeds(&["modprobe", "-r", "g_ether"]);
    }
}

/// A process that keeps the pod's namespace after its name is gone.
struct Holder(Child);

impl Holder {
    fn new(pod: &Pod) -> Self {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", pod.name(), "cat"]).stdin(Stdio::piped());
        let mut inside = inside.stdout(Stdio::piped()).spawn().expect("ip");
        // Its answer tells that it is inside.
        inside.stdin.as_mut().expect("stdin").write_all(b"x").expect("a byte");
        let answered = inside.stdout.as_mut().expect("stdout").read_exact(&mut [0]);
        answered.expect("a byte");
        Self(inside)
    }

    fn ends(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("cat");
    }
}

#[test]
fn rule_2_a_usb_nic_in_an_unlinked_namespace_is_not_forgotten() {
    let mut usb = Usb::plug("unlinked");
    let before = host_link("hwusb0");
    usb.call("ADD", &json!({"mtu": 1300, "mac": "02:00:00:00:0a:05"}))
        .run()
        .success();
    let del = usb.call("DEL", &json!({}));
    let holder = Holder::new(usb.pod.as_ref().expect("the pod"));
    usb.pod = None;
    for call in [&del, &del.clone().unset("CNI_NETNS")] {
        call.run().silence();
        assert_eq!(usb.step(), "released", "it is somewhere, and may come back");
    }
    assert!(interfaces().is_empty());
    // The kernel gives it to whoever else has this name on the host.
    run(&["ip", "link", "add", "net1", "type", "bridge"]);
    holder.ends();
    wait_for("it does not come back", || !interfaces().is_empty());
    assert_ne!(interfaces(), ["hwusb0"]);
    run(&["ip", "link", "del", "net1"]);
    del.run().silence();
    assert_eq!(host_link("hwusb0")["mtu"], before["mtu"]);
    assert_eq!(host_link("hwusb0")["address"], before["address"]);
    assert!(usb.plugin.state_files().is_empty());
}

#[test]
fn rule_2_a_usb_nic_that_the_pod_moved_on_is_not_forgotten_and_the_next_add_brings_it_back() {
    let usb = Usb::plug("nested");
    usb.call("ADD", &json!({})).run().success();
    let (nested, next) = (Pod::new("inner"), Pod::new("next"));
    let pod = usb.pod.as_ref().expect("the pod");
    pod.run(&["ip", "link", "set", "net1", "netns", nested.name()]);
    usb.call("DEL", &json!({})).run().silence();
    assert_eq!(usb.step(), "released");
    let other = |verb| {
        usb.call(verb, &json!({}))
            .set("CNI_CONTAINERID", "next")
            .set("CNI_NETNS", next.path())
    };
    assert_eq!(other("ADD").run().error()["code"], 11);
    nested.delete();
    wait_for("it does not come back", || !interfaces().is_empty());
    usb.call("DEL", &json!({})).run().silence();
    other("ADD").run().success();
    other("DEL").run().silence();
    assert_eq!(interfaces(), ["hwusb0"]);
    assert!(usb.plugin.state_files().is_empty());
}

#[test]
fn a_usb_nic_that_was_unplugged_is_gone() {
    let mut usb = Usb::plug("unplugged");
    usb.call("ADD", &json!({})).run().success();
    let del = usb.call("DEL", &json!({}));
    let holder = Holder::new(usb.pod.as_ref().expect("the pod"));
    usb.pod = None;
    del.run().silence();
    unplug();
    del.run().silence();
    assert!(usb.plugin.state_files().is_empty());
    holder.ends();
}

#[test]
fn a_usb_nic_is_named_by_its_kernelpath() {
    let usb = Usb::plug("kernelpath");
    let device = fs::canonicalize("/sys/class/net/hwusb0/device").expect("a path");
    let conf = json!({"device": null, "kernelpath": device});
    let before = host_links();
    usb.call("ADD", &conf).run().success();
    let other = Pod::new("other");
    let taken = usb
        .call("ADD", &conf)
        .set("CNI_CONTAINERID", "other")
        .set("CNI_NETNS", other.path());
    assert_eq!(taken.run().error()["code"], 11);
    usb.call("DEL", &conf).run().silence();
    assert_eq!(host_links(), before);
}
