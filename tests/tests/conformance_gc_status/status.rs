//! STATUS.

use std::fs;

use hardwire_cni::baseline::{Baseline, BaselineStore, BaselineVf};
use hardwire_cni::pf::AdminMac;
use hardwire_pci::netlink::VfState;
use hardwire_tests::node::{Veth, host_links};
use hardwire_tests::plugin::{Call, Plugin};
use serde_json::{Value, json};

use super::{Attachments, caller};

fn status(plugin: &Plugin, extra: &Value) -> Call {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire"});
    for (key, value) in extra.as_object().expect("an object") {
        conf[key] = value.clone();
    }
    caller(plugin, "STATUS").stdin(conf.to_string())
}

#[test]
fn c66_status_is_content_where_an_add_could_work() {
    let plugin = Plugin::new();
    let nic = Veth::new("hwc66");
    let mac = fs::read_to_string("/sys/class/net/hwc66/address").expect("a MAC");
    for extra in [
        json!({}),
        json!({"device": nic.name()}),
        json!({"hwaddr": mac.trim()}),
        json!({"ipam": {}}),
        json!({"ipam": null, "capabilities": {"mac": true}}),
    ] {
        let outcome = status(&plugin, &extra).run();
        outcome.silence();
    }
    assert!(plugin.state_files().is_empty());
}

#[test]
fn c66_a_device_that_the_configuration_names_and_is_missing_is_code_50() {
    let plugin = Plugin::new();
    for (extra, name) in [
        (json!({"device": "nosuch0"}), "nosuch0"),
        (json!({"hwaddr": "02:00:00:00:66:77"}), "02:00:00:00:66:77"),
        (
            json!({"kernelpath": "/sys/devices/pci0000:ff/0000:ff:1f.7"}),
            "0000:ff:1f.7",
        ),
        (json!({"deviceID": "0000:ff:1f.7"}), "0000:ff:1f.7"),
        (json!({"pciBusID": "0000:ff:1f.7"}), "0000:ff:1f.7"),
    ] {
        let error = status(&plugin, &extra).run().error_naming(&[name]);
        assert_eq!(error["code"], 50, "{extra}: {error}");
    }
}

#[test]
fn c66_a_device_in_use_is_no_reason() {
    let all = Attachments::new("c66u", &["net-a"]);
    status(&all.plugin, &json!({"device": "hwc66u0"})).run().silence();
    status(&all.plugin, &json!({})).run().silence();
    assert_eq!(all.attached(), [0]);
    all.end();
}

#[test]
fn c66_an_error_of_ipam_status_is_ours() {
    let mut plugin = Plugin::new();
    let ipam = plugin.fake_ipam("addresses");
    let call = status(&plugin, &json!({ "ipam": ipam.conf() }));
    call.run().silence();
    assert_eq!(ipam.calls(), ["STATUS  "]);
    for code in [50, 51, 107] {
        ipam.fails(
            "STATUS",
            &json!({"code": code, "msg": "no address left", "details": "d"}),
        );
        let error = call.run().error();
        assert_eq!(
            (&error["code"], &error["msg"], &error["details"]),
            (&json!(code), &json!("no address left"), &json!("d"))
        );
    }
    assert!(ipam.stdin("STATUS").is_some_and(|stdin| stdin.starts_with(b"{")));
}

/// What a Go plugin of before CNI 1.1 says to a verb without a container, and what others say.
const UNKNOWN_VERBS: [(u32, &str); 2] = [(3, "missing containerID"), (4, "unknown CNI_COMMAND: STATUS")];

#[test]
fn c66_an_ipam_plugin_that_does_not_speak_the_version_is_code_50_and_named() {
    let mut plugin = Plugin::new();
    let ipam = plugin.fake_ipam("older");
    ipam.says(
        "VERSION",
        &json!({"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}),
    );
    for (code, msg) in UNKNOWN_VERBS.into_iter().chain([(1, "incompatible CNI versions")]) {
        ipam.fails("STATUS", &json!({"code": code, "msg": msg}));
        let call = status(&plugin, &json!({"ipam": ipam.conf()}));
        let error = call.run().error_naming(&["IPAM plugin older", "1.1.0", "0.4.0, 1.0.0"]);
        assert_eq!(error["code"], 50, "{error}");
    }
}

#[test]
fn c66_an_ipam_plugin_that_only_knows_no_status_is_well() {
    let mut plugin = Plugin::new();
    let ipam = plugin.fake_ipam("simple");
    ipam.says(
        "VERSION",
        &json!({"cniVersion": "1.1.0", "supportedVersions": ["1.0.0", "1.1.0"]}),
    );
    for (code, msg) in UNKNOWN_VERBS {
        ipam.fails("STATUS", &json!({"code": code, "msg": msg}));
        status(&plugin, &json!({"ipam": ipam.conf()})).run().silence();
    }
    // It knows it, and says something.
    ipam.fails("STATUS", &json!({"code": 4, "msg": "no CNI_ARGS"}));
    assert_eq!(status(&plugin, &json!({"ipam": ipam.conf()})).run().error()["code"], 4);
}

#[test]
fn c66_an_ipam_plugin_of_which_nothing_is_known_is_named_and_no_container_is() {
    let mut plugin = Plugin::new();
    let ipam = plugin.fake_ipam("odd");
    ipam.fails("STATUS", &json!({"code": 3, "msg": "missing containerID"}));
    for version in ["exit 1\n", "echo x\n", "echo '{}'\n"] {
        ipam.on("VERSION", version);
        let error = status(&plugin, &json!({"ipam": ipam.conf()})).run();
        assert_eq!(
            error.error_naming(&["IPAM plugin odd", "missing containerID"])["code"],
            50
        );
    }
}

#[test]
fn c66_an_ipam_plugin_that_is_missing_is_an_error() {
    let plugin = Plugin::new();
    let call = status(&plugin, &json!({"ipam": {"type": "nosuch"}}));
    call.run().error_naming(&["failed to find plugin", "nosuch"]);
}

#[test]
fn c66_a_state_directory_that_cannot_be_used_is_code_50() {
    let plugin = Plugin::new();
    let file = plugin.directory().join("file");
    fs::write(&file, "").expect("a file");
    for path in [file.clone(), file.join("below"), "/proc/hardwire".into()] {
        let call = status(&plugin, &json!({})).set("HARDWIRE_STATE_DIR", &path);
        let error = call.run().error_naming(&[path.to_str().expect("UTF-8")]);
        assert_eq!(error["code"], 50, "{error}");
    }
}

#[test]
fn c66_status_leaves_no_trace() {
    let plugin = Plugin::new();
    let state = plugin.state();
    let before = host_links();
    status(&plugin, &json!({})).run().silence();
    assert_eq!(host_links(), before);
    assert!(
        plugin.state_files().is_empty(),
        "{:?} in {}",
        plugin.state_files(),
        state.display()
    );
}

/// The daemon's record of a free VF of this PF.
fn idle(vf: &str, pf: &str) -> Baseline {
    Baseline {
        version: Baseline::VERSION,
        device: vf.parse().expect("an id"),
        instance: None,
        boot: String::new(),
        driver: None,
        link: None,
        vf: Some(BaselineVf {
            pf: pf.parse().expect("an id"),
            pf_index: 0,
            generation: 1,
            index: 0,
            state: VfState::default(),
            admin_mac: AdminMac::Unknown,
            admin_mac_at: None,
        }),
    }
}

#[test]
fn c66_devices_all_of_which_have_lost_their_pf_are_code_51() {
    let plugin = Plugin::new();
    let pf = Veth::new("hwc51p");
    let records = BaselineStore::at(&plugin.state());
    records.put(&idle("0000:ff:10.0", "0000:ff:00.0")).expect("a record");
    let error = status(&plugin, &json!({}))
        .run()
        .error_naming(&["0000:ff:00.0", "gone"]);
    assert_eq!(error["code"], 51, "{error}");
    // One that is left is enough.
    let record = idle("0000:ff:10.1", &format!("net/{}", pf.name()));
    records.put(&record).expect("a record");
    status(&plugin, &json!({})).run().silence();
}

#[test]
fn c66_a_pf_without_carrier_is_no_reason_since_its_vfs_are_attached_all_the_same() {
    let plugin = Plugin::new();
    let (spare, pf) = (Veth::new("hwc51s"), Veth::new("hwc51q"));
    let flags = fs::read_to_string("/sys/class/net/hwc51q/operstate").expect("a state");
    assert_ne!(flags.trim(), "up");
    let own = format!("net/{}", spare.name());
    let records = BaselineStore::at(&plugin.state());
    records.put(&idle(&own, "net/hwc51q")).expect("a record");
    for extra in [json!({}), json!({"device": spare.name()})] {
        status(&plugin, &extra).run().silence();
    }
    // The name's device is what counts where there is one.
    drop(pf);
    assert_eq!(status(&plugin, &json!({})).run().error()["code"], 51);
    let error = status(&plugin, &json!({"device": spare.name()}))
        .run()
        .error_naming(&["hwc51q", "gone"]);
    assert_eq!(error["code"], 51, "{error}");
    let alive = Veth::new("hwc51r");
    records
        .put(&idle("0000:ff:10.3", &format!("net/{}", alive.name())))
        .expect("a record");
    assert_eq!(
        status(&plugin, &json!({"device": spare.name()})).run().error()["code"],
        51,
        "that another PF is there helps it nothing"
    );
    status(&plugin, &json!({})).run().silence();
}
