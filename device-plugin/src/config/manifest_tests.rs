//! Manifests as people keep them.

use super::*;

fn contents(text: &str) -> Result<Contents, String> {
    let manifest = Manifest::find(text).expect("a manifest");
    manifest.contents("f.yaml").map_err(|error| error.to_string())
}

fn origins(text: &str) -> Vec<String> {
    let contents = contents(text).unwrap();
    contents.configurations.into_iter().map(|part| part.origin).collect()
}

/// In the form of the replaced plugin's own: JSON in a block of YAML.
const BLOCK: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: pools
  namespace: kube-system
data:
  config.json: |
    {
        "resourceList": [{
            "resourceName": "vfs",
            "selectors": {"vendors": ["8086"], "drivers": ["iavf"]}
        }]
    }
"#;

#[test]
fn a_config_map_gives_its_configuration() {
    let contents = contents(BLOCK).unwrap();
    assert_eq!(
        contents.configurations[0].origin,
        "f.yaml: ConfigMap kube-system/pools, config.json"
    );
    assert!(contents.configurations[0].text.starts_with("{\n    \"resourceList\""));
    assert_eq!(contents.ignored, [""; 0]);
}

#[test]
fn every_form_that_kubectl_takes_is_understood() {
    let map = |name: &str| {
        format!(
            r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name}"}},
                "data": {{"config.json": "{{\"resourceList\": null}}"}}}}"#
        )
    };
    let (a, b) = (map("a"), map("b"));
    let [of_a, of_b] = ["a", "b"].map(|name| format!("f.yaml: ConfigMap {name}, config.json"));
    assert_eq!(origins(&a), [of_a.as_str()]);
    assert_eq!(origins(&format!("{a}\n{b}")), [of_a.as_str(), &of_b]);
    assert_eq!(
        origins(&format!("---\n{a}\n--- # next\n{b}\n---\n")),
        [of_a.as_str(), &of_b]
    );
    assert_eq!(
        origins(&format!(
            "# head\n---\n{BLOCK}\n---\nkind: Service\napiVersion: v1\n---\n{b}"
        )),
        ["f.yaml: ConfigMap kube-system/pools, config.json", &of_b]
    );
    let list = |kind: &str, items: &str| format!(r#"{{"apiVersion": "v1", "kind": "{kind}", "items": [{items}]}}"#);
    assert_eq!(origins(&list("List", &format!("{a}, {b}"))), [of_a.as_str(), &of_b]);
    assert_eq!(origins(&list("List", &list("List", &b))), [of_b.as_str()]);
    let bare = r#"{"metadata": {"name": "a"}, "data": {"config.json": "{\"resourceList\": null}"}}"#;
    assert_eq!(origins(&list("ConfigMapList", bare)), [of_a]);
}

#[test]
fn one_key_for_each_node_is_understood_and_other_keys_are_told() {
    let text = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data:
  worker-0: '{"resourceList":[{"resourceName":"x","selectors":{"IsRdma":false},"SelectorObj":null}]}'
  worker-1: '{"resourceList":null}'
  broken: '{"resourceList": [,]}'
  yaml: "ResourceList:\n- resourceName: x\n  selectors: {}\n"
  readme: what this is for
  nics.json: '{"nics": []}'
"#;
    let contents = contents(text).unwrap();
    let keys = |origins: &[String]| -> Vec<String> {
        origins
            .iter()
            .map(|origin| origin.replace("f.yaml: ConfigMap m, ", ""))
            .collect()
    };
    let found: Vec<String> = contents.configurations.into_iter().map(|part| part.origin).collect();
    assert_eq!(keys(&found), ["broken", "worker-0", "worker-1", "yaml"]);
    assert_eq!(
        keys(&contents.ignored),
        ["nics.json: no resourceList in it", "readme: no resourceList in it"]
    );
}

#[test]
fn what_holds_no_configuration_is_named() {
    for (text, expected) in [
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {b: x, c: z}\n",
            "f.yaml: no configuration in it: found ConfigMap a with b, c: expected a ConfigMap",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {config.json: e30=}\n",
            "found ConfigMap a without data",
        ),
        (
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: d, namespace: ns}\n---\napiVersion: v1\nkind: Pod\n",
            "found DaemonSet ns/d, Pod without name",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  config.json: {resourceList: []}\n",
            "f.yaml: ConfigMap a: data.config.json is {\"resourceList\":[]}: expected a text",
        ),
        (
            "apiVersion: v1\nkind: Pod\n---\nkind: ConfigMap\na: [\n",
            "f.yaml: not JSON, and not YAML either: line 5",
        ),
        (
            "apiVersion: v1\nkind: Pod\n---\n{\"resourcelist\": 1,}\n",
            "f.yaml: not JSON: trailing comma at line 4",
        ),
        (
            "apiVersion: v1\nkind: Pod\n---\nresourceList: []\n",
            "a document is {\"resourceList\":[]}: expected an object with apiVersion and kind",
        ),
    ] {
        let error = contents(text).map(|contents| contents.configurations).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let many: Vec<String> = (0..20)
        .map(|n| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p{n}}}\n"))
        .collect();
    let error = contents(&many.join("---\n")).map(|_contents| ()).unwrap_err();
    assert!(error.contains("Pod p7, 12 more"), "{error}");
}

#[test]
fn a_document_of_something_else_may_be_unreadable() {
    // kubectl takes such a text, which YAML 1.2 wants indented.
    let network = "apiVersion: k8s.cni.cncf.io/v1\nkind: NetworkAttachmentDefinition\nspec:\n  config: '{\n  \"type\": \"x\"\n}'\n";
    let contents = contents(&format!("{network}---\n{BLOCK}")).unwrap();
    assert_eq!(contents.configurations.len(), 1);
    assert!(contents.ignored[0].starts_with("f.yaml: a document is not JSON, and not YAML either: line"));
}

#[test]
fn a_configuration_is_no_manifest() {
    for text in [
        "",
        "junk",
        "{\"resourceList\": null}",
        "---\nresourceList: []\n",
        "{\"resourceList\": [], \"apiVersion\": \"v1\", \"kind\": \"x\"}",
        "{\"apiVersion\": 1}",
        "apiVersion: [",
    ] {
        assert!(Manifest::find(text).is_none(), "{text}");
    }
}

#[test]
fn whoever_wants_the_configuration_itself_is_told_what_there_is() {
    let defaults = super::super::Defaults {
        resource_prefix: "intel.com".to_owned(),
        plugin_directory: "/p".into(),
    };
    let error = super::super::Config::from_text("f.yaml", BLOCK.to_owned(), &defaults).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("f.yaml: it holds ConfigMap kube-system/pools: expected the configuration itself"),
        "{error}"
    );
}
