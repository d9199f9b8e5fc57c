//! What stands on stdin and in `CNI_ARGS`.

use std::fs::File;
use std::process::Stdio;

use hardwire_cni::printable::printable;
use hardwire_tests::plugin::{Outcome, Scene};
use serde_json::json;

use super::{VERSIONS, fails};

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
                let details = fails(&call, 7, "invalid characters found in network name");
                assert_eq!(details, *printable(name));
            }
        }
    });
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
