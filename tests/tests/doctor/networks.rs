//! Multus, NADs and addresses.

use super::*;

const RESOURCE_KEY: &str = "k8s.v1.cni.cncf.io/resourceName";

fn nad(name: &str, resource: &str, config: &Value) -> String {
    let nad = json!({"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": "red", "annotations": {RESOURCE_KEY: resource}},
        "spec": {"config": config.to_string()}});
    nad.to_string()
}

#[test]
fn a_network_whose_resource_no_pool_has_is_told_with_the_one_that_is_meant() {
    let node = Node::healthy();
    let file = node.path("nads.yaml");
    let config = json!({"cniVersion": "1.0.0", "type": "hardwire"});
    fs::write(
        &file,
        format!(
            "{}\n---\n{}\n",
            nad("good", RESOURCE, &config),
            nad("typo", "intel.com/vf", &config)
        ),
    )
    .unwrap();
    let arguments = ["--nad", file.to_str().unwrap()];
    let report = node.wait_for(&arguments, |report| top(report, "nad-unknown-resource").is_some());
    assert_eq!(names(&report), ["nad-unknown-resource"], "{report:#}");
    let found = top(&report, "nad-unknown-resource").unwrap();
    assert_eq!(found["subject"], "red/typo");
    assert_eq!(
        found["command"],
        format!("kubectl -n red annotate --overwrite net-attach-def typo {RESOURCE_KEY}={RESOURCE}")
    );
}

#[test]
fn multus_is_missed_or_not_first() {
    let node = Node::healthy();
    let other = node.path("net.d/00-first.conflist");
    fs::write(&other, r#"{"name": "n", "plugins": [{"type": "host-local"}]}"#).unwrap();
    let found = node.found("multus-not-first", &[]);
    node.mend(&found);
    node.assert_healthy();
    fs::remove_file(node.path("net.d/0-multus.conf")).unwrap();
    fs::remove_file(node.path("bin/multus")).unwrap();
    let found = node.found("multus-absent", &[]);
    assert_eq!(found["severity"], "warning");
    let (how, then) = (found["byHand"].as_str().unwrap(), found["then"].as_str().unwrap());
    assert!(
        how.contains("see its pod on node-1") && found["command"].is_null(),
        "{found}"
    );
    assert!(then.starts_with("kubectl apply -f https://"), "{found}");
    fs::remove_file(&other).unwrap();
}

#[test]
fn a_range_without_addresses_is_told_and_no_lease_is_ever_released() {
    let node = Node::healthy();
    let ipam = json!({"type": "host-local", "subnet": "10.9.0.0/29", "rangeStart": "10.9.0.2", "rangeEnd": "10.9.0.4"});
    let file = node.path("nads.yaml");
    let config = json!({"cniVersion": "1.0.0", "name": "blue", "type": "hardwire", "ipam": ipam});
    fs::write(&file, nad("blue", RESOURCE, &config)).unwrap();
    let arguments = ["--nad", file.to_str().unwrap()];
    let store = node.path("cni/networks/blue");
    fs::create_dir_all(&store).unwrap();
    for (address, container) in [("10.9.0.2", "lives"), ("10.9.0.3", "lives-too")] {
        fs::write(store.join(address), format!("{container}\r\nnet1")).unwrap();
        fs::write(node.path(&format!("cni/results/blue-{container}-net1")), "{}").unwrap();
    }
    fs::write(store.join("last_reserved_ip.0"), "10.9.0.3").unwrap();
    assert_eq!(node.report(&arguments)["findings"], json!([]));
    fs::write(store.join("10.9.0.4"), "c0ffee\r\nnet1").unwrap();
    let report = node.wait_for(&arguments, |report| top(report, "ipam-exhausted").is_some());
    assert_eq!(
        names(&report),
        ["ipam-exhausted"],
        "it may be being handed out: {report:#}"
    );
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    let reservation = fs::File::options().write(true).open(store.join("10.9.0.4")).unwrap();
    reservation.set_modified(old).unwrap();
    drop(reservation);
    let report = node.wait_for(&arguments, |report| top(report, "ipam-exhausted").is_some());
    assert_eq!(names(&report), ["ipam-exhausted", "lease-forgotten"], "{report:#}");
    let found = top(&report, "ipam-exhausted").unwrap();
    assert_eq!(found["subject"], "red/blue");
    let forgotten = top(&report, "lease-forgotten").unwrap();
    assert_eq!(
        (&forgotten["subject"], &forgotten["fixable"]),
        (&json!("10.9.0.4"), &json!(false))
    );
    assert!(
        forgotten["command"].is_null()
            && forgotten["byHand"]
                .as_str()
                .unwrap()
                .starts_with("look for that container"),
        "{forgotten}"
    );
    let fixed = node.report(&["--fix", arguments[0], arguments[1]]);
    assert_eq!(fixed["fixes"], json!([]));
    assert!(store.join("10.9.0.4").exists());

    // It is shown, and a person looks first. The command for then removes it where the runtime does not know the container, and nothing where the runtime is silent.
    node.program("bin/crictl", "#!/bin/sh\nexit 1\n");
    let run = |finding: &Value| {
        let path = format!("{}:{}", node.path("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", finding["then"].as_str().unwrap()])
            .env("PATH", path)
            .status()
            .unwrap()
    };
    run(forgotten);
    assert!(store.join("10.9.0.4").exists(), "the runtime could not be asked");
    node.program("bin/crictl", "#!/bin/sh\n");
    run(forgotten);
    assert!(
        store.join("10.9.0.4").exists(),
        "a runtime without pods is not this node's"
    );
    node.program("bin/crictl", "#!/bin/sh\necho c0ffee\n");
    run(forgotten);
    assert!(store.join("10.9.0.4").exists(), "the runtime knows it");
    node.program("bin/crictl", "#!/bin/sh\necho another\n");
    assert!(run(forgotten).success());
    fs::remove_file(node.path("bin/crictl")).unwrap();
    assert_eq!(node.report(&arguments)["findings"], json!([]));
}

#[test]
fn a_range_whose_end_is_before_its_start_is_not_called_full() {
    let node = Node::healthy();
    let ipam =
        json!({"type": "host-local", "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.20", "rangeEnd": "10.9.0.10"});
    let file = node.path("nads.yaml");
    let config = json!({"cniVersion": "1.0.0", "name": "blue", "type": "hardwire", "ipam": ipam});
    fs::write(&file, nad("blue", RESOURCE, &config)).unwrap();
    fs::create_dir_all(node.path("cni/networks/blue")).unwrap();
    let found = node.found("ipam-exhausted", &["--nad", file.to_str().unwrap()]);
    assert_eq!(found["what"], "its range is none: rangeEnd is before rangeStart");
}

#[test]
fn an_ipam_plugin_that_is_not_installed_is_named_with_its_networks() {
    let node = Node::healthy();
    let file = node.path("nads.yaml");
    let config = json!({"cniVersion": "1.0.0", "type": "hardwire", "ipam": {"type": "whereabouts"}});
    fs::write(&file, nad("blue", RESOURCE, &config)).unwrap();
    let found = node.found("ipam-plugin-missing", &["--nad", file.to_str().unwrap()]);
    assert_eq!(found["subject"], "whereabouts");
    assert!(found["what"].as_str().unwrap().contains("red/blue"), "{found}");
}
