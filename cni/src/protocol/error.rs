//! The one error that leaves the program: a JSON object on stdout.
//!
//! Codes: CNI spec 1.1.0 "Error", libcni's types.go for 999; from 100 on they are ours.

use std::fmt;

use serde_json::{Value, json};

use super::version::SpecVersion;
use crate::printable::excerpt;

/// The longest message, and the longest details, in bytes: they end in a log and an event of the runtime's.
const LONGEST: usize = 8 << 10;

/// Error codes.
pub mod code {
    /// The configuration's version is not spoken.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// An environment variable, or what it names, is missing or wrong.
    pub const ENVIRONMENT: u32 = 4;
    /// Reading or writing failed: stdin, the journal.
    pub const IO: u32 = 5;
    /// stdin cannot be decoded.
    pub const DECODE: u32 = 6;
    /// The configuration is wrong.
    pub const CONFIG: u32 = 7;
    /// `CNI_NETNS` is the plugin's own namespace.
    pub const SAME_NETNS: u32 = 8;
    /// Somebody else has the device now.
    pub const TRY_AGAIN: u32 = 11;
    /// An ADD could not work now.
    pub const UNAVAILABLE: u32 = 50;
    /// An ADD could not work now, and the containers that are attached may have no network either.
    pub const LIMITED: u32 = 51;
    /// The device is the node's own NIC.
    pub const NODE_DEVICE: u32 = 101;
    /// `CNI_IFNAME` exists in the pod.
    pub const NAME_TAKEN: u32 = 102;
    /// The PF, its driver or the kernel refused.
    pub const REFUSED: u32 = 103;
    /// The pod was not given the device.
    pub const NOT_GIVEN: u32 = 104;
    /// Anything else.
    pub const INTERNAL: u32 = 999;

    /// Those that a call may end with, success (0) first.
    pub const ALL: [u32; 15] = [
        0,
        INCOMPATIBLE_VERSION,
        ENVIRONMENT,
        IO,
        DECODE,
        CONFIG,
        SAME_NETNS,
        TRY_AGAIN,
        UNAVAILABLE,
        LIMITED,
        NODE_DEVICE,
        NAME_TAKEN,
        REFUSED,
        NOT_GIVEN,
        INTERNAL,
    ];
}

/// An error as CNI prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CniError {
    /// What kind.
    pub code: u32,
    /// What happened, to what, and what would be right.
    pub msg: String,
    /// More of it; may be empty.
    pub details: String,
    /// What a person can do who reads this in a pod's events; none of what a configuration says wrong, which says it itself,
    /// and none of another plugin's error.
    pub next_step: Option<&'static str>,
}

/// Of a device that was there when the kubelet allocated it.
const GONE: &str = "whether it is gone from the bus: hardwired doctor, on this node";

/// Where a person goes on who reads an error of this kind in a pod's events.
fn next_step(code: u32) -> Option<&'static str> {
    match code {
        code::TRY_AGAIN => Some("what holds it up: hardwired doctor, on this node"),
        code::IO | code::REFUSED | code::INTERNAL => Some("what else is wrong there: hardwired doctor, on this node"),
        code::NODE_DEVICE => Some("take that away from it, or lend it (allowNodeDevice)"),
        code::NAME_TAKEN => {
            Some("where another network of this pod has it: network@NAME in the annotation gives it another one")
        }
        _ => None,
    }
}

impl CniError {
    /// An error without details.
    pub fn new(code: u32, msg: impl fmt::Display) -> Self {
        Self {
            code,
            msg: msg.to_string(),
            details: String::new(),
            next_step: next_step(code),
        }
    }

    /// The same with details.
    #[must_use]
    pub fn with_details(mut self, details: impl fmt::Display) -> Self {
        self.details = details.to_string();
        self
    }

    /// Adds what else went wrong after this one, in putting things back.
    #[must_use]
    pub fn and_then_failed(mut self, step: &str, error: &dyn fmt::Display) -> Self {
        let separator = if self.details.is_empty() { "" } else { "; " };
        self.details = format!("{}{separator}{step}: {error}", self.details);
        self
    }

    /// A field of the configuration is wrong.
    pub fn config(msg: impl fmt::Display) -> Self {
        Self::new(code::CONFIG, msg)
    }

    /// The device that the configuration names is not on this host.
    pub fn gone(msg: impl fmt::Display) -> Self {
        Self {
            next_step: Some(GONE),
            ..Self::config(msg)
        }
    }

    /// The object for stdout, its texts spelt out: what a tenant wrote stands in them. `version` is the configuration's where
    /// it is known.
    pub fn to_json(&self, version: Option<SpecVersion>) -> Value {
        let version = version.unwrap_or(SpecVersion::NEWEST);
        let mut object = json!({
            "cniVersion": version.as_str(), "code": self.code, "msg": excerpt(&self.msg, LONGEST),
        });
        let details = excerpt(&self.details, LONGEST);
        match self.next_step {
            Some(next) if details.is_empty() => object["details"] = next.into(),
            Some(next) => object["details"] = format!("{details}; {next}").into(),
            None if details.is_empty() => {}
            None => object["details"] = details.into(),
        }
        object
    }
}

impl fmt::Display for CniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(&self.msg, LONGEST))?;
        if self.details.is_empty() {
            Ok(())
        } else {
            write!(f, "; {}", excerpt(&self.details, LONGEST))
        }
    }
}

impl std::error::Error for CniError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operator_has_to_see_to_names_the_next_step_and_no_other_error_does() {
        let details = |error: CniError| error.to_json(None)["details"].clone();
        let held = CniError::new(code::TRY_AGAIN, "it is attached").with_details("network blue");
        let text = "network blue; what holds it up: hardwired doctor, on this node";
        assert_eq!(details(held.clone()), text);
        assert_eq!(
            held.to_string(),
            "it is attached; network blue",
            "the log is read where doctor is"
        );
        assert!(
            details(CniError::new(code::REFUSED, "no"))
                .as_str()
                .unwrap()
                .contains("hardwired doctor")
        );
        assert!(details(CniError::config("vlan: 5000 is not valid")).is_null());
        let gone = CniError::gone("deviceID: no such device");
        assert_eq!(gone.code, code::CONFIG);
        assert_eq!(
            details(gone),
            "whether it is gone from the bus: hardwired doctor, on this node"
        );
        let taken = details(CniError::new(code::NAME_TAKEN, "net1 is there"));
        assert!(taken.as_str().unwrap().contains("network@NAME"), "{taken}");
        let odd = details(CniError::new(code::INTERNAL, "failed"));
        assert!(odd.as_str().unwrap().contains("hardwired doctor"), "{odd}");
    }

    #[test]
    fn rule_9_a_tenants_text_is_spelt_out_and_bounded_in_an_error() {
        let error = CniError::config("vlan: \"a\nb\"").with_details("\u{1b}[2J\u{85}\u{202e}");
        let json = error.to_json(None);
        assert_eq!(json["msg"], "vlan: \"a\\nb\"");
        assert_eq!(json["details"], "\\u{1b}[2J\\u{85}\\u{202e}");
        assert_eq!(error.to_string(), "vlan: \"a\\nb\"; \\u{1b}[2J\\u{85}\\u{202e}");
        let long = CniError::config("x".repeat(1 << 20)).with_details("y".repeat(1 << 20));
        assert!(long.to_json(None).to_string().len() < 3 * LONGEST);
    }
}
