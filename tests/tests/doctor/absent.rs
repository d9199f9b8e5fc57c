//! Without a daemon, and where nothing can be seen.

use super::*;

#[test]
fn a_daemon_that_was_killed_explains_its_sockets_and_its_pools() {
    let mut node = Node::healthy();
    let mut daemon = node.daemon.take().unwrap();
    daemon.signal(rustix::process::Signal::KILL);
    daemon.wait(SOON);
    let file = node.site.directory().join("config.json");
    let with_config = ["--config", file.to_str().unwrap()];
    let found = node.found("daemon-absent", &with_config);
    assert_eq!(found["severity"], "error");
    assert!(found["since"].is_string() && found["command"].is_string(), "{found}");
    let follows = followers(&found);
    assert!(
        follows.contains(&"stale-socket") && follows.contains(&"kubelet-not-registered"),
        "{found}"
    );
    assert_eq!(node.doctor(&with_config).status.code(), Some(2));
    // Nobody is there to mend anything, and doctor does not do it itself.
    let output = node.doctor(&["--fix", with_config[0], with_config[1]]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("not done: ") && text.contains("is hardwired running"),
        "{text}"
    );
    assert!(node.site.state_dir().join("control.sock").exists());
    node.start(&[]);
    node.wait_for_list();
    node.assert_healthy();
}

#[test]
fn where_nothing_is_to_be_seen_nothing_is_guessed() {
    let site = Site::in_memory();
    let nowhere = site.directory().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let mut command = site.prepared(&["doctor", "--json"], Path::new(nowhere));
    for flag in ["--cni-plugin-dir", "--cni-conf-dir", "--cni-state-dir", "--proc-root"] {
        command.args([flag, nowhere]);
    }
    let output = command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let report = report_of(&output);
    let names = names(&report);
    for guessed in ["plugin-missing", "multus-absent", "no-vfs", "iommu-off", "pool-empty"] {
        assert!(!names.contains(&guessed), "{report:#}");
    }
    let unseen: Vec<&str> = report["unseen"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["what"].as_str().unwrap())
        .collect();
    for what in [
        "which pools are configured",
        "which CNI plugins the node has",
        "which network configurations the node has",
    ] {
        assert!(
            unseen.iter().any(|unseen| unseen.starts_with(what)),
            "{what}: {unseen:?}"
        );
    }
}

#[test]
fn rule_7_what_a_seccomp_profile_denies_is_named() {
    let node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    let mut command = node.command(&["--json"]);
    let output = hardwire_tests::seccomp::deny_setns(&mut command).output().unwrap();
    let report = report_of(&output);
    let found = top(&report, "seccomp-denies").unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!(found["subject"], "setns(2)");
    assert!(
        found["command"]
            .as_str()
            .unwrap()
            .contains("seccompProfile: {type: RuntimeDefault}"),
        "{found}"
    );
    assert!(top(&node.report(&[]), "seccomp-denies").is_none());
}
