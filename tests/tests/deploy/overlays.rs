//! The variants of the base: each builds, and is what the cluster that it is for needs.

use std::collections::BTreeSet;

use hardwire_cni::node::AttachBy;
use hardwire_device_plugin::config::{Config, Defaults};
use hardwire_tests::daemon::Site;

use super::cluster::{of_account, whose};
use super::*;

const FOLDERS: [&str; 7] = [
    "before-1.30",
    "chain",
    "drop-in",
    "examples/pools",
    "multus-thick",
    "openshift",
    "prometheus",
];

fn daemonset(folder: &str) -> Option<Value> {
    Some(of_kind(&kustomized(folder)?, "DaemonSet").clone())
}

fn pod_of(daemonset: &Value) -> &Value {
    &daemonset["spec"]["template"]["spec"]
}

/// Everything but what an overlay is expected to change: what is secured in the base is so in each variant.
#[test]
fn each_variant_builds_with_the_rights_and_the_image_of_the_base() {
    for folder in FOLDERS {
        let Some(daemonset) = daemonset(folder) else { return };
        let (base, spec) = (pod_spec(), pod_of(&daemonset));
        for key in [
            "hostNetwork",
            "hostPID",
            "securityContext",
            "priorityClassName",
            "tolerations",
        ] {
            assert_eq!(spec[key], base[key], "{folder}: {key}");
        }
        assert_eq!(list(&spec["containers"]).len(), 1, "{folder}");
        let mut theirs = spec["containers"][0]["securityContext"].clone();
        let mut ours = container()["securityContext"].clone();
        for rights in [&mut theirs, &mut ours] {
            rights.as_object_mut().unwrap().remove("appArmorProfile");
        }
        assert_eq!(theirs, ours, "{folder}");
        assert_eq!(spec["containers"][0]["image"], "hardwire:0.1.0", "{folder}");
        let labels = daemonset["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
        for (key, value) in daemonset["spec"]["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(labels.get(key), Some(value), "{folder}");
        }
    }
}

/// Those of the base, and `OpenShift`'s constraints.
#[test]
fn each_variant_has_the_rights_of_the_base_for_its_own_service_account_and_openshift_one_more() {
    let base = documents("rbac", &text("base/rbac.yaml"));
    for folder in FOLDERS {
        let Some(objects) = kustomized(folder) else { return };
        let (role, binding) = (
            of_kind(&objects, "ClusterRole"),
            of_kind(&objects, "ClusterRoleBinding"),
        );
        assert_eq!(role["rules"], base[0]["rules"], "{folder}");
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"], "{folder}");
        let account = &of_kind(&objects, "ServiceAccount")["metadata"];
        let subject = &binding["subjects"][0];
        assert_eq!(
            (&subject["name"], &subject["namespace"]),
            (&account["name"], &account["namespace"]),
            "{folder}"
        );
        assert_eq!(list(&binding["subjects"]).len(), 1, "{folder}");
        let is_role = |object: &&Value| object["kind"] == "Role" || object["kind"] == "RoleBinding";
        let in_one_namespace = objects.iter().filter(is_role).count();
        if folder != "openshift" {
            assert_eq!(in_one_namespace, 0, "{folder}");
            continue;
        }
        assert_eq!(in_one_namespace, 2);
        let rules = list(&of_kind(&objects, "Role")["rules"]);
        assert_eq!(rules.len(), 1);
        assert_eq!(texts(&rules[0]["verbs"]), ["use"]);
        assert_eq!(texts(&rules[0]["resources"]), ["securitycontextconstraints"]);
        assert_eq!(list(&rules[0]["resourceNames"]).len(), 1);
    }
}

#[test]
fn each_variant_has_the_definition_and_the_policy_where_the_cluster_knows_one() {
    for folder in FOLDERS {
        let Some(objects) = kustomized(folder) else { return };
        let of = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).count();
        let policies = usize::from(folder != "before-1.30");
        assert_eq!(of("CustomResourceDefinition"), 1, "{folder}");
        assert_eq!(of("ValidatingAdmissionPolicy"), policies, "{folder}");
        assert_eq!(of("ValidatingAdmissionPolicyBinding"), policies, "{folder}");
        if policies == 0 {
            continue;
        }
        // It holds whoever the role is given to.
        let subject = &of_kind(&objects, "ClusterRoleBinding")["subjects"][0];
        let namespace = subject["namespace"].as_str().unwrap();
        assert_eq!(
            whose(of_kind(&objects, "ValidatingAdmissionPolicy")),
            of_account(namespace, &subject["name"]),
            "{folder}"
        );
    }
}

#[test]
fn before_1_30_has_the_annotation_in_place_of_the_field() {
    let Some(daemonset) = daemonset("before-1.30") else {
        return;
    };
    let template = &daemonset["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    assert!(container["securityContext"]["appArmorProfile"].is_null());
    let profile = format!(
        "container.apparmor.security.beta.kubernetes.io/{}",
        container["name"].as_str().unwrap()
    );
    assert_eq!(template["metadata"]["annotations"][&profile], "unconfined");
}

#[test]
fn the_drop_in_is_the_replaced_daemonset_and_reads_its_pools() {
    let Some(objects) = kustomized("drop-in") else { return };
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    kinds.sort_unstable();
    let expected = KINDS.into_iter().filter(|kind| *kind != "ConfigMap");
    assert!(
        kinds.into_iter().eq(expected),
        "their ConfigMap is not applied from here"
    );
    let daemonset = of_kind(&objects, "DaemonSet");
    // Contract: deployments/sriovdp-daemonset.yaml of sriov-network-device-plugin 3.11.
    assert_eq!(daemonset["metadata"]["name"], "kube-sriov-device-plugin");
    assert_eq!(daemonset["metadata"]["namespace"], "kube-system");
    let selected = &daemonset["spec"]["selector"]["matchLabels"];
    assert_eq!(*selected, serde_json::json!({"name": "sriov-device-plugin"}));
    assert_eq!(daemonset["spec"]["updateStrategy"]["type"], "OnDelete");
    let spec = pod_of(daemonset);
    let container = &spec["containers"][0];
    assert_eq!(container["name"], "kube-sriovdp");
    assert_eq!(texts(&container["args"])[..2], ["--log-dir=sriovdp", "--log-level=10"]);
    let config = list(&spec["volumes"]).iter().find(|volume| volume["name"] == "config");
    assert_eq!(config.unwrap()["configMap"]["name"], "sriovdp-config");
    let mounts = list(&container["volumeMounts"]);
    let of_config: Vec<&Value> = mounts.iter().filter(|mount| mount["name"] == "config").collect();
    assert_eq!(of_config.len(), 1);
    // The default of --config, which no argument changes.
    assert_eq!(of_config[0]["mountPath"], "/etc/pcidp");
    assert!(
        !texts(&container["args"])
            .iter()
            .any(|argument| argument.contains("config"))
    );
    let install = texts(&spec["initContainers"][0]["args"]);
    assert!(install.contains(&"--name=hardwire,sriov"), "{install:?}");
}

/// What a device plugin was told in its `DaemonSet` is kept by an overlay, in front of ours.
#[test]
fn the_model_of_a_drop_in_keeps_arguments_node_selector_and_tolerations() {
    let (Some(model), Some(drop_in)) = (daemonset("examples/drop-in"), daemonset("drop-in")) else {
        return;
    };
    let (spec, same) = (pod_of(&model), pod_of(&drop_in));
    let arguments = texts(&spec["containers"][0]["args"]);
    assert_eq!(arguments[0], "--resource-prefix=intel.com");
    assert_eq!(arguments[1..], texts(&same["containers"][0]["args"]));
    assert_eq!(spec["nodeSelector"]["kubernetes.io/arch"], "amd64");
    assert_eq!(spec["nodeSelector"]["kubernetes.io/os"], "linux");
    assert_eq!(list(&spec["tolerations"]).len(), 2);
    for key in ["selector", "updateStrategy"] {
        assert_eq!(model["spec"][key], drop_in["spec"][key], "{key}");
    }
    for key in ["volumes", "initContainers", "securityContext"] {
        assert_eq!(spec[key], same[key], "{key}");
    }
}

#[test]
fn the_chained_variant_writes_the_lists_of_the_node_and_nothing_else_that_the_base_does_not() {
    let Some(objects) = kustomized("chain") else { return };
    let spec = pod_of(of_kind(&objects, "DaemonSet"));
    let base = pod_spec();
    assert_eq!(spec["volumes"], base["volumes"]);
    let mounts = |container: &Value| -> BTreeSet<(String, bool)> {
        let mount = |mount: &Value| {
            let path = mount["mountPath"].as_str().unwrap().to_owned();
            (path, mount["readOnly"] == true)
        };
        list(&container["volumeMounts"]).iter().map(mount).collect()
    };
    let mut expected = mounts(&base["containers"][0]);
    assert!(expected.remove(&("/etc/cni".to_owned(), true)));
    expected.insert(("/etc/cni".to_owned(), false));
    assert_eq!(mounts(&spec["containers"][0]), expected);
    let init = &spec["initContainers"][0];
    let mut expected = mounts(&base["initContainers"][0]);
    // The lists, and the note that our entry is to stay in them, which the plugin's own daemon reads.
    expected.extend(["/etc/cni", "/var/lib/hardwire"].map(|path| (path.to_owned(), false)));
    assert_eq!(mounts(init), expected);
    assert_eq!(init["securityContext"], base["initContainers"][0]["securityContext"]);
    assert!(texts(&init["args"]).contains(&"--chain"));
}

#[test]
fn the_chained_variants_pools_are_attached_without_a_network_object() {
    let Some(objects) = kustomized("chain") else { return };
    let text = of_kind(&objects, "ConfigMap")["data"]["config.json"].as_str().unwrap();
    let site = Site::new();
    let file = site.directory().join("config.json");
    std::fs::write(&file, text).unwrap();
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: site.directory().to_owned(),
    };
    let config = Config::read(&file, &defaults).unwrap();
    assert!(config.refused.is_empty() && config.warnings.is_empty(), "{config:?}");
    assert!(!config.pools.is_empty());
    for pool in &config.pools {
        assert_eq!(pool.attachment.by, AttachBy::Chain, "{}", pool.resource);
        assert!(pool.attachment.network.is_some(), "{}", pool.resource);
    }
}

#[test]
fn multus_thick_patches_the_container_that_runs_the_plugin() {
    let patch = yaml("multus-thick/multus-daemonset.patch.yaml");
    let container = &patch["spec"]["template"]["spec"]["containers"][0];
    // Contract: deployments/multus-daemonset-thick.yml of Multus 4.2.
    assert_eq!(container["name"], "kube-multus");
    assert!(container["resources"]["limits"]["memory"].is_string());
}

#[test]
fn openshifts_constraints_allow_what_the_pods_ask_for_and_nothing_else() {
    let Some(objects) = kustomized("openshift") else { return };
    let constraints = of_kind(&objects, "SecurityContextConstraints");
    let spec = pod_of(of_kind(&objects, "DaemonSet"));
    let container = &spec["containers"][0];
    assert_eq!(
        texts(&constraints["allowedCapabilities"]),
        texts(&container["securityContext"]["capabilities"]["add"])
    );
    for (theirs, ours) in [("allowHostNetwork", "hostNetwork"), ("allowHostPID", "hostPID")] {
        assert_eq!(constraints[theirs], spec[ours], "{theirs}");
    }
    for denied in ["allowPrivilegedContainer", "allowPrivilegeEscalation", "allowHostIPC"] {
        assert_eq!(constraints[denied], false, "{denied}");
    }
    let names_ports = list(&spec["containers"])
        .iter()
        .any(|container| !container["ports"].is_null());
    assert_eq!(constraints["allowHostPorts"], names_ports);
    for empty in ["users", "groups", "defaultAddCapabilities"] {
        assert!(list(&constraints[empty]).is_empty(), "{empty}");
    }
    assert_eq!(constraints["readOnlyRootFilesystem"], true);
    assert_eq!(constraints["runAsUser"]["uid"], spec["securityContext"]["runAsUser"]);
    assert_eq!(
        constraints["seLinuxContext"]["seLinuxOptions"],
        spec["securityContext"]["seLinuxOptions"]
    );
    let volumes: BTreeSet<&str> = list(&spec["volumes"])
        .iter()
        .flat_map(|volume| volume.as_object().unwrap().keys())
        .map(String::as_str)
        .filter(|key| *key != "name")
        .collect();
    assert_eq!(volumes, texts(&constraints["volumes"]).into_iter().collect());
    assert!(container["securityContext"]["appArmorProfile"].is_null());
}

#[test]
fn openshifts_objects_are_in_one_namespace_and_its_directories_are_the_nodes() {
    let Some(objects) = kustomized("openshift") else { return };
    let namespace = &of_kind(&objects, "Namespace")["metadata"]["name"];
    for kind in ["DaemonSet", "ServiceAccount", "ConfigMap", "Role", "RoleBinding"] {
        assert_eq!(&of_kind(&objects, kind)["metadata"]["namespace"], namespace, "{kind}");
    }
    let (binding, role) = (of_kind(&objects, "RoleBinding"), of_kind(&objects, "Role"));
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let subject = &binding["subjects"][0];
    assert_eq!(&subject["namespace"], namespace);
    assert_eq!(subject["name"], of_kind(&objects, "ServiceAccount")["metadata"]["name"]);
    let constraints = &of_kind(&objects, "SecurityContextConstraints")["metadata"]["name"];
    assert_eq!(role["rules"][0]["resourceNames"][0], *constraints);
    let spec = pod_of(of_kind(&objects, "DaemonSet"));
    for (volume, directory) in [("cni-bin", "/var/lib/cni/bin"), ("cni-config", "/etc/kubernetes/cni")] {
        let host = list(&spec["volumes"])
            .iter()
            .find(|entry| entry["name"] == volume)
            .unwrap();
        assert_eq!(host["hostPath"]["path"], directory);
        let mounts = list(&spec["containers"][0]["volumeMounts"]);
        let inside: Vec<&Value> = mounts.iter().filter(|mount| mount["name"] == volume).collect();
        assert_eq!(inside.len(), 1, "{volume}");
        assert_eq!(inside[0]["mountPath"], directory, "as its ADD had it");
        // Only the plugin's program is ever written, by `doctor --fix`.
        assert_eq!(inside[0]["readOnly"] == true, volume == "cni-config", "{volume}");
    }
    assert!(texts(&spec["containers"][0]["args"]).contains(&"--cni-plugin-dir=/var/lib/cni/bin"));
}

#[test]
fn prometheus_reaches_the_port_and_so_do_the_probes() {
    let Some(objects) = kustomized("prometheus") else {
        return;
    };
    let daemonset = of_kind(&objects, "DaemonSet");
    let container = &pod_of(daemonset)["containers"][0];
    let binds: Vec<&str> = texts(&container["args"])
        .into_iter()
        .filter_map(|argument| argument.strip_prefix("--metrics-bind="))
        .collect();
    // Of a repeated flag the last one counts.
    assert_eq!(binds.last(), Some(&"$(NODE_IP):9808"));
    let variable = |name: &str| {
        let mut variables = list(&container["env"]).iter();
        variables.find(|variable| variable["name"] == name).unwrap()["valueFrom"]["fieldRef"]["fieldPath"].clone()
    };
    assert_eq!(variable("NODE_IP"), "status.hostIP");
    assert_eq!(variable("NODE_NAME"), "spec.nodeName");
    for probe in ["livenessProbe", "readinessProbe"] {
        assert!(container[probe]["httpGet"]["host"].is_null(), "{probe}");
        assert_eq!(container[probe]["httpGet"]["port"], 9808, "{probe}");
    }
    let monitor = &of_kind(&objects, "PodMonitor")["spec"];
    assert_eq!(container["ports"][0]["name"], monitor["podMetricsEndpoints"][0]["port"]);
    assert_eq!(container["ports"][0]["containerPort"], 9808);
    let labels = &daemonset["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&monitor["selector"]["matchLabels"], labels);
    // Its value is the job that the rules ask for.
    let job = &labels[monitor["jobLabel"].as_str().unwrap()];
    let rules = text("prometheus/rules.yaml");
    assert!(rules.contains(&format!("up{{job={job}}}")), "{job}");
}
