//! Commands that mend, as a person types them into a shell on the node, or where kubectl is.
//!
//! Patches are written in YAML's flow style, which kubectl takes: it may be broken between words, so that a long one can be read.

use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::Mend;

/// Where deploy/base mounts its `ConfigMap`, and deploy/drop-in that of sriov-network-device-plugin.
const CONFIG_MAPS: [(&str, &str); 2] = [("/etc/hardwire", "hardwired"), ("/etc/pcidp", "sriovdp-config")];
/// What the daemon's container is called in the `DaemonSet` of deploy/drop-in, and in deploy/base.
const CONTAINERS: [(&str, &str); 2] = [("kube-sriov-device-plugin", "kube-sriovdp"), ("hardwired", "hardwired")];

/// A change of the daemon's pods: what one node shows may be that node's alone.
pub(super) fn patch_pod(facts: &Facts, spec: &str) -> Mend {
    let (namespace, name) = &facts.places.daemonset;
    let patch = Mend::kubectl(format!(
        "kubectl -n {} patch daemonset {} -p '{{spec: {{template: {{spec: {spec}}}}}}}'",
        quoted(namespace),
        quoted(name)
    ));
    patch.once(
        "see that it is right for all nodes: it changes every node of the DaemonSet, and starts hardwired anew there",
    )
}

/// Another place of the node behind a volume of the daemon's pod. By hand where the path is no plain one.
pub(super) fn patch_volume(facts: &Facts, name: &str, path: &str) -> Mend {
    if !is_plain_path(path) {
        return Mend::by_hand(format!(
            "give the volume {name} of the daemon's pod the hostPath {path:?}"
        ));
    }
    patch_pod(
        facts,
        &format!(
            "{{volumes: [{{name: {name}, emptyDir: null, hostPath: {{path: {path}, type: DirectoryOrCreate}}}}]}}"
        ),
    )
}

/// Another security context of the daemon's container.
pub(super) fn patch_container(facts: &Facts, security: &str) -> Mend {
    patch_of_container(facts, &format!("securityContext: {security}"), "")
}

/// A change of the daemon's container, with what of the pod it needs, in front. By hand where the container's name is not known:
/// a patch of another name adds one.
pub(super) fn patch_of_container(facts: &Facts, change: &str, of_pod: &str) -> Mend {
    match container(facts) {
        Some(container) => patch_pod(
            facts,
            &format!("{{{of_pod}containers: [{{name: {container}, {change}}}]}}"),
        ),
        None => Mend::by_hand(format!(
            "give the daemon's container {change}, in the DaemonSet's manifest (doctor --daemonset NAMESPACE/NAME/CONTAINER \
             prints the command)"
        )),
    }
}

/// What the daemon's container is called: as the arguments say, or as in our manifests.
pub(super) fn container(facts: &Facts) -> Option<&str> {
    if let Some(named) = &facts.places.container {
        return plain_word(named);
    }
    let mut known = CONTAINERS.iter();
    let found = known.find(|(daemonset, _)| *daemonset == facts.places.daemonset.1);
    found.map(|(_, container)| *container)
}

/// A new process of the daemon on this node.
pub(super) fn restart_daemon(facts: &Facts) -> Mend {
    let namespace = quoted(&facts.places.daemonset.0);
    match (&facts.places.pod, &facts.places.cluster_node) {
        (Some(pod), _) => Mend::kubectl(format!(
            "kubectl -n {} delete pod {}",
            quoted(&pod.namespace),
            quoted(&pod.name)
        )),
        (None, Some(node)) => Mend::kubectl(format!(
            "kubectl -n {namespace} delete pod -l app.kubernetes.io/component=device-manager --field-selector spec.nodeName={}",
            quoted(node)
        )),
        (None, None) => Mend::by_hand(format!(
            "start hardwired anew: by whatever starts it here, or by deleting its pod on this node (kubectl -n {namespace} get \
             pod -o wide -l app.kubernetes.io/component=device-manager)"
        )),
    }
}

/// A call of our own program, where this one was called.
pub(super) fn our_program(facts: &Facts, arguments: &str) -> Mend {
    let call = our_call(facts, arguments);
    match (&facts.places.pod, facts.places.in_pod) {
        (_, false) => Mend::on_node(call),
        (Some(_), true) => Mend::kubectl(call),
        (None, true) => Mend::by_hand(format!("in the daemon's pod, as this was called: {call}")),
    }
}

/// The same as a text.
pub(super) fn our_call(facts: &Facts, arguments: &str) -> String {
    let Some(pod) = facts.places.pod.as_ref().filter(|_| facts.places.in_pod) else {
        return format!("hardwired {arguments}");
    };
    let container = container(facts).map(|name| format!(" -c {name}"));
    format!(
        "kubectl -n {} exec {}{} -- hardwired {arguments}",
        quoted(&pod.namespace),
        quoted(&pod.name),
        container.unwrap_or_default()
    )
}

/// The configuration in an editor: the daemon's file, or the `ConfigMap` that it is mounted from.
pub(super) fn edit(facts: &Facts) -> Mend {
    let Some(file) = &facts.configured.file else {
        return Mend::by_hand("write a configuration");
    };
    if !facts.places.in_pod && facts.places.pod.is_none() {
        return Mend::on_node(format!("${{EDITOR:-vi}} {}", quoted(&file.display().to_string())));
    }
    match CONFIG_MAPS.iter().find(|(mounted, _)| file.starts_with(mounted)) {
        Some((_, map)) => {
            let namespace = quoted(&facts.places.daemonset.0);
            Mend::kubectl(format!("kubectl -n {namespace} edit configmap {map}"))
        }
        None => Mend::by_hand(format!(
            "edit what is mounted in the daemon's pod as {}",
            file.display()
        )),
    }
}

/// A text that is a word of a shell as it is, and no option: names of interfaces, drivers and containers may be anything.
pub(super) fn plain_word(text: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    (!text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)).then_some(text)
}

fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .split('/')
            .skip(1)
            .all(|name| name.is_empty() || plain_word(name).is_some())
}

/// A command of several words that were all plain, else what a person does who sees them.
pub(super) fn of_plain_words(command: Option<String>, how: impl Into<String>) -> Mend {
    command.map_or_else(|| Mend::by_hand(how), Mend::on_node)
}

/// The same for each of these devices; `each` says what, of `$d`.
pub(super) fn for_each(devices: &[String], each: &str) -> String {
    match devices {
        [only] => each.replace("$d", only),
        devices => format!("for d in {}; do {each}; done", devices.join(" ")),
    }
}

/// A text as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::own_pod::OwnPod;

    #[test]
    fn rule_9_what_a_tenant_wrote_is_one_word_of_a_shell() {
        assert_eq!(quoted("red/a-b_c.d"), "red/a-b_c.d");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn names_that_are_no_plain_words_are_in_no_command() {
        for bad in ["$(reboot)", "`x`", "a;b", "-x", "", "a b", "a'b", "a\nb"] {
            assert_eq!(plain_word(bad), None, "{bad}");
        }
        assert_eq!(plain_word("ens1f0np0.100"), Some("ens1f0np0.100"));
        let facts = Facts::sample();
        assert!(matches!(patch_volume(&facts, "a", "/x'; reboot; '"), Mend::ByHand(_)));
    }

    #[test]
    fn commands_name_the_daemons_own_pod_and_say_where_they_are_typed() {
        let mut facts = Facts::sample();
        assert_eq!(
            our_program(&facts, "doctor --fix"),
            Mend::on_node("hardwired doctor --fix")
        );
        assert!(
            matches!(restart_daemon(&facts), Mend::ByHand(_)),
            "its pod is not known"
        );
        facts.places.pod = Some(OwnPod {
            namespace: "hardwire".to_owned(),
            name: "hardwired-x7k2p".to_owned(),
            node: "n1".to_owned(),
        });
        facts.places.in_pod = true;
        let exec = "kubectl -n hardwire exec hardwired-x7k2p -c hardwired -- hardwired doctor --fix";
        assert_eq!(our_program(&facts, "doctor --fix"), Mend::kubectl(exec));
        let delete = "kubectl -n hardwire delete pod hardwired-x7k2p";
        assert_eq!(restart_daemon(&facts), Mend::kubectl(delete));
        facts.places.daemonset = ("kube-system".to_owned(), "kube-sriov-device-plugin".to_owned());
        facts.configured.file = Some("/etc/pcidp/config.json".into());
        assert_eq!(
            edit(&facts),
            Mend::kubectl("kubectl -n kube-system edit configmap sriovdp-config")
        );
    }

    #[test]
    fn a_patch_is_for_all_nodes_and_names_a_container_that_there_is() {
        let mut facts = Facts::sample();
        let patched = |facts: &Facts| match patch_container(facts, "{}") {
            Mend::Considered { how, text, .. } => {
                assert!(how.contains("every node of the DaemonSet"), "{how}");
                Some(text)
            }
            Mend::Command { text, .. } => panic!("{text}"),
            Mend::ByHand(_) => None,
        };
        assert!(
            patched(&facts)
                .unwrap()
                .contains("containers: [{name: hardwired, securityContext: {}}]")
        );
        facts.places.daemonset = ("kube-system".to_owned(), "kube-sriov-device-plugin".to_owned());
        assert!(patched(&facts).unwrap().contains("name: kube-sriovdp"));
        facts.places.daemonset.1 = "x-hardwired".to_owned();
        assert_eq!(patched(&facts), None, "the container may be called anything");
        facts.places.container = Some("main".to_owned());
        assert!(patched(&facts).unwrap().contains("name: main"));
        facts.places.container = Some("a, image: evil".to_owned());
        assert_eq!(patched(&facts), None);
    }

    #[test]
    fn one_device_needs_no_loop() {
        let devices = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(for_each(&devices(&["a"]), "echo $d > x/$d"), "echo a > x/a");
        assert_eq!(
            for_each(&devices(&["a", "b"]), "echo $d > x"),
            "for d in a b; do echo $d > x; done"
        );
    }
}
