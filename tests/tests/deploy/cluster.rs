//! What the cluster is given to see the devices: the definition, the role, the policy.

use std::collections::BTreeSet;

use super::*;

fn schema() -> Value {
    yaml("base/crd.yaml")["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Every schema in a schema, with its path.
fn each(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
    found.push((path.to_owned(), schema.clone()));
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            each(&format!("{path}.{name}"), property, found);
        }
    }
    if schema["items"].is_object() {
        each(&format!("{path}[]"), &schema["items"], found);
    }
}

#[test]
fn the_definition_is_of_the_cluster_with_the_columns_that_a_person_asks_for() {
    let spec = &yaml("base/crd.yaml")["spec"];
    assert_eq!(spec["scope"], "Cluster");
    assert_eq!(texts(&spec["names"]["shortNames"]), ["nnd"]);
    let version = &spec["versions"][0];
    let columns: Vec<&str> = list(&version["additionalPrinterColumns"])
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(columns, ["Devices", "Allocated", "Unhealthy", "Age"]);
    // One writer, one request.
    assert!(version["subresources"].is_null());
    let api_version = format!(
        "{}/{}",
        spec["group"].as_str().unwrap(),
        version["name"].as_str().unwrap()
    );
    assert_eq!(api_version, hardwire_device_plugin::cluster::object::API_VERSION);
}

#[test]
fn every_field_has_a_type_and_a_bound() {
    let mut all = Vec::new();
    each("status", &schema()["properties"]["status"], &mut all);
    assert!(all.len() > 30, "{} fields", all.len());
    for (path, schema) in all {
        let has = |key: &str| !schema[key].is_null();
        match schema["type"].as_str() {
            Some("string") => assert!(
                has("maxLength") || has("enum") || has("pattern") || has("format"),
                "{path}"
            ),
            Some("integer") => assert!(has("minimum"), "{path}"),
            Some("array") => {
                assert!(has("maxItems"), "{path}");
                assert!(has("x-kubernetes-list-type"), "{path}");
            }
            Some("object") => {
                let known: BTreeSet<&str> = schema["properties"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .collect();
                let required: BTreeSet<&str> = texts(&schema["required"]).into_iter().collect();
                assert!(!required.is_empty() && required.is_subset(&known), "{path}");
            }
            Some("boolean") => {}
            other => panic!("{path}: {other:?}"),
        }
        assert!(schema["x-kubernetes-preserve-unknown-fields"].is_null(), "{path}");
    }
    // A map of a thousand devices has as much again in managedFields.
    assert_eq!(
        schema()["properties"]["status"]["properties"]["devices"]["x-kubernetes-list-type"],
        "atomic"
    );
}

#[test]
fn the_policy_holds_who_has_the_role_to_the_node_that_its_token_names() {
    let policy = documents("policy", &text("base/policy.yaml"));
    let (policy, binding) = (&policy[0], &policy[1]);
    assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
    assert_eq!(texts(&binding["spec"]["validationActions"]), ["Deny"]);
    let spec = &policy["spec"];
    assert_eq!(spec["failurePolicy"], "Fail");
    let rule = &spec["matchConstraints"]["resourceRules"][0];
    let crd = yaml("base/crd.yaml");
    assert_eq!(texts(&rule["apiGroups"]), [crd["spec"]["group"].as_str().unwrap()]);
    assert_eq!(
        texts(&rule["resources"]),
        [crd["spec"]["names"]["plural"].as_str().unwrap()]
    );
    assert_eq!(texts(&rule["apiVersions"]), ["*"]);
    // Whatever the role allows, and more.
    assert_eq!(texts(&rule["operations"]), ["CREATE", "UPDATE", "DELETE"]);
    assert_eq!(list(&spec["matchConditions"]).len(), 1);
    let account = &yaml("base/serviceaccount.yaml")["metadata"];
    assert_eq!(whose(policy), of_account("kube-system", &account["name"]));
    let node = spec["variables"][0]["expression"].as_str().unwrap();
    assert!(node.contains("'authentication.kubernetes.io/node-name'"), "{node}");
    let rule = spec["validations"][0]["expression"].as_str().unwrap();
    assert_eq!(rule, "variables.node != '' && variables.node == request.name");
}

/// Whom a policy holds.
pub(super) fn whose(policy: &Value) -> String {
    policy["spec"]["matchConditions"][0]["expression"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// How it names a service account.
pub(super) fn of_account(namespace: &str, name: &Value) -> String {
    let name = name.as_str().unwrap();
    format!("request.userInfo.username == 'system:serviceaccount:{namespace}:{name}'")
}

#[test]
fn the_role_asks_for_no_more_than_these() {
    let documents = documents("rbac", &text("base/rbac.yaml"));
    let (role, binding) = (&documents[0], &documents[1]);
    let rules: Vec<(Vec<&str>, Vec<&str>, Vec<&str>)> = list(&role["rules"])
        .iter()
        .map(|rule| {
            (
                texts(&rule["apiGroups"]),
                texts(&rule["resources"]),
                texts(&rule["verbs"]),
            )
        })
        .collect();
    // That each is used is shown by the tests of the room `cluster`.
    assert_eq!(
        rules,
        [
            (vec![""], vec!["nodes"], vec!["get"]),
            (
                vec!["hardwire.dev"],
                vec!["nodenetworkdevices"],
                vec!["create", "get", "patch"]
            ),
            (vec!["events.k8s.io"], vec!["events"], vec!["create", "patch"]),
        ]
    );
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
}
