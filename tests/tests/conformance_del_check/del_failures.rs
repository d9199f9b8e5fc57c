//! DEL without the device, without a readable record, and with an IPAM that fails.

use std::fs;

use hardwire_tests::node::{Pod, run, succeeds};
use hardwire_tests::plugin::Scene;
use serde_json::json;

#[test]
fn c56_del_of_a_device_that_went_away_succeeds_and_asks_ipam() {
    let mut scene = Scene::new("c56");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    scene.nic.remove();
    scene.del(&extra);
    scene.del(&extra);
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL"]);
    assert!(
        scene.plugin.state_files().is_empty(),
        "{:?}",
        scene.plugin.state_files()
    );
}

#[test]
fn c56_del_with_an_unreadable_record_succeeds_and_says_so() {
    let scene = Scene::new("c56r");
    for garbage in ["", "{", "null", "[]", "{\"device\":3}", "\u{0}\u{1}"] {
        scene.add(&json!({}));
        let records: Vec<_> = scene
            .plugin
            .state_files()
            .into_iter()
            .filter(|path| path.parent().is_some_and(|room| room.ends_with("attachments")))
            .collect();
        assert_eq!(records.len(), 1);
        fs::write(&records[0], garbage).expect("a record");
        let outcome = scene.call("DEL", &json!({})).run();
        outcome.silence();
        assert!(
            outcome.stderr.contains(&*records[0].to_string_lossy()),
            "{garbage:?}: {}",
            outcome.stderr
        );
        // The next round begins on a clean node.
        drop(fs::remove_file(&records[0]));
        succeeds(&[
            "ip",
            "-netns",
            scene.pod.name(),
            "link",
            "set",
            "net1",
            "netns",
            "1",
            "name",
            "hwc56r",
        ]);
        scene.nic.remove();
        run(&["ip", "link", "add", "hwc56r", "type", "veth", "peer", "name", "hwc56rp"]);
    }
}

#[test]
fn c56_an_unreadable_record_of_another_device_is_nobody_elses_trouble() {
    let scene = Scene::new("c56o");
    let records = scene.plugin.state().join("attachments");
    fs::create_dir_all(&records).expect("a folder");
    fs::write(records.join("0000:3b:02.1.json"), "{").expect("a record");
    scene.unchanged_by(|| {
        scene.add(&json!({}));
        scene.del(&json!({}));
    });
}

#[test]
fn c57_an_error_of_ipam_del_is_reported_after_our_own_cleaning() {
    let mut scene = Scene::new("c57");
    scene.nic.set(&["mtu", "1450", "up"]);
    let ipam = scene.plugin.fake_ipam("sick");
    ipam.gives_an_address();
    let extra = json!({"mtu": 1300, "ipam": ipam.conf()});
    scene.unchanged_by(|| {
        scene.add(&extra);
        ipam.fails("DEL", &json!({"code": 113, "msg": "sick", "details": "d"}));
        let error = scene.call("DEL", &extra).run().error();
        assert_eq!(
            (&error["code"], &error["msg"], &error["details"]),
            (&json!(113), &json!("sick"), &json!("d"))
        );
        assert_eq!(scene.pod.link_names(), ["lo"]);
        let link = hardwire_tests::node::host_link("hwc57");
        assert_eq!(
            (&link["mtu"], &link["flags"]),
            (&json!(1450), &json!(["MULTICAST", "UP"]))
        );
        scene.call("DEL", &extra).run().error();
        ipam.on("DEL", "");
        scene.del(&extra);
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL", "DEL", "DEL"]);
}

#[test]
fn c57_a_device_is_free_for_the_next_pod_although_ipam_del_failed() {
    let mut scene = Scene::new("c57n");
    let next = Pod::new("c57-next");
    let ipam = scene.plugin.fake_ipam("sick");
    ipam.gives_an_address();
    let extra = json!({ "ipam": ipam.conf() });
    scene.add(&extra);
    ipam.fails("DEL", &json!({"code": 113, "msg": "sick"}));
    scene.call("DEL", &extra).run().error();
    scene.plugin.add(&next, &scene.conf(&json!({})));
    scene.plugin.del(&next, &scene.conf(&json!({})));
}
