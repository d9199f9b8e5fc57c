//! The containers of deploy/base/daemonset.yaml, with the image's own file system as their root.

use std::thread;
use std::time::Duration;

use hardwire_tests::daemon::Site;
use hardwire_tests::http;
use hardwire_tests::kubelet::Kubelet;
use hardwire_tests::sysfs_tree::SysfsTree;
use nix::sched::{CloneFlags, unshare};

use super::bundle::Container;
use super::*;

const SOON: Duration = Duration::from_secs(20);

fn deployed(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(file);
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn pod_spec() -> Value {
    deployed("base/daemonset.yaml")["spec"]["template"]["spec"].clone()
}

/// Runs `body` in a network namespace with nothing but a loopback, which stands for the node's.
fn in_a_network_of_its_own(body: impl FnOnce() + Send) {
    let inside = || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run(&["ip", "link", "set", "lo", "up"]);
        body();
    };
    thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[test]
fn the_daemon_serves_its_pool_from_the_image() {
    let (site, tree, spec) = (Site::new(), SysfsTree::with_vfs(3), pod_spec());
    let config = site.directory().join("config");
    fs::create_dir(&config).unwrap();
    for (name, content) in deployed("base/configmap.yaml")["data"].as_object().unwrap() {
        fs::write(config.join(name), content.as_str().unwrap()).unwrap();
    }
    let source = |volume: &str| match volume {
        "config" => config.clone(),
        "device-plugins" => site.plugin_dir(),
        "pod-resources" => site.kubelet_dir().join("pod-resources"),
        "sys" => tree.root().to_owned(),
        "dev" => "/dev".into(),
        other => {
            let folder = site.directory().join("node").join(other);
            fs::create_dir_all(&folder).unwrap();
            folder
        }
    };
    in_a_network_of_its_own(|| {
        let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let mut container = Container::start(&spec["containers"][0], source);
        let three = |devices: &[hardwire_proto::deviceplugin::Device]| devices.len() == 3;
        let offered = kubelet.wait_for_devices("intel.com/vfs", three, SOON);
        assert!(offered.is_ok(), "{}", container.log());

        let probe = &spec["containers"][0]["livenessProbe"]["httpGet"];
        let address = format!("{}:{}", probe["host"].as_str().unwrap(), probe["port"]);
        for path in ["/healthz", "/readyz"] {
            http::wait_for(&address, path, |(status, _)| *status == 200, SOON);
        }
        // NET_ADMIN, SYS_ADMIN and DAC_OVERRIDE; a filter of system calls.
        assert_eq!(container.status("CapEff"), "0000000000201002");
        assert_eq!(container.status("Seccomp"), "2");
        assert_eq!(container.status("NoNewPrivs"), "1");

        container.terminate();
        let grace = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        let ended = container.wait(Duration::from_secs(grace));
        assert!(ended.success(), "{}", container.log());
    });
}

#[test]
fn the_plugin_is_installed_from_the_image() {
    let node = tempfile::tempdir().unwrap();
    let mut container = Container::start(&pod_spec()["initContainers"][0], |_volume| node.path().to_owned());
    let ended = container.wait(SOON);
    assert!(ended.success(), "{}", container.log());
    let installed = node.path().join("hardwire");
    let root = LAYOUT.root();
    assert_eq!(
        fs::read(&installed).unwrap(),
        fs::read(root.path().join("usr/bin/hardwire")).unwrap()
    );
    let version = run(&["env", "CNI_COMMAND=VERSION", installed.to_str().unwrap()]);
    assert!(version.contains("supportedVersions"), "{version}");
}
