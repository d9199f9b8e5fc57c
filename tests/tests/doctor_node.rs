//! `hardwired doctor` on real hardware: each fault is planted on the igb, found, and mended by the command that is printed.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use hardwire_tests::binaries;
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::node::{Igb, Pod, run};
use hardwire_tests::plugin::Plugin;
use hardwire_tests::records;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const RESOURCE: &str = "intel.com/live";
/// Of one VF.
const ONE: &str = "intel.com/one";

struct Node {
    // In the order in which they end.
    _daemon: Daemon,
    kubelet: Kubelet,
    plugin: Plugin,
    site: Site,
}

impl Node {
    fn start(igb: &Igb) -> Self {
        // They say how many VFs there are to be, and the second one is empty where its VF has another driver.
        let pool = |name: &str, indexes: &str| {
            let pf = format!("{}#{indexes}", igb.name);
            json!({"resourceName": name, "onCarrierLoss": "unhealthy", "requireAllocation": false,
                   "selectors": {"pfNames": [pf], "drivers": ["igbvf"], "functions": ["vf"]}})
        };
        let pools = [pool("live", "0-4,6"), pool("one", "5")];
        let (site, plugin) = (Site::new(), Plugin::new());
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let bin = site.directory().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::copy(binaries::hardwire(), bin.join("hardwire")).unwrap();
        std::fs::copy("/bin/true", bin.join("host-local")).unwrap();
        std::fs::create_dir(site.directory().join("cni")).unwrap();
        let net_d = site.directory().join("net.d");
        std::fs::create_dir(&net_d).unwrap();
        std::fs::write(net_d.join("00-multus.conf"), r#"{"name": "m", "type": "multus"}"#).unwrap();
        let daemon = site.start_live(&json!({"resourceList": pools}), Some(&plugin.state()));
        let node = Self {
            _daemon: daemon,
            kubelet,
            plugin,
            site,
        };
        node.wait_for_devices();
        node
    }

    /// All seven, and nothing against them.
    #[track_caller]
    fn wait_for_devices(&self) {
        for (resource, count) in [(RESOURCE, 6), (ONE, 1)] {
            let all = |devices: &[hardwire_proto::deviceplugin::Device]| {
                devices.len() == count && devices.iter().all(|device| device.health == "Healthy")
            };
            self.kubelet.wait_for_devices(resource, all, SOON).unwrap();
        }
    }

    #[track_caller]
    fn wait_for_idle(&self, id: &str) {
        let (idle, deadline) = (self.plugin.state().join("idle"), Instant::now() + SOON);
        while records::idle(&idle, id).is_none() {
            assert!(Instant::now() < deadline, "no idle record of {id} is in force");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn report(&self) -> Value {
        let mut command = Command::new(binaries::hardwired());
        let directory = self.site.directory();
        command
            .args(["doctor", "--json"])
            .env("HARDWIRE_STATE_DIR", self.plugin.state());
        for (flag, path) in [
            ("--cni-plugin-dir", "bin"),
            ("--cni-conf-dir", "net.d"),
            ("--cni-state-dir", "cni"),
        ] {
            command.arg(flag).arg(directory.join(path));
        }
        let output = command.output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    #[track_caller]
    fn wait_for(&self, what: &str, is_right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + SOON;
        loop {
            let report = self.report();
            let findings = report["findings"].as_array().unwrap();
            if is_right(findings) {
                return findings.clone();
            }
            assert!(Instant::now() < deadline, "{what}: {report:#}");
        }
    }

    /// A fault is found by its name alone on top, with what follows from it, and the command that is printed mends it.
    #[track_caller]
    fn found_and_mended(&self, name: &str, follows: &[&str]) -> Value {
        let has_all = |finding: &Value| {
            let below = finding["follows"].as_array().unwrap();
            follows
                .iter()
                .all(|name| below.iter().any(|other| other["name"] == *name))
        };
        let is_right = |findings: &[Value]| findings.len() == 1 && findings[0]["name"] == name && has_all(&findings[0]);
        let found = self.wait_for(name, is_right).remove(0);
        let command = found["command"].as_str().unwrap_or_else(|| panic!("{found:#}"));
        eprintln!("{name}: {command}");
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        self.wait_for_devices();
        self.wait_for(&format!("after {command}"), <[Value]>::is_empty);
        found
    }
}

#[test]
fn each_planted_fault_is_found_and_mended_by_the_command_that_is_printed() {
    let igb = Igb::get();
    igb.renew();
    let node = Node::start(&igb);
    node.wait_for("healthy", <[Value]>::is_empty);
    device_dirty(&node, &igb);
    driver_missing(&node, &igb);
    netns_leaked(&node, &igb);
    wrong_driver(&node, &igb);
    no_vfs(&node, &igb);
    pf_down(&node, &igb);
    drop(node);
    igb.renew();
}

fn device_dirty(node: &Node, igb: &Igb) {
    // What is changed before would be its idle state.
    node.wait_for_idle(&igb.vf_address(3));
    run(&["ip", "link", "set", &igb.name, "vf", "3", "vlan", "7"]);
    let found = node.found_and_mended("device-dirty", &[]);
    assert_eq!(found["subject"], igb.vf_address(3));
    assert_eq!(found["command"], format!("ip link set dev {} vf 3 vlan 0", igb.name));
    assert!(found["since"].is_string(), "{found}");
}

fn driver_missing(node: &Node, igb: &Igb) {
    let lost = igb.vf_address(2);
    std::fs::write(format!("/sys/bus/pci/devices/{lost}/driver/unbind"), &lost).unwrap();
    let found = node.found_and_mended("driver-missing", &["device-unhealthy"]);
    assert_eq!(found["devices"], json!([lost]));
}

/// The end of a namespace that outlived its pod gives the device back.
fn netns_leaked(node: &Node, igb: &Igb) {
    let (pod, address) = (Pod::new("leaked"), igb.vf_address(4));
    let conf = json!({"cniVersion": "1.0.0", "name": "net-d", "type": "hardwire", "deviceID": address, "vlan": 44});
    let added = node.plugin.call_with(
        "ADD",
        &[
            ("CNI_CONTAINERID", pod.name()),
            ("CNI_NETNS", &pod.path()),
            ("CNI_IFNAME", "net1"),
            ("CNI_PATH", &node.plugin.path),
            ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=red;K8S_POD_NAME=a"),
        ],
        conf.to_string().as_bytes(),
    );
    added.success();
    // A pod that has just ended has such a namespace too: only an old attachment counts.
    let record = node.plugin.state().join(format!("attachments/{address}.json"));
    assert_eq!(node.report()["findings"], json!([]));
    let file = std::fs::File::options().write(true).open(&record).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(600)).unwrap();
    drop(file);
    // Nor does the list of a kubelet that has just started, or that has not heard of any pod.
    assert_eq!(node.report()["findings"], json!([]));
    let socket = node.site.kubelet_dir().join("pod-resources/kubelet.sock");
    run(&["touch", "-d", "10 minutes ago", socket.to_str().unwrap()]);
    assert_eq!(node.report()["findings"], json!([]));
    node.kubelet.remember("red/other", "main", "other.io/x", &["x"]);
    let found = node.found_and_mended("netns-leaked", &[]);
    assert_eq!(found["command"], format!("ip netns delete {}", pod.name()));
    assert!(found["what"].as_str().unwrap().contains("red/a"), "{found}");
    assert!(!Path::new(&pod.path()).exists() && !record.exists());
    assert_eq!(igb.vf(4)["vlan_list"][0]["vlan"].as_u64().unwrap_or(0), 0);
}

fn wrong_driver(node: &Node, igb: &Igb) {
    let (address, bound) = (igb.vf_address(5), igb.bind_vfio(5));
    let found = node.found_and_mended("wrong-driver", &[]);
    assert_eq!((&found["subject"], &found["devices"]), (&json!(ONE), &json!([address])));
    assert_eq!(found["severity"], "error", "{found:#}");
    // It has its own driver again.
    std::mem::forget(bound);
}

fn no_vfs(node: &Node, igb: &Igb) {
    igb.without_vfs();
    let found = node.found_and_mended("no-vfs", &["pool-empty"]);
    assert!(found["command"].as_str().unwrap().starts_with("echo 7 > "), "{found:#}");
}

fn pf_down(node: &Node, igb: &Igb) {
    run(&["ip", "link", "set", &igb.name, "down"]);
    let found = node.found_and_mended("pf-down", &["device-unhealthy"]);
    assert_eq!(found["command"], format!("ip link set dev {} up", igb.name));
}

/// As a runtime's default profile has it for /sys, which deploy/base therefore leaves.
const PROFILE: &str = "profile hw-doctor-denies flags=(attach_disconnected) {
  capability, network, file, unix, signal, ptrace, umount,
  deny /sys/[^f]*/** wkl,
}
";

#[test]
fn what_an_apparmor_profile_denies_is_named() {
    let site = Site::new();
    let profile = site.directory().join("profile");
    std::fs::write(&profile, PROFILE).unwrap();
    let load = |verb: &str| run(&["apparmor_parser", verb, "--skip-cache", profile.to_str().unwrap()]);
    let report = |confine: &[&str]| -> Value {
        let program = binaries::hardwired();
        let words = [confine, &[program.to_str().unwrap(), "doctor", "--json"]].concat();
        let output = Command::new(words[0])
            .args(&words[1..])
            .env("HARDWIRE_STATE_DIR", site.directory().join("state"))
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let denied = |report: &Value| {
        let mut findings = report["findings"].as_array().unwrap().iter();
        findings.find(|finding| finding["name"] == "apparmor-denies").cloned()
    };
    load("--replace");
    let confined = report(&["aa-exec", "--profile", "hw-doctor-denies", "--"]);
    let free = report(&[]);
    load("--remove");
    let found = denied(&confined).unwrap_or_else(|| panic!("{confined:#}"));
    assert_eq!(found["subject"], "/sys");
    assert!(found["why"].as_str().unwrap().contains("hw-doctor-denies"), "{found:#}");
    assert!(
        found["then"]
            .as_str()
            .unwrap()
            .contains("appArmorProfile: {type: Unconfined}"),
        "{found:#}"
    );
    assert!(
        found["byHand"].as_str().unwrap().contains("before Kubernetes 1.30"),
        "{found:#}"
    );
    assert_eq!(denied(&free), None, "{free:#}");
}
