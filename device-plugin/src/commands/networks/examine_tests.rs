//! Networks with one thing wrong.

use serde_json::json;

use super::*;
use crate::config::{Config, Defaults};

fn pools() -> Vec<Pool> {
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let config = json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
        {"resourceName": "nics", "selectors": {"functions": ["pf", "plain"]}},
        {"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"]}},
    ]});
    let config = Config::from_json(config, &defaults).unwrap();
    assert!(config.refused.is_empty(), "{:?}", config.refused);
    config.pools
}

fn network(resource: Option<&str>, config: &Value) -> Map<String, Value> {
    let mut object = json!({
        "apiVersion": API_VERSION, "kind": definition::KIND, "metadata": {"name": "n"}, "spec": {"config": config.to_string()},
    });
    if let Some(resource) = resource {
        object["metadata"]["annotations"] = json!({RESOURCE: resource});
    }
    object.as_object().unwrap().clone()
}

fn conf(more: &Value) -> Value {
    let mut conf = json!({"cniVersion": "1.0.0", "type": "hardwire"});
    conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    conf
}

fn verdict(resource: Option<&str>, more: &Value) -> Verdict {
    examine(&network(resource, &conf(more)), Some(&pools()), true)
}

#[test]
fn a_network_that_add_takes_is_good() {
    for (resource, more) in [
        (
            Some("intel.com/vfs"),
            json!({"vlan": 100, "ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}}),
        ),
        (Some("intel.com/nics"), json!({"mtu": 9000})),
        (None, json!({"device": "ens1f1"})),
        (Some("intel.com/vfs"), json!({"type": "sriov"})),
    ] {
        let verdict = verdict(resource, &more);
        let good = Verdict {
            ours: 1,
            ..Verdict::default()
        };
        assert_eq!(verdict, good, "{more}");
    }
}

#[test]
fn what_add_would_refuse_is_told_with_its_place() {
    for (resource, more, said) in [
        (
            Some("intel.com/vfs"),
            json!({"vlan": 5000}),
            "spec.config: vlan: 5000 is not valid: it must be a whole number from 0",
        ),
        (
            Some("intel.com/vfs"),
            json!({"spoof_chk": "on"}),
            "spec.config: spoof_chk: unknown field, and almost spoofchk",
        ),
        (
            Some("intel.com/vf"),
            json!({}),
            "annotation k8s.v1.cni.cncf.io/resourceName: \"intel.com/vf\" is not valid: no pool has it: \
                                           there are intel.com/vfs, intel.com/nics, intel.com/sf",
        ),
        (
            Some("intel.com/nics"),
            json!({"vlan": 100}),
            "spec.config: vlan: it is what a PF sets on its VFs, and intel.com/nics has",
        ),
        (
            Some("intel.com/sf"),
            json!({"trust": "on"}),
            "spec.config: trust: it is what a PF sets",
        ),
        (None, json!({}), "spec.config: it names no device"),
        (
            Some("intel.com/vfs"),
            json!({"type": "hardwired"}),
            "spec.config: type: \"hardwired\" is not valid: it must be hardwire",
        ),
        (
            Some("intel.com/vfs"),
            json!({"type": "Hardwire"}),
            "spec.config: type: \"Hardwire\" is not valid",
        ),
        (
            Some("intel.com/vfs"),
            json!({"cniVersion": "0.2.0"}),
            "spec.config: cniVersion: 0.2.0 cannot express",
        ),
        (
            Some("intel.com/vfs"),
            json!({"cniVersion": "2.0.0"}),
            "spec.config: incompatible CNI versions",
        ),
        (
            Some("intel.com/vfs"),
            json!({"ipam": {"type": "whereabouts"}}),
            "spec.config: ipam.range: there is none",
        ),
    ] {
        let verdict = verdict(resource, &more);
        assert!(
            verdict.refused.len() == 1 && verdict.refused[0].starts_with(said),
            "{more}: {verdict:?}"
        );
    }
}

#[test]
fn each_plugin_of_a_list_is_examined_and_others_are_left_to_others() {
    let list = json!({"cniVersion": "1.0.0", "plugins": [
        {"type": "hardwire", "vlan": -1, "mtu": "big"}, {"type": "tuning", "sysctl": {}}, {"type": "sriov", "vlan": 4095},
    ]});
    let verdict = examine(&network(Some("intel.com/vfs"), &list), Some(&pools()), true);
    assert_eq!(verdict.ours, 2);
    assert_eq!(
        verdict.notes,
        ["spec.config: plugins[1]: type tuning: another plugin's, not checked"]
    );
    let places: Vec<&str> = verdict.refused.iter().map(|text| &text[..29]).collect();
    assert_eq!(
        places,
        [
            "spec.config: plugins[0]: vlan",
            "spec.config: plugins[0]: mtu:",
            "spec.config: plugins[2]: vlan"
        ]
    );
}

#[test]
fn what_is_probably_not_meant_passes_with_a_warning() {
    for (more, said) in [
        (
            json!({"log_file": "x"}),
            "spec.config: log_file: unknown field, and almost logFile: it is ignored",
        ),
        (
            json!({"colour": 1}),
            "spec.config: colour: unknown field: it is ignored",
        ),
        (
            json!({"deviceID": "0000:09:00.0"}),
            "spec.config: deviceID: Multus puts the device of the resource there",
        ),
        (
            json!({"device": "eth1"}),
            "spec.config: device: beside a resource it must name",
        ),
        (
            json!({"ipam": {"subnet": "10.0.0.0/24"}}),
            "spec.config: ipam.type: there is none",
        ),
    ] {
        let verdict = verdict(Some("intel.com/vfs"), &more);
        assert!(verdict.refused.is_empty(), "{more}: {verdict:?}");
        assert!(
            verdict.warnings.len() == 1 && verdict.warnings[0].starts_with(said),
            "{more}: {verdict:?}"
        );
    }
    let mut twice = network(Some("intel.com/vfs"), &conf(&json!({})));
    twice["spec"]["config"] = r#"{"cniVersion": "1.0.0", "type": "hardwire", "vlan": 1, "vlan": 2}"#.into();
    assert_eq!(
        examine(&twice, None, true).warnings,
        ["spec.config: vlan: there more than once: the last one counts"]
    );
}

#[test]
fn the_object_around_it_is_examined_too() {
    let good = network(Some("intel.com/vfs"), &conf(&json!({})));
    for (path, value, said) in [
        (
            "/apiVersion",
            json!("v1"),
            "apiVersion: \"v1\" is not valid: it must be k8s.cni.cncf.io/v1",
        ),
        (
            "/metadata/name",
            json!("My_net"),
            "metadata.name: \"My_net\" is not valid",
        ),
        (
            "/metadata/annotations/k8s.v1.cni.cncf.io~1resourceName",
            json!(7),
            "annotation k8s.v1.cni.cncf.io/resourceName: 7",
        ),
        (
            "/spec/config",
            json!({"type": "hardwire"}),
            "spec.config: {\"type\":\"hardwire\"} is not valid: it must be a text",
        ),
        ("/spec/config", json!("{"), "spec.config: not JSON"),
    ] {
        let mut object = Value::Object(good.clone());
        *object.pointer_mut(path).unwrap() = value;
        let verdict = examine(object.as_object().unwrap(), Some(&pools()), true);
        assert!(
            verdict.refused.iter().any(|text| text.starts_with(said)),
            "{path}: {verdict:?}"
        );
    }
    let mut without = good.clone();
    without.remove("spec");
    let verdict = examine(&without, None, true);
    assert!(
        verdict.refused.is_empty() && verdict.warnings[0].contains("Multus looks for a network called n"),
        "{verdict:?}"
    );
    // A resource of which nothing is known, and one of a network that is none of ours, are nobody's mistake here.
    assert!(
        examine(&network(Some("x/y"), &conf(&json!({}))), None, true)
            .refused
            .is_empty()
    );
    let other = network(Some("x/y"), &json!({"cniVersion": "1.0.0", "type": "macvlan"}));
    assert!(examine(&other, Some(&pools()), true).refused.is_empty());
}

#[test]
fn what_needs_an_interface_is_refused_of_a_pool_for_vfio() {
    let defaults = crate::config::Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let list = json!({"resourceList": [{"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
                                       {"resourceName": "any", "selectors": {"drivers": ["vfio-pci", "iavf"]}}]});
    let pools = crate::config::Config::from_json(list, &defaults).unwrap().pools;
    let of = |resource, more| examine(&network(Some(resource), &conf(&more)), Some(&pools[..]), true);
    let refused = of("intel.com/dpdk", json!({"mtu": 9000, "promisc": true})).refused;
    assert!(
        refused.len() == 2 && refused[0].contains("mtu: it is an interface's"),
        "{refused:?}"
    );
    assert!(of("intel.com/dpdk", json!({"vlan": 7})).refused.is_empty());
    assert!(of("intel.com/any", json!({"mtu": 9000})).refused.is_empty());
    let noted = of("intel.com/any", json!({"allowNodeDevice": true})).notes;
    assert!(
        noted
            .iter()
            .any(|note| note.contains("allowNodeDevices names the device")),
        "{noted:?}"
    );
}

#[test]
fn a_network_of_sriov_cni_is_not_judged_where_that_name_is_not_ours() {
    let conf = conf(&json!({"type": "sriov", "vlan": 4095}));
    let verdict = examine(&network(Some("intel.com/other"), &conf), Some(&pools()), false);
    assert_eq!(
        (verdict.refused.len(), verdict.ours, verdict.notes.len()),
        (0, 0, 1),
        "{verdict:?}"
    );
    assert!(is_namespace_name("red-1") && !is_namespace_name("a.b"));
}
