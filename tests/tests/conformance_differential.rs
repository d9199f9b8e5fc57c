//! The reference `host-device` beside ours on the same input: code, exit status and, where people depend on it, the text
//! are the same, but for the differences listed here, each with its reason.
//!
//! The reference is Debian's; `HARDWIRE_PEERS` names a folder with a newer one (`hack/peers` makes it),
//! which is then asked too.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::path::{Path, PathBuf};

use hardwire_tests::binaries::peer;
use hardwire_tests::node::{Veth, run};
use hardwire_tests::plugin::{Call, Outcome, REFERENCE_PLUGINS, Scene};
use serde_json::{Value, json};

/// The reference plugins that are here, Debian's first.
fn references() -> Vec<PathBuf> {
    let debian = Path::new(REFERENCE_PLUGINS).join("host-device");
    let found: Vec<_> = std::iter::once(debian)
        .chain(peer("host-device"))
        .filter(|path| path.is_file())
        .collect();
    assert!(!found.is_empty(), "no host-device: install containernetworking-plugins");
    found
}

fn is_debians(reference: &Path) -> bool {
    reference.starts_with(REFERENCE_PLUGINS)
}

/// Code and text of a failure; `None`: it succeeded.
type Ending = Option<(u64, String)>;

/// How a call ended. The reference may print a result before its error.
#[track_caller]
fn ending(outcome: &Outcome) -> Ending {
    if outcome.status == 0 {
        return None;
    }
    let documents = serde_json::Deserializer::from_str(&outcome.stdout).into_iter::<Value>();
    let error = documents
        .filter_map(Result::ok)
        .find(|document| document.get("code").is_some())
        .unwrap_or_else(|| panic!("no error object: {outcome:?}"));
    Some((
        error["code"].as_u64().expect("a number"),
        error["msg"].as_str().expect("a text").to_owned(),
    ))
}

/// What is compared of a row.
#[derive(Clone, Copy)]
enum Same {
    /// Code and text.
    Text,
    /// Both, of a reference newer than Debian's: the reason.
    TextOfNewer(&'static str),
    /// The code: the text names a Go type, or an errno as Go spells it.
    Code,
    /// Neither: the reason, and how the reference and ours end (0 is success).
    No(&'static str, u64, u64),
}

struct Row {
    name: &'static str,
    call: Call,
    same: Same,
}

fn row(name: &'static str, call: Call, same: Same) -> Row {
    Row { name, call, same }
}

/// Makes each call with the reference and with ours.
#[track_caller]
fn compare(rows: &[Row]) {
    let mut wrong = Vec::new();
    for reference in references() {
        for Row { name, call, same } in rows {
            let theirs = ending(&call.clone().by(&reference).run());
            let ours = ending(&call.run());
            let code = |ending: &Ending| ending.as_ref().map_or(0, |(code, _)| *code);
            let right = match same {
                Same::Text => theirs == ours,
                Same::TextOfNewer(_) => theirs == ours || is_debians(&reference),
                Same::Code => code(&theirs) == code(&ours),
                Same::No(_, their_code, our_code) => (code(&theirs), code(&ours)) == (*their_code, *our_code),
            };
            if !right {
                let reason = if let Same::No(reason, ..) | Same::TextOfNewer(reason) = same {
                    reason
                } else {
                    ""
                };
                wrong.push(format!(
                    "{name} {reason}\n  {}: {theirs:?}\n  ours: {ours:?}",
                    reference.display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ORDER: &str = "Debian's reports what is missing before what is invalid";

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

/// A pod's link and routes, without what no two links have in common.
fn inside(scene: &Scene) -> Value {
    let link = scene.pod.link("net1").unwrap_or_default();
    let addresses = link["addr_info"].as_array().cloned().unwrap_or_default();
    let set = addresses.into_iter().filter(|info| info["scope"] == "global");
    let set: Vec<_> = set
        .map(|info| json!([info["local"], info["prefixlen"], info["broadcast"]]))
        .collect();
    let routes = |family: &str| {
        let text = scene.pod.run(&["ip", family, "route", "show"]);
        let mut lines: Vec<_> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.retain(|line| !line.starts_with("fe80::"));
        lines.sort();
        lines
    };
    let up = link["flags"]
        .as_array()
        .is_some_and(|flags| flags.contains(&json!("UP")));
    json!({"name": link["ifname"], "mac": link["address"], "mtu": link["mtu"], "up": up, "addresses": set,
           "v4": routes("-4"), "v6": routes("-6")})
}

/// The reference's result as ours would be: with the MTU, which it does not tell, and, as newer ones print it, without
/// an empty `dns`.
fn as_ours(mut result: Value) -> Value {
    if result["cniVersion"] == "1.0.0" || result["cniVersion"] == "1.1.0" {
        result["interfaces"][0]["mtu"] = json!(1500);
        let fields = result.as_object_mut().expect("an object");
        if fields.get("dns") == Some(&json!({})) {
            fields.remove("dns");
        }
    }
    result
}

#[test]
fn attachments_are_made_alike_and_undone_alike() {
    let scene = Scene::new("dadd");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    // Duplicate address detection takes seconds and is no difference.
    scene.pod.run(&[
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.accept_dad=0",
        "net.ipv6.conf.default.accept_dad=0",
    ]);
    let dual = json!({
        "type": "static",
        "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}, {"address": "fd00::5/64", "gateway": "fd00::1"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.9"}, {"dst": "fd09::/64"}],
    });
    let mut rows = Vec::new();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        rows.push(json!({"cniVersion": version, "ipam": dual}));
    }
    for version in ["0.3.1", "1.0.0"] {
        rows.push(json!({ "cniVersion": version }));
        rows.push(json!({"cniVersion": version, "ipam": {}}));
    }
    rows.push(json!({"ipam": dual, "dns": {"nameservers": ["10.1.0.53"], "search": ["a"]}}));
    rows.push(json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/32"}]}}));
    rows.push(json!({"ipam": {"type": "static"}, "args": {"cni": {"ips": ["10.1.0.7/24"]}}}));
    rows.push(
        json!({"ipam": {"type": "static"}, "capabilities": {"ips": true}, "runtimeConfig": {"ips": ["10.1.0.8/24"]}}),
    );
    rows.push(json!({"IPAM": {"TYPE": "static", "addresses": [{"address": "10.1.0.5/16"}]}}));
    for reference in references() {
        for extra in &rows {
            let theirs = scene.call("ADD", extra).by(&reference);
            let (their_result, their_pod) = (theirs.run().success(), inside(&scene));
            theirs.set("CNI_COMMAND", "DEL").run().silence();
            scene.nic.set(&["up"]);
            let (our_result, our_pod) = (scene.add(extra), inside(&scene));
            scene.del(extra);
            assert_eq!(our_result, as_ours(their_result), "{extra} by {}", reference.display());
            assert_eq!(our_pod, their_pod, "{extra} by {}", reference.display());
        }
    }
}

#[test]
fn ipam_is_called_alike() {
    let mut scene = Scene::new("dipam");
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    let extra = json!({"ipam": ipam.conf(), "x": [1, 2.5, "<&>"], "runtimeConfig": {"ips": ["10.77.0.5/24"]}});
    let seen = |command: &str| {
        let mut environment = ipam.environment(command);
        // The shell's own.
        for name in ["PWD", "OLDPWD", "SHLVL", "_"] {
            environment.remove(name);
        }
        (ipam.stdin(command), environment)
    };
    for reference in references() {
        for command in ["ADD", "DEL"] {
            let call = scene
                .call(command, &extra)
                .set("CNI_ARGS", "IgnoreUnknown=1;A=b")
                .set("TRACEPARENT", "00-1");
            if command == "ADD" {
                call.clone().by(&reference).run().success();
                let theirs = seen(command);
                scene.call("DEL", &extra).by(&reference).run().silence();
                call.run().success();
                assert_eq!(seen(command), theirs, "ADD by {}", reference.display());
            } else {
                call.run().silence();
                let ours = seen(command);
                scene.call("ADD", &extra).by(&reference).run().success();
                call.by(&reference).run().silence();
                assert_eq!(ours, seen(command), "DEL by {}", reference.display());
            }
        }
    }
}

#[test]
fn errors_of_ipam_are_passed_on_alike_and_only_ours_leaves_nothing_behind() {
    let mut scene = Scene::new("derr");
    let ipam = scene.plugin.fake_ipam("failing");
    // Code 0, which the reference has here, is no error to whoever reads it.
    let rows = [
        (
            "echo '{\"code\":11,\"msg\":\"try later\",\"details\":\"d\"}'; exit 1",
            None,
        ),
        ("exit 3", Some(999)),
        ("echo lost >&2; exit 3", Some(999)),
        ("echo garbage; exit 3", Some(999)),
        ("echo '{\"cniVersion\":\"1.0.0\"}'", None),
    ];
    for reference in references() {
        for (script, our_code) in &rows {
            ipam.on("ADD", &format!("{script}\n"));
            let call = scene.call("ADD", &json!({ "ipam": ipam.conf() }));
            let theirs = call.clone().by(&reference).run();
            assert_ne!(theirs.status, 0);
            // "the reference leaves the device in the pod": put back by hand.
            if scene.pod.link_names().contains(&"net1".to_owned()) {
                let conf = json!({"ipam": null});
                scene.call("DEL", &conf).by(&reference).run().silence();
            }
            let ours = scene.unchanged_by(|| call.run());
            let (theirs, ours) = (ending(&theirs).expect("it failed"), ending(&ours).expect("it failed"));
            match our_code {
                None => assert_eq!(ours, theirs, "{script} by {}", reference.display()),
                Some(code) => assert_eq!((ours.0, theirs.0), (*code, 0), "{script} by {}", reference.display()),
            }
        }
    }
}

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
fn check_after_add_is_judged_alike() {
    let scene = Scene::new("dcheck");
    scene.nic.set(&["up"]);
    run(&["ip", "link", "set", &scene.nic.neighbour(), "up"]);
    let extra = json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1"}],
                                "routes": [{"dst": "10.9.0.0/16", "gw": "10.1.0.1"}]}});
    let result = scene.add(&extra);
    let check = scene.check(&extra, &result);
    for reference in references() {
        let both = [check.clone().by(&reference), check.clone()];
        let fail = |both: &[Call; 2], why: &str| {
            for call in both {
                assert_ne!(call.run().status, 0, "{why} was not seen: {call:?}");
            }
        };
        for call in &both {
            call.run().silence();
        }
        let mac = result["interfaces"][0]["mac"].as_str().expect("a MAC");
        scene
            .pod
            .run(&["ip", "link", "set", "net1", "address", "02:00:00:00:00:77"]);
        fail(&both, "another MAC");
        scene.pod.run(&["ip", "link", "set", "net1", "address", mac]);
        scene.pod.run(&["ip", "route", "del", "10.9.0.0/16"]);
        fail(&both, "a missing route");
        scene
            .pod
            .run(&["ip", "route", "add", "10.9.0.0/16", "via", "10.1.0.1", "table", "100"]);
        assert_ne!(both[0].run().status, 0, "the reference looks into the main table only");
        both[1].run().silence();
        scene.pod.run(&["ip", "route", "flush", "table", "100"]);
        scene.pod.run(&["ip", "route", "add", "10.9.0.0/16", "via", "10.1.0.1"]);
        let mut elsewhere = result.clone();
        elsewhere["interfaces"][0]["sandbox"] = json!("/run/netns/another");
        let other = scene.check(&extra, &elsewhere);
        fail(&[other.clone().by(&reference), other], "another sandbox");
    }
    scene.del(&extra);
}

#[test]
fn a_device_that_the_reference_attached_is_returned_by_ours() {
    let scene = Scene::new("dmove");
    for reference in references() {
        scene.unchanged_by(|| {
            scene.call("ADD", &json!({})).by(&reference).run().success();
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
