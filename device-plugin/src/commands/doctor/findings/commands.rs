//! Commands that mend, as a person types them into a shell on the node, or where kubectl is.
//!
//! Patches are written in YAML's flow style, which kubectl takes: it may be broken between words, so that a long one can be read.

/// A change of the daemon's pod. Names are those of deploy/base.
pub(super) fn patch_pod(spec: &str) -> String {
    format!("kubectl -n kube-system patch daemonset hardwired -p '{{spec: {{template: {{spec: {spec}}}}}}}'")
}

/// Another place of the node behind a volume of the daemon's pod.
pub(super) fn patch_volume(name: &str, path: &str) -> String {
    patch_pod(&format!(
        "{{volumes: [{{name: {name}, emptyDir: null, hostPath: {{path: {path}, type: DirectoryOrCreate}}}}]}}"
    ))
}

/// Another security context of the daemon's container.
pub(super) fn patch_container(security: &str) -> String {
    patch_pod(&format!(
        "{{containers: [{{name: hardwired, securityContext: {security}}}]}}"
    ))
}

/// A new process of the daemon on this node.
pub(super) fn restart_daemon(node: &str) -> String {
    format!(
        "kubectl -n kube-system delete pod -l app.kubernetes.io/component=device-manager --field-selector spec.nodeName={node}"
    )
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

    #[test]
    fn rule_9_what_a_tenant_wrote_is_one_word_of_a_shell() {
        assert_eq!(quoted("red/a-b_c.d"), "red/a-b_c.d");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted("a'b"), r"'a'\''b'");
        assert_eq!(quoted(""), "''");
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
