//! Where stdout or stderr takes nothing.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::Stdio;

use hardwire_tests::plugin::{Outcome, Scene};
use serde_json::json;

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
