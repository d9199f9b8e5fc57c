//! Several ADDs at once, and one that is killed.

use hardwire_tests::node::Pod;
use hardwire_tests::plugin::{Outcome, Scene};
use serde_json::json;

use super::{remarkable, with_ipam};

#[test]
fn c58_two_adds_of_different_devices_at_once_both_succeed() {
    let (first, second) = (Scene::new("c58a"), Scene::new("c58b"));
    let at_once = |scene: &Scene| {
        let conf = scene.conf(&json!({}));
        first.plugin.request("ADD", &scene.pod, &conf).start()
    };
    let children = [at_once(&first), at_once(&second)];
    for child in children {
        Outcome::of(child).success();
    }
    assert_eq!(
        (first.pod.link_names(), second.pod.link_names()),
        (
            vec!["lo".into(), "net1".into()],
            vec!["lo".to_owned(), "net1".to_owned()]
        )
    );
    for scene in [&first, &second] {
        let conf = scene.conf(&json!({}));
        first.plugin.request("DEL", &scene.pod, &conf).run().silence();
    }
}

#[test]
fn c58_of_two_adds_of_one_device_at_once_one_succeeds_and_the_other_is_to_try_later() {
    let scene = Scene::new("c58");
    let other = Pod::new("c58-other");
    let before = scene.seen();
    for _ in 0..3 {
        let conf = scene.conf(&json!({}));
        let children = [&scene.pod, &other].map(|pod| scene.plugin.request("ADD", pod, &conf).start());
        let [first, second] = children.map(Outcome::of);
        let (winner, loser) = if first.status == 0 {
            (&scene.pod, second)
        } else {
            second.success();
            (&other, first)
        };
        assert_eq!(loser.error_naming(&["hwc58", winner.name()])["code"], 11);
        assert!(winner.link("net1").is_some());
        for pod in [&scene.pod, &other] {
            scene.plugin.request("DEL", pod, &conf).run().silence();
        }
    }
    assert_eq!(scene.seen(), before);
}

#[test]
fn c59_an_add_that_is_killed_while_ipam_runs_is_undone_by_del() {
    let (mut scene, extra) = remarkable("c59");
    let ipam = scene.plugin.fake_ipam("deadly");
    ipam.on("ADD", "kill -9 $PPID\n");
    scene.unchanged_by(|| {
        let killed = scene.call("ADD", &with_ipam(&extra, &ipam)).run();
        assert_eq!((killed.status, killed.stdout.as_str()), (-1, ""));
        scene.del(&with_ipam(&extra, &ipam));
    });
    assert_eq!(ipam.commands(), ["ADD", "DEL"]);
}
