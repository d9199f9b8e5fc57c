//! The protocol: environment, stdin, versions, and what comes back, before any device is looked at (C1 to C22, C40, C41).
//!
//! What fails here must leave host, pod and journal alone; texts are those that runtimes and people know from the
//! reference.
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use hardwire_tests::node::{Pod, run};
use hardwire_tests::plugin::{Call, Outcome, Plugin, Scene};
use serde_json::{Value, json};

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const SUPPORTED: &str = r#"plugin supports ["0.1.0" "0.2.0" "0.3.0" "0.3.1" "0.4.0" "1.0.0" "1.1.0"]"#;

const SAME_NETNS: &str = "plugin's netns and netns from CNI_NETNS should not be the same";

/// Asserts code and msg of a call that fails, and returns its details.
#[track_caller]
fn fails(call: &Call, code: u32, msg: &str) -> Value {
    let error = call.run().error();
    assert_eq!((&error["code"], &error["msg"]), (&json!(code), &json!(msg)), "{error}");
    error["details"].clone()
}

/// Waits for the end of a call that must not wait for anything.
#[track_caller]
fn ends_by_itself(mut child: std::process::Child) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().expect("the plugin").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("the plugin");
            panic!("it waits");
        }
        thread::sleep(Duration::from_millis(5));
    }
    Outcome::of(child)
}

#[test]
fn c01_without_a_command_it_says_on_stderr_what_it_is() {
    let plugin = Plugin::new();
    for call in [plugin.bare_request(), plugin.bare_request().set("CNI_COMMAND", "")] {
        let outcome = call.run();
        outcome.silence();
        let expected = format!("CNI protocol versions supported: {}", VERSIONS.join(", "));
        assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("hardwire"), "{}", outcome.stderr);
    }
}

#[test]
fn c01_without_a_command_nothing_else_is_required_or_read() {
    let plugin = Plugin::new();
    let call = plugin
        .bare_request()
        .set("CNI_CONTAINERID", "-bad")
        .set("CNI_IFNAME", "a/b");
    let mut process = call.process();
    process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().expect("the plugin");
    let open = child.stdin.take();
    ends_by_itself(child).silence();
    drop(open);
}

#[test]
fn c02_version_needs_nothing_but_the_command() {
    let outcome = Plugin::new().bare_request().set("CNI_COMMAND", "VERSION").run();
    assert_eq!(
        outcome.success(),
        json!({"cniVersion": "1.1.0", "supportedVersions": VERSIONS})
    );
    assert!(outcome.stdout.ends_with('\n'));
}

#[test]
fn c03_version_answers_the_same_whatever_it_is_given() {
    let dummies = |call: Call| {
        ["CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]
            .into_iter()
            .fold(call, |call, name| call.set(name, "dummy"))
    };
    let version = Plugin::new().bare_request().set("CNI_COMMAND", "VERSION");
    let calls = [
        dummies(version.clone()).stdin(r#"{"cniVersion":"0.3.1"}"#),
        dummies(version.clone()).stdin(r#"{"cniVersion":"9.9.9"}"#),
        version.clone().stdin("{{{"),
        version.clone().set("CNI_CONTAINERID", "-bad").set("CNI_IFNAME", "a/b"),
        version.set("CNI_IFNAME", "a-name-of-more-than-fifteen-bytes"),
    ];
    for call in calls {
        assert_eq!(
            call.run().success(),
            json!({"cniVersion": "1.1.0", "supportedVersions": VERSIONS}),
            "{call:?}"
        );
    }
}

#[test]
fn c03_version_does_not_wait_for_stdin() {
    let call = Plugin::new().bare_request().set("CNI_COMMAND", "VERSION");
    let mut process = call.process();
    process
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = process.spawn().expect("the plugin");
    let open = child.stdin.take();
    ends_by_itself(child).success();
    drop(open);
}

/// C4 to C7, and the same of the verbs that need less.
#[test]
fn c04_to_c07_missing_variables_are_listed_together_in_the_tables_order() {
    let scene = Scene::new("c04");
    let rows: [(&str, &[&str], &str); 12] = [
        (
            "ADD",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
        ),
        (
            "CHECK",
            &["CNI_PATH", "CNI_IFNAME", "CNI_NETNS", "CNI_CONTAINERID"],
            "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
        ),
        (
            "DEL",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH",
        ),
        (
            "GC",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "CNI_PATH",
        ),
        (
            "STATUS",
            &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"],
            "CNI_PATH",
        ),
        ("ADD", &["CNI_PATH"], "CNI_PATH"),
        ("ADD", &["CNI_NETNS", "CNI_PATH"], "CNI_NETNS,CNI_PATH"),
        ("ADD", &["CNI_CONTAINERID", "CNI_IFNAME"], "CNI_CONTAINERID,CNI_IFNAME"),
        ("CHECK", &["CNI_NETNS"], "CNI_NETNS"),
        ("CHECK", &["CNI_PATH"], "CNI_PATH"),
        ("DEL", &["CNI_IFNAME"], "CNI_IFNAME"),
        ("DEL", &["CNI_PATH"], "CNI_PATH"),
    ];
    scene.unchanged_by(|| {
        for (command, missing, listed) in rows {
            let whole = scene.call(command, &json!({"cniVersion": "1.1.0"}));
            let unset = missing.iter().fold(whole.clone(), |call, name| call.unset(name));
            let empty = missing.iter().fold(whole, |call, name| call.set(name, ""));
            let msg = format!("required env variables [{listed}] missing");
            fails(&unset, 4, &msg);
            fails(&empty, 4, &msg);
        }
    });
}

#[test]
fn c06_del_without_a_namespace_is_accepted() {
    let scene = Scene::new("c06");
    scene.call("DEL", &json!({})).unset("CNI_NETNS").run().silence();
    scene.call("DEL", &json!({})).set("CNI_NETNS", "").run().silence();
}

#[test]
fn c08_a_container_id_of_other_characters_is_refused() {
    let scene = Scene::new("c08");
    scene.unchanged_by(|| {
        for id in ["-bad", ".a", "_a", "a/b", "../a", "a b", "a\n", "\u{e9}", "a:b"] {
            for command in ["ADD", "DEL", "CHECK"] {
                let call = scene.call(command, &json!({})).set("CNI_CONTAINERID", id);
                assert_eq!(fails(&call, 4, "invalid characters in containerID"), id);
            }
        }
    });
}

#[test]
fn c08_a_container_id_may_have_any_length_and_dots_dashes_underscores() {
    let scene = Scene::new("c08l");
    let id = format!("0a._-Z{}", "f".repeat(250));
    let conf = scene.conf(&json!({}));
    for command in ["ADD", "DEL"] {
        let call = scene
            .plugin
            .request(command, &scene.pod, &conf)
            .set("CNI_CONTAINERID", &id);
        assert_eq!(call.run().status, 0, "{command}");
    }
}

#[test]
fn c09_an_interface_name_has_at_most_15_bytes() {
    let scene = Scene::new("c09");
    let name = "net-of-15-bytes";
    let result = scene.call("ADD", &json!({})).set("CNI_IFNAME", name).run().success();
    assert_eq!(result["interfaces"][0]["name"], name);
    scene.call("DEL", &json!({})).set("CNI_IFNAME", name).run().silence();
    scene.unchanged_by(|| {
        for long in ["net-of-16-bytes.", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"] {
            for command in ["ADD", "DEL", "CHECK"] {
                let call = scene.call(command, &json!({})).set("CNI_IFNAME", long);
                let details = fails(&call, 4, "interface name is too long");
                assert_eq!(details, "interface name should be less than 16 characters");
            }
        }
    });
}

#[test]
fn c10_an_interface_name_is_no_path_and_has_no_colon_or_space() {
    let scene = Scene::new("c10");
    scene.unchanged_by(|| {
        for name in [".", ".."] {
            for command in ["ADD", "DEL", "CHECK"] {
                fails(
                    &scene.call(command, &json!({})).set("CNI_IFNAME", name),
                    4,
                    "interface name is . or ..",
                );
            }
        }
        for name in [
            "a/b",
            "/",
            "a:b",
            "a b",
            " ",
            "a\tb",
            "a\n",
            "a\u{a0}b",
            "a\u{2003}b",
            "a\u{85}",
        ] {
            let call = scene.call("ADD", &json!({})).set("CNI_IFNAME", name);
            fails(&call, 4, "interface name contains / or : or whitespace characters");
        }
    });
}

#[test]
fn c11_an_invalid_value_is_reported_before_a_missing_one() {
    let scene = Scene::new("c11");
    let whole = scene.call("ADD", &json!({}));
    scene.unchanged_by(|| {
        let call = whole.clone().set("CNI_CONTAINERID", "-bad").unset("CNI_IFNAME");
        assert_eq!(fails(&call, 4, "invalid characters in containerID"), "-bad");
        let call = whole.clone().unset("CNI_CONTAINERID").set("CNI_IFNAME", "..");
        fails(&call, 4, "interface name is . or ..");
        // Both invalid: the first of the table.
        let call = whole.clone().set("CNI_CONTAINERID", "-bad").set("CNI_IFNAME", "..");
        fails(&call, 4, "invalid characters in containerID");
    });
}

#[test]
fn c11_the_environment_is_reported_before_stdin() {
    let scene = Scene::new("c11e");
    let call = scene.call("ADD", &json!({})).stdin("{{{");
    fails(
        &call.clone().unset("CNI_PATH"),
        4,
        "required env variables [CNI_PATH] missing",
    );
    fails(&call.set("CNI_IFNAME", ".."), 4, "interface name is . or ..");
}

#[test]
fn c12_an_unknown_command_is_named() {
    let scene = Scene::new("c12");
    scene.unchanged_by(|| {
        for command in ["NOPE", "add", "Add", "ADD ", "DELETE"] {
            let call = scene.call(command, &json!({}));
            fails(&call, 4, &format!("unknown CNI_COMMAND: {command}"));
            // It needs no other variable.
            let bare = scene.plugin.bare_request().set("CNI_COMMAND", command);
            let bare = bare.stdin(scene.conf(&json!({})).to_string());
            fails(&bare, 4, &format!("unknown CNI_COMMAND: {command}"));
        }
    });
}

#[test]
fn c12_an_unknown_command_is_reported_after_stdin_and_name() {
    let scene = Scene::new("c12n");
    let call = scene.call("NOPE", &json!({}));
    let error = call.clone().stdin("").run().error();
    assert_eq!(error["code"], 6);
    fails(&call.clone().stdin("{}"), 7, "missing network name");
    fails(
        &call.stdin(r#"{"name":"-a"}"#),
        7,
        "invalid characters found in network name",
    );
}

#[test]
fn c13_an_empty_stdin_is_code_6() {
    let scene = Scene::new("c13");
    scene.unchanged_by(|| {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let error = scene.call(command, &json!({})).stdin("").run().error();
            assert_eq!(error["code"], 6, "{command}: {error}");
            let msg = error["msg"].as_str().expect("a text");
            assert!(msg.starts_with("error unmarshall network config: "), "{msg}");
        }
    });
}

#[test]
fn c14_what_is_no_json_object_is_code_6() {
    let scene = Scene::new("c14");
    let conf = scene.conf(&json!({})).to_string();
    let half = conf[..conf.len() - 1].to_owned();
    scene.unchanged_by(|| {
        for stdin in [
            "{{{",
            "[]",
            "\"x\"",
            "1",
            "true",
            &format!("{conf}x"),
            &format!("{conf}{conf}"),
            &half,
            r#"{"name":3}"#,
            r#"{"name":["a"]}"#,
        ] {
            for command in ["ADD", "DEL"] {
                let error = scene.call(command, &json!({})).stdin(stdin).run().error();
                assert_eq!(error["code"], 6, "{command} {stdin}: {error}");
                let msg = error["msg"].as_str().expect("a text");
                assert!(msg.starts_with("error unmarshall network config: "), "{stdin}: {msg}");
            }
        }
    });
}

#[test]
fn c14_space_around_the_configuration_is_none_of_it() {
    let scene = Scene::new("c14s");
    let conf = format!("\n\t {}\r\n ", scene.conf(&json!({})));
    scene.call("ADD", &json!({})).stdin(conf.clone()).run().success();
    scene.call("DEL", &json!({})).stdin(conf).run().silence();
}

#[test]
fn c14_a_stdin_that_cannot_be_read_is_code_5() {
    let scene = Scene::new("c14r");
    let call = scene.call("ADD", &json!({}));
    let mut process = call.process();
    let directory = File::open(scene.plugin.directory()).expect("a directory");
    process.stdin(directory).stdout(Stdio::piped()).stderr(Stdio::piped());
    let error = Outcome::of(process.spawn().expect("the plugin")).error();
    assert_eq!(error["code"], 5, "{error}");
    let msg = error["msg"].as_str().expect("a text");
    assert!(msg.starts_with("error reading from stdin: "), "{msg}");
}

#[test]
fn c14_a_version_that_is_no_text_is_code_6() {
    let scene = Scene::new("c14v");
    scene.unchanged_by(|| {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let error = scene.call(command, &json!({"cniVersion": 1})).run().error();
            assert_eq!(error["code"], 6, "{command}: {error}");
            let msg = error["msg"].as_str().expect("a text");
            assert!(msg.starts_with("decoding version from network config: "), "{msg}");
        }
    });
}

#[test]
fn c15_a_configuration_without_name_is_code_7() {
    let scene = Scene::new("c15");
    scene.unchanged_by(|| {
        for stdin in [
            "null",
            "{}",
            r#"{"name":""}"#,
            r#"{"name":null}"#,
            r#"{"cniVersion":"9.9.9"}"#,
        ] {
            for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let call = scene.call(command, &json!({})).stdin(stdin);
                fails(&call, 7, "missing network name");
            }
        }
    });
}

#[test]
fn c16_a_name_of_other_characters_is_refused() {
    let scene = Scene::new("c16");
    scene.unchanged_by(|| {
        for name in ["te%%st", "-a", ".a", "a/b", "../a", "a b", "a\n", "\u{e9}"] {
            for command in ["ADD", "DEL", "GC"] {
                let call = scene.call(command, &json!({"name": name, "cniVersion": "9.9.9"}));
                assert_eq!(fails(&call, 7, "invalid characters found in network name"), name);
            }
        }
    });
}

#[test]
fn c17_a_version_that_is_not_spoken_is_code_1_on_add_and_del() {
    let scene = Scene::new("c17");
    scene.unchanged_by(|| {
        for version in ["9.9.9", "0.3", "abc", "1.0", "v1.0.0", "1.2.0", " 1.0.0"] {
            for command in ["ADD", "DEL"] {
                let call = scene.call(command, &json!({ "cniVersion": version }));
                let details = fails(&call, 1, "incompatible CNI versions");
                assert_eq!(details, format!("config is {version:?}, {SUPPORTED}"));
            }
        }
    });
}

#[test]
fn c18_a_version_newer_than_all_allows_no_check_gc_and_status() {
    let scene = Scene::new("c18");
    scene.unchanged_by(|| {
        for version in ["1.2.0", "9.9.9"] {
            for command in ["CHECK", "GC", "STATUS"] {
                let call = scene.call(command, &json!({ "cniVersion": version }));
                fails(&call, 1, &format!("plugin version does not allow {command}"));
            }
        }
    });
}

#[test]
fn c18_a_version_older_than_the_verb_does_not_allow_it() {
    let scene = Scene::new("c18o");
    scene.unchanged_by(|| {
        for version in ["", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
            for command in ["CHECK", "GC", "STATUS"] {
                if command == "CHECK" && matches!(version, "0.4.0" | "1.0.0") {
                    continue;
                }
                let call = scene.call(command, &json!({ "cniVersion": version }));
                fails(&call, 1, &format!("config version does not allow {command}"));
            }
        }
    });
}

#[test]
fn c18_a_version_that_is_no_version_is_code_6_on_check_gc_and_status() {
    let scene = Scene::new("c18x");
    for command in ["CHECK", "GC", "STATUS"] {
        let error = scene.call(command, &json!({"cniVersion": "abc"})).run().error();
        assert_eq!(error["code"], 6, "{command}: {error}");
        assert!(
            error["msg"].as_str().is_some_and(|msg| msg.contains("\"abc\"")),
            "{error}"
        );
    }
}

#[test]
fn c19_unknown_fields_and_foreign_variables_are_ignored() {
    let scene = Scene::new("c19");
    let extra = json!({
        "capabilities": {"mac": true, "CNIDeviceInfoFile": true}, "args": {"cni": {"x": "y"}, "labels": [{"key": "a"}]},
        "cni.dev/foo": {"bar": [1]}, "vf": 0, "keepMe": null, "plugins": 7, "prevResult": null,
        "runtimeConfig": {"portMappings": [{"hostPort": 1}], "aliases": {"net-a": ["x"]}},
    });
    let call = scene.call("ADD", &extra);
    let call = call
        .set("TRACEPARENT", "00-1-2-01")
        .set("BAGGAGE", "a=b")
        .set("CNI_FOO", "x");
    call.run().success();
    scene.del(&extra);
}

#[test]
fn c20_keys_are_known_in_any_case() {
    let scene = Scene::new("c20");
    let conf = json!({
        "CNIVersion": "1.0.0", "NAME": "net-a", "Type": "hardwire", "Device": scene.nic.name(), "MTU": 1400,
        "IPAM": {"TYPE": "static", "ADDRESSES": [{"address": "10.20.0.5/24"}]}, "DNS": {"NameServers": ["10.20.0.1"]},
        "RuntimeConfig": {"Mac": "02:00:00:00:20:01"},
    });
    let result = scene.plugin.request("ADD", &scene.pod, &conf).run().success();
    assert_eq!(
        result,
        json!({
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "net1", "mac": "02:00:00:00:20:01", "mtu": 1400, "sandbox": scene.pod.path()}],
            "ips": [{"address": "10.20.0.5/24", "interface": 0}],
            "dns": {"nameservers": ["10.20.0.1"]},
        })
    );
    scene.plugin.request("DEL", &scene.pod, &conf).run().silence();
}

#[test]
fn c20_null_is_the_same_as_absent() {
    let scene = Scene::new("c20n");
    let nothing = json!({
        "type": null, "ipam": null, "dns": null, "prevResult": null, "runtimeConfig": null, "args": null, "deviceID": null,
        "pciBusID": null, "hwaddr": null, "kernelpath": null, "mac": null, "mtu": null, "vlan": null, "vlanQoS": null,
        "vlanProto": null, "spoofchk": null, "trust": null, "link_state": null, "min_tx_rate": null, "max_tx_rate": null,
        "logLevel": null, "logFile": null, "allowNodeDevice": null, "capabilities": null,
    });
    scene.add(&nothing);
    scene.del(&nothing);
    let inside = json!({
        "ipam": {"type": null}, "args": {"cni": null}, "dns": {"nameservers": null, "domain": null},
        "runtimeConfig": {"mac": null, "deviceID": null, "ips": null, "infinibandGUID": null, "bandwidth": null},
    });
    scene.add(&inside);
    scene.del(&inside);
}

#[test]
fn c21_the_plugins_own_netns_is_refused_before_anything_is_done() {
    let scene = Scene::new("c21");
    let of_this_process = format!("/proc/{}/ns/net", std::process::id());
    scene.unchanged_by(|| {
        for netns in ["/proc/self/ns/net", of_this_process.as_str()] {
            let call = scene.call("ADD", &json!({})).set("CNI_NETNS", netns);
            fails(&call, 8, SAME_NETNS);
            for no in ["", "0", "false", "yes"] {
                fails(&call.clone().set("CNI_NETNS_OVERRIDE", no), 8, SAME_NETNS);
            }
        }
    });
}

#[test]
fn c21_del_in_the_plugins_own_netns_is_refused_before_anything_is_done() {
    let scene = Scene::new("c21d");
    scene.add(&json!({}));
    scene.unchanged_by(|| {
        let call = scene.call("DEL", &json!({})).set("CNI_NETNS", "/proc/self/ns/net");
        fails(&call, 8, SAME_NETNS);
    });
    scene.del(&json!({}));
}

#[test]
fn c21_with_the_override_the_plugins_own_netns_is_used() {
    let scene = Scene::new("c21o");
    let before = scene.seen();
    for yes in ["1", "true", "TRUE", "True"] {
        let call = |command| {
            let call = scene.call(command, &json!({})).set("CNI_NETNS", "/proc/self/ns/net");
            call.set("CNI_NETNS_OVERRIDE", yes).set("CNI_IFNAME", "hwoverride")
        };
        let result = call("ADD").run().success();
        assert_eq!(result["interfaces"][0]["name"], "hwoverride");
        assert_eq!(result["interfaces"][0]["sandbox"], "/proc/self/ns/net");
        run(&["ip", "link", "show", "dev", "hwoverride"]);
        call("DEL").run().silence();
    }
    assert_eq!(scene.seen(), before);
}

#[test]
fn c22_a_netns_that_is_none_is_named_and_nothing_is_touched() {
    let mut scene = Scene::new("c22");
    let ipam = scene.plugin.fake_ipam("never");
    let file = scene.plugin.directory().join("file");
    fs::write(&file, "").expect("a file");
    let directory = scene.plugin.directory().to_owned();
    scene.unchanged_by(|| {
        for path in [
            "/run/netns/hw-nosuch",
            "relative",
            "/proc/self/ns/mnt",
            "/dev/null",
            file.to_str().expect("UTF-8"),
            directory.to_str().expect("UTF-8"),
        ] {
            let call = scene.call("ADD", &json!({"ipam": ipam.conf()})).set("CNI_NETNS", path);
            let error = call.run().error_naming(&[path]);
            assert_eq!(error["code"], 4, "{path}: {error}");
        }
    });
    assert!(ipam.calls().is_empty());
}

#[test]
fn c40_cni_args_are_read_leniently() {
    let scene = Scene::new("c40");
    for args in [
        "IgnoreUnknown=true;A=b;A=c;X=y=z;",
        "FOO",
        ";;",
        "=",
        "K8S_POD_NAME=x",
        "IgnoreUnknown=1;FOO;K8S_POD_NAME=\u{e9}",
    ] {
        let call = scene.call("ADD", &json!({})).set("CNI_ARGS", args);
        assert_eq!(call.run().status, 0, "{args}");
        scene.call("DEL", &json!({})).set("CNI_ARGS", args).run().silence();
    }
}

#[test]
fn c41_pairs_that_thin_multus_repeats_are_taken_and_the_last_wins() {
    let scene = Scene::new("c41");
    let pod = "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=c;K8S_POD_UID=u";
    let args = format!("IgnoreUnknown=true;{pod};MAC=02:00:00:00:41:01;IgnoreUnknown=1;{pod};MAC=02:00:00:00:41:02");
    let result = scene.call("ADD", &json!({})).set("CNI_ARGS", args).run().success();
    assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:41:02");
    scene.del(&json!({}));
}

#[test]
fn an_error_is_in_the_configurations_version_where_that_is_known() {
    let scene = Scene::new("errver");
    for version in VERSIONS {
        let error = scene
            .call("ADD", &json!({"cniVersion": version, "device": "nosuch0"}))
            .run()
            .error();
        assert_eq!(error["cniVersion"], version, "{error}");
    }
    for unknown in [
        scene.call("ADD", &json!({"cniVersion": "9.9.9"})),
        scene.call("ADD", &json!({})).unset("CNI_PATH"),
        scene.call("ADD", &json!({})).stdin("{{{"),
    ] {
        assert_eq!(unknown.run().error()["cniVersion"], "1.1.0");
    }
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let scene = Scene::new("twice");
    let call = scene.call("ADD", &json!({}));
    let call = call.stdin(format!(
        r#"{{"name":"-bad","device":"nosuch0","cniVersion":"9.9.9","name":"net-a","cniVersion":"1.0.0","device":"{}"}}"#,
        scene.nic.name()
    ));
    call.run().success();
    scene.del(&json!({}));
}

/// A pipe that nobody reads any more.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// A device that takes no byte.
fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("/dev/full")
        .into()
}

#[test]
fn an_answer_that_cannot_be_printed_is_a_failure_and_no_panic() {
    let scene = Scene::new("pipe");
    let calls = [
        scene.plugin.bare_request().set("CNI_COMMAND", "VERSION"),
        scene.call("ADD", &json!({"device": "nosuch0"})),
        scene.call("ADD", &json!({})).unset("CNI_PATH"),
    ];
    for call in calls {
        for stdout in [closed_pipe(), full()] {
            let outcome = Outcome::of(call.start_with_stdout(stdout));
            assert_eq!(outcome.status, 1, "{}", outcome.stderr);
            assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
        }
    }
}

#[test]
fn an_add_whose_result_cannot_be_printed_is_rolled_back() {
    let mut scene = Scene::new("rollback");
    scene.nic.set(&["mtu", "1450", "alias", "spare", "up"]);
    let ipam = scene.plugin.fake_ipam("addresses");
    ipam.gives_an_address();
    for stdout in [closed_pipe, full] {
        scene.unchanged_by(|| {
            let call = scene.call("ADD", &json!({"mtu": 1300, "ipam": ipam.conf()}));
            let outcome = Outcome::of(call.start_with_stdout(stdout()));
            assert_eq!(outcome.status, 1, "{}", outcome.stderr);
        });
    }
    assert_eq!(ipam.commands(), ["ADD", "DEL", "ADD", "DEL"]);
}

#[test]
fn a_silent_verb_needs_no_stdout() {
    let scene = Scene::new("silent");
    scene.add(&json!({}));
    let outcome = Outcome::of(scene.call("DEL", &json!({})).start_with_stdout(closed_pipe()));
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
}

#[test]
fn stderr_may_be_closed_too() {
    let scene = Scene::new("stderr");
    for (command, conf) in [
        ("ADD", json!({"device": "nosuch0"})),
        ("ADD", json!({})),
        ("DEL", json!({})),
    ] {
        let mut process = scene.call(command, &conf).process();
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(closed_pipe());
        let mut child = process.spawn().expect("the plugin");
        let text = scene.conf(&conf).to_string();
        std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), text.as_bytes()).expect("stdin");
        let mut stdout = String::new();
        child
            .stdout
            .take()
            .expect("stdout")
            .read_to_string(&mut stdout)
            .expect("UTF-8");
        let succeeded = child.wait().expect("the plugin").success();
        assert_eq!(succeeded, conf.get("device").is_none(), "{stdout}");
        assert_eq!(stdout.is_empty(), command == "DEL", "{stdout}");
    }
}

#[test]
fn each_call_takes_the_pod_of_its_own_environment() {
    let scene = Scene::new("own");
    let other = Pod::new("own-other");
    let result = scene
        .call("ADD", &json!({}))
        .set("CNI_NETNS", other.path())
        .run()
        .success();
    assert_eq!(result["interfaces"][0]["sandbox"], other.path());
    assert_eq!(scene.pod.link_names(), ["lo"]);
    scene.del(&json!({}));
    assert_eq!(other.link_names(), ["lo"]);
}
