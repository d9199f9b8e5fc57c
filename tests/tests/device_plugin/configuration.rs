//! Configurations: what `check` says of them, which devices selectors take, and the command lines of the replaced plugin.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use hardwire_tests::sysfs_tree::Pci;

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn write(site: &Site, content: &str) -> String {
    let path = site.config(&Value::Null);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn check(content: &str) -> Output {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let file = write(&site, content);
    site.output(&["check", "--config", &file], tree.root())
}

/// Ids of the devices that a pool with these fields has, as `devices` tells.
fn selected(tree: &SysfsTree, fields: &Value) -> Vec<String> {
    let mut pool = json!({"resourceName": "x"});
    pool.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let site = Site::new();
    let config = site.config(&json!({"resourceList": [pool]}));
    let output = site.output(
        &["devices", "--json", "--config", config.to_str().unwrap()],
        tree.root(),
    );
    assert!(output.status.success(), "{fields}: {}", text(&output.stderr));
    taken(&output)
}

fn taken(output: &Output) -> Vec<String> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let devices = report["devices"].as_array().unwrap().iter();
    let ours = devices.filter(|device| device["pool"] == "intel.com/x");
    ours.map(|device| device["device"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn check_is_pleased_with_a_good_file() {
    let output = check(&one_pool().to_string());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(
        printed.starts_with("intel.com/vfs: netDevice, 1 selector, PCIDEVICE_INTEL_COM_VFS\n"),
        "{printed}"
    );
    assert!(printed.trim_end().ends_with("config.json: good: 1 pool"), "{printed}");
    let empty = check(r#"{"resourceList": null}"#);
    assert_eq!(empty.status.code(), Some(0));
    assert!(text(&empty.stdout).contains("good: 0 pools, nothing to offer"));
}

#[test]
fn check_names_file_pool_field_value_and_what_would_be_right() {
    let output = check(
        r#"{"resourceList": [
            {"resourceName": "good", "selectors": {"comment": "all of them"}},
            {"resourceName": "bad", "selectors": {"pfNames": ["ens1#5-3"]}},
            {"resourceName": "good", "selectors": {}},
            {"resourceName": "typo", "selectors": {"vendor": ["8086"]}}
        ]}"#,
    );
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    for expected in [
        "config.json: pool refused: resourceList[1] (bad): selectors.pfNames[0] is \"ens1#5-3\": expected an interface name",
        "config.json: pool refused: resourceList[2] (good): its resource is \"intel.com/good\"",
        "config.json: pool refused: resourceList[3] (typo): selectors.vendor is [\"8086\"]: a selector has no such field",
        "config.json: warning: resourceList[0] (good): selectors.comment is a note",
        "intel.com/good: netDevice",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
    let log = text(&output.stderr);
    assert!(log.contains("config.json: 3 of 4 pools refused"), "{log}");
    for (content, reason) in [
        ("junk", "not JSON"),
        (r#"{"resourceList": [{}]}"#, "no good pool: resourceList[0]"),
    ] {
        let output = check(content);
        assert_eq!(output.status.code(), Some(1), "{content}");
        assert!(text(&output.stderr).contains(reason), "{}", text(&output.stderr));
    }
}

#[test]
fn check_takes_warnings_for_mistakes_on_request() {
    let noted = r#"{"resourceList": [{"resourceName": "x", "selectors": {"_why": "all of them"}}]}"#;
    let strictly = |content: &str| {
        let (site, tree) = (Site::new(), SysfsTree::new());
        let file = write(&site, content);
        site.output(&["check", "--strict", "--config", &file], tree.root())
    };
    assert_eq!(check(noted).status.code(), Some(0));
    let output = strictly(noted);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("warning: resourceList[0] (x): selectors._why is a note"));
    assert!(text(&output.stderr).contains("1 warning, which --strict does not let pass"));
    assert_eq!(strictly(&one_pool().to_string()).status.code(), Some(0));
}

/// A `ConfigMap` as the replaced plugin's installation has it.
const MANIFEST: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: sriovdp-config
  namespace: kube-system
data:
  config.json: |
    {
        "resourceList": [{
                "resourceName": "nics",
                "selectors": {
                    "vendors": ["8086", "15b3"],
                    "drivers": ["iavf", "mlx5_core"]
                }
            },
            {
                "resourceName": "sfs",
                "deviceType": "auxNetDevice",
                "selectors": [{"auxTypes": ["sf"], "pciAddresses": ["0000:03:00.0"]}],
                "additionalInfo": {"ens1f0": {"token": "x"}}
            }
        ]
    }
"#;

#[test]
fn check_understands_the_manifest_of_a_config_map_and_run_says_what_it_is() {
    let output = check(MANIFEST);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    for expected in [
        "config.json: ConfigMap kube-system/sriovdp-config, config.json: warning: resourceList[1] (sfs): \
         selectors[0].pciAddresses filters nothing",
        "warning: resourceList[1] (sfs): additionalInfo.ens1f0 is of no device",
        "\nintel.com/nics: netDevice, 1 selector, PCIDEVICE_INTEL_COM_NICS\n",
        "config.json: ConfigMap kube-system/sriovdp-config, config.json: good: 2 pools\n",
    ] {
        assert!(printed.contains(expected), "{printed}");
    }
    let broken = check(&MANIFEST.replace("},\n            {", "}\n            {"));
    assert_eq!(broken.status.code(), Some(1));
    let log = text(&broken.stderr);
    assert!(
        log.contains("sriovdp-config, config.json: not JSON: expected `,` or `]` at line"),
        "{log}"
    );

    for (manifest, found) in [
        (
            MANIFEST
                .replace("config.json:", "settings:")
                .replace("resourceList", "resources"),
            "sriovdp-config with settings",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n".to_owned(),
            "found Service s",
        ),
        ("image: x\nreplicas: 2\n".to_owned(), "found only image, replicas"),
    ] {
        let output = check(&manifest);
        assert_eq!(output.status.code(), Some(1), "{manifest}");
        assert!(text(&output.stderr).contains(found), "{}", text(&output.stderr));
        assert!(!text(&output.stdout).contains("good"), "{}", text(&output.stdout));
    }

    let (site, tree) = (Site::new(), SysfsTree::new());
    let file = write(&site, MANIFEST);
    let output = site.output(&["run", "--config", &file], tree.root());
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    assert!(
        log.contains("config.json: it holds ConfigMap kube-system/sriovdp-config: expected the configuration"),
        "{log}"
    );
}

#[test]
fn a_misspelt_selector_takes_no_device() {
    let tree = SysfsTree::with_vfs(2);
    for pool in [
        json!({"resourceName": "typo", "selectors": {"pfName": ["eth0#0"]}}),
        json!({"resourceName": "typo", "selectors": [{"pfNames": ["eth0#0"]}, {"Driver": ["igbvf"]}]}),
        json!({"resourceName": "typo", "selectors": {}, "pfNames": ["eth0#0"]}),
        json!({"resourceName": "typo", "selectors": {}, "devicetyp": "accelerator"}),
    ] {
        let site = Site::new();
        let config = json!({"resourceList": [pool, {"resourceName": "x", "selectors": {"pfNames": ["eth0#1"]}}]});
        let config = site.config(&config);
        let arguments = ["devices", "--json", "--config", config.to_str().unwrap()];
        let output = site.output(&arguments, tree.root());
        assert_eq!(taken(&output), [SysfsTree::vf(1)], "{pool}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let placed = report["devices"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["pool"].is_string());
        assert_eq!(placed.count(), 1, "{report}");
        let refused = report["configuration"]["refused"][0].as_str().unwrap();
        assert!(refused.starts_with("resourceList[0] (typo): "), "{refused}");
    }
}

#[test]
fn the_good_pools_of_a_file_run_and_the_bad_one_is_told() {
    let config = json!({"resourceList": [
        {"resourceName": "bad", "selectors": {"isRdma": true, "vdpaType": "vhost"}},
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
    ]});
    let mut running = Running::start(&config, 2);
    running.wait_for(RESOURCE, 2);
    running
        .daemon
        .wait_for_log("pool refused: resourceList[0] (bad): selectors.isRdma is true", SOON);
}

#[test]
fn yaml_is_read_as_well() {
    let yaml = "resourceList:\n- resourceName: vfs # all\n  selectors:\n    drivers: [igbvf]\n";
    assert_eq!(check(yaml).status.code(), Some(0));
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let file = write(&site, yaml);
    let _daemon = site.start_as(&["run", "--config", &file], tree.root());
    kubelet
        .wait_for_devices(RESOURCE, |devices| devices.len() == 2, SOON)
        .unwrap();
}

#[test]
fn the_command_lines_of_the_replaced_plugin_run_as_they_are() {
    for (arguments, resource, ignored) in [
        (&["--log-dir=sriovdp", "--log-level=10"][..], "intel.com/vfs", true),
        (
            &["--log-level=10", "--resource-prefix=openshift.io", "--use-cdi=false"],
            "openshift.io/vfs",
            false,
        ),
        (
            &["-logtostderr", "-v", "10", "-resource-prefix", "acme.org"],
            "acme.org/vfs",
            true,
        ),
    ] {
        let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let file = site.config(&one_pool());
        let file = format!("--config-file={}", file.display());
        let mut daemon = site.start_as(&[arguments, &[&file]].concat(), tree.root());
        kubelet
            .wait_for_devices(resource, |devices| devices.len() == 2, SOON)
            .unwrap();
        assert_eq!(daemon.log().contains("has no meaning here"), ignored, "{arguments:?}");
    }
}

#[test]
fn without_a_file_the_one_of_the_replaced_plugin_is_read() {
    if Path::new("/etc/pcidp/config.json").exists() {
        return;
    }
    let (site, tree) = (Site::new(), SysfsTree::new());
    let output = site.output(&[], tree.root());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/etc/pcidp/config.json: No such file"));
}

#[test]
fn a_pool_takes_accelerators_or_subfunctions_on_request() {
    let tree = SysfsTree::with_vfs(1);
    tree.add(&Pci {
        device: "0b30",
        ..Pci::at("0000:09:00.0")
    });
    tree.write(&tree.device("0000:09:00.0").join("class"), "0x120000");
    let sf = tree.root().join("devices/pci0000:00/0000:01:00.0/mlx5_core.sf.4");
    tree.write(&sf.join("sfnum"), "88");
    let bus = tree.root().join("bus/auxiliary/devices");
    fs::create_dir_all(&bus).unwrap();
    symlink(&sf, bus.join("mlx5_core.sf.4")).unwrap();
    assert_eq!(selected(&tree, &json!({"selectors": {}})), ["0000:01:10.0"]);
    let accelerator = json!({"deviceType": "accelerator", "selectors": {"devices": ["0b30"]}});
    assert_eq!(selected(&tree, &accelerator), ["0000:09:00.0"]);
    for (selector, expected) in [
        (json!({"auxTypes": ["sf"]}), 1),
        (
            json!({"auxTypes": ["sf"], "pfNames": ["eth0#80-90"], "drivers": ["igb"]}),
            1,
        ),
        (json!({"auxTypes": ["sf"], "pfNames": ["eth0#4"]}), 0),
    ] {
        let fields = json!({"deviceType": "auxNetDevice", "selectors": selector});
        assert_eq!(selected(&tree, &fields).len(), expected, "{fields}");
    }
}

#[test]
fn selectors_take_devices_by_what_the_tree_tells() {
    let tree = SysfsTree::with_vfs(4);
    let (pf, vf) = (tree.device("0000:01:00.0"), |index| tree.device(&SysfsTree::vf(index)));
    tree.write(&pf.join("net/eth0/speed"), "25000");
    tree.write(&vf(1).join("infiniband/mlx5_1/node_type"), "1: CA");
    // Its RDMA device is in a pod.
    tree.write(&vf(2).join("mlx5_core.rdma.2/uevent"), "");
    tree.write(&vf(3).join("acpi_index"), "7");
    fs::remove_file(vf(0).join("driver")).unwrap();
    let all = [0, 1, 2, 3].map(SysfsTree::vf);
    for (selector, expected) in [
        (json!({"pfNames": ["eth0#0-1", "eth0#3"]}), &[0, 1, 3][..]),
        (json!({"pfNames": ["!eth0#1"], "functions": ["vf"]}), &[0, 2, 3]),
        (json!({"rootDevices": ["0000:01:00.0#2"]}), &[2]),
        (json!({"pfMacs": ["02:00:00:00:00:0a#0"]}), &[0]),
        (json!({"linkSpeeds": [">=25000"]}), &[0, 1, 2, 3]),
        (json!({"linkSpeeds": ["<25000"]}), &[]),
        (json!({"linkTypes": ["ether"]}), &[0, 1, 2, 3]),
        (json!({"isRdma": true}), &[1, 2]),
        (json!({"notRdma": true}), &[0, 3]),
        (json!({"acpiIndexes": ["7"]}), &[3]),
        (json!({"numaNodes": [1], "vfIndexes": ["2-9"]}), &[2, 3]),
        (json!({"drivers": ["igb*"]}), &[1, 2, 3]),
    ] {
        let expected: Vec<&String> = expected.iter().map(|index: &usize| &all[*index]).collect();
        let taken = selected(&tree, &json!({"selectors": selector}));
        assert_eq!(taken.iter().collect::<Vec<_>>(), expected, "{selector}");
    }
}

/// Ids of the devices that a pool has in a network namespace of its own, where `lo` stands for the PF's interface.
fn selected_with_altname(tree: &SysfsTree, selector: &Value) -> Vec<String> {
    let site = Site::new();
    let config = site.config(&json!({"resourceList": [{"resourceName": "x", "selectors": selector}]}));
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg("ip link property add dev lo altname uplink-left altname a-name-of-more-than-fifteen-bytes\nexec \"$@\"")
        .arg("sh")
        .arg(hardwire_tests::binaries::hardwired())
        .args(["devices", "--json", "--config"])
        .arg(config)
        .arg("--sysfs-root")
        .arg(tree.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    taken(&output)
}

#[test]
fn a_pf_is_known_by_its_alternative_names() {
    let tree = SysfsTree::new();
    tree.add_pf(&Pci::at("0000:05:00.0"), 7);
    tree.add_netdev(&tree.device("0000:05:00.0"), "lo", 1);
    for index in 0..2 {
        tree.add_vf("0000:05:00.0", index, &Pci::at(&format!("0000:05:10.{index}")));
    }
    for (selector, expected) in [
        (
            json!({"pfAltNames": ["uplink-left"]}),
            &["0000:05:10.0", "0000:05:10.1"][..],
        ),
        (
            json!({"pfAltNames": ["a-name-of-more-than-fifteen-bytes#1"]}),
            &["0000:05:10.1"],
        ),
        (json!({"pfAltNames": ["uplink-*", "!uplink-left#0"]}), &["0000:05:10.1"]),
        (json!({"pfAltNames": ["uplink-right"]}), &[]),
        (json!({"pfNames": ["uplink-left"]}), &[]),
    ] {
        assert_eq!(selected_with_altname(&tree, &selector), expected, "{selector}");
    }
}

#[test]
fn profiles_are_asked_of_the_tool_once_per_adapter_and_only_on_request() {
    let (site, tree, programs) = (Site::new(), SysfsTree::with_vfs(2), tempfile::tempdir().unwrap());
    let (tool, calls) = (programs.path().join("ddptool"), programs.path().join("calls"));
    // As for the real one, a VF is no adapter.
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {}\n[ \"$5\" = 0000:01:00.0 ] || exit 3\n\
         echo '{{\"DDPInventory\": {{\"DDPpackage\": {{\"name\": \"gtp\"}}}}}}'\n",
        calls.display()
    );
    fs::write(&tool, script).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let devices = |selector: Value| {
        let config = site.config(&json!({"resourceList": [{"resourceName": "x", "selectors": selector}]}));
        let arguments = ["devices", "--json", "--config", config.to_str().unwrap()];
        taken(&site.output_with_programs(programs.path(), &arguments, tree.root()))
    };
    assert_eq!(devices(json!({"vendors": ["8086"]})).len(), 2);
    assert!(!calls.exists(), "nobody asked for a profile");
    assert_eq!(devices(json!({"ddpProfiles": ["gtp"]})).len(), 2);
    let asked = fs::read_to_string(&calls).unwrap();
    assert_eq!(asked.matches("-l -a -j -s 0000:01:00.0").count(), 1, "{asked}");
    assert!(devices(json!({"ddpProfiles": ["other"]})).is_empty());
}
