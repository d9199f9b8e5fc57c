//! Without a daemon, and where nothing can be seen.

use hardwire_tests::node::{isolated, run};

use super::*;

#[test]
fn what_an_argument_names_and_is_not_there_is_no_healthy_node() {
    let node = Node::healthy();
    for flag in ["--nad", "--config", "--pod-resources-dir"] {
        let output = node.doctor(&[flag, "/nonexistent/nope"]);
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains(&format!("hardwired: {flag} /nonexistent/nope: No such file")),
            "{said}"
        );
    }
    let file = node.path("nads.yaml");
    fs::write(&file, "junk").unwrap();
    let report = node.report(&["--nad", file.to_str().unwrap()]);
    let mut unseen = report["unseen"].as_array().unwrap().iter();
    let why = unseen.find(|unseen| unseen["what"] == format!("the networks of {}", file.display()));
    assert_eq!(
        why.unwrap()["why"],
        "there is no NetworkAttachmentDefinition in it",
        "{report:#}"
    );
}

/// The configuration is the cause, and not that nobody runs with it.
#[test]
fn a_configuration_that_no_daemon_starts_with_explains_why_none_runs() {
    let node = Node::without_daemon(SysfsTree::with_vfs(2), one_pool());
    let file = node.path("bad.json");
    fs::write(&file, "{").unwrap();
    let found = node.found("configuration-refused", &["--config", file.to_str().unwrap()]);
    assert!(followers(&found).contains(&"daemon-absent"), "{found}");
    assert!(
        found["what"]
            .as_str()
            .unwrap()
            .ends_with("hardwired does not start with it"),
        "{found}"
    );
}

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
    let empty = site.directory().join("empty");
    for directory in [&empty, &site.kubelet_dir()] {
        fs::create_dir(directory).unwrap();
    }
    // What no argument names is where it is on most nodes, and not on this one.
    let output = isolated(|| {
        for usual in [
            "/opt",
            "/etc/cni",
            "/etc/kubernetes",
            "/etc/hardwire",
            "/etc/pcidp",
            "/var/lib/rancher",
        ] {
            if Path::new(usual).is_dir() {
                run(&["mount", "-t", "tmpfs", "nothing", usual]);
            }
        }
        let mut command = site.prepared(&["doctor", "--json"], &empty);
        command.env("KUBERNETES_SERVICE_HOST", "10.0.0.1").output().unwrap()
    });
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
        "which network devices there are",
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
        found["then"]
            .as_str()
            .unwrap()
            .contains("seccompProfile: {type: RuntimeDefault}"),
        "{found}"
    );
    assert!(top(&node.report(&[]), "seccomp-denies").is_none());
}
