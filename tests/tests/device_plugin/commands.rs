//! The commands themselves: bad configurations, and `devices`.

use std::process::Output;

use hardwire_tests::sysfs_tree::Pci;

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run_with(content: &str) -> Output {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let path = site.config(&Value::Null);
    std::fs::write(&path, content).unwrap();
    site.output(&["run", "--config", path.to_str().unwrap()], tree.root())
}

#[test]
fn a_file_without_a_good_pool_ends_the_daemon_with_its_reasons() {
    for (content, reason) in [
        ("junk", "not JSON: expected value at line 1 column 1"),
        (
            r#"{"resourceList": [{"resourceName": "x", "selectors": {},}]}"#,
            "trailing comma at line 1",
        ),
        (
            r#"{"resourceList": "x"}"#,
            "resourceList is \"x\": expected a list of pools",
        ),
        (
            r#"{"resourceList": [{"resourceName": "x", "selectors": {"vendors": ["Intel"]}}]}"#,
            "resourceList[0] (x): selectors.vendors[0] is \"Intel\": expected a vendor id of four hexadecimal digits",
        ),
        (
            r#"{"resourceList": [{"resourceName": "x", "selectors": {"isRdma": true, "vdpaType": "vhost"}}]}"#,
            "selectors.isRdma is true: a device is given out either for RDMA or for vDPA",
        ),
    ] {
        let output = run_with(content);
        assert_eq!(output.status.code(), Some(1), "{content}");
        let log = text(&output.stderr);
        assert!(log.contains("config.json") && log.contains(reason), "{content}: {log}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_missing_file_is_named() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let output = site.output(&["run", "--config", "/nonexistent/config.json"], tree.root());
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    assert!(log.contains("/nonexistent/config.json: No such file"), "{log}");
}

#[test]
fn a_mistyped_file_makes_no_directory() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let mistyped = site.directory().join("etc/pcipd/config.json");
    for command in ["run", "check", "devices"] {
        let output = site.output(&[command, "--config", mistyped.to_str().unwrap()], tree.root());
        assert_eq!(output.status.code(), Some(1), "{command}");
        let expected = format!("{}: No such file or directory", mistyped.display());
        assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
        assert!(!site.directory().join("etc").exists(), "{command}");
        assert!(!site.state_dir().exists(), "{command}: {:?}", site.state_dir());
    }
}

#[test]
fn a_tree_of_devices_that_is_not_there_is_no_node_without_devices() {
    let site = Site::new();
    let output = site.output(&["devices"], std::path::Path::new("/nonexistent"));
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let said = text(&output.stderr);
    assert!(
        said.contains("hardwired: --sysfs-root /nonexistent: No such file"),
        "{said}"
    );
}

#[test]
fn a_node_without_pools_keeps_the_daemon_up() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let mut daemon = site.start(&json!({"resourceList": null}), tree.root());
    daemon.wait_for_log("nothing to do", SOON);
    assert!(daemon.is_running());
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(SOON).code(), Some(0));
}

#[test]
fn devices_prints_each_device_and_why_it_is_where_it_is() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    tree.add(&Pci {
        netdev: Some("ens5"),
        ..Pci::at("0000:05:00.0")
    });
    tree.add(&Pci {
        driver: None,
        ..Pci::at("0000:06:00.0")
    });
    tree.write(&tree.device("0000:07:00.0").join("vendor"), "garbage");
    tree.write(&tree.device("0000:07:00.0").join("class"), "0x020000");
    let config = site.config(&json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"pfNames": ["eth0#1"]}},
    ]}));
    let arguments = ["devices", "-o", "wide", "--config", config.to_str().unwrap()];
    let output = site.output(&arguments, tree.root());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let expected = "\
DEVICE        PF    VF  DRIVER  NETDEV  MAC                MTU   NUMA  POD  NETWORK  INTERFACE  NETNS  POOL
0000:01:00.0  -     -   igb     eth0    02:00:00:00:00:0a  1500  1     -    -        -          -      - (PF with 2 VFs)
0000:01:10.0  eth0  0   igbvf   -       -                  -     1     -    -        -          -      - (no selector matches: intel.com/vfs differs in pfNames)
0000:01:10.1  eth0  1   igbvf   -       -                  -     1     -    -        -          -      intel.com/vfs
0000:05:00.0  -     -   igb     ens5    02:00:00:00:00:0a  1500  -     -    -        -          -      - (no selector matches: intel.com/vfs differs in pfNames)
0000:06:00.0  -     -   -       -       -                  -     -     -    -        -          -      - (no driver is bound to it)
";
    let printed = text(&output.stdout);
    assert!(printed.starts_with(expected), "{printed}");
    assert!(
        printed[expected.len()..].starts_with("skipped 0000:07:00.0: "),
        "{printed}"
    );

    // The same for a terminal, without colours since this is none.
    let output = site.output(&["devices", "--config", config.to_str().unwrap()], tree.root());
    let printed = text(&output.stdout);
    let table: Vec<&str> = printed.lines().take(6).collect();
    assert_eq!(table[0], "DEVICE        PF    VF  DRIVER  NETDEV  POD  POOL");
    assert_eq!(table[3], "0000:01:10.1  eth0  1   igbvf   -       -    intel.com/vfs");
    assert!(table.iter().all(|line| line.chars().count() <= 100), "{printed}");
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
}

#[test]
fn devices_prints_json_and_yaml_on_request() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let printed = |form: &[&str]| site.output(&[&["devices"], form].concat(), tree.root()).stdout;
    let report: Value = serde_json::from_slice(&printed(&["--json"])).unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&printed(&["-o", "json"])).unwrap(),
        report
    );
    let yaml: Value = serde_saphyr::from_str(&text(&printed(&["-o=yaml"]))).unwrap();
    assert_eq!(yaml, report);
    let vf = &report["devices"][1];
    assert_eq!(vf["device"], "0000:01:10.0");
    assert_eq!(vf["pfName"], "eth0");
    assert_eq!(vf["vf"], 0);
    assert_eq!(vf["pool"], Value::Null);
    assert_eq!(vf["reason"], "no pools are configured");
}
