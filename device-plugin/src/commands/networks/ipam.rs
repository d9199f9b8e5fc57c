//! Where the addresses of a network come from: the section of an IPAM plugin, by its flags.
//!
//! Contract: host-local's `subnet` (no host bits, room for at least four addresses: allocator/range.go of the reference plugins),
//! whereabouts' `range`; the section of any other plugin is given whole.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::sections::Network;

const HOST_LOCAL: &str = "host-local";
const WHEREABOUTS: &str = "whereabouts";

/// An option that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {value:?} is not valid: it must be {right}")]
pub struct BadOption {
    /// Which.
    pub option: &'static str,
    /// What is there.
    pub value: String,
    /// What would be right.
    pub right: String,
}

// === impl BadOption ===

impl BadOption {
    pub(super) fn new(option: &'static str, value: &str, right: impl Into<String>) -> Self {
        Self {
            option,
            value: value.to_owned(),
            right: right.into(),
        }
    }
}

/// The section, none without a plugin.
pub fn section(ipam: Option<&str>, range: Option<&str>, gateway: Option<&str>) -> Result<Option<Value>, BadOption> {
    let given = [("--subnet", range), ("--gateway", gateway)];
    let first = given.iter().find_map(|(option, value)| Some((*option, (*value)?)));
    let Some(ipam) = ipam else {
        return match first {
            None => Ok(None),
            Some((option, value)) => Err(BadOption::new(
                option,
                value,
                "beside --ipam host-local or --ipam whereabouts",
            )),
        };
    };
    let mut section = match (ipam, range) {
        (HOST_LOCAL, Some(given)) => json!({"type": ipam, "subnet": of_host_local(given)?}),
        (WHEREABOUTS, Some(given)) => {
            subnet(given)?;
            json!({"type": ipam, "range": given})
        }
        (HOST_LOCAL | WHEREABOUTS, None) => {
            let right = format!("given with --subnet, as in --ipam {ipam} --subnet 10.56.217.0/24, or as JSON");
            return Err(BadOption::new("--ipam", ipam, right));
        }
        _ => {
            if let Some((option, value)) = first {
                let right = "beside --ipam host-local or --ipam whereabouts: another plugin's section is given as JSON";
                return Err(BadOption::new(option, value, right));
            }
            whole(ipam)?
        }
    };
    if let Some(gateway) = gateway {
        let address: Option<IpAddr> = gateway.parse().ok();
        address.ok_or_else(|| BadOption::new("--gateway", gateway, "an IP address, as in 10.56.217.1"))?;
        section["gateway"] = gateway.into();
    }
    Ok(Some(section))
}

/// A plugin that needs no more than its name, or its section as JSON.
fn whole(ipam: &str) -> Result<Value, BadOption> {
    if !ipam.trim_start().starts_with('{') {
        return Ok(json!({"type": ipam}));
    }
    let bad = |right: String| BadOption::new("--ipam", ipam, right);
    let section: Value = serde_json::from_str(ipam).map_err(|error| bad(format!("JSON, and is not: {error}")))?;
    let is_named = section["type"].as_str().is_some_and(|name| !name.is_empty());
    is_named
        .then_some(section)
        .ok_or_else(|| bad("an object with the plugin's name as type".to_owned()))
}

fn subnet(text: &str) -> Result<Network, BadOption> {
    Network::read(text).ok_or_else(|| {
        BadOption::new(
            "--subnet",
            text,
            "an address and the length of its prefix, as in 10.56.217.0/24",
        )
    })
}

fn of_host_local(text: &str) -> Result<&str, BadOption> {
    let subnet = subnet(text)?;
    if subnet.host_bits() < 2 {
        let right = format!(
            "of at most /{}: host-local gives none of fewer than four addresses",
            subnet.width - 2
        );
        return Err(BadOption::new("--subnet", text, right));
    }
    if subnet.address & subnet.host_mask() != 0 {
        let right = format!(
            "{}/{}, the address of the network itself",
            subnet.network(),
            subnet.prefix
        );
        return Err(BadOption::new("--subnet", text, right));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_those_of_the_plugins() {
        let section = |ipam, subnet, gateway| section(ipam, subnet, gateway).unwrap();
        assert_eq!(section(None, None, None), None);
        assert_eq!(
            section(Some("host-local"), Some("10.1.0.0/24"), Some("10.1.0.1")),
            Some(json!({"type": "host-local", "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}))
        );
        assert_eq!(
            section(Some("whereabouts"), Some("fd00::1:0/112"), None),
            Some(json!({"type": "whereabouts", "range": "fd00::1:0/112"}))
        );
        assert_eq!(section(Some("dhcp"), None, None), Some(json!({"type": "dhcp"})));
        let whole = r#"{"type": "static", "addresses": [{"address": "10.1.0.2/24"}]}"#;
        assert_eq!(
            section(Some(whole), None, None).unwrap()["addresses"][0]["address"],
            "10.1.0.2/24"
        );
    }

    #[test]
    fn an_option_that_makes_no_sense_is_named_with_what_would_be_right() {
        for (ipam, subnet, gateway, said) in [
            (
                None,
                Some("10.1.0.0/24"),
                None,
                "--subnet: \"10.1.0.0/24\" is not valid: it must be beside --ipam",
            ),
            (
                None,
                None,
                Some("x"),
                "--gateway: \"x\" is not valid: it must be beside",
            ),
            (
                Some("host-local"),
                None,
                None,
                "--ipam: \"host-local\" is not valid: it must be given with --subnet",
            ),
            (
                Some("host-local"),
                Some("10.1.0.7/24"),
                None,
                "--subnet: \"10.1.0.7/24\" is not valid: it must be 10.1.0.0/24",
            ),
            (
                Some("host-local"),
                Some("fd00::5/64"),
                None,
                "--subnet: \"fd00::5/64\" is not valid: it must be fd00::/64",
            ),
            (
                Some("host-local"),
                Some("10.1.0.0/31"),
                None,
                "--subnet: \"10.1.0.0/31\" is not valid: it must be of at most /30",
            ),
            (
                Some("host-local"),
                Some("10.1.0.0"),
                None,
                "--subnet: \"10.1.0.0\" is not valid: it must be an address and",
            ),
            (Some("host-local"), Some("10.1.0.0/33"), None, "--subnet: "),
            (
                Some("host-local"),
                Some("10.1.0.0/24"),
                Some("gw"),
                "--gateway: \"gw\" is not valid: it must be an IP address",
            ),
            (
                Some("dhcp"),
                Some("10.1.0.0/24"),
                None,
                "--subnet: \"10.1.0.0/24\" is not valid: it must be beside --ipam host-local",
            ),
            (Some("{"), None, None, "--ipam: \"{\" is not valid: it must be JSON"),
            (
                Some("{\"x\": 1}"),
                None,
                None,
                "--ipam: \"{\\\"x\\\": 1}\" is not valid: it must be an object with",
            ),
        ] {
            let error = section(ipam, subnet, gateway).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
