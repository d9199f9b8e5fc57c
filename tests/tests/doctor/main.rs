//! `hardwired doctor`: each fault is planted, found by its name and its cause, and mended by the command that is printed, where
//! that can be run here.
//!
//! Natively: trees of files, a daemon over its sockets, the kubelet's stand-in. What needs hardware is in `doctor_node`.
#![allow(clippy::unwrap_used, reason = "a test fails where it fails")]

mod absent;
mod fix;
mod hardware;
mod kubelet;
mod networks;
mod plugin;
mod state;
mod table;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use hardwire_tests::binaries;
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const RESOURCE: &str = "intel.com/vfs";
const PF: &str = "0000:01:00.0";

/// A node on which nothing is wrong: two VFs, a kubelet, our plugin, Multus and host-local.
struct Node {
    // In the order in which they end.
    daemon: Option<Daemon>,
    kubelet: Option<Kubelet>,
    site: Site,
    tree: SysfsTree,
    config: Value,
}

fn one_pool() -> Value {
    json!({"resourceList": [{"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}}]})
}

impl Node {
    /// Everything but a daemon.
    fn without_daemon(tree: SysfsTree, config: Value) -> Self {
        let site = Site::in_memory();
        let node = Self {
            daemon: None,
            kubelet: Some(Kubelet::start(&site.kubelet_dir()).unwrap()),
            site,
            tree,
            config,
        };
        let link = node.tree.root().join("class/net/eth0");
        if link.exists() {
            node.tree.write(&link.join("flags"), "0x1003");
            node.tree.write(&link.join("carrier"), "1");
        }
        for driver in ["igb", "igbvf"] {
            fs::create_dir_all(node.tree.root().join("bus/pci/drivers").join(driver)).unwrap();
        }
        fs::create_dir_all(node.tree.root().join("kernel/iommu_groups/0")).unwrap();
        for folder in ["bin", "net.d", "cni/results", "cni/networks", "proc/sys/kernel"] {
            fs::create_dir_all(node.path(folder)).unwrap();
        }
        fs::write(node.path("proc/cmdline"), "ro quiet\n").unwrap();
        fs::write(node.path("proc/cpuinfo"), "vendor_id\t: GenuineIntel\n").unwrap();
        fs::write(node.path("proc/sys/kernel/hostname"), "node-1\n").unwrap();
        fs::write(
            node.path("net.d/00-multus.conf"),
            r#"{"name": "multus", "type": "multus"}"#,
        )
        .unwrap();
        fs::copy(binaries::hardwire(), node.path("bin/hardwire")).unwrap();
        for plugin in ["multus", "host-local"] {
            node.program(&format!("bin/{plugin}"), "#!/bin/sh\n");
        }
        node
    }

    /// With a daemon that has registered its pools.
    fn running(tree: SysfsTree, config: Value) -> Self {
        let mut node = Self::without_daemon(tree, config);
        node.start(&[]);
        node.wait_for_list();
        node
    }

    fn healthy() -> Self {
        let node = Self::running(SysfsTree::with_vfs(2), one_pool());
        node.assert_healthy();
        node
    }

    fn start(&mut self, arguments: &[&str]) {
        let (bin, program) = (self.path("bin"), binaries::hardwire());
        let own = [
            "--cni-plugin-dir",
            bin.to_str().unwrap(),
            "--cni-program",
            program.to_str().unwrap(),
        ];
        let daemon = self
            .site
            .start_with(&self.config, self.tree.root(), &[&own, arguments].concat());
        self.daemon = Some(daemon);
    }

    fn kubelet(&self) -> &Kubelet {
        self.kubelet.as_ref().unwrap()
    }

    /// Waits until the kubelet has a list of each pool.
    fn wait_for_list(&self) {
        for pool in self.config["resourceList"].as_array().unwrap() {
            if pool["selectors"].is_object() {
                let resource = format!("intel.com/{}", pool["resourceName"].as_str().unwrap());
                self.kubelet().wait_for_devices(&resource, |_| true, SOON).unwrap();
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.site.directory().join(name)
    }

    fn program(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// `hardwired doctor` on this node.
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.site.prepared(&[&["doctor"], arguments].concat(), self.tree.root());
        command
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("NODE_NAME", "node-1")
            .arg("--cni-plugin-dir")
            .arg(self.path("bin"))
            .arg("--cni-conf-dir")
            .arg(self.path("net.d"))
            .arg("--cni-state-dir")
            .arg(self.path("cni"))
            .arg("--proc-root")
            .arg(self.path("proc"));
        command
    }

    fn doctor(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn report(&self, arguments: &[&str]) -> Value {
        let output = self.doctor(&[&["--json"], arguments].concat());
        report_of(&output)
    }

    /// Asks until the report is right: what the daemon knows takes a moment.
    #[track_caller]
    fn wait_for(&self, arguments: &[&str], is_right: impl Fn(&Value) -> bool) -> Value {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            let report = self.report(arguments);
            if is_right(&report) {
                return report;
            }
            assert!(std::time::Instant::now() < deadline, "{report:#}");
        }
    }

    /// The one finding of a name on top, which is waited for.
    #[track_caller]
    fn found(&self, name: &str, arguments: &[&str]) -> Value {
        let report = self.wait_for(arguments, |report| top(report, name).is_some());
        top(&report, name).unwrap().clone()
    }

    #[track_caller]
    fn assert_healthy(&self) {
        let report = self.wait_for(&[], |report| report["findings"] == json!([]));
        assert_eq!(report["severity"], Value::Null);
        assert_eq!(self.doctor(&[]).status.code(), Some(0));
    }

    /// Runs a command that was printed, with our program in the path and its state where this node has it.
    #[track_caller]
    fn mend(&self, finding: &Value) {
        let command = finding["command"].as_str().unwrap();
        let doctor = self.command(&[]);
        let arguments: Vec<&str> = doctor
            .get_args()
            .skip(1)
            .filter_map(|argument| argument.to_str())
            .collect();
        let command = command.replace("hardwired doctor", &format!("hardwired doctor {}", arguments.join(" ")));
        let output = std::process::Command::new("sh")
            .args(["-c", &command])
            .env("PATH", with_our_programs())
            .env("HARDWIRE_STATE_DIR", self.site.state_dir())
            .output()
            .unwrap();
        // Of doctor itself, the exit status says how the node is.
        assert!(
            output.status.success() || command.contains("doctor"),
            "{command}: {output:?}"
        );
    }
}

fn with_our_programs() -> String {
    let folder = binaries::hardwired().parent().unwrap().to_owned();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

fn report_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A finding that nothing explains.
fn top<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    let mut findings = report["findings"].as_array()?.iter();
    findings.find(|finding| finding["name"] == name)
}

/// The names of what follows from a finding.
fn followers(finding: &Value) -> Vec<&str> {
    let follows = finding["follows"].as_array().unwrap().iter();
    follows.map(|finding| finding["name"].as_str().unwrap()).collect()
}

fn names(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["name"].as_str().unwrap()).collect()
}

#[test]
fn a_healthy_node_is_called_so_and_what_is_out_of_sight_is_said() {
    let node = Node::healthy();
    let output = node.doctor(&[]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("node-1: healthy, as far as can be seen from here\n"),
        "{text}"
    );
    assert!(text.contains("kubectl get net-attach-def -A"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}
