//! The state directory and the configuration.

use hardwire_tests::node::{isolated, run};

use super::*;

#[test]
fn state_on_a_disk_is_told() {
    // Where cargo builds is a disk, on whatever machine.
    let disk = binaries::hardwire().parent().unwrap().join("doctor-state");
    let node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    fs::create_dir_all(&disk).unwrap();
    let output = node
        .command(&["--json"])
        .env("HARDWIRE_STATE_DIR", &disk)
        .output()
        .unwrap();
    fs::remove_dir_all(&disk).unwrap();
    let report = report_of(&output);
    let found = top(&report, "state-on-disk").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(found["subject"], disk.to_str().unwrap());
    assert!(top(&node.report(&[]), "state-on-disk").is_none());
}

#[test]
fn state_that_is_the_pods_own_is_told_with_the_mount_that_is_right() {
    isolated(|| {
        let node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
        fs::create_dir("/run/hardwire").unwrap();
        run(&["mount", "-t", "tmpfs", "empty-dir", "/run/hardwire"]);
        let mut command = node.command(&["--json"]);
        command
            .env_remove("HARDWIRE_STATE_DIR")
            .env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        let report = report_of(&command.output().unwrap());
        let found = top(&report, "state-not-shared").unwrap_or_else(|| panic!("{report:#}"));
        assert!(
            found["byHand"]
                .as_str()
                .unwrap()
                .contains("every node of the DaemonSet"),
            "{found}"
        );
        let command = found["then"].as_str().unwrap();
        assert!(
            command.contains("hostPath: {path: /run/hardwire, type: DirectoryOrCreate}"),
            "{command}"
        );
        run(&["umount", "/run/hardwire"]);
        let mut command = node.command(&["--json"]);
        let report = report_of(&command.env_remove("HARDWIRE_STATE_DIR").output().unwrap());
        assert!(top(&report, "state-not-shared").is_none(), "{report:#}");
    });
}

#[test]
fn a_refused_pool_and_a_refused_file_are_told_with_the_field() {
    let config = json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
        {"resourceName": "typo", "selectors": {"pfName": ["eth0"]}},
    ]});
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), config);
    node.start(&[]);
    node.kubelet().wait_for_devices(RESOURCE, |_| true, SOON).unwrap();
    let found = node.found("pool-refused", &[]);
    assert!(found["subject"].as_str().unwrap().contains("typo"), "{found}");
    assert!(found["why"].as_str().unwrap().contains("pfName"), "{found}");
    fs::write(node.site.directory().join("config.json"), "{").unwrap();
    let found = node.found("configuration-refused", &[]);
    assert!(found["command"].as_str().unwrap().ends_with("config.json"), "{found}");
    node.site.config(&one_pool());
    node.assert_healthy();
}
