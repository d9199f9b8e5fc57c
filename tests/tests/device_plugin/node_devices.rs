//! Never the node's own NIC: a tree whose device has an interface that exists, in a namespace where that interface
//! carries what the node lives on. `lo` stands for the NIC, since every namespace has it and needs no root for it.

use std::process::Command;

use hardwire_tests::binaries::hardwired;
use hardwire_tests::sysfs_tree::Pci;

use super::*;

const LO_INDEX: u32 = 1;

/// What `hardwired devices` prints in a new namespace after some `ip` commands.
fn devices(ip_commands: &str, pool: &Value) -> String {
    let (site, tree) = (Site::new(), SysfsTree::new());
    tree.add(&Pci::at("0000:05:00.0"));
    tree.add_netdev(&tree.device("0000:05:00.0"), "lo", LO_INDEX);
    let config = site.config(&json!({"resourceList": [pool]}));
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg(format!("{ip_commands}\nexec \"$@\""))
        .arg("sh")
        .arg(hardwired())
        .args(["devices", "--config"])
        .arg(config)
        .arg("--sysfs-root")
        .arg(tree.root())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{log}");
    printed
}

fn everything() -> Value {
    json!({"resourceName": "nics", "selectors": {}})
}

#[test]
fn a_spare_nic_is_given_away() {
    let printed = devices("ip link set lo up", &everything());
    assert!(printed.contains(" intel.com/nics"), "{printed}");
}

#[test]
fn a_nic_with_an_address_is_the_nodes() {
    for address in ["192.0.2.1/24", "2001:db8::1/64"] {
        let printed = devices(&format!("ip address add {address} dev lo"), &everything());
        let ip = address.split('/').next().unwrap();
        assert!(
            printed.contains(&format!("it carries the node's address {ip}")),
            "{printed}"
        );
    }
}

#[test]
fn a_nic_with_a_default_route_is_the_nodes() {
    for (command, expected) in [
        (
            "ip route add default dev lo",
            "the node's IPv4 default route (table 254)",
        ),
        (
            "ip route add default dev lo table 77",
            "the node's IPv4 default route (table 77)",
        ),
        (
            "ip -6 route add default dev lo",
            "the node's IPv6 default route (table 254)",
        ),
    ] {
        let printed = devices(&format!("ip link set lo up\n{command}"), &everything());
        assert!(printed.contains(expected), "{command}: {printed}");
    }
}

#[test]
fn a_nic_of_the_node_is_given_away_by_name_only() {
    for named in ["lo", "0000:05:00.0"] {
        let pool = json!({"resourceName": "nics", "selectors": {}, "allowNodeDevices": [named]});
        let printed = devices("ip address add 192.0.2.1/24 dev lo", &pool);
        assert!(printed.contains(" intel.com/nics"), "{printed}");
    }
    let pool = json!({"resourceName": "nics", "selectors": {}, "allowNodeDevices": ["eth7"]});
    let printed = devices("ip address add 192.0.2.1/24 dev lo", &pool);
    assert!(printed.contains("the node's address"), "{printed}");
}
