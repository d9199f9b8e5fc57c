//! Fields: what is taken, what is refused, and what the refusal names.

use hardwire_pci::netlink::{VfLinkState, VlanProtocol};
use serde_json::{Value, json};

use super::*;
use crate::protocol::code;

fn parse_with(extra: &Value, args: &str) -> Result<NetConf, CniError> {
    let mut conf = json!({"cniVersion": "1.0.0", "name": "net-a", "type": "hardwire", "deviceID": "0000:3b:02.1"});
    for (key, value) in extra.as_object().unwrap() {
        conf[key] = value.clone();
    }
    let base = Base::parse(conf.to_string().as_bytes())?;
    let version = base.required_version()?;
    NetConf::parse(base, version, &CniArgs::parse(args))
}

fn parse(extra: &Value) -> Result<NetConf, CniError> {
    parse_with(extra, "")
}

#[track_caller]
fn refused(extra: &Value, parts: &[&str]) {
    let error = parse(extra).expect_err(&extra.to_string());
    assert_eq!(error.code, code::CONFIG, "{error}");
    for part in parts {
        assert!(error.msg.contains(part), "{part:?} is not in {:?}", error.msg);
    }
}

#[test]
fn every_field_is_read() {
    let conf = parse(&json!({
        "vlan": 100, "vlanQoS": 3, "vlanProto": "802.1AD", "mac": "02-00-00-00-00-0A", "mtu": 9000, "spoofchk": "off",
        "trust": "on", "link_state": "enable", "min_tx_rate": 10, "max_tx_rate": 200, "allowNodeDevice": true,
    }))
    .unwrap();
    let vlan = conf.vf.vlan.unwrap();
    assert_eq!((vlan.id.get(), vlan.qos, vlan.protocol), (100, 3, VlanProtocol::Dot1Ad));
    assert_eq!(conf.vf.mac.unwrap().to_string(), "02:00:00:00:00:0a");
    assert_eq!((conf.vf.spoofchk, conf.vf.trust), (Some(false), Some(true)));
    assert_eq!(conf.vf.link_state, Some(VfLinkState::Enable));
    assert_eq!(
        (conf.vf.min_tx_rate, conf.vf.max_tx_rate, conf.mtu),
        (Some(10), Some(200), Some(9000))
    );
    assert!(conf.allow_node_device);
}

#[test]
fn null_and_empty_text_are_absent_and_keys_have_any_case() {
    let conf = parse(&json!({"vlan": null, "mac": "", "spoofchk": "", "ipam": null, "dns": null})).unwrap();
    assert_eq!((conf.vf, conf.base.ipam.as_deref()), (VfSettings::default(), None));
    let conf = parse(&json!({"VLAN": 7, "IPAM": {"TYPE": "static"}})).unwrap();
    assert_eq!(conf.vf.vlan.map(|vlan| vlan.id.get()), Some(7));
    assert_eq!(conf.base.ipam.as_deref(), Some("static"));
}

#[test]
fn a_bad_vlan_names_field_and_range() {
    refused(&json!({"vlan": 4095}), &["vlan", "4095", "0 to 4094"]);
    refused(&json!({"vlan": -1}), &["vlan", "-1"]);
    refused(&json!({"vlan": "10"}), &["vlan", "\"10\""]);
    refused(&json!({"vlan": 1.5}), &["vlan", "1.5"]);
    refused(&json!({"vlan": 100, "vlanQoS": 8}), &["vlanQoS", "8", "0 to 7"]);
    refused(&json!({"vlanQoS": 1}), &["vlanQoS", "without vlan"]);
    refused(&json!({"vlanProto": "802.1ad"}), &["vlanProto", "without vlan"]);
    refused(&json!({"vlan": 0, "vlanQoS": 1}), &["vlanQoS"]);
    refused(&json!({"vlan": 0, "vlanProto": "802.1ad"}), &["vlanProto"]);
    refused(
        &json!({"vlan": 100, "vlanProto": "802"}),
        &["vlanProto", "802.1Q", "802.1ad"],
    );
    assert!(parse(&json!({"vlan": 0, "vlanQoS": 0, "vlanProto": "802.1Q"})).is_ok());
}

#[test]
fn a_bad_mac_is_refused_before_the_kernel_sees_it() {
    for bad in [
        "zz:00:00:00:00:01",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
        "02:00:00:00:00:00:00:01",
    ] {
        refused(&json!({"mac": bad}), &["mac", bad, "unicast"]);
    }
    refused(&json!({"runtimeConfig": {"mac": "x"}}), &["runtimeConfig.mac"]);
}

#[test]
fn the_runtimes_mac_beats_the_others() {
    let mac = |conf: &Value, args| parse_with(conf, args).unwrap().vf.mac.unwrap().to_string();
    let conf = json!({"mac": "02:00:00:00:00:01", "args": {"cni": {"mac": "02:00:00:00:00:03"}},
                      "runtimeConfig": {"mac": "02:00:00:00:00:04"}});
    assert_eq!(mac(&conf, "MAC=02:00:00:00:00:02"), "02:00:00:00:00:04");
    let conf = json!({"mac": "02:00:00:00:00:01", "args": {"cni": {"mac": "02:00:00:00:00:03"}}});
    assert_eq!(mac(&conf, "MAC=02:00:00:00:00:02"), "02:00:00:00:00:03");
    let conf = json!({"mac": "02:00:00:00:00:01"});
    assert_eq!(
        mac(&conf, "IgnoreUnknown=1;MAC=02:00:00:00:00:02;K8S_POD_NAME=x"),
        "02:00:00:00:00:02"
    );
    assert_eq!(mac(&conf, ""), "02:00:00:00:00:01");
}

#[test]
fn switches_rates_and_mtu_are_strict() {
    refused(
        &json!({"spoofchk": "true"}),
        &["spoofchk", "\"true\"", "\"on\" or \"off\""],
    );
    refused(&json!({"trust": true}), &["trust", "true", "\"on\""]);
    refused(
        &json!({"link_state": "up"}),
        &["link_state", "auto", "enable", "disable"],
    );
    refused(&json!({"min_tx_rate": -5}), &["min_tx_rate", "-5"]);
    refused(
        &json!({"min_tx_rate": 50, "max_tx_rate": 10}),
        &["min_tx_rate", "50", "10"],
    );
    refused(&json!({"mtu": 10}), &["mtu", "10", "68"]);
    refused(&json!({"mtu": "9000"}), &["mtu", "\"9000\""]);
    assert!(parse(&json!({"min_tx_rate": 50, "max_tx_rate": 0})).is_ok());
}

#[test]
fn names_of_one_device_agree_or_are_refused() {
    let with = |extra: Value| parse(&extra);
    assert!(with(json!({"runtimeConfig": {"deviceID": "0000:3B:02.1"}, "pciBusID": "0000:3b:02.1"})).is_ok());
    refused(
        &json!({"runtimeConfig": {"deviceID": "0000:3b:02.2"}}),
        &["0000:3b:02.1", "0000:3b:02.2"],
    );
    refused(&json!({"deviceID": "../../etc"}), &["deviceID", "../../etc"]);
    refused(&json!({"device": "a/b"}), &["device", "a/b"]);
}

#[test]
fn stdin_that_is_no_configuration_has_the_references_codes() {
    let code_of = |stdin: &str| Base::parse(stdin.as_bytes()).unwrap_err();
    for stdin in ["", "{{{", "[]", "\"x\"", "{\"name\":\"a\"}x", "{\"name\":1}"] {
        assert_eq!(code_of(stdin).code, code::DECODE, "{stdin}");
    }
    for stdin in ["null", "{}", "{\"name\":\"\"}"] {
        assert_eq!(code_of(stdin).msg, "missing network name", "{stdin}");
    }
    for name in ["te%%st", "-a", "a/b"] {
        let error = code_of(&json!({"name": name}).to_string());
        assert_eq!((error.code, error.details.as_str()), (code::CONFIG, name));
    }
    assert_eq!(code_of("{\"name\":\"a\",\"cniVersion\":1}").code, code::DECODE);
    assert_eq!(code_of("{\"name\":\"a\",\"ipam\":[]}").code, code::DECODE);
}

#[test]
fn versions_decide_which_verbs_exist() {
    let base = |version: &str| Base::parse(json!({"name": "a", "cniVersion": version}).to_string().as_bytes()).unwrap();
    for version in ["9.9.9", "0.3", "abc"] {
        let error = base(version).required_version().unwrap_err();
        assert_eq!((error.code, error.msg.as_str()), (1, "incompatible CNI versions"));
        assert!(
            error.details.contains(version) && error.details.contains("\"1.1.0\""),
            "{}",
            error.details
        );
    }
    let check = |version: &str| {
        base(version)
            .version_since(SpecVersion::V0_4_0, "CHECK")
            .map_err(|e| (e.code, e.msg))
    };
    assert_eq!(check("0.3.1"), Err((1, "config version does not allow CHECK".into())));
    assert_eq!(check(""), Err((1, "config version does not allow CHECK".into())));
    assert_eq!(check("1.2.0"), Err((1, "plugin version does not allow CHECK".into())));
    assert_eq!(check("abc").unwrap_err().0, code::DECODE);
    assert!(check("0.4.0").is_ok());
}

#[test]
fn bandwidth_is_an_egress_rate_and_nothing_else() {
    let with = |bandwidth: Value| json!({"runtimeConfig": {"bandwidth": bandwidth}});
    let rate = |bandwidth| parse(&with(bandwidth)).unwrap().vf.max_tx_rate;
    assert_eq!(rate(json!({"egressRate": 1})), Some(1));
    assert_eq!(
        rate(json!({"egressRate": 1_000_001, "egressBurst": 4_294_967_295_u32})),
        Some(2)
    );
    assert_eq!(rate(json!({"egressRate": 0, "ingressRate": 0})), None);
    refused(
        &with(json!({"egressRate": "fast"})),
        &["runtimeConfig.bandwidth.egressRate", "fast"],
    );
    let mut both = with(json!({"egressRate": 5}));
    both["max_tx_rate"] = json!(7);
    refused(&both, &["runtimeConfig.bandwidth.egressRate", "max_tx_rate"]);
}

#[test]
fn an_ingress_rate_keeps_a_pod_from_starting_only_on_request() {
    let with = |ingress: Value| json!({"runtimeConfig": {"bandwidth": {"ingressRate": 5, "egressRate": 2_000_000}}, "ingress": ingress});
    for left_out in [Value::Null, json!("warn"), json!("ignore"), json!("IGNORE")] {
        let conf = parse(&with(left_out.clone())).unwrap_or_else(|error| panic!("{left_out}: {error}"));
        assert_eq!(conf.vf.max_tx_rate, Some(2), "{left_out}");
    }
    refused(
        &with(json!("refuse")),
        &["runtimeConfig.bandwidth.ingressRate: 5", "ingress", "refuse"],
    );
    refused(&with(json!(true)), &["ingress: true", "warn", "ignore", "refuse"]);
    let mut none_asked = with(json!("refuse"));
    none_asked["runtimeConfig"]["bandwidth"]["ingressRate"] = json!(0);
    assert!(parse(&none_asked).is_ok());
}

#[test]
fn an_error_about_a_rate_names_the_key_that_says_it() {
    let with = |rate: u64| json!({"runtimeConfig": {"bandwidth": {"egressRate": rate}}, "min_tx_rate": 50});
    refused(
        &with(10_000_000),
        &["min_tx_rate: 50", "runtimeConfig.bandwidth.egressRate", "10 Mbit/s"],
    );
    assert!(parse(&with(50_000_000)).is_ok());
    let spelt = json!({"RuntimeConfig": {"Bandwidth": {"EgressRate": "x", "INGRESSRATE": 0}}});
    refused(&spelt, &["RuntimeConfig.Bandwidth.EgressRate"]);
    refused(
        &json!({"runtimeConfig": {"bandwidth": 5}}),
        &["runtimeConfig.bandwidth: 5"],
    );
    let conf = parse(&json!({"RUNTIMECONFIG": {"bandwidth": {"egressRate": 1}}, "VLAN": 5})).unwrap();
    let named = ["max_tx_rate", "vlan", "trust"].map(|field| conf.spelt(field));
    assert_eq!(named, ["RUNTIMECONFIG.bandwidth.egressRate", "VLAN", "trust"]);
    assert_eq!(
        parse(&json!({"MAX_TX_RATE": 5})).unwrap().spelt("max_tx_rate"),
        "MAX_TX_RATE"
    );
    // Inner fields of a wrong type are named by their whole path.
    refused(&json!({"runtimeConfig": {"mac": 5}}), &["runtimeConfig.mac: 5"]);
    refused(&json!({"args": {"cni": {"mac": 5}}}), &["args.cni.mac: 5"]);
    refused(&json!({"args": {"cni": 5}}), &["args.cni: 5"]);
    refused(
        &json!({"runtimeConfig": {"deviceID": 5}}),
        &["runtimeConfig.deviceID: 5"],
    );
}

#[test]
fn what_cannot_take_effect_is_refused_by_name() {
    for (field, value) in [
        ("pkey", json!("0x8001")),
        ("pkey", json!(1)),
        ("rdmaIsolation", json!(true)),
        ("ibKubernetesEnabled", json!(true)),
        ("guid", json!("c2:11")),
        ("bandwidth", json!({"egressRate": 1})),
    ] {
        refused(&json!({ field: value }), &[field, &value.to_string()]);
        refused(&json!({ field.to_uppercase(): value }), &[field]);
    }
    refused(
        &json!({"args": {"cni": {"guid": "c2:11"}}}),
        &["args.cni.guid", "c2:11"],
    );
    refused(
        &json!({"runtimeConfig": {"infinibandGUID": "c2:11"}}),
        &["runtimeConfig.infinibandGUID", "c2:11"],
    );
    let error = parse_with(&json!({}), "IgnoreUnknown=1;GUID=c2:11").unwrap_err();
    assert!(
        error.msg.contains("CNI_ARGS GUID") && error.msg.contains("c2:11"),
        "{error}"
    );
    refused(
        &json!({"bandwidth": {"egressRate": 0, "ingressRate": 1}}),
        &["bandwidth", "runtimeConfig.bandwidth"],
    );
    refused(&json!({"bandwidth": true}), &["bandwidth"]);
    assert!(parse(&json!({"bandwidth": {"egressRate": 0, "ingressRate": null}})).is_ok());
    let nothing = json!({"pkey": "", "rdmaIsolation": false, "ibKubernetesEnabled": false, "guid": null, "bandwidth": {},
                         "args": {"cni": {"guid": ""}}, "runtimeConfig": {"infinibandGUID": "", "ips": ["10.0.0.1/8"]}});
    assert!(parse(&nothing).is_ok());
}

#[test]
fn only_what_is_almost_a_key_that_does_something_is_refused() {
    for key in [
        "vlna",
        "max-tx-rate",
        "spoofcheck",
        "runtime_config",
        "rdma_isolation",
        "p_key",
        "promsic",
    ] {
        refused(&json!({ key: null }), &[key, "almost"]);
    }
    for key in [
        "log_level",
        "logfile_",
        "masters",
        "resourceNames",
        "resource_name",
        "orig_vf_state",
        "types",
        "capability",
    ] {
        assert!(parse(&json!({ key: "x" })).is_ok(), "{key}");
    }
}

#[test]
fn rule_9_a_device_is_named_by_a_name_and_no_template() {
    for name in [
        "eth%d",
        "%",
        "a\u{1b}b",
        "a\u{202e}b",
        "a/b",
        "..",
        "a:b",
        "a b",
        &"x".repeat(128),
    ] {
        refused(&json!({ "device": name }), &["device", "the name of a host interface"]);
    }
    for path in [
        "/sys/devices/pci0000:00/../0000:3b:02.1",
        "/sys/devices//0000:3b:02.1",
        "/sys/devices/./0000:3b:02.1",
        "/sys/devices/a\n/0000:3b:02.1",
        "/sys/devices/0000:3b:02.1//",
        "/sys/devices/\u{1b}/0000:3b:02.1",
    ] {
        refused(&json!({ "kernelpath": path }), &["kernelpath"]);
    }
    assert!(parse(&json!({"kernelpath": "/sys/devices/pci0000:00/0000:3b:02.1/"})).is_ok());
    for plugin in ["../static", "/bin/sh", ".", "..", "a\nb", &"x".repeat(256)] {
        refused(&json!({"ipam": {"type": plugin}}), &["invalid plugin name"]);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    refused(
        &json!({"runtimeConfig": {"infinibandGUID": "c2:11:22:33:44:55:66:77"}}),
        &["infinibandGUID", "c2:11"],
    );
    refused(&json!({"vlanTrunk": "0-5"}), &["vlanTrunk", "0-5", "1 to 4094"]);
    refused(&json!({"promisc": "on"}), &["promisc", "true or false"]);
    refused(&json!({"max-tx-rate": 5}), &["max-tx-rate", "max_tx_rate"]);
    refused(&json!({"kernelpath": "/sys/devices/../../etc"}), &["kernelpath"]);
    refused(&json!({"hwaddr": "x"}), &["hwaddr", "x"]);
}
