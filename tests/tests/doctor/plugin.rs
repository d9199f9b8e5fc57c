//! The CNI plugin's program: missing, not executable, another one, old; each is put back by the daemon.

use super::*;

/// It is found, and the command that is printed mends it.
#[track_caller]
fn found_and_mended(node: &Node, name: &str) {
    let report = node.wait_for(&[], |report| top(report, name).is_some());
    assert_eq!(names(&report), [name], "{report:#}");
    let found = top(&report, name).unwrap();
    assert_eq!(
        (&found["command"], &found["fixable"]),
        (&json!("hardwired doctor --fix"), &json!(true))
    );
    node.mend(found);
    node.assert_healthy();
}

#[test]
fn whatever_is_wrong_with_the_plugin_the_daemon_puts_it_back() {
    let node = Node::healthy();
    let plugin = node.path("bin/hardwire");
    fs::remove_file(&plugin).unwrap();
    found_and_mended(&node, "plugin-missing");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o644)).unwrap();
    found_and_mended(&node, "plugin-not-executable");
    node.program("bin/hardwire", "#!/bin/sh\necho another\n");
    found_and_mended(&node, "plugin-foreign");
    node.program(
        "bin/hardwire",
        "#!/bin/sh\n# HARDWIRE_STATE_DIR\necho 'hardwire 0.0.9: CNI plugin' >&2\n",
    );
    let found = node.found("plugin-old", &[]);
    assert!(found["what"].as_str().unwrap().contains("0.0.9"), "{found}");
    found_and_mended(&node, "plugin-old");
}

#[test]
fn what_the_daemon_is_to_do_is_said_first() {
    let node = Node::healthy();
    fs::remove_file(node.path("bin/hardwire")).unwrap();
    let text = String::from_utf8(node.doctor(&["--fix"]).stdout).unwrap();
    let said = text.find("fix: hardwired is to put the CNI plugin into").unwrap();
    let done = text.find("done: installed").unwrap();
    assert!(said < done && text.contains("node-1: healthy"), "{text}");
    let text = String::from_utf8(node.doctor(&["--fix"]).stdout).unwrap();
    assert!(
        text.starts_with("fix: there is nothing that hardwired may mend"),
        "{text}"
    );
}
