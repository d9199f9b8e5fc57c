//! What is printed, to the letter: results of each version and errors, as reviewed snapshots.
//!
//! After a change that is meant: `INSTA_UPDATE=always cargo test -p hardwire-tests --test conformance_snapshots`, and
//! review `tests/tests/snapshots` as one reviews code.

use hardwire_tests::plugin::{Call, Scene};
use insta::{Settings, assert_json_snapshot};
use serde_json::{Map, Value, json};

/// Puts placeholders for what differs from run to run.
fn redacted(value: &Value, scene: &Scene) -> Value {
    let texts = [
        (scene.pod.path(), "/run/netns/POD"),
        (scene.pod.name().to_owned(), "CONTAINER"),
        (scene.plugin.directory().display().to_string(), "/DIRECTORY"),
    ];
    match value {
        Value::String(text) => texts
            .iter()
            .fold(text.clone(), |text, (real, placeholder)| {
                text.replace(real, placeholder)
            })
            .into(),
        Value::Array(items) => items.iter().map(|item| redacted(item, scene)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let value = if key == "mac" {
                    json!("MAC")
                } else {
                    redacted(value, scene)
                };
                (key.clone(), value)
            };
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn snapshot(name: &str, value: &Value) {
    let mut settings = Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    // Where there is no cargo, as in the emulated node, insta does not find the workspace by itself.
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots"));
    settings.set_sort_maps(true);
    settings.bind(|| assert_json_snapshot!(name, value));
}

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

#[test]
fn results_with_both_families_in_each_version() {
    let mut scene = Scene::new("snap");
    // What is printed does not depend on it, and it takes seconds each time.
    scene.pod.run(&[
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.accept_dad=0",
        "net.ipv6.conf.default.accept_dad=0",
    ]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"},
                        {"dst": "::/0", "gw": "fd00::1"}]);
    let dns = json!({"nameservers": ["10.1.0.53", "fd00::53"], "domain": "ex.org", "search": ["a", "b"],
                     "options": ["ndots:2"]});
    let addresses =
        json!([{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "FD00::5/64", "gateway": "fd00::1"}]);
    // Debian's `static` is older than 1.1.0.
    let newest = scene.plugin.fake_ipam("newest");
    newest.gives(&json!({"cniVersion": "1.1.0", "ips": addresses, "routes": routes, "dns": dns}));
    let fixed = json!({"type": "static", "addresses": addresses, "routes": routes, "dns": dns});
    for version in VERSIONS {
        let ipam = if version == "1.1.0" {
            newest.conf()
        } else {
            fixed.clone()
        };
        let extra = json!({"cniVersion": version, "ipam": ipam, "mtu": 1400});
        let result = scene.add(&extra);
        snapshot(&format!("dual_stack_{version}"), &redacted(&result, &scene));
        scene.del(&extra);
    }
}

#[test]
fn results_without_addresses() {
    let scene = Scene::new("snapl2");
    for version in &VERSIONS[2..] {
        let extra = json!({ "cniVersion": version });
        let result = scene.add(&extra);
        snapshot(&format!("layer_2_{version}"), &redacted(&result, &scene));
        scene.del(&extra);
    }
}

#[test]
fn a_result_with_every_field_that_a_route_has() {
    let mut scene = Scene::new("snaproute");
    let ipam = scene.plugin.fake_ipam("routes");
    ipam.gives(&json!({
        "cniVersion": "1.1.0",
        "ips": [{"address": "10.1.0.5/16"}, {"address": "fd00::5/64"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 50, "table": 100, "scope": 0},
                   {"dst": "10.8.0.0/16", "scope": 253}, {"dst": "fd09::/64", "priority": 7}],
    }));
    for version in ["0.2.0", "0.4.0", "1.1.0"] {
        let extra = json!({"cniVersion": version, "ipam": ipam.conf()});
        let result = scene.add(&extra);
        snapshot(&format!("routes_{version}"), &redacted(&result, &scene));
        scene.del(&extra);
    }
}

#[test]
fn a_result_behind_another_plugin() {
    let mut scene = Scene::new("snapchain");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let previous = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": scene.pod.path()}, {"name": "veth7"}],
        "ips": [{"interface": 0, "address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let extra = json!({"prevResult": previous, "ipam": ipam.conf()});
    let result = scene.add(&extra);
    snapshot("chained_1.0.0", &redacted(&result, &scene));
    scene.del(&extra);
}

#[test]
fn errors_of_the_protocol() {
    let scene = Scene::new("snaperr");
    let add = |extra: Value| scene.call("ADD", &extra);
    let rows: [(&str, Call); 14] = [
        ("no variables", scene.plugin.bare_request().set("CNI_COMMAND", "ADD")),
        ("container id", add(json!({})).set("CNI_CONTAINERID", "-bad")),
        (
            "long interface name",
            add(json!({})).set("CNI_IFNAME", "sixteen-bytes-if"),
        ),
        ("interface name .", add(json!({})).set("CNI_IFNAME", ".")),
        ("interface name a/b", add(json!({})).set("CNI_IFNAME", "a/b")),
        ("command", scene.call("NOPE", &json!({}))),
        ("no name", add(json!({"name": ""}))),
        ("name", add(json!({"name": "te%%st"}))),
        ("version", add(json!({"cniVersion": "9.9.9"}))),
        (
            "version without CHECK",
            scene.call("CHECK", &json!({"cniVersion": "0.3.1"})),
        ),
        (
            "version newer than all",
            scene.call("GC", &json!({"cniVersion": "9.9.9"})),
        ),
        ("own namespace", add(json!({})).set("CNI_NETNS", "/proc/self/ns/net")),
        (
            "IPAM plugin",
            add(json!({"ipam": {"type": "nosuch"}})).set("CNI_PATH", "/a:/b"),
        ),
        ("IPAM plugin's name", add(json!({"ipam": {"type": "../x"}}))),
    ];
    let errors = rows.map(|(name, call)| json!({name: redacted(&call.run().error(), &scene)}));
    snapshot("errors_of_the_protocol", &json!(errors));
}

#[test]
fn errors_of_the_configuration() {
    let scene = Scene::new("snapconf");
    let rows = [
        json!({"device": null}),
        json!({"device": "nosuch0"}),
        json!({"device": "lo"}),
        json!({"device": null, "deviceID": "0000:ff:1f.7"}),
        json!({"device": null, "deviceID": "eth0"}),
        json!({"cniVersion": "0.2.0"}),
        json!({"mac": "01:00:5e:00:00:01"}),
        json!({"vlan": 4095}),
        json!({"vlan": "10"}),
        json!({"vlanQoS": 3}),
        json!({"spoofchk": "true"}),
        json!({"max-tx-rate": 100}),
        json!({"mtu": 10}),
        json!({"trust": "on"}),
    ];
    let errors: Vec<_> = rows
        .iter()
        .map(|extra| json!({extra.to_string(): redacted(&scene.call("ADD", extra).run().error(), &scene)}))
        .collect();
    snapshot("errors_of_the_configuration", &json!(errors));
}

#[test]
fn the_answer_to_version() {
    let scene = Scene::new("snapver");
    let answer = scene
        .plugin
        .bare_request()
        .set("CNI_COMMAND", "VERSION")
        .run()
        .success();
    snapshot("version", &answer);
}
