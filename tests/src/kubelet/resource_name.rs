//! Which names the kubelet takes for an extended resource (`IsExtendedResourceName`), written from its rules and not with
//! hardwire's code, so that a mistake there shows.

/// Whether Register accepts the name.
pub(super) fn is_extended(resource: &str) -> bool {
    let Some((prefix, name)) = resource.split_once('/') else {
        return false;
    };
    let qualified = format!("requests.{prefix}");
    !resource.contains("kubernetes.io/")
        && !resource.starts_with("requests.")
        && qualified.len() <= 253
        && qualified.split('.').all(is_label)
        && is_name(name)
}

fn is_label(label: &str) -> bool {
    let (first, last) = (label.chars().next(), label.chars().last());
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let all = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    end(first) && end(last) && label.chars().all(all)
}

fn is_name(name: &str) -> bool {
    let (first, last) = (name.chars().next(), name.chars().last());
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let all = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= 63 && end(first) && end(last) && name.chars().all(all)
}

#[cfg(test)]
mod tests {
    use super::is_extended;

    #[test]
    fn only_extended_resources_are_taken() {
        for name in ["intel.com/sriov_net-0", "a/b", "a.b.c/d.e"] {
            assert!(is_extended(name), "{name}");
        }
        for name in [
            "foo",
            "kubernetes.io/x",
            "a.kubernetes.io/x",
            "requests.a/b",
            "A.com/x",
            "a/b/c",
            "a/",
            "/b",
        ] {
            assert!(!is_extended(name), "{name}");
        }
        assert!(!is_extended(&format!("a/{}", "n".repeat(64))));
    }
}
