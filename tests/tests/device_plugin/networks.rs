//! `hardwired nad` and `hardwired check --nad`: a network for a pool, and what an ADD would refuse of one.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use hardwire_tests::binaries::{hardwire, hardwired};

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A command that knows nothing but where a daemon would be.
fn run(site: &Site, arguments: &[&str]) -> Output {
    let mut command = Command::new(hardwired());
    command.args(arguments).env("HARDWIRE_STATE_DIR", site.state_dir());
    command.output().unwrap()
}

fn pools(site: &Site) -> String {
    let file = site.config(&json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
        {"resourceName": "nics", "selectors": {"functions": ["plain"]}},
    ]}));
    file.to_str().unwrap().to_owned()
}

/// ADD of a configuration, by the plugin itself, for a device that is not there.
fn add(site: &Site, config: &Value) -> Value {
    let mut command = Command::new(hardwire());
    let variables = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c"),
        ("CNI_NETNS", "/nonexistent"),
        ("CNI_IFNAME", "net1"),
        ("CNI_PATH", "/nonexistent"),
    ];
    let command = command.envs(variables).env("HARDWIRE_STATE_DIR", site.state_dir());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(config.to_string().as_bytes())
        .unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_network_for_a_pool_of_the_running_daemon_is_one_that_the_plugin_takes() {
    let running = Running::registered(2);
    let line = [
        "nad",
        "vfs",
        "--vlan",
        "100",
        "--spoofchk",
        "on",
        "--ipam",
        "host-local",
        "--subnet",
        "10.56.217.0/24",
    ];
    let output = run(&running.site, &line);
    assert!(output.status.success(), "{output:?}");
    let network: Value = serde_saphyr::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(
        network["metadata"]["annotations"]["k8s.v1.cni.cncf.io/resourceName"],
        RESOURCE
    );

    let file = running.site.directory().join("network.yaml");
    fs::write(&file, &output.stdout).unwrap();
    let checked = run(&running.site, &["check", "--strict", "--nad", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    let expected = format!("{}: NetworkAttachmentDefinition vfs: good\n", file.display());
    assert_eq!(text(&checked.stdout), expected);

    // Up to the namespace, which comes after all fields.
    let mut config: Value = serde_json::from_str(network["spec"]["config"].as_str().unwrap()).unwrap();
    config["deviceID"] = "0000:01:10.0".into();
    let answer = add(&running.site, &config);
    assert_eq!(answer["code"], 4, "{answer}");
    assert!(answer["msg"].as_str().unwrap().starts_with("CNI_NETNS: "), "{answer}");
}

#[test]
fn what_check_refuses_is_what_add_refuses_word_for_word() {
    let site = Site::new();
    let pools = pools(&site);
    for (field, value) in [
        ("vlan", json!(5000)),
        ("vlanQoS", json!(3)),
        ("spoofchk", json!(true)),
        ("max-tx-rate", json!(100)),
        ("mtu", json!("9000")),
        ("mac", json!("ff:ff:ff:ff:ff:ff")),
        ("ipam", json!({"type": "../sh"})),
        ("vlanTrunk", json!("1-5000")),
        ("cniVersion", json!("3.0.0")),
        ("pkey", json!("0x8001")),
    ] {
        let mut config = json!({"cniVersion": "1.0.0", "name": "n", "type": "hardwire"});
        config[field] = value;
        let network = json!({
            "apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "n", "annotations": {"k8s.v1.cni.cncf.io/resourceName": RESOURCE}},
            "spec": {"config": config.to_string()},
        });
        let file = site.directory().join("network.json");
        fs::write(&file, network.to_string()).unwrap();
        let checked = run(&site, &["check", "--nad", file.to_str().unwrap(), "--config", &pools]);
        assert_eq!(checked.status.code(), Some(1), "{field}: {checked:?}");
        config["deviceID"] = "0000:01:10.0".into();
        let answer = add(&site, &config);
        let said = answer["msg"].as_str().unwrap();
        assert!(
            text(&checked.stdout).contains(said),
            "{field}: {said}: {}",
            text(&checked.stdout)
        );
    }
}

#[test]
fn every_network_of_a_file_is_told_of_and_one_that_is_refused_is_an_exit_status() {
    let site = Site::new();
    let pools = pools(&site);
    let manifest = r#"
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: typo, namespace: red, annotations: {k8s.v1.cni.cncf.io/resourceName: intel.com/vf}}
spec:
  config: '{"cniVersion": "1.0.0", "type": "hardwire", "vlan": 4095, "spoofcheck": "on"}'
---
apiVersion: v1
kind: List
items:
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: chain, annotations: {k8s.v1.cni.cncf.io/resourceName: intel.com/nics}}
  spec:
    config: |
      {"cniVersion": "1.0.0", "plugins": [{"type": "hardwire", "trust": "on"}, {"type": "tuning"}]}
- apiVersion: k8s.cni.cncf.io/v1
  kind: NetworkAttachmentDefinition
  metadata: {name: good, annotations: {k8s.v1.cni.cncf.io/resourceName: intel.com/nics}}
  spec: {config: '{"cniVersion": "1.0.0", "type": "hardwire", "log_level": "debug"}'}
---
apiVersion: v1
kind: Pod
metadata: {name: p}
"#;
    let file = site.directory().join("networks.yaml");
    let check = |manifest: &str, arguments: &[&str]| {
        fs::write(&file, manifest).unwrap();
        let output = run(
            &site,
            &[&["check", "--nad", file.to_str().unwrap()], arguments].concat(),
        );
        let plain = |bytes: &[u8]| {
            text(bytes)
                .replace(&format!("{}: ", file.display()), "")
                .replace("NetworkAttachmentDefinition ", "")
        };
        (output.status.code(), plain(&output.stdout), plain(&output.stderr))
    };
    let (status, printed, log) = check(manifest, &["--config", &pools]);
    assert_eq!(status, Some(1));
    let expected = "\
red/typo: refused: spec.config: spoofcheck: unknown field, and almost spoofchk: is that what is meant?
red/typo: refused: spec.config: vlan: 4095 is not valid: it must be a whole number from 0 to 4094
red/typo: refused: annotation k8s.v1.cni.cncf.io/resourceName: \"intel.com/vf\" is not valid: no pool has it: there are \
intel.com/vfs, intel.com/nics
chain: refused: spec.config: plugins[0]: trust: it is what a PF sets on its VFs, and intel.com/nics has none: leave it out
chain: spec.config: plugins[1]: type tuning: another plugin's, not checked
good: warning: spec.config: log_level: unknown field, and almost logLevel: it is ignored
good: good
";
    assert_eq!(printed, expected);
    assert!(log.contains("2 of 3 networks refused"), "{log}");

    let (_, rest) = manifest.split_once("\n- apiVersion").unwrap();
    let good = format!(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion{}",
        rest.split_once("\n- apiVersion").unwrap().1
    );
    assert_eq!(check(&good, &["--config", &pools]).0, Some(0));
    let (status, _, log) = check(&good, &["--config", &pools, "--strict"]);
    assert!(status == Some(1) && log.contains("--strict"), "{log}");
    // Without a daemon and without pools that is said, and the rest is checked.
    let (status, printed, _) = check(&good, &[]);
    assert_eq!(status, Some(0));
    assert!(
        printed.starts_with("whether their resources are there is not checked: "),
        "{printed}"
    );

    for (manifest, said) in [
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
            "found Pod p: expected a NetworkAttachmentDefinition",
        ),
        ("{", "not JSON: EOF"),
        (
            "replicas: 1\n",
            "found no Kubernetes object: expected a NetworkAttachmentDefinition",
        ),
    ] {
        let (status, _, log) = check(manifest, &["--config", &pools]);
        assert!(status == Some(1) && log.contains(said), "{manifest}: {log}");
    }
}

#[test]
fn a_pool_that_is_not_there_is_answered_with_those_that_are() {
    let site = Site::new();
    let pools = pools(&site);
    let output = run(&site, &["nad", "vf", "--config-file", &pools]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let log = text(&output.stderr);
    assert!(
        log.contains("POOL: \"vf\" is not valid") && log.contains("there are intel.com/vfs, intel.com/nics"),
        "{log}"
    );
    let output = run(&site, &["nad", "vfs"]);
    let log = text(&output.stderr);
    assert!(
        output.status.code() == Some(1) && log.contains("is hardwired running") && log.contains("--config FILE"),
        "{log}"
    );
}
