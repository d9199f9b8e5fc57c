//! Text of a tenant in logs and messages: spelt out, and bounded.

use std::fs;

use hardwire_tests::plugin::Scene;
use serde_json::{Value, json};

use super::{FORGED, all_is_seen};

#[test]
fn rule_9_no_control_character_of_a_tenant_reaches_a_log_or_a_message() {
    let scene = Scene::new("ctrl");
    let log = scene.plugin.directory().join("x.log");
    let fields = [
        json!({ "name": FORGED }),
        json!({ "cniVersion": FORGED }),
        json!({ "device": FORGED }),
        json!({"device": null, "deviceID": FORGED}),
        json!({"device": null, "hwaddr": FORGED}),
        json!({"device": null, "kernelpath": format!("/sys/devices/{FORGED}/0000:00:01.0")}),
        json!({ "mac": FORGED }),
        json!({ "vlan": FORGED }),
        json!({ "spoofchk": FORGED }),
        json!({ "vlanTrunk": [FORGED] }),
        json!({ "dns": FORGED }),
        json!({"dns": {"nameservers": [FORGED]}}),
        json!({"ipam": {"type": FORGED}}),
        json!({"ipam": {"type": [FORGED]}}),
        json!({"runtimeConfig": {"CNIDeviceInfoFile": FORGED}}),
        json!({"runtimeConfig": {"infinibandGUID": FORGED}}),
        json!({"runtimeConfig": {"bandwidth": {"egressRate": FORGED}}}),
        json!({"args": {"cni": {"mac": FORGED}}}),
        json!({"prevResult": {"cniVersion": FORGED}}),
        json!({"prevResult": {"cniVersion": "1.0.0", "ips": [{"address": FORGED}]}}),
        json!({ format!("max-tx-rate{FORGED}"): 1, format!("vlanid{}", "\u{1b}"): 1, "vlan": FORGED }),
        json!({"device": "hwnosuch", "logLevel": FORGED, "type": FORGED}),
    ];
    for (mut extra, file) in fields
        .into_iter()
        .flat_map(|extra| [(extra.clone(), true), (extra, false)])
    {
        if file {
            extra["logFile"] = json!(log);
        }
        for command in ["ADD", "CHECK", "STATUS", "GC"] {
            let mut extra = extra.clone();
            if matches!(command, "GC" | "STATUS") && extra.get("cniVersion").is_none() {
                extra["cniVersion"] = json!("1.1.0");
            }
            let outcome = scene.call(command, &extra).run();
            assert!(
                outcome.status == 1 || matches!(command, "GC" | "STATUS"),
                "{command} {extra}: {outcome:?}"
            );
            all_is_seen(&outcome, &fs::read_to_string(&log).unwrap_or_default());
        }
    }
    let set = |name: &str| {
        let outcome = scene.call("ADD", &json!({})).set(name, FORGED.replace('\0', "")).run();
        all_is_seen(&outcome, "");
    };
    for name in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH"] {
        set(name);
    }
    let outcome = scene
        .call("ADD", &json!({}))
        .set("CNI_ARGS", format!("MAC={FORGED}"))
        .run();
    outcome.failure_naming(7, &["CNI_ARGS MAC"]);
    all_is_seen(&outcome, "");
    scene.del(&json!({}));
}

#[test]
fn rule_9_what_ipam_says_is_spelt_out_too() {
    let mut scene = Scene::new("ctrlipam");
    let log = scene.plugin.directory().join("x.log");
    let ipam = scene.plugin.fake_ipam("chatty");
    let extra = json!({"ipam": ipam.conf(), "logFile": log});
    let chatter = "printf 'a\\033[2Jb\\nlevel=error msg=forged\\302\\205c\\rd' >&2\n";
    let print = |error: &Value| format!("{chatter}printf '%s' '{error}'\nexit 1\n");
    let scripts = [
        print(&json!({"cniVersion": "1.0.0", "code": 42, "msg": FORGED, "details": FORGED})),
        format!("{chatter}exit 3\n"),
        format!("{chatter}printf 'no\\033[2J\\njson'; exit 3\n"),
        format!("{chatter}printf '{{\"ips\":[{{\"address\":\"\\\\u001b[2J\"}}]}}'\n"),
    ];
    for script in scripts {
        ipam.on("ADD", &script);
        let outcome = scene.call("ADD", &extra).run();
        outcome.error();
        let text = fs::read_to_string(&log).expect("the log");
        assert!(
            text.contains("IPAM plugin chatty: a\\") && text.contains("[2Jb"),
            "{text}"
        );
        let forged = text
            .lines()
            .filter(|line| line.ends_with("level=error msg=forged\\u{85}c\\rd"));
        assert!(forged.count() > 0, "{text}");
        all_is_seen(&outcome, &text);
    }
    let error = scene.call("ADD", &extra).run().error();
    assert!(error["msg"].as_str().expect("a text").len() < 4096, "{error}");
    ipam.fails(
        "ADD",
        &json!({"cniVersion": "1.0.0", "code": 42, "msg": "no room", "details": "in 10.0.0.0/8"}),
    );
    let error = scene.call("ADD", &extra).run().error();
    assert_eq!(
        (&error["code"], &error["msg"], &error["details"]),
        (&json!(42), &json!("no room"), &json!("in 10.0.0.0/8"))
    );
}

#[test]
fn rule_9_a_message_quotes_a_part_of_a_long_value() {
    let scene = Scene::new("longtext");
    for extra in [
        json!({"vlan": "v".repeat(100_000)}),
        json!({"device": "d".repeat(100_000)}),
        json!({"ipam": {"type": "i".repeat(100_000)}}),
        json!({"cniVersion": "9".repeat(100_000)}),
        json!({"name": format!("-{}", "n".repeat(100_000))}),
    ] {
        let outcome = scene.call("ADD", &extra).run();
        outcome.error();
        assert!(outcome.stdout.len() < 24 << 10, "{} bytes", outcome.stdout.len());
        let longest = outcome.stderr.lines().map(str::len).max().unwrap_or_default();
        assert!(longest < 24 << 10, "{longest} bytes");
    }
}
