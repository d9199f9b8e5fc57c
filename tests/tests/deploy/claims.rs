//! The variant for claims: what it adds to the chained one, and that its parts fit each other.

use std::collections::BTreeSet;

use hardwire_device_plugin::config::{Config, Defaults, Via};
use hardwire_device_plugin::dra::parameters::Parameters;
use hardwire_tests::daemon::Site;

use super::cluster::{of_account, whose};
use super::*;

fn configuration(text: &str, site: &Site) -> Config {
    let file = site.directory().join("config.json");
    std::fs::write(&file, text).unwrap();
    let defaults = Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: site.directory().to_owned(),
    };
    Config::read(&file, &defaults).unwrap()
}

fn mounts(objects: &[Value]) -> BTreeSet<String> {
    let spec = &of_kind(objects, "DaemonSet")["spec"]["template"]["spec"];
    let container = &spec["containers"][0];
    let mounts = list(&container["volumeMounts"]).iter();
    mounts
        .map(|mount| mount["mountPath"].as_str().unwrap().to_owned())
        .collect()
}

fn pools(objects: &[Value]) -> String {
    let map = of_kind(objects, "ConfigMap");
    map["data"]["config.json"].as_str().unwrap().to_owned()
}

#[test]
fn it_has_the_drivers_two_directories_beside_what_the_chained_variant_has() {
    let (Some(objects), Some(chained)) = (kustomized("dra"), kustomized("chain")) else {
        return;
    };
    let more: Vec<String> = mounts(&objects).difference(&mounts(&chained)).cloned().collect();
    let driver = configuration(&pools(&objects), &Site::new()).driver().unwrap();
    let expected = [
        format!("/var/lib/kubelet/plugins/{driver}"),
        "/var/lib/kubelet/plugins_registry".to_owned(),
    ];
    assert_eq!(more, expected);
    // What the kubelet dials is at the path that it was told.
    let volumes = list(&of_kind(&objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"]);
    for path in expected {
        assert!(
            volumes.iter().any(|volume| volume["hostPath"]["path"] == path.as_str()),
            "{path}"
        );
    }
    assert_eq!(
        of_kind(&objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]["securityContext"],
        container()["securityContext"]
    );
}

#[test]
fn its_pool_is_for_claims_and_its_class_is_what_the_command_prints() {
    let Some(objects) = kustomized("dra") else { return };
    let site = Site::new();
    let config = configuration(&pools(&objects), &site);
    assert!(config.refused.is_empty() && config.warnings.is_empty(), "{config:?}");
    assert!(config.pools.iter().all(|pool| pool.via == Via::Dra));
    let file = site.directory().join("config.json");
    let resource = config.pools[0].resource.to_string();
    let mut command = Command::new(hardwire_tests::binaries::hardwired());
    let command = command.args(["deviceclass", &resource, "--config"]).arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = parse("the class", &String::from_utf8(output.stdout).unwrap());
    assert_eq!(printed, *of_kind(&objects, "DeviceClass"));
}

#[test]
fn its_role_asks_for_no_more_than_these_and_its_policy_holds_who_has_it() {
    let documents = documents("rbac", &text("dra/rbac.yaml"));
    let (role, binding) = (&documents[0], &documents[1]);
    let rules: Vec<(Vec<&str>, Vec<&str>)> = list(&role["rules"])
        .iter()
        .map(|rule| (texts(&rule["resources"]), texts(&rule["verbs"])))
        .collect();
    // That each is used is shown by the tests of the room `cluster`, but for the last, which Kubernetes asks for beside the one
    // before.
    assert_eq!(
        rules,
        [
            (vec!["resourceslices"], vec!["create", "delete", "list", "patch"]),
            (vec!["resourceclaims"], vec!["get"]),
            (vec!["resourceclaims/status"], vec!["patch"]),
            (
                vec!["resourceclaims/driver"],
                vec!["associated-node:patch", "associated-node:update"]
            ),
        ]
    );
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let subject = &binding["subjects"][0];
    let policy = self::documents("policy", &text("dra/policy.yaml"));
    let namespace = subject["namespace"].as_str().unwrap();
    assert_eq!(whose(&policy[0]), of_account(namespace, &subject["name"]));
    assert_eq!(policy[1]["spec"]["policyName"], policy[0]["metadata"]["name"]);
    assert_eq!(texts(&policy[1]["spec"]["validationActions"]), ["Deny"]);
    assert_eq!(policy[0]["spec"]["failurePolicy"], "Fail");
}

#[test]
fn its_example_asks_for_what_its_pool_allows() {
    let example = documents("example", &text("dra/example.yaml"));
    let (template, pod) = (&example[0], &example[1]);
    assert_eq!(
        pod["spec"]["resourceClaims"][0]["resourceClaimTemplateName"],
        template["metadata"]["name"]
    );
    let devices = &template["spec"]["spec"]["devices"];
    let class = yaml("dra/deviceclass.yaml");
    assert_eq!(
        devices["requests"][0]["exactly"]["deviceClassName"],
        class["metadata"]["name"]
    );
    let opaque = &devices["config"][0]["opaque"];
    let asked = Parameters::parse("parameters", &opaque["parameters"]).unwrap();
    let Some(objects) = kustomized("dra") else { return };
    let config = configuration(&pools(&objects), &Site::new());
    assert_eq!(opaque["driver"], config.driver().unwrap().as_str());
    let attachment = &config.pools[0].attachment;
    let device = "0000:3b:02.1".parse().unwrap();
    let made = hardwire_device_plugin::dra::parameters::network(
        attachment.network.as_ref(),
        &asked,
        attachment.allow.as_ref(),
        &device,
    );
    assert_eq!(made.unwrap()["vlan"], 120);
}
