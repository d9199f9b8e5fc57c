//! The log: its forms, and its levels by module.

use super::*;

fn log(running: &mut Running) -> String {
    running.daemon.signal(rustix::process::Signal::TERM);
    assert!(running.daemon.wait(SOON).success());
    running.daemon.wait_for_end_of_log(SOON)
}

fn logged_with(arguments: &[&str]) -> String {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(1));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let daemon = site.start_logging(arguments, &one_pool(), tree.root());
    let mut running = Running {
        daemon,
        kubelet,
        site,
        tree,
    };
    running.wait_for(RESOURCE, 1);
    log(&mut running)
}

#[test]
fn json_lines_have_the_fields_beside_the_message() {
    let log = logged_with(&["--log-format", "json"]);
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let registered = lines.iter().find(|line| line["message"] == "registered").unwrap();
    assert_eq!(registered["resource"], RESOURCE);
    assert_eq!(registered["level"], "INFO");
    assert_eq!(registered["target"], "hardwire_device_plugin::kubelet::lifecycle");
    assert!(registered["timestamp"].as_str().unwrap().starts_with("20"));
    assert!(!lines.iter().any(|line| line["level"] == "DEBUG"), "{log}");
}

#[test]
fn levels_go_by_module() {
    let log = logged_with(&["--log-level", "warn,hardwire_device_plugin::kubelet::service=debug"]);
    assert!(log.contains("DEBUG list sent"), "{log}");
    assert!(!log.contains(" INFO "), "{log}");
    assert!(!log.contains("the kubelet listens"), "another module's debug: {log}");
}

#[test]
fn a_level_that_is_none_is_refused() {
    let (site, tree) = (Site::new(), SysfsTree::new());
    let config = site.config(&one_pool());
    let config = config.to_str().unwrap();
    for (flag, value) in [("--log-level", "hardwire=loud"), ("--log-format", "xml")] {
        let output = site.output_logging(&["run", flag, value, "--config", config], tree.root());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flag} {value}: {text}");
        assert!(text.contains(value), "{text}");
    }
}
