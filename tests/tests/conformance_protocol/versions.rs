//! What VERSION answers, and which version allows which verb.

use std::process::Stdio;

use hardwire_tests::plugin::{Call, Plugin, Scene};
use serde_json::json;

use super::{SUPPORTED, VERSIONS, ends_by_itself, fails};

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
