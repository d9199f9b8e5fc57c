//! Manifests that mount less than ours: devices are offered all the same, and what is missing is said.

use std::fs;
use std::path::Path;

use hardwire_tests::http;
use hardwire_tests::node::{isolated, run};

use super::*;

const NODES_STATE: &str = "/run/hardwire";

/// What a node has there and a test must not write.
fn own_var_lib(options: &str) {
    run(&["mount", "-t", "tmpfs", "-o", options, "tmpfs", "/var/lib"]);
}

/// What a daemon without the node's state directory says, and that it works.
fn says_and_works(arguments: &[&str], mount: &str, why: &str) -> (Running, String) {
    run(&["ip", "link", "set", "lo", "up"]);
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let root = site.directory().to_str().unwrap().to_owned();
    let tree_root = tree.root().to_str().unwrap().to_owned();
    for writable in [&root, &tree_root] {
        run(&["mount", "--bind", writable, writable]);
    }
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    site.config(&one_pool());
    run(&["mount", "-o", "remount,bind,ro", "/"]);
    let all = [&["--metrics-bind", "127.0.0.1:0"], arguments].concat();
    let mut daemon = site.start_unnamed(&one_pool(), tree.root(), &all);
    let line = daemon.wait_for_log("metrics and probes on http://", SOON);
    let address = line.rsplit_once("http://").unwrap().1.to_owned();
    let running = Running {
        daemon,
        kubelet,
        site,
        tree,
    };
    running.wait_for(RESOURCE, 2);
    running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    let (status, body) = http::wait_for(
        &address,
        "/readyz",
        |(status, body)| *status == 200 && body.contains(why),
        SOON,
    );
    assert!(status == 200 && body.starts_with("ok\n"), "pods get devices: {body}");
    assert_eq!(body.lines().count(), 2, "nothing else is missing: {body}");
    assert!(body.contains(mount) && body.contains(why), "{body}");
    assert_eq!(http::get(&address, "/healthz").unwrap().0, 200);
    (running, address)
}

/// The node's `/run/hardwire`, and a `/var/lib` with these options.
fn have_the_nodes_state(var_lib: &str) {
    own_var_lib(var_lib);
    fs::create_dir_all("/run/of-the-node/hardwire").unwrap();
    fs::create_dir_all(NODES_STATE).unwrap();
    run(&["mount", "--bind", "/run/of-the-node/hardwire", NODES_STATE]);
}

fn devices(running: &Running, arguments: &[&str]) -> String {
    let output = running
        .site
        .output_unnamed(&[&["devices"], arguments].concat(), running.tree.root());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rule_7_a_read_only_root_without_the_nodes_state_offers_devices_and_repairs_nothing() {
    isolated(|| {
        own_var_lib("rw");
        // As what an image brings, which has no such directory.
        run(&["mount", "-o", "remount,ro", "/run"]);
        let (mut running, address) = says_and_works(&[], NODES_STATE, "Read-only file system");
        let (_, body) = http::get(&address, "/readyz").unwrap();
        assert!(body.contains("an emptyDir will not do"), "{body}");
        assert!(body.contains("nothing is repaired"), "{body}");
        http::wait_for_metrics(
            &address,
            &[
                r#"hardwired_journal_heard{mount="/run/hardwire"} 0"#,
                "hardwired_podresources_heard 1",
            ],
            SOON,
        );
        let text = devices(&running, &[]);
        assert!(
            text.contains(NODES_STATE) && text.contains("is not the node's"),
            "{text}"
        );
        let report: Value = serde_json::from_str(&devices(&running, &["--json"])).unwrap();
        assert_eq!(report["unknown"].as_array().unwrap().len(), 1, "{report}");
        running.daemon.signal(rustix::process::Signal::TERM);
        assert_eq!(running.daemon.wait(SOON).code(), Some(0));
        let log = running.daemon.wait_for_end_of_log(SOON);
        for once in ["no reports, no requests", "is not the node's"] {
            let lines = log.lines().filter(|line| line.contains(once));
            assert_eq!(lines.count(), 1, "{log}");
        }
        let told = log.lines().filter(|line| line.contains("Read-only file system"));
        assert_eq!(told.count(), 1, "each thing is said once:\n{log}");
    });
}

#[test]
fn rule_7_an_empty_dir_is_not_the_nodes_state_and_is_not_taken_for_it() {
    for in_memory in [false, true] {
        isolated(|| {
            own_var_lib("rw");
            let pods = "/run/kubelet/pods/1f/volumes/kubernetes.io~empty-dir/state";
            fs::create_dir_all(NODES_STATE).unwrap();
            fs::create_dir_all(pods).unwrap();
            if in_memory {
                run(&["mount", "-t", "tmpfs", "tmpfs", pods]);
            }
            run(&["mount", "--bind", pods, NODES_STATE]);
            let (running, _address) = says_and_works(&[], NODES_STATE, "emptyDir");
            let text = devices(&running, &[]);
            assert!(text.contains("emptyDir"), "{text}");
            // In the same container it is of use all the same.
            assert!(Path::new(NODES_STATE).join("devices.json").exists());
        });
    }
}

#[test]
fn a_directory_of_the_nodes_run_is_the_nodes_state() {
    isolated(|| {
        have_the_nodes_state("rw");
        run(&["ip", "link", "set", "lo", "up"]);
        let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
        let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
        let mut daemon = site.start_unnamed(&one_pool(), tree.root(), &["--metrics-bind", "127.0.0.1:0"]);
        let line = daemon.wait_for_log("metrics and probes on http://", SOON);
        let address = line.rsplit_once("http://").unwrap().1.to_owned();
        http::wait_for(&address, "/readyz", |answer| *answer == (200, "ok\n".to_owned()), SOON);
        http::wait_for_metrics(&address, &[r#"hardwired_journal_heard{mount="/run/hardwire"} 1"#], SOON);
    });
}

#[test]
fn rule_7_without_pod_resources_devices_are_offered_and_the_mount_is_named() {
    isolated(|| {
        have_the_nodes_state("rw");
        let missing = "/var/lib/not-mounted/pod-resources";
        let arguments = ["--pod-resources-dir", missing];
        let (running, address) = says_and_works(&arguments, missing, "which pod holds which device is not known");
        http::wait_for_metrics(
            &address,
            &[
                "hardwired_podresources_heard 0",
                r#"hardwired_journal_heard{mount="/run/hardwire"} 1"#,
            ],
            SOON,
        );
        let text = devices(&running, &arguments);
        assert!(text.contains("which pod holds which device is not known"), "{text}");
    });
}

#[test]
fn rule_9_rules_that_do_not_reach_the_plugin_are_told_and_keep_no_pod_from_its_device() {
    isolated(|| {
        have_the_nodes_state("ro");
        says_and_works(
            &[],
            "/var/lib/hardwire/policies.json",
            "a network gets whichever device it names",
        );
    });
}

#[test]
fn the_kubelets_two_directories_need_not_be_beside_each_other() {
    let (site, tree) = (Site::new(), SysfsTree::with_vfs(2));
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    // As with a kubelet that has another root directory: its device plugins stay where they are.
    let root = site.directory().join("root-dir");
    fs::create_dir(&root).unwrap();
    fs::rename(site.kubelet_dir().join("pod-resources"), root.join("pod-resources")).unwrap();
    let pod_resources = root.join("pod-resources");
    let pod_resources = ["--pod-resources-dir", pod_resources.to_str().unwrap()];
    let daemon = site.start_with(&one_pool(), tree.root(), &pod_resources);
    let running = Running {
        daemon,
        kubelet,
        site,
        tree,
    };
    running.wait_for(RESOURCE, 2);
    running.kubelet.admit("red/a", "main", RESOURCE, 1).unwrap();
    let output = running
        .site
        .output(&[&["devices"], &pod_resources[..]].concat(), running.tree.root());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("red/a"), "{text}");
}
