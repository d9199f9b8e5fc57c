//! The variables: missing, invalid, unknown.

use hardwire_cni::printable::printable;
use hardwire_tests::plugin::Scene;
use serde_json::json;

use super::fails;

/// The same of the verbs that need less, too.
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
                assert_eq!(fails(&call, 4, "invalid characters in containerID"), *printable(id));
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
