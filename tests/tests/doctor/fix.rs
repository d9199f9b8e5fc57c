//! What the daemon does with `--fix`: its own sockets, and what the ledger calls free. Never what may be somebody's.

use std::os::unix::net::UnixListener;

use hardwire_cni::journal::{Journal, PodName};
use hardwire_device_plugin::ask::control;
use hardwire_device_plugin::ask::fix::Fix;
use hardwire_tests::records;

use super::*;

fn release(node: &Node, device: &str) -> Result<String, String> {
    let fix = Fix::Release(device.parse().unwrap());
    control::fix(&node.site.state_dir(), &fix).map_err(|error| error.to_string())
}

#[test]
fn only_our_own_sockets_that_nobody_serves_are_removed() {
    let node = Node::healthy();
    fs::create_dir_all(node.site.state_dir().join("published")).unwrap();
    fs::write(node.site.state_dir().join("published/intel.com_old"), "").unwrap();
    let (ours, theirs) = (
        node.site.plugin_dir().join("intel.com_old.sock"),
        node.site.plugin_dir().join("other.io_nic.sock"),
    );
    for dead in [&ours, &theirs] {
        drop(UnixListener::bind(dead).unwrap());
    }
    let found = node.found("stale-socket", &[]);
    assert_eq!(found["subject"], ours.to_str().unwrap());
    node.mend(&found);
    assert!(!ours.exists() && theirs.exists());
    node.assert_healthy();
}

/// The daemon waits an hour for the DEL: what ends the attachment here is the command that is printed.
#[test]
fn an_attachment_that_nobody_has_any_more_is_released_when_asked() {
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    node.start(&["--repair-grace", "3600"]);
    node.wait_for_list();
    let (journal, device) = (Journal::at(&node.site.state_dir()), SysfsTree::vf(0));
    let mut record = records::attached(&device);
    record.owner.netns_path = node.path("gone").to_str().unwrap().to_owned();
    record.pod = Some(PodName {
        namespace: "red".to_owned(),
        name: "a".to_owned(),
        uid: None,
    });
    journal.put(&record).unwrap();
    // A DEL may be on its way: only an old attachment counts as left.
    let file = node.site.state_dir().join(format!("attachments/{device}.json"));
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(600))
        .unwrap();
    drop(file);
    let explains = |report: &Value| top(report, "attachment-left").is_some_and(|found| !followers(found).is_empty());
    let report = node.wait_for(&[], explains);
    assert_eq!(names(&report), ["attachment-left"], "{report:#}");
    let found = top(&report, "attachment-left").unwrap();
    assert_eq!(
        (&found["subject"], followers(found)),
        (&json!(device), vec!["device-unhealthy"])
    );
    assert!(found["what"].as_str().unwrap().contains("red/a"), "{found}");

    // A pod that has it by the kubelet's word keeps it.
    node.kubelet().remember("red/b", "main", RESOURCE, &[&device]);
    let refused = release(&node, &device).unwrap_err();
    assert!(
        refused.contains("is not free") && refused.contains("red/b"),
        "{refused}"
    );
    node.kubelet().free("red/b");
    node.mend(found);
    assert!(journal.get(&device.parse().unwrap()).unwrap().is_none());
    node.assert_healthy();
}

#[test]
fn rule_7_what_may_live_or_cannot_be_known_is_not_released() {
    let mut node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    node.start(&["--repair-grace", "3600"]);
    node.wait_for_list();
    let (journal, device) = (Journal::at(&node.site.state_dir()), SysfsTree::vf(0));
    let mut record = records::attached(&device);
    record.owner.netns_path = "/hidden-from-here/netns".to_owned();
    journal.put(&record).unwrap();
    let refused = release(&node, &device).unwrap_err();
    assert!(refused.contains("lives, or may live"), "{refused}");
    record.owner.netns_path = node.path("gone").to_str().unwrap().to_owned();
    journal.put(&record).unwrap();
    node.kubelet.as_mut().unwrap().end(hardwire_tests::kubelet::End::Killed);
    let refused = release(&node, &device).unwrap_err();
    assert!(refused.contains("is not known to be free"), "{refused}");
    assert!(release(&node, "0000:09:00.0").unwrap_err().contains("is not attached"));
    assert!(journal.get(&device.parse().unwrap()).unwrap().is_some());
}
