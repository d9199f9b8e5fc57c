//! A record of another layout: its device is not taken for released.

use std::path::PathBuf;

use hardwire_tests::node::{Pod, isolated};
use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

use super::{NETWORK, change, one_file, with_addresses};

fn record(scene: &Scene) -> PathBuf {
    one_file(&scene.plugin.state().join("attachments"), "json")
}

/// What another version may do to a record, by name.
type Layout = (&'static str, fn(&mut Value));

fn layouts() -> Vec<Layout> {
    vec![
        ("a newer one", |record| record["version"] = json!(2)),
        ("an older one", |record| record["version"] = json!(0)),
        ("one with other fields", |record| {
            record["version"] = json!(7);
            for field in ["step", "target", "link", "attempt"] {
                drop(record.as_object_mut().and_then(|record| record.remove(field)));
            }
        }),
        ("one that says elsewhere whose it is", |record| {
            *record = json!({"version": 8, "holder": {"of": "somebody"}, "what": "net/x"});
        }),
    ]
}

#[test]
fn rule_2_a_del_whose_record_is_another_versions_fails_with_the_device_in_the_pod() {
    isolated(|| {
        let scene = Scene::new("version");
        let other = Pod::new("version-other");
        for (what, to_layout) in layouts() {
            scene.unchanged_by(|| {
                scene.add(&with_addresses(&scene));
                let record = record(&scene);
                let ours = std::fs::read(&record).expect("the record");
                change(&record, to_layout);
                let path = record.to_str().expect("UTF-8").to_owned();
                for _ in 0..2 {
                    let error = scene.call("DEL", &with_addresses(&scene)).run();
                    let error = error.failure_naming(5, &[&path, "version"]);
                    assert!(scene.pod.link("net1").is_some(), "{what}: {error}");
                    assert_eq!(scene.plugin.reservations(NETWORK).len(), 1, "{what}");
                }
                // It is nobody else's trouble.
                scene.plugin.del(&other, &scene.conf(&json!({})));
                scene.call("DEL", &json!({})).set("CNI_IFNAME", "net7").run().silence();
                scene
                    .plugin
                    .request("ADD", &other, &scene.conf(&json!({})))
                    .run()
                    .error();
                std::fs::write(&record, ours).expect("the record");
                scene.del(&json!({}));
            });
        }
    });
}

#[test]
fn a_record_that_is_cut_short_is_told() {
    isolated(|| {
        let scene = Scene::new("torn");
        scene.unchanged_by(|| {
            scene.add(&with_addresses(&scene));
            let record = record(&scene);
            let ours = std::fs::read(&record).expect("the record");
            std::fs::write(&record, &ours[..100]).expect("a torn record");
            let outcome = scene.call("DEL", &with_addresses(&scene)).run();
            outcome.silence();
            assert!(
                outcome.stderr.contains(&*record.to_string_lossy()),
                "{}",
                outcome.stderr
            );
            std::fs::write(&record, ours).expect("the record");
            scene.del(&with_addresses(&scene));
        });
    });
}
