//! The programs, run as the daemon set runs them: its arguments, with the node's paths replaced by those of the test.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use hardwire_tests::binaries::{hardwire, hardwired};
use hardwire_tests::daemon::{Daemon, Site};
use hardwire_tests::http::{Answer, get, wait_for};
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;

use super::*;

const SOON: Duration = Duration::from_secs(20);

/// The arguments, with each of `replaced` in place of what it stands for; all of them must occur.
fn arguments(container: &Value, replaced: &[(&str, &str)]) -> Vec<String> {
    assert_eq!(texts(&container["command"]), ["/usr/bin/hardwired"]);
    let mut arguments: Vec<String> = texts(&container["args"]).into_iter().map(str::to_owned).collect();
    for (theirs, ours) in replaced {
        let argument = arguments.iter_mut().find(|argument| argument.contains(theirs));
        let argument = argument.unwrap_or_else(|| panic!("no argument has {theirs}"));
        *argument = argument.replace(theirs, ours);
    }
    arguments
}

/// The daemon with these arguments, and a kubelet that has its three VFs.
fn registered(site: &Site, tree: &SysfsTree, arguments: &[String]) -> (Kubelet, Daemon) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start_as(&arguments, tree.root());
    let all = |devices: &[hardwire_proto::deviceplugin::Device]| devices.len() == 3;
    kubelet.wait_for_devices("intel.com/vfs", all, SOON).unwrap();
    daemon.wait_for_log(r#""message":"registered""#, SOON);
    (kubelet, daemon)
}

/// A port that is free now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn the_daemon_registers_its_pool_and_answers_its_probes() {
    let (site, tree, container) = (Site::new(), SysfsTree::with_vfs(3), container());
    let mounted = tempfile::tempdir().unwrap();
    let config_map = yaml("base/configmap.yaml");
    for (name, content) in config_map["data"].as_object().unwrap() {
        fs::write(mounted.path().join(name), content.as_str().unwrap()).unwrap();
    }
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = arguments(
        &container,
        &[
            ("/etc/hardwire", mounted.path().to_str().unwrap()),
            ("127.0.0.1:9808", &address),
            ("/host/dev", "/dev"),
        ],
    );
    let (_kubelet, mut daemon) = registered(&site, &tree, &arguments);

    for probe in ["livenessProbe", "readinessProbe"] {
        let get_from = &container[probe]["httpGet"];
        assert_eq!(
            (&get_from["host"], &get_from["port"]),
            (&"127.0.0.1".into(), &9808.into())
        );
        let answer = get(&address, get_from["path"].as_str().unwrap()).unwrap();
        assert_eq!(answer.0, 200, "{probe}: {answer:?}");
    }
    daemon.signal(rustix::process::Signal::TERM);
    let grace = pod_spec()["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(daemon.wait(Duration::from_secs(grace)).success());
}

/// A rule on a metric that nobody serves never fires.
#[test]
fn every_metric_of_the_rules_is_served_and_the_drop_in_starts_with_its_arguments() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(3));
    let Some(objects) = kustomized("drop-in") else { return };
    let container = &of_kind(&objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0];
    let address = format!("127.0.0.1:{}", free_port());
    let mut arguments = arguments(container, &[("127.0.0.1:9808", &address), ("/host/dev", "/dev")]);
    let config_map = yaml("base/configmap.yaml");
    let file = site.directory().join("pools.json");
    fs::write(&file, config_map["data"]["config.json"].as_str().unwrap()).unwrap();
    arguments.push(format!("--config-file={}", file.display()));
    let (_kubelet, _daemon) = registered(&site, &tree, &arguments);

    // The kubelet is asked who holds what once it has its lists.
    let is_asked = |answer: &Answer| answer.1.contains("hardwired_devices_held");
    let served = wait_for(&address, "/metrics", is_asked, SOON).1;
    let rules = yaml("prometheus/rules.yaml");
    let mut named = 0;
    for rule in list(&rules["spec"]["groups"][0]["rules"]) {
        let expression = rule["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for metric in words.filter(|word| word.starts_with("hardwired_")) {
            let is_served = served.lines().any(|line| {
                let name = line.split(['{', ' ']).next();
                name == Some(metric) || line.starts_with(&format!("# TYPE {} ", metric.trim_end_matches("_total")))
            });
            assert!(is_served, "{metric} in {expression}");
            named += 1;
        }
    }
    assert!(named >= 10, "{named} metrics");
}

#[test]
fn the_plugin_is_installed_whole_and_runs() {
    let init = pod_spec()["initContainers"][0].clone();
    let node = tempfile::tempdir().unwrap();
    let to = node.path().join("opt/cni/bin");
    let program = hardwire();
    let replaced = [
        ("/usr/bin/hardwire", program.to_str().unwrap()),
        ("/host/opt/cni/bin", to.to_str().unwrap()),
    ];
    let install = || {
        let output = Command::new(hardwired())
            .args(arguments(&init, &replaced))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    install();
    let installed = to.join("hardwire");
    let version = Command::new(&installed).env("CNI_COMMAND", "VERSION").output().unwrap();
    assert!(version.status.success());
    assert!(String::from_utf8_lossy(&version.stdout).contains("supportedVersions"));
    let first = inode(&installed);
    install();
    assert_eq!(inode(&installed), first, "the same program is left in place");
    fs::write(&installed, "another version").unwrap();
    install();
    assert_eq!(fs::read(&installed).unwrap(), fs::read(&program).unwrap());
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
}

#[test]
fn the_chained_variant_puts_our_entry_into_the_list_or_leaves_it_to_the_daemon() {
    let Some(objects) = kustomized("chain") else { return };
    let spec = &of_kind(&objects, "DaemonSet")["spec"]["template"]["spec"];
    let node = tempfile::tempdir().unwrap();
    let (to, lists, state) = (
        node.path().join("opt/cni/bin"),
        node.path().join("net.d"),
        node.path().join("state"),
    );
    let program = hardwire();
    let replaced = [
        ("/usr/bin/hardwire", program.to_str().unwrap()),
        ("/host/opt/cni/bin", to.to_str().unwrap()),
        ("/etc/cni/net.d", lists.to_str().unwrap()),
    ];
    let install = || {
        let mut installed = Command::new(hardwired());
        installed.args(arguments(&spec["initContainers"][0], &replaced));
        let output = installed.env("HARDWIRE_STATE_DIR", &state).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // A node whose network plugin is not there yet.
    assert!(install().contains("no network here yet"));
    assert_eq!(fs::read_to_string(state.join("chained")).unwrap(), "hardwire");
    fs::create_dir_all(&lists).unwrap();
    let list = lists.join("10-calico.conflist");
    fs::write(
        &list,
        r#"{"name": "k8s", "cniVersion": "1.0.0", "plugins": [{"type": "calico"}]}"#,
    )
    .unwrap();
    for _ in 0..2 {
        install();
        let text = fs::read_to_string(&list).unwrap();
        assert_eq!(text.matches(r#""attach": "pod""#).count(), 1, "{text}");
    }
}

#[test]
fn the_drop_in_installs_the_plugin_as_sriov_too_and_keeps_whose_name_that_was() {
    let Some(objects) = kustomized("drop-in") else { return };
    let spec = &of_kind(&objects, "DaemonSet")["spec"]["template"]["spec"];
    let node = tempfile::tempdir().unwrap();
    let to = node.path().join("opt/cni/bin");
    fs::create_dir_all(&to).unwrap();
    fs::write(to.join("sriov"), "sriov-cni").unwrap();
    let program = hardwire();
    let replaced = [
        ("/usr/bin/hardwire", program.to_str().unwrap()),
        ("/host/opt/cni/bin", to.to_str().unwrap()),
    ];
    let install = || {
        let mut installed = Command::new(hardwired());
        installed.args(arguments(&spec["initContainers"][0], &replaced));
        installed.output().unwrap()
    };
    let output = install();
    assert!(output.status.success(), "{output:?}");
    // An older version of ours takes nobody's place.
    let older = [fs::read(to.join("sriov")).unwrap(), b"older".to_vec()].concat();
    fs::write(to.join("sriov"), older).unwrap();
    assert!(install().status.success());
    for name in ["hardwire", "sriov"] {
        assert_eq!(fs::read(to.join(name)).unwrap(), fs::read(&program).unwrap(), "{name}");
    }
    assert_eq!(fs::read(to.join("sriov.before-hardwire")).unwrap(), b"sriov-cni");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("sriov.before-hardwire"), "{output:?}");
}
