//! What is refused alike, and what differently.

use hardwire_tests::plugin::{Call, Scene};
use serde_json::{Value, json};

use super::{ORDER, Same, compare, row};

#[test]
fn environments_are_judged_alike() {
    let scene = Scene::new("denv");
    let add = scene.call("ADD", &json!({}));
    let del = scene.call("DEL", &json!({}));
    let check = scene.call("CHECK", &json!({}));
    let without = |call: &Call, names: &[&str]| names.iter().fold(call.clone(), |call, name| call.unset(name));
    let all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"];
    let mut rows = vec![
        row("ADD without all", without(&add, &all), Same::Text),
        row("CHECK without all", without(&check, &all), Same::Text),
        row("DEL without all", without(&del, &all), Same::Text),
        row("ADD without CNI_PATH", without(&add, &["CNI_PATH"]), Same::Text),
        row("ADD with empty CNI_NETNS", add.clone().set("CNI_NETNS", ""), Same::Text),
        row("CHECK without CNI_NETNS", without(&check, &["CNI_NETNS"]), Same::Text),
        row("DEL without CNI_NETNS", without(&del, &["CNI_NETNS"]), Same::Text),
        row("DEL without CNI_IFNAME", without(&del, &["CNI_IFNAME"]), Same::Text),
        row("unknown command", scene.call("NOPE", &json!({})), Same::Text),
        row("lower-case command", scene.call("add", &json!({})), Same::Text),
        row("no command", add.clone().unset("CNI_COMMAND"), Same::Text),
        row(
            "invalid id and missing name",
            without(&add, &["CNI_IFNAME"]).set("CNI_CONTAINERID", "-bad"),
            Same::TextOfNewer(ORDER),
        ),
        row(
            "missing id and invalid name",
            without(&add, &["CNI_CONTAINERID"]).set("CNI_IFNAME", ".."),
            Same::TextOfNewer(ORDER),
        ),
        row(
            "missing path and broken stdin",
            without(&add, &["CNI_PATH"]).stdin("{{{"),
            Same::Text,
        ),
    ];
    for id in ["-bad", "a/b", "a b", "\u{e9}", "a\n"] {
        rows.push(row("container id", add.clone().set("CNI_CONTAINERID", id), Same::Text));
    }
    for name in [".", "..", "a/b", "a:b", "a b", "a\tb", "a\u{a0}b", "sixteen-bytes-if"] {
        rows.push(row("interface name", add.clone().set("CNI_IFNAME", name), Same::Text));
        rows.push(row("interface name", del.clone().set("CNI_IFNAME", name), Same::Text));
    }
    scene.unchanged_by(|| compare(&rows));
}

#[test]
fn configurations_are_judged_alike() {
    let scene = Scene::new("dconf");
    let add = |extra: Value| scene.call("ADD", &extra);
    let stdin = |text: &str| scene.call("ADD", &json!({})).stdin(text);
    let conf = scene.conf(&json!({})).to_string();
    let mut rows = vec![
        row("empty stdin", stdin(""), Same::Code),
        row("broken stdin", stdin("{{{"), Same::Code),
        row("list", stdin("[]"), Same::Code),
        row("text", stdin("\"x\""), Same::Code),
        row("trailing byte", stdin(&format!("{conf}x")), Same::Code),
        row("name of another type", stdin(r#"{"name":3}"#), Same::Code),
        row("null", stdin("null"), Same::Text),
        row("no name", stdin("{}"), Same::Text),
        row("empty name", add(json!({"name": ""})), Same::Text),
        row("null name", add(json!({"name": null})), Same::Text),
        row(
            "wrong name and version",
            add(json!({"name": "-a", "cniVersion": "9.9.9"})),
            Same::Text,
        ),
        row("version of another type", add(json!({"cniVersion": 1})), Same::Code),
        row(
            "unknown command, empty stdin",
            scene.call("NOPE", &json!({})).stdin(""),
            Same::Code,
        ),
        row(
            "unknown command, no name",
            scene.call("NOPE", &json!({})).stdin("{}"),
            Same::Text,
        ),
        row(
            "unknown command, unknown version",
            scene.call("NOPE", &json!({"cniVersion": "9.9.9"})),
            Same::Text,
        ),
    ];
    for name in ["te%%st", "-a", "a/b", "a b"] {
        rows.push(row("name", add(json!({ "name": name })), Same::Text));
    }
    for version in ["9.9.9", "0.3", "abc"] {
        for command in ["ADD", "DEL"] {
            rows.push(row(
                "version",
                scene.call(command, &json!({ "cniVersion": version })),
                Same::Text,
            ));
        }
    }
    for version in ["", "0.3.1", "9.9.9"] {
        rows.push(row(
            "version of CHECK",
            scene.call("CHECK", &json!({ "cniVersion": version })),
            Same::Text,
        ));
    }
    rows.push(row(
        "version abc of CHECK",
        scene.call("CHECK", &json!({"cniVersion": "abc"})),
        Same::Code,
    ));
    scene.unchanged_by(|| compare(&rows));
}

const TYPED: &str = "a wrong configuration is code 7, not an untyped error";

#[test]
fn missing_devices_are_judged_differently() {
    let scene = Scene::new("ddev");
    let rows = [
        row(
            "no device",
            scene.call("ADD", &json!({"device": null})),
            Same::No(TYPED, 999, 7),
        ),
        row(
            "unknown device",
            scene.call("ADD", &json!({"device": "nosuch0"})),
            Same::No(TYPED, 999, 7),
        ),
        row(
            "unknown MAC",
            scene.call("ADD", &json!({"device": null, "hwaddr": "02:00:00:00:77:77"})),
            Same::No(TYPED, 999, 7),
        ),
        row(
            "kernelpath elsewhere",
            scene.call("ADD", &json!({"device": null, "kernelpath": "/etc"})),
            Same::No(TYPED, 999, 7),
        ),
        row(
            "missing netns",
            scene.call("ADD", &json!({})).set("CNI_NETNS", "/run/netns/hw-nosuch"),
            Same::No("a wrong CNI_NETNS is code 4 (5.6 c)", 999, 4),
        ),
        row(
            "regular file as netns",
            scene.call("ADD", &json!({})).set("CNI_NETNS", "/etc/passwd"),
            Same::No("a wrong CNI_NETNS is code 4 (5.6 c)", 999, 4),
        ),
        row(
            "CHECK without prevResult",
            scene.call("CHECK", &json!({})),
            Same::No("a missing prevResult is code 7", 999, 7),
        ),
        row(
            "DEL of an unknown device",
            scene.call("DEL", &json!({"device": null})),
            Same::No("DEL needs only the journal", 999, 0),
        ),
        row(
            "DEL of what was never added",
            scene.call("DEL", &json!({})),
            Same::No("DEL is idempotent", 999, 0),
        ),
        row(
            "DEL in a namespace that is gone",
            scene.call("DEL", &json!({})).set("CNI_NETNS", "/run/netns/hw-nosuch"),
            Same::No("DEL succeeds where there is nothing left", 999, 0),
        ),
    ];
    scene.unchanged_by(|| compare(&rows));
}
