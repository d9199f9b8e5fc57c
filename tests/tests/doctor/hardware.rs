//! IOMMU, VFs, PFs and drivers, in trees of files.

use hardwire_tests::sysfs_tree::Pci;

use super::*;

fn pool(name: &str, selectors: &Value) -> Value {
    json!({"resourceList": [{"resourceName": name, "selectors": selectors}]})
}

#[test]
fn an_iommu_that_is_off_explains_an_empty_vfio_pool() {
    let config = pool("dpdk", &json!({"drivers": ["vfio-pci"], "pfNames": ["eth0"]}));
    let node = Node::running(SysfsTree::with_vfs(2), config);
    let wrong = node.found("wrong-driver", &[]);
    assert_eq!(followers(&wrong), ["pool-empty"], "{wrong}");
    fs::remove_dir(node.tree.root().join("kernel/iommu_groups/0")).unwrap();
    let report = node.wait_for(&[], |report| top(report, "iommu-off").is_some());
    assert_eq!(names(&report), ["iommu-off"], "{report:#}");
    let off = top(&report, "iommu-off").unwrap();
    let mut follows = followers(off);
    follows.sort_unstable();
    assert_eq!(follows, ["pool-empty", "wrong-driver"], "{off}");
    assert!(off["byHand"].as_str().unwrap().contains("intel_iommu=on"), "{off}");
    fs::write(node.path("proc/cmdline"), "ro intel_iommu=on\n").unwrap();
    let off = node.found("iommu-off", &[]);
    assert!(off["byHand"].as_str().unwrap().contains("firmware"), "{off}");
}

#[test]
fn a_pf_without_vfs_explains_the_pool_that_waits_for_them() {
    let node = Node::running(
        SysfsTree::with_vfs(0),
        pool("vfs", &json!({"pfNames": ["eth0#0-3"], "functions": ["vf"]})),
    );
    let found = node.found("no-vfs", &[]);
    assert_eq!(followers(&found), ["pool-empty"], "{found}");
    assert_eq!(
        found["command"],
        format!("echo 4 > /sys/bus/pci/devices/{PF}/sriov_numvfs"),
        "as many as the pool takes, and not all that the card has"
    );
    let other = Node::running(SysfsTree::with_vfs(0), pool("vfs", &json!({"pfNames": ["eth7"]})));
    let report = other.wait_for(&[], |report| top(report, "pool-empty").is_some());
    assert_eq!(
        names(&report),
        ["pool-empty"],
        "no VFs of that PF are asked for: {report:#}"
    );
}

#[test]
fn a_missing_driver_explains_the_device_that_is_not_given_out() {
    let node = Node::healthy();
    let lost = SysfsTree::vf(1);
    fs::remove_file(node.tree.device(&lost).join("driver")).unwrap();
    node.daemon.as_ref().unwrap().signal(rustix::process::Signal::HUP);
    let explains = |report: &Value| top(report, "driver-missing").is_some_and(|found| !followers(found).is_empty());
    let report = node.wait_for(&[], explains);
    assert_eq!(names(&report), ["driver-missing"], "{report:#}");
    let found = top(&report, "driver-missing").unwrap();
    assert_eq!(
        (&found["devices"], followers(found)),
        (&json!([lost]), vec!["device-unhealthy"])
    );
    let command = found["command"].as_str().unwrap();
    assert_eq!(command, format!("echo {lost} > /sys/bus/pci/drivers_probe"), "{found}");
}

#[test]
fn a_pf_that_is_down_is_told_from_one_without_a_cable() {
    let node = Node::healthy();
    let link = node.tree.root().join("class/net/eth0");
    node.tree.write(&link.join("carrier"), "0");
    let found = node.found("pf-no-carrier", &[]);
    assert_eq!(
        (&found["severity"], found["devices"].as_array().unwrap().len()),
        (&json!("warning"), 2)
    );
    node.tree.write(&link.join("flags"), "0x1002");
    let found = node.found("pf-down", &[]);
    assert_eq!(
        (&found["severity"], &found["command"]),
        (&json!("warning"), &json!("ip link set dev eth0 up"))
    );
    assert_eq!(found["subject"], format!("eth0 ({PF})"));
}

#[test]
fn vfs_with_the_wrong_driver_are_told_with_the_right_one() {
    let tree = SysfsTree::with_vfs(2);
    let address = SysfsTree::vf(2);
    let wrong = Pci {
        device: "10ca",
        driver: Some("vfio-pci"),
        ..Pci::at(&address)
    };
    tree.add_vf(PF, 2, &wrong);
    let node = Node::running(tree, one_pool());
    let found = node.found("wrong-driver", &[]);
    assert_eq!(
        (&found["subject"], &found["severity"]),
        (&json!(RESOURCE), &json!("note"))
    );
    assert_eq!(found["devices"], json!([address]));
    // The pool has others, and a virtual machine of the node may have this one.
    let how = found["byHand"].as_str().unwrap();
    assert!(how.contains("then leave them") && how.contains("fuser -v"), "{found}");
    let then = found["then"].as_str().unwrap();
    assert!(
        found["command"].is_null() && then.starts_with("modprobe igbvf && echo > /sys/bus/pci/devices/"),
        "{found}"
    );
}
