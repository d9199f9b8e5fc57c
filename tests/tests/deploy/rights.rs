//! What the pods may do, and how they are replaced.

use super::*;

#[test]
fn the_daemon_has_the_rights_that_are_named_and_no_more() {
    let spec = pod_spec();
    assert_eq!(spec["hostNetwork"], true);
    for key in ["hostPID", "hostIPC"] {
        assert_ne!(spec[key], true, "{key}");
    }
    assert_eq!(spec["priorityClassName"], "system-node-critical");
    assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let containers = list(&spec["initContainers"]).iter().chain(list(&spec["containers"]));
    for container in containers {
        let rights = &container["securityContext"];
        assert_ne!(rights["privileged"], true);
        assert_eq!(rights["allowPrivilegeEscalation"], false);
        assert_eq!(rights["readOnlyRootFilesystem"], true);
        assert_eq!(texts(&rights["capabilities"]["drop"]), ["ALL"]);
    }
    assert_eq!(
        spec["initContainers"][0]["securityContext"]["capabilities"]["add"],
        Value::Null
    );
    let rights = &container()["securityContext"];
    let added = texts(&rights["capabilities"]["add"])
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    assert_eq!(added, ["NET_ADMIN", "SYS_ADMIN", "DAC_OVERRIDE"]);
    let text = text("daemonset.yaml");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for capability in added {
        let at = lines
            .iter()
            .position(|line| *line == format!("- {capability}"))
            .unwrap();
        assert!(lines[at - 1].starts_with("# "), "{capability} without a reason");
    }
}

#[test]
fn nobody_has_a_token() {
    assert_eq!(yaml("serviceaccount.yaml")["automountServiceAccountToken"], false);
    let spec = pod_spec();
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(
        spec["serviceAccountName"],
        yaml("serviceaccount.yaml")["metadata"]["name"]
    );
}

#[test]
fn one_daemon_is_gone_before_the_next_comes() {
    let strategy = &yaml("daemonset.yaml")["spec"]["updateStrategy"];
    assert_eq!(strategy["type"], "RollingUpdate");
    assert_eq!(strategy["rollingUpdate"]["maxSurge"], 0);
    assert_eq!(strategy["rollingUpdate"]["maxUnavailable"], 1);
}

#[test]
fn the_pods_are_those_that_the_daemonset_selects() {
    let spec = &yaml("daemonset.yaml")["spec"];
    assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
    let annotations = &spec["template"]["metadata"]["annotations"];
    let profile = format!(
        "container.apparmor.security.beta.kubernetes.io/{}",
        container()["name"].as_str().unwrap()
    );
    assert_eq!(annotations[&profile], "unconfined");
}
