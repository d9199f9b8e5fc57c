//! Networks for pools.

use clap::Parser;

use super::*;
use crate::commands::args::{Cli, Command};
use crate::config::manifest::Manifest;

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
    {"resourceName": "Net_A", "resourcePrefix": "acme.org", "selectors": {"functions": ["plain"]}},
    {"resourceName": "vfs", "resourcePrefix": "acme.org", "selectors": {}},
    {"resourceName": "fec", "deviceType": "accelerator", "selectors": {}}
]}"#;

fn printed(line: &[&str]) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), POOLS).unwrap();
    let file = file.path().to_str().unwrap();
    let cli = Cli::try_parse_from([&["hardwired", "nad", "--config", file], line].concat());
    let Command::Nad(args) = cli.map_err(|error| error.to_string())?.command else {
        panic!("another command")
    };
    let mut out = Vec::new();
    print(&args, &mut out).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn a_network_is_complete_and_looks_as_people_write_one() {
    let line = [
        "intel.com/vfs",
        "--vlan",
        "100",
        "--spoofchk=on",
        "--ipam",
        "host-local",
        "--subnet",
        "10.56.217.0/24",
    ];
    let expected = r#"# A pod on it has the annotation k8s.v1.cni.cncf.io/networks: vfs
# and intel.com/vfs: "1" in the requests and limits of a container.
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata:
  annotations:
    k8s.v1.cni.cncf.io/resourceName: intel.com/vfs
  name: vfs
spec:
  config: |-
    {
      "cniVersion": "1.0.0",
      "name": "vfs",
      "type": "hardwire",
      "vlan": 100,
      "spoofchk": "on",
      "ipam": {"subnet": "10.56.217.0/24", "type": "host-local"}
    }
"#;
    assert_eq!(printed(&line).unwrap(), expected);
    let read = Manifest::all_of_kind(expected, "f", KIND).unwrap();
    assert!(examine(&read.objects[0], None, true).refused.is_empty());
}

#[test]
fn a_pool_is_named_by_its_resource_or_by_what_is_its_own() {
    let text = printed(&["Net_A", "--mtu", "9000", "--namespace", "red", "-o", "json"]).unwrap();
    let network: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&network["metadata"]["name"], &network["metadata"]["namespace"]),
        (&json!("net-a"), &json!("red"))
    );
    assert_eq!(network["metadata"]["annotations"][RESOURCE], "acme.org/Net_A");
    let explained = printed(&["Net_A", "--namespace", "red"]).unwrap();
    assert!(explained.contains("networks: red/net-a\n"), "{explained}");
    assert_eq!(
        printed(&["vf"]).unwrap_err(),
        "POOL: \"vf\" is not valid: no pool is called so: there are intel.com/vfs, acme.org/Net_A, acme.org/vfs, intel.com/fec"
    );
    let error = printed(&["vfs"]).unwrap_err();
    assert!(
        error.ends_with("it must be one of intel.com/vfs, acme.org/vfs"),
        "{error}"
    );
    let error = printed(&["fec"]).unwrap_err();
    assert!(error.contains("accelerators"), "{error}");
}

#[test]
fn what_add_would_refuse_is_not_printed() {
    for (line, said) in [
        (
            &["--vlan", "5000"][..],
            "vlan: 5000 is not valid: it must be a whole number from 0 to 4094",
        ),
        (&["--vlan", "blue"], "vlan: \"blue\" is not valid"),
        (&["--vlan", "-1"], "vlan: -1 is not valid"),
        (&["--ipam", "{\"type\": \"host-local\"}"], "ipam.subnet: there is none"),
        (&["--vlan-qos", "3"], "vlanQoS: 3 is given without vlan"),
        (&["--mtu", "9000B"], "mtu: \"9000B\" is not valid"),
        (
            &["--trust", "true"],
            "trust: true is not valid: it must be \"on\" or \"off\"",
        ),
        (
            &["--set", "max-tx-rate=1"],
            "max-tx-rate: unknown field, and almost max_tx_rate",
        ),
        (&["--set", "colour=red"], "colour: unknown field: it is ignored"),
        (
            &["--set", "promisc"],
            "--set: \"promisc\" is not valid: it must be a field and its value",
        ),
        (&["--set", "name=x"], "--set: \"name=x\" is not valid"),
        (&["--set", "deviceID=0000:01:10.0"], "deviceID: Multus puts the device"),
        (
            &["--cni-version", "3.0.0"],
            "--cni-version: \"3.0.0\" is not valid: it must be a version that is spoken: 0.1.0",
        ),
        (
            &["--cni-version", "0.2.0"],
            "cniVersion: 0.2.0 cannot express an attachment without ipam",
        ),
        (&["--name", "A b"], "metadata.name: \"A b\" is not valid"),
        (&["--namespace", "A b"], "metadata.namespace: \"A b\" is not valid"),
        (&["--ipam", "a/b"], "invalid plugin name: a/b"),
        (
            &["--ipam", "host-local"],
            "--ipam: \"host-local\" is not valid: it must be given with --subnet",
        ),
        (&["--subnet", "10.0.0.0/8"], "--subnet: "),
    ] {
        let error = printed(&[&["intel.com/vfs"], line].concat()).unwrap_err();
        assert!(error.starts_with(said), "{line:?}: {error}");
    }
    let error = printed(&["Net_A", "--vlan", "100", "--trust", "on"]).unwrap_err();
    assert!(
        error.contains("vlan: it is what a PF sets") && error.contains("; trust: it is"),
        "{error}"
    );
    let many = printed(&[
        "intel.com/vfs",
        "--set",
        "promisc=true",
        "--set",
        "vlanTrunk=[10, \"20-29\"]",
        "-o",
        "json",
    ])
    .unwrap();
    assert!(many.contains("promisc") && many.contains("20-29"), "{many}");
}
