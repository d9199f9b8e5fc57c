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
    let text = text("base/daemonset.yaml");
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
fn the_daemon_alone_has_a_token_and_it_is_its_own_nodes() {
    assert_eq!(yaml("base/serviceaccount.yaml")["automountServiceAccountToken"], false);
    let spec = pod_spec();
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(
        spec["serviceAccountName"],
        yaml("base/serviceaccount.yaml")["metadata"]["name"]
    );
    let volume = list(&spec["volumes"])
        .iter()
        .find(|volume| volume["name"] == "api")
        .unwrap();
    let sources = list(&volume["projected"]["sources"]);
    let paths: Vec<&Value> = sources
        .iter()
        .flat_map(|source| {
            let token = &source["serviceAccountToken"]["path"];
            let files = list(&source["configMap"]["items"])
                .iter()
                .chain(list(&source["downwardAPI"]["items"]));
            [token]
                .into_iter()
                .filter(|path| path.is_string())
                .chain(files.map(|file| &file["path"]))
        })
        .collect();
    // One that is not there keeps no pod from starting.
    let authority = sources.iter().find(|source| source["configMap"].is_object()).unwrap();
    assert_eq!(authority["configMap"]["optional"], true);
    // Contract: what in-cluster clients read (client-go, rest/config.go).
    assert_eq!(paths, ["token", "ca.crt", "namespace"]);
    let mount = |container: &Value| {
        let mounts = list(&container["volumeMounts"]);
        mounts.iter().find(|mount| mount["name"] == "api").cloned()
    };
    let own = mount(&container()).unwrap();
    assert_eq!(own["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    assert_eq!(own["readOnly"], true);
    assert!(mount(&spec["initContainers"][0]).is_none());
    let env = &container()["env"][0];
    assert_eq!(
        (&env["name"], &env["valueFrom"]["fieldRef"]["fieldPath"]),
        (&"NODE_NAME".into(), &"spec.nodeName".into())
    );
}

#[test]
fn one_daemon_is_gone_before_the_next_comes() {
    let strategy = &yaml("base/daemonset.yaml")["spec"]["updateStrategy"];
    assert_eq!(strategy["type"], "RollingUpdate");
    assert_eq!(strategy["rollingUpdate"]["maxSurge"], 0);
    assert_eq!(strategy["rollingUpdate"]["maxUnavailable"], 1);
}

#[test]
fn the_pods_are_those_that_the_daemonset_selects() {
    let spec = &yaml("base/daemonset.yaml")["spec"];
    assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
}

#[test]
fn apparmor_is_off_by_the_field_and_for_the_daemon_alone() {
    assert_eq!(container()["securityContext"]["appArmorProfile"]["type"], "Unconfined");
    let init = &pod_spec()["initContainers"][0];
    assert!(init["securityContext"]["appArmorProfile"].is_null());
    let metadata = &yaml("base/daemonset.yaml")["spec"]["template"]["metadata"];
    assert!(
        metadata["annotations"].is_null(),
        "newer clusters warn of the annotation: {metadata}"
    );
}

#[test]
fn nobody_asks_whether_it_is_ready_before_it_can_be() {
    let probe = &container()["readinessProbe"];
    assert!(
        probe["initialDelaySeconds"].as_u64().is_some_and(|delay| delay >= 3),
        "{probe}"
    );
    assert!(container()["startupProbe"].is_null(), "one that fails is a warning too");
}
