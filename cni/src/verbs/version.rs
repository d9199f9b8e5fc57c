//! VERSION, and what the program says of itself when a person calls it.

use serde_json::{Value, json};

use crate::VERSION;
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
        "hardwire {VERSION}: CNI plugin that moves a VF or a spare NIC into a pod\n\
         CNI protocol versions supported: {}\n",
        SUPPORTED.map(SpecVersion::as_str).join(", ")
    )
}

/// The same, and how it is called.
pub fn help() -> String {
    format!("{}{HELP}", about())
}

const HELP: &str = r#"
A container runtime calls it with CNI_COMMAND and the other CNI_* variables, and the network's
configuration on stdin; it prints one JSON document. Without CNI_COMMAND:

  hardwire --help       this
  hardwire --version    which one it is

Examples:

  # the versions of the protocol that it speaks
  CNI_COMMAND=VERSION hardwire

  # a spare NIC into a network namespace, and back
  ip netns add pod
  export CNI_CONTAINERID=try CNI_NETNS=/run/netns/pod CNI_IFNAME=net1 CNI_PATH=/opt/cni/bin
  echo '{"cniVersion": "1.1.0", "name": "try", "type": "hardwire", "device": "ens1f1"}' >try.json
  CNI_COMMAND=ADD hardwire <try.json
  CNI_COMMAND=DEL hardwire <try.json

  # a VF by its address, on VLAN 100
  echo '{"cniVersion": "1.1.0", "name": "try", "type": "hardwire",
         "deviceID": "0000:3b:02.1", "vlan": 100}' >try.json

  # could an ADD of this network work now?
  CNI_COMMAND=STATUS hardwire <try.json

Networks for Kubernetes: `hardwired nad POOL` writes one, `hardwired check --nad FILE` says what ADD
would refuse.
"#;
