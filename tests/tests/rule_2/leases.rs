//! What IPAM may still hold outlives a boot, and is released by whoever can tell that nobody has it any more.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::node::{Pod, host_links, isolated, wait_until};
use hardwire_tests::plugin::{Call, FakeIpam, Scene};
use serde_json::{Value, json};

use super::{NETWORK, change, files, one_file, read, with_addresses};

const BOUND: Duration = Duration::from_secs(20);

/// A node whose leases are elsewhere than its journal.
struct Node {
    scene: Scene,
    site: Site,
}

impl Node {
    fn new(name: &str) -> Self {
        Self {
            scene: Scene::new(name),
            site: Site::new(),
        }
    }

    fn leases(&self) -> PathBuf {
        self.scene.plugin.directory().join("var/leases")
    }

    fn call(&self, command: &str, extra: &Value) -> Call {
        self.scene
            .call(command, extra)
            .set("HARDWIRE_LEASES_DIR", self.leases())
    }

    fn kept(&self) -> Vec<PathBuf> {
        files(&self.leases(), "json")
    }

    /// As after a power cut: the journal is gone, the device is back, the containers are not, and the boot is another.
    fn power_cut(&self) {
        let records = self.scene.plugin.state().join("attachments");
        change(&one_file(&records, "json"), |record| record["ipam"] = Value::Null);
        self.call("DEL", &json!({})).run().silence();
        fs::remove_dir_all(self.scene.plugin.state()).expect("the state directory");
        for lease in self.kept() {
            change(&lease, |lease| lease["boot"] = json!("the-one-before"));
        }
    }

    fn start_daemon(&self) -> Daemon {
        self.start_daemon_with(&[])
    }

    fn start_daemon_with(&self, arguments: &[&str]) -> Daemon {
        let state = self.scene.plugin.state();
        self.site
            .start_repairing_in(&state, arguments, &[("HARDWIRE_LEASES_DIR", &self.leases())])
    }

    fn gc(&self, valid: &Value) -> Call {
        let conf =
            json!({"cniVersion": "1.1.0", "name": NETWORK, "type": "hardwire", "cni.dev/valid-attachments": valid});
        self.call("GC", &json!({})).stdin(conf.to_string())
    }

    fn fake_ipam(&mut self) -> FakeIpam {
        let ipam = self.scene.plugin.fake_ipam("addresses");
        ipam.gives_an_address();
        ipam
    }
}

#[test]
fn a_lease_is_kept_from_before_ipam_is_asked_until_it_has_released() {
    isolated(|| {
        let mut node = Node::new("kept");
        let ipam = node.fake_ipam();
        let leases = node.leases();
        for command in ["ADD", "DEL"] {
            let list = format!("ls {} > $here/leases-at-{command}\n", leases.display());
            let given = "echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.77.0.5/24\"}]}'\n";
            ipam.on(
                command,
                &if command == "ADD" {
                    format!("{list}{given}")
                } else {
                    list
                },
            );
        }
        let extra = json!({"ipam": ipam.conf()});
        let add = node.call("ADD", &extra).set("CNI_ARGS", "X=y");
        add.run().success();
        let lease = read(&one_file(&leases, "json"));
        assert_eq!(lease["ipam"]["plugin"], "addresses");
        assert_eq!(lease["ipam"]["args"], "X=y");
        assert_eq!(lease["owner"]["container_id"], node.scene.pod.name());
        node.call("DEL", &json!({})).run().silence();
        assert!(node.kept().is_empty());
        for command in ["ADD", "DEL"] {
            assert!(
                ipam.kept(&format!("leases-at-{command}"))
                    .expect("ran")
                    .ends_with(".json\n"),
                "{command}"
            );
        }
        // Without addresses there is nothing to keep.
        node.call("ADD", &json!({})).run().success();
        assert!(node.kept().is_empty());
        node.call("DEL", &json!({})).run().silence();
        // An ADD that IPAM refuses leaves none.
        ipam.fails("ADD", &json!({"code": 11, "msg": "none left"}));
        node.call("ADD", &extra).run().error();
        assert!(node.kept().is_empty());
    });
}

#[test]
fn an_add_whose_lease_cannot_be_kept_changes_nothing_and_status_says_so() {
    isolated(|| {
        let node = Node::new("nolease");
        let file = node.scene.plugin.directory().join("in-the-way");
        fs::write(&file, "").expect("a file");
        let extra = with_addresses(&node.scene);
        node.scene.unchanged_by(|| {
            let add = node
                .scene
                .call("ADD", &extra)
                .set("HARDWIRE_LEASES_DIR", file.join("leases"));
            add.run().failure_naming(5, &["lease", "in-the-way"]);
        });
        assert!(node.scene.plugin.reservations(NETWORK).is_empty());
        let mut status = extra;
        status["cniVersion"] = json!("1.1.0");
        let status = node
            .scene
            .call("STATUS", &status)
            .set("HARDWIRE_LEASES_DIR", file.join("leases"));
        status.run().failure_naming(50, &["lease", "in-the-way"]);
    });
}

#[test]
fn after_a_power_cut_the_daemon_releases_addresses_and_touches_no_device() {
    isolated(|| {
        let node = Node::new("cut");
        node.call("ADD", &with_addresses(&node.scene)).run().success();
        node.power_cut();
        node.scene.nic.set(&["mtu", "1234", "up"]);
        let before = host_links();
        assert_eq!(node.scene.plugin.reservations(NETWORK).len(), 1);
        // Of this boot, and its record is lost: the pod may live.
        let lives = Pod::new("cut-lives");
        let torn = node.leases().join("9-9.json");
        fs::write(&torn, "{\"version\":1,\"bo").expect("a file");
        let mut daemon = node.start_daemon();
        daemon.wait_for_log("IPAM releases what an attachment without a record still holds", BOUND);
        wait_until("the lease goes", || node.kept().is_empty());
        assert!(node.scene.plugin.reservations(NETWORK).is_empty());
        assert_eq!(host_links(), before);
        assert!(torn.with_extension("unreadable").exists(), "it is set aside");
        drop(lives);
    });
}

#[test]
fn leases_of_this_boot_are_not_the_daemons() {
    isolated(|| {
        let node = Node::new("thisboot");
        node.call("ADD", &with_addresses(&node.scene)).run().success();
        let lease = one_file(&node.leases(), "json");
        let boot = read(&lease)["boot"].clone();
        node.power_cut();
        change(&lease, |lease| lease["boot"] = boot);
        // Another one tells when the daemon has been there.
        let mut old = read(&lease);
        old["boot"] = json!("the-one-before");
        old["attempt"] = json!("1-1");
        old["owner"]["container_id"] = json!("another");
        fs::write(node.leases().join("1-1.json"), old.to_string()).expect("a lease");
        let mut daemon = node.start_daemon();
        daemon.wait_for_log("IPAM releases", BOUND);
        wait_until("the old one goes", || node.kept() == [lease.clone()]);
        assert_eq!(node.scene.plugin.reservations(NETWORK).len(), 1);
        node.call("DEL", &json!({})).run().silence();
        assert!(node.kept().is_empty() && node.scene.plugin.reservations(NETWORK).is_empty());
    });
}

#[test]
fn a_plugin_that_may_release_by_the_pods_name_is_asked_only_by_the_containers_own_del() {
    isolated(|| {
        let mut node = Node::new("byname");
        let ipam = node.fake_ipam();
        node.call("ADD", &json!({"ipam": ipam.conf()})).run().success();
        node.power_cut();
        let mut daemon = node.start_daemon();
        daemon.wait_for_log("not known to release by container id", BOUND);
        node.gc(&json!([])).run().silence();
        assert_eq!((ipam.commands(), node.kept().len()), (vec!["ADD".to_owned()], 1));
        // It is its very container, and the kept configuration counts.
        node.call("DEL", &json!({"ipam": {"type": "nosuch"}})).run().silence();
        assert_eq!(
            (ipam.commands(), node.kept().len()),
            (vec!["ADD".to_owned(), "DEL".to_owned()], 0)
        );
    });
}

#[test]
fn an_ipam_plugin_that_the_operator_vouches_for_is_asked() {
    isolated(|| {
        let mut node = Node::new("vouched");
        let ipam = node.fake_ipam();
        node.call("ADD", &json!({"ipam": ipam.conf()})).run().success();
        node.power_cut();
        let listed = node.scene.plugin.directory().join("plugin.json");
        fs::write(&listed, "{\"ipamByContainerId\": [\"addresses\"]}").expect("a file");
        fs::set_permissions(&listed, Permissions::from_mode(0o644)).expect("a mode");
        node.gc(&json!([]))
            .set("HARDWIRE_PLUGIN_CONFIG", listed)
            .run()
            .silence();
        assert_eq!(
            (ipam.commands(), node.kept().len()),
            (vec!["ADD".to_owned(), "DEL".to_owned()], 0)
        );

        node.call("ADD", &json!({"ipam": ipam.conf()})).run().success();
        node.power_cut();
        let _daemon = node.start_daemon_with(&["--ipam-by-container-id", "other,addresses"]);
        wait_until("the lease goes", || node.kept().is_empty());
        assert_eq!(ipam.commands().len(), 4);
    });
}

#[test]
fn gc_releases_the_leases_of_its_network_that_are_not_listed() {
    isolated(|| {
        let node = Node::new("gc");
        node.call("ADD", &with_addresses(&node.scene)).run().success();
        node.power_cut();
        let valid = json!([{"containerID": node.scene.pod.name(), "ifname": "net1"}]);
        node.gc(&valid).run().silence();
        assert_eq!(node.kept().len(), 1, "it is listed");
        let mut other = json!({"cniVersion": "1.1.0", "name": "net-b", "type": "hardwire"});
        other["cni.dev/valid-attachments"] = json!([]);
        node.call("GC", &json!({})).stdin(other.to_string()).run().silence();
        assert_eq!(node.kept().len(), 1, "it is of another network");
        node.gc(&json!([])).run().silence();
        assert!(node.kept().is_empty() && node.scene.plugin.reservations(NETWORK).is_empty());
    });
}

#[test]
fn gc_leaves_the_leases_of_attachments_that_have_a_record() {
    isolated(|| {
        let node = Node::new("gcrec");
        node.call("ADD", &with_addresses(&node.scene)).run().success();
        let mut other = json!({"cniVersion": "1.1.0", "name": "net-b", "type": "hardwire"});
        other["cni.dev/valid-attachments"] = json!([]);
        node.call("GC", &json!({})).stdin(other.to_string()).run().silence();
        assert_eq!(
            (node.kept().len(), node.scene.plugin.reservations(NETWORK).len()),
            (1, 1)
        );
        node.call("DEL", &json!({})).run().silence();
        assert!(node.kept().is_empty());
    });
}

#[test]
fn what_ipam_would_not_release_for_the_next_pod_stays_owed() {
    isolated(|| {
        let mut node = Node::new("owed");
        let ipam = node.fake_ipam();
        node.call("ADD", &json!({"ipam": ipam.conf()})).run().success();
        ipam.fails("DEL", &json!({"code": 113, "msg": "sick"}));
        // Its owner ended without a DEL: the next pod takes the device, and not the debt.
        let state = node.scene.plugin.state().join("attachments");
        change(&one_file(&state, "json"), |record| record["step"] = json!("released"));
        let next = Pod::new("owed-next");
        let add = node.scene.plugin.request("ADD", &next, &node.scene.conf(&json!({})));
        add.set("HARDWIRE_LEASES_DIR", node.leases()).run().success();
        assert_eq!(node.kept().len(), 1);
        ipam.on("DEL", "");
        node.call("DEL", &json!({})).run().silence();
        assert!(node.kept().is_empty());
        assert!(next.link("net1").is_some());
        let del = node.scene.plugin.request("DEL", &next, &node.scene.conf(&json!({})));
        del.set("HARDWIRE_LEASES_DIR", node.leases()).run().silence();
    });
}
