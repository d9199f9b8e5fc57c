//! `hardwired devices`: who has what.

use hardwire_cni::journal::Journal;
use hardwire_tests::records;

use super::*;

fn printed(site: &Site, tree: &SysfsTree, arguments: &[&str]) -> String {
    let output = site.output(&[&["devices"], arguments].concat(), tree.root());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn who_has_a_device_is_shown() {
    let mut running = Running::registered(3);
    let pod = running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    let attached = pod.devices[0].as_str();
    let journal = Journal::at(&running.site.state_dir());
    journal.put(&records::attached(attached)).unwrap();
    journal.put(&records::attached("0000:09:00.7")).unwrap();

    let show = |running: &Running, arguments: &[&str]| printed(&running.site, &running.tree, arguments);
    let report: Value = serde_json::from_str(&show(&running, &["--json"])).unwrap();
    let row = |report: &Value, id: &str| {
        let devices = report["devices"].as_array().unwrap();
        devices.iter().find(|row| row["device"] == id).unwrap().clone()
    };
    let held = row(&report, attached);
    for (key, value) in [
        ("namespace", "red"),
        ("pod", "a"),
        ("container", "main"),
        ("network", "blue"),
        ("interface", "net1"),
        ("netns", "/run/netns/pod1"),
        ("containerId", "c1"),
    ] {
        assert_eq!(held[key], value, "{key}");
    }
    let free = row(&report, &SysfsTree::vf(2));
    assert!(free["pod"].is_null() && free["network"].is_null(), "{free}");
    let gone = row(&report, "0000:09:00.7");
    assert_eq!(
        (&gone["reason"], &gone["network"]),
        (&json!("not on this node any more"), &json!("blue"))
    );

    let table = show(&running, &["-o", "wide"]);
    let line = table.lines().find(|line| line.starts_with(attached)).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[8..12], ["red/a", "blue", "net1", "/run/netns/pod1"], "{table}");

    // Without the kubelet's word the journal's stays.
    running.kubelet.end(hardwire_tests::kubelet::End::Killed);
    let report: Value = serde_json::from_str(&show(&running, &["--json"])).unwrap();
    let held = row(&report, attached);
    assert!(held["pod"].is_null());
    assert_eq!(held["network"], "blue");
}

#[test]
fn the_pools_are_the_running_daemons_where_no_file_is_named() {
    let config = json!({"resourceList": [
        {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
        {"resourceName": "typo", "selectors": {"pfName": ["eth0"]}},
    ]});
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start_with(&config, tree.root(), &["--resource-prefix", "acme.org"]);
    kubelet
        .wait_for_devices("acme.org/vfs", |devices| devices.len() == 2, SOON)
        .unwrap();
    kubelet.admit("red/a", "main", "acme.org/vfs", 1).unwrap();

    // Nothing but the state directory is told: tree, kubelet and prefix are the daemon's too.
    let show = |arguments: &[&str]| {
        let mut command = std::process::Command::new(hardwire_tests::binaries::hardwired());
        command
            .arg("devices")
            .args(arguments)
            .env("HARDWIRE_STATE_DIR", site.state_dir());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let table = show(&[]);
    let file = site.directory().join("config.json");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("0000:01:10.1") && line.ends_with("acme.org/vfs")),
        "{table}"
    );
    assert!(table.contains(" red/a "), "{table}");
    // What stands below fits the terminal too: further lines of one are indented.
    let of_config = format!(
        "pools: those in force in the running hardwired, from {}",
        file.display()
    );
    let (_, below) = table
        .split_once(&format!("{of_config}\n"))
        .unwrap_or_else(|| panic!("{table}"));
    assert!(
        below.starts_with("pool refused: resourceList[1] (typo): selectors.pfName is [\"eth0\"]"),
        "{table}"
    );
    assert!(below.lines().skip(1).all(|line| line.starts_with("  ")), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    let report: Value = serde_json::from_str(&show(&["--json"])).unwrap();
    assert_eq!(report["configuration"]["source"], "daemon");
    assert_eq!(report["configuration"]["refused"].as_array().unwrap().len(), 1);

    let other = site.directory().join("other.json");
    std::fs::write(
        &other,
        r#"{"resourceList": [{"resourceName": "other", "selectors": {}}]}"#,
    )
    .unwrap();
    let table = show(&["--config", other.to_str().unwrap()]);
    assert!(
        table.contains("acme.org/other") && !table.contains("acme.org/vfs"),
        "{table}"
    );
    assert!(
        table.ends_with(&format!("pools: those of {}, by --config\n", other.display())),
        "{table}"
    );

    daemon.signal(rustix::process::Signal::TERM);
    assert!(daemon.wait(SOON).success());
    let table = show(&["--sysfs-root", tree.root().to_str().unwrap()]);
    assert!(!table.contains("acme.org"), "{table}");
    let words: Vec<&str> = table.split_whitespace().collect();
    let text = words.join(" ");
    let (_, last) = text.split_once("pools: none: ").unwrap_or_else(|| panic!("{table}"));
    assert!(last.contains("is hardwired running"), "{table}");
}
