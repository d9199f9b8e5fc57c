//! The name of an extended resource, as the kubelet accepts it (`IsExtendedResourceName`, checked inside Register).
//!
//! Checked here as well, so that a name which can never be registered is told to the operator when the file is read.

use std::fmt;

/// `prefix/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceName {
    prefix: String,
    name: String,
}

/// Why a text is no resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadResourceName {
    /// The prefix is no DNS name.
    #[error("expected a lower-case DNS name of at most 244 characters before the /, as in intel.com")]
    Prefix,
    /// The prefix belongs to Kubernetes.
    #[error("kubernetes.io/ and requests. are Kubernetes' own")]
    Reserved,
    /// The rest.
    #[error("expected 1 to 63 letters, digits, and - _ . between them")]
    Name,
}

// === impl ResourceName ===

impl ResourceName {
    /// Checks both parts.
    pub fn new(prefix: &str, name: &str) -> Result<Self, BadResourceName> {
        if prefix.starts_with("requests.") || prefix.ends_with("kubernetes.io") {
            return Err(BadResourceName::Reserved);
        }
        // The kubelet checks "requests." + prefix against 253.
        if prefix.len() > 244 || !prefix.split('.').all(is_dns_label) {
            return Err(BadResourceName::Prefix);
        }
        if !is_name(name) {
            return Err(BadResourceName::Name);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            name: name.to_owned(),
        })
    }

    /// What is before the `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What is after the `/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file name of the resource's socket. A prefix has no `_`, so two resources never share one.
    pub fn endpoint(&self) -> String {
        format!("{}_{}.sock", self.prefix, self.name)
    }

    /// The environment variable that lists a container's devices, named as sriov-network-device-plugin does.
    pub fn variable(&self) -> String {
        format!("PCIDEVICE_{}_{}", self.prefix, self.name)
            .to_uppercase()
            .replace('.', "_")
    }

    /// A second name for it, which a shell can read, where a hyphen makes the first unusable.
    pub fn variable_alias(&self) -> Option<String> {
        let variable = self.variable();
        variable.contains('-').then(|| variable.replace('-', "_"))
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix, self.name)
    }
}

fn is_dns_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
}

fn is_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let ends = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&name.len()) && name.bytes().all(inner) && name.starts_with(ends) && name.ends_with(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kubelet_takes_are_taken() {
        for (prefix, name) in [
            ("intel.com", "sriov_net_A"),
            ("intel.com", "sriov-net_0"),
            ("x", "a.b"),
            ("openshift.io", &"n".repeat(63)),
        ] {
            let full = ResourceName::new(prefix, name).unwrap().to_string();
            assert_eq!(full, format!("{prefix}/{name}"));
        }
    }

    #[test]
    fn names_that_the_kubelet_refuses_are_refused() {
        let long = "n".repeat(64);
        for (prefix, name, error) in [
            ("", "foo", BadResourceName::Prefix),
            ("A.com", "x", BadResourceName::Prefix),
            ("a..b", "x", BadResourceName::Prefix),
            ("a_b", "x", BadResourceName::Prefix),
            ("a/b", "x", BadResourceName::Prefix),
            ("-a", "x", BadResourceName::Prefix),
            ("kubernetes.io", "x", BadResourceName::Reserved),
            ("node.kubernetes.io", "x", BadResourceName::Reserved),
            ("requests.a", "b", BadResourceName::Reserved),
            ("a.com", "", BadResourceName::Name),
            ("a.com", "_x", BadResourceName::Name),
            ("a.com", "x-", BadResourceName::Name),
            ("a.com", "a/b", BadResourceName::Name),
            ("a.com", "a b", BadResourceName::Name),
            ("a.com", long.as_str(), BadResourceName::Name),
        ] {
            assert_eq!(ResourceName::new(prefix, name), Err(error), "{prefix}/{name}");
        }
    }

    #[test]
    fn names_of_files_and_variables_are_those_of_sriov_network_device_plugin() {
        let name = ResourceName::new("openshift.io", "sriov-net_A").unwrap();
        assert_eq!(name.endpoint(), "openshift.io_sriov-net_A.sock");
        assert_eq!(name.variable(), "PCIDEVICE_OPENSHIFT_IO_SRIOV-NET_A");
        assert_eq!(
            name.variable_alias().as_deref(),
            Some("PCIDEVICE_OPENSHIFT_IO_SRIOV_NET_A")
        );
        assert_eq!(ResourceName::new("a.b", "c").unwrap().variable_alias(), None);
    }
}
