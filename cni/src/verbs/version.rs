//! VERSION, and what the program says of itself when it is called without a command.

use serde_json::{Value, json};

use crate::protocol::{SUPPORTED, SpecVersion};

/// The answer to VERSION.
pub fn version() -> Value {
    json!({
        "cniVersion": SpecVersion::NEWEST.as_str(),
        "supportedVersions": SUPPORTED.map(SpecVersion::as_str),
    })
}

/// What it is and which versions it speaks.
pub fn about() -> String {
    format!(
        "hardwire {}: CNI plugin that moves an SR-IOV VF or a spare host NIC into a pod\n\
         CNI protocol versions supported: {}\n",
        env!("CARGO_PKG_VERSION"),
        SUPPORTED.map(SpecVersion::as_str).join(", ")
    )
}
