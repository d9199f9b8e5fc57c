//! What only ours does, or does in time.

use hardwire_tests::node::{Veth, run};
use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

use super::{ending, is_debians, references};

#[test]
fn the_own_namespace_is_refused_before_and_not_after_the_work() {
    let scene = Scene::new("down");
    for reference in references() {
        let call = scene
            .call("ADD", &json!({}))
            .set("CNI_NETNS", "/proc/self/ns/net")
            .set("CNI_IFNAME", "hwown");
        let ours = scene.unchanged_by(|| ending(&call.run()));
        let theirs = call.clone().by(&reference).run();
        // Debian's does not look at all.
        if !is_debians(&reference) {
            assert_eq!(ending(&theirs), ours, "code and text");
            let documents = serde_json::Deserializer::from_str(&theirs.stdout).into_iter::<Value>();
            assert_eq!(documents.count(), 2, "it has printed a result as well: {theirs:?}");
        }
        assert!(ours.is_some());
        // It did the work; the link is put back by hand.
        run(&["ip", "link", "set", "hwown", "down"]);
        run(&["ip", "link", "set", "hwown", "name", "hwdown", "alias", ""]);
    }
}

#[test]
fn only_ours_may_be_asked_to_del_twice() {
    let scene = Scene::new("dtwice");
    for reference in references() {
        let del = scene.call("DEL", &json!({}));
        scene.call("ADD", &json!({})).by(&reference).run().success();
        del.clone().by(&reference).run().silence();
        assert_eq!(
            ending(&del.clone().by(&reference).run()).map(|(code, _)| code),
            Some(999)
        );
        scene.add(&json!({}));
        for _ in 0..2 {
            del.run().silence();
        }
    }
}

#[test]
fn only_ours_puts_back_what_an_attachment_changes() {
    let scene = Scene::new("dback");
    scene.nic.set(&["alias", "spare", "up"]);
    for reference in references() {
        let before = scene.seen();
        scene.call("ADD", &json!({})).by(&reference).run().success();
        scene.call("DEL", &json!({})).by(&reference).run().silence();
        assert_ne!(
            scene.seen(),
            before,
            "the reference leaves the link down and without its alias"
        );
        scene.nic.set(&["alias", "spare", "up"]);
        scene.unchanged_by(|| {
            scene.add(&json!({}));
            scene.del(&json!({}));
        });
    }
}

#[test]
fn of_two_selectors_the_reference_takes_the_first_and_ours_neither() {
    let scene = Scene::new("dsel");
    let other = Veth::new("hwdselo");
    let mac = std::fs::read_to_string(format!("/sys/class/net/{}/address", other.name())).expect("a MAC");
    let extra = json!({"hwaddr": mac.trim()});
    for reference in references() {
        scene.call("ADD", &extra).by(&reference).run().success();
        scene.call("DEL", &extra).by(&reference).run().silence();
        let error = scene.unchanged_by(|| scene.call("ADD", &extra).run().error_naming(&["hwdsel", mac.trim()]));
        assert_eq!(error["code"], 7);
    }
}
