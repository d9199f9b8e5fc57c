//! The kubelet: away, elsewhere, deaf to us, or told of one device by two plugins.

use hardwire_tests::kubelet::End;

use super::*;

#[test]
fn a_kubelet_that_is_away_explains_what_it_does_not_tell() {
    let mut node = Node::healthy();
    node.kubelet.as_mut().unwrap().end(End::Killed);
    let explains = |report: &Value| top(report, "kubelet-absent").is_some_and(|found| followers(found).len() == 2);
    let report = node.wait_for(&[], explains);
    assert_eq!(names(&report), ["kubelet-absent"], "{report:#}");
    let mut follows = followers(top(&report, "kubelet-absent").unwrap());
    follows.sort_unstable();
    assert_eq!(follows, ["kubelet-not-registered", "podresources-unheard"]);
    node.kubelet.as_mut().unwrap().restart(End::Clean).unwrap();
    node.wait_for_list();
    node.assert_healthy();
}

#[test]
fn a_kubelet_that_does_not_take_our_registration_is_told_by_pool() {
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    node.kubelet()
        .behave(|behaviour| behaviour.refuse_registrations = usize::MAX);
    node.start(&[]);
    let found = node.found("kubelet-not-registered", &[]);
    assert_eq!(
        (&found["subject"], &found["severity"]),
        (&json!(RESOURCE), &json!("error"))
    );
    assert!(
        found["command"].as_str().unwrap().ends_with("spec.nodeName=node-1"),
        "{found}"
    );
    node.kubelet().behave(|behaviour| behaviour.refuse_registrations = 0);
    node.wait_for_list();
    node.assert_healthy();
}

#[test]
fn a_kubelet_with_another_root_directory_is_found_by_its_process() {
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    // Its registration socket stays where it is, whatever its root: podresources are elsewhere.
    let root = node.path("data/kubelet");
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    let _elsewhere = Kubelet::start(&root).unwrap();
    fs::remove_dir_all(node.site.kubelet_dir().join("pod-resources")).unwrap();
    fs::create_dir_all(node.path("proc/7")).unwrap();
    let line = format!("/usr/bin/kubelet\0--root-dir={}\0", root.display());
    fs::write(node.path("proc/7/cmdline"), line).unwrap();
    node.start(&[]);
    node.wait_for_list();
    let report = node.wait_for(&[], |report| top(report, "kubelet-other-root").is_some());
    assert_eq!(names(&report), ["kubelet-other-root"], "{report:#}");
    let found = top(&report, "kubelet-other-root").unwrap();
    assert_eq!(followers(found), ["podresources-unheard"]);
    let how = found["byHand"].as_str().unwrap();
    let flag = how
        .split_once(" --pod-resources-dir ")
        .map(|(_, flag)| flag.trim_matches('"'))
        .unwrap();
    // As it says: the one that runs is started anew.
    drop(node.daemon.take());
    node.start(&["--pod-resources-dir", flag]);
    node.wait_for_list();
    let mut doctor = node.command(&["--json"]);
    doctor.args(["--pod-resources-dir", flag]);
    let report = report_of(&doctor.output().unwrap());
    assert_eq!(report["findings"], json!([]), "{report:#}");
}

#[test]
fn two_plugins_that_offer_one_device_are_found_in_the_checkpoint() {
    let node = Node::healthy();
    let checkpoint = json!({"Data": {"PodDeviceEntries": null, "RegisteredDevices": {
        "intel.com/vfs": [SysfsTree::vf(0), SysfsTree::vf(1)], "other.io/nic": [SysfsTree::vf(1)],
    }}, "Checksum": 1});
    let file = node.site.plugin_dir().join("kubelet_internal_checkpoint");
    fs::write(&file, checkpoint.to_string()).unwrap();
    let found = node.found("two-plugins", &[]);
    assert_eq!(
        (&found["subject"], &found["devices"]),
        (&json!("other.io/nic"), &json!([SysfsTree::vf(1)]))
    );
    assert!(found["byHand"].is_string() && found["since"].is_null(), "{found}");
    fs::create_dir_all(node.path("proc/8")).unwrap();
    fs::write(node.path("proc/8/cmdline"), "/usr/bin/sriovdp\0--log-dir=x\0").unwrap();
    let found = node.found("two-plugins", &[]);
    assert!(found["command"].is_null(), "{found}");
    assert!(
        found["why"].as_str().unwrap().contains("sriov-network-device-plugin"),
        "{found}"
    );
    fs::remove_file(&file).unwrap();
    node.assert_healthy();
}

#[test]
fn a_device_that_a_pod_has_as_another_plugins_is_told_with_the_pod() {
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    node.kubelet()
        .remember("red/a", "main", "other.io/nic", &[&SysfsTree::vf(0)]);
    node.start(&[]);
    node.wait_for_list();
    let found = node.found("two-plugins", &[]);
    assert_eq!(found["subject"], SysfsTree::vf(0));
    assert!(
        found["what"].as_str().unwrap().contains("red/a has it as other.io/nic"),
        "{found}"
    );
}
