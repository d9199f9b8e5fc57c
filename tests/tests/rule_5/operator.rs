//! A NAD is written by a tenant: what it asks of the node's own NIC counts only where the operator says so too.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use hardwire_cni::boot_id;
use hardwire_cni::node::Findings;
use hardwire_tests::node::run;
use serde_json::{Value, json};

use super::{ip, on_a_node};

fn wanted() -> Value {
    json!({"allowNodeDevice": true})
}

#[test]
fn rule_5_allow_node_device_in_a_nad_alone_is_nothing() {
    on_a_node(|node| {
        ip("address add 192.0.2.9/24 dev nic0");
        node.refused(&json!({}), 101, &["nic0", "192.0.2.9"]);
        node.refused(&wanted(), 101, &["nic0", "192.0.2.9", "operator", "plugin.json"]);
        node.plugin.operator_says(&json!({"allowNodeDevices": ["nic1"]}));
        node.refused(&wanted(), 101, &["nic0", "192.0.2.9", "operator"]);
        node.plugin.operator_says(&json!({"allowNodeDevices": ["nic0"]}));
        node.refused(&json!({}), 101, &["nic0", "192.0.2.9"]);
        let outcome = node.plugin.call("ADD", &node.pod, &node.conf(&wanted()));
        outcome.success();
        assert!(
            outcome.stderr.contains("the node's address 192.0.2.9"),
            "{}",
            outcome.stderr
        );
        let outcome = node.plugin.call("DEL", &node.pod, &node.conf(&json!({})));
        assert!(outcome.stderr.contains("the node's own is back"), "{}", outcome.stderr);
        assert!(ip("address show dev nic0").contains("192.0.2.9/24"));
    });
}

#[test]
fn rule_5_an_alternative_name_or_the_id_names_the_device_too() {
    on_a_node(|node| {
        ip("address add 192.0.2.9/24 dev nic0");
        ip("link property add dev nic0 altname uplink0");
        for named in ["uplink0", "net/nic0"] {
            node.plugin.operator_says(&json!({"allowNodeDevices": [named]}));
            node.attached_and_back(&wanted());
        }
    });
}

#[test]
fn rule_5_what_a_pool_allows_is_allowed_in_this_boot() {
    on_a_node(|node| {
        ip("address add 192.0.2.9/24 dev nic0");
        let findings = |boot: &str| Findings {
            version: Findings::VERSION,
            boot: boot.to_owned(),
            allowed: ["net/nic0".parse().expect("an id")].into(),
            uppers: Vec::new(),
        };
        findings("another").write(&node.plugin.state()).expect("a file");
        node.refused(&wanted(), 101, &["operator"]);
        let boot = boot_id().expect("a boot");
        findings(&boot).write(&node.plugin.state()).expect("a file");
        node.refused(&json!({}), 101, &["192.0.2.9"]);
        node.attached_and_back(&wanted());
    });
}

#[test]
fn rule_5_an_operators_file_that_others_can_write_allows_nothing() {
    on_a_node(|node| {
        ip("address add 192.0.2.9/24 dev nic0");
        let file = node.plugin.operator_file();
        let allow = json!({"allowNodeDevices": ["nic0"]});
        for mode in [0o664, 0o646] {
            node.plugin.operator_says(&allow);
            fs::set_permissions(&file, Permissions::from_mode(mode)).expect("a mode");
            node.refused(&wanted(), 101, &["plugin.json", "not believed"]);
        }
        node.plugin.operator_says(&allow);
        chown(&file, Some(1000), None).expect("an owner");
        node.refused(&wanted(), 101, &["plugin.json", "owner 1000"]);
        fs::remove_file(&file).expect("gone");
        let elsewhere = node.plugin.directory().join("elsewhere.json");
        fs::write(&elsewhere, allow.to_string()).expect("a file");
        symlink(&elsewhere, &file).expect("a link");
        node.refused(&wanted(), 101, &["plugin.json", "symbolic link"]);
        fs::remove_file(&file).expect("gone");
        run(&["mkfifo", file.to_str().expect("UTF-8")]);
        node.refused(&wanted(), 101, &["plugin.json", "no file"]);
        fs::remove_file(&file).expect("gone");
        for wrong in [
            json!({"allowNodeDevice": ["nic0"]}),
            json!({"allowNodeDevices": "nic0"}),
            json!([]),
        ] {
            node.plugin.operator_says(&wrong);
            node.refused(&wanted(), 101, &["plugin.json"]);
        }
        // A device that is nobody's needs no operator: it is only said.
        ip("address flush dev nic0 scope global");
        let outcome = node.plugin.call("ADD", &node.pod, &node.conf(&json!({})));
        outcome.success();
        assert!(outcome.stderr.contains("plugin.json"), "{}", outcome.stderr);
        node.plugin.del(&node.pod, &node.conf(&json!({})));
        let status = |extra: Value| node.plugin.call("STATUS", &node.pod, &node.conf(&extra));
        let of_the_nodes = json!({"cniVersion": "1.1.0", "allowNodeDevice": true});
        status(of_the_nodes).failure_naming(50, &["plugin.json"]);
        // A file of no use to anybody else is no reason to send the node's pods away.
        status(json!({"cniVersion": "1.1.0"})).silence();
    });
}
