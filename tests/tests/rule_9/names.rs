//! Names of interfaces: what the kernel would make another name of, and what nobody can see.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use hardwire_tests::plugin::Scene;
use serde_json::json;

#[test]
fn rule_9_a_template_is_no_name_of_an_interface() {
    let scene = Scene::new("templ");
    scene.unchanged_by(|| {
        for name in ["eth%d", "%d", "%", "net1%", "%s%n", "a%%b"] {
            for command in ["ADD", "DEL", "CHECK"] {
                let call = scene.call(command, &json!({})).set("CNI_IFNAME", name);
                call.run().failure_naming(4, &["interface name contains %"]);
                // Before anything: before stdin is looked at, before the namespace is.
                let call = call.stdin("{{{").set("CNI_NETNS", "/run/netns/hw-nosuch");
                call.run().failure_naming(4, &["interface name contains %"]);
            }
            let device = scene.call("ADD", &json!({ "device": name }));
            device.run().failure_naming(7, &["device", name]);
        }
    });
    // The names that the templates would have become are still free.
    assert_eq!(scene.pod.link_names(), ["lo"]);
}

#[test]
fn rule_9_a_name_that_cannot_be_seen_is_refused() {
    let scene = Scene::new("unseen");
    let names: [&[u8]; 5] = [b"a\x01", b"\x1b[2J", b"a\x7f", b"a\xff\xfe", "a\u{202e}b".as_bytes()];
    scene.unchanged_by(|| {
        for name in names {
            for command in ["ADD", "DEL", "CHECK"] {
                let call = scene
                    .call(command, &json!({}))
                    .set("CNI_IFNAME", OsString::from_vec(name.to_vec()));
                call.run()
                    .failure_naming(4, &["interface name contains characters that cannot be seen"]);
            }
        }
    });
    // What can be seen is a name, whatever the script.
    let name = "\u{4e2d}\u{e9}1";
    let result = scene.call("ADD", &json!({})).set("CNI_IFNAME", name).run().success();
    assert_eq!(result["interfaces"][0]["name"], name);
    scene.call("DEL", &json!({})).set("CNI_IFNAME", name).run().silence();
}
