//! What each attachment is made with: the pool's network, as a NAD would have it.

use hardwire_pci::DeviceId;
use serde_json::{Map, Value};

use crate::ask::PodAttachment;
use crate::protocol::{AnyCase, SpecVersion};

/// The configuration of an attachment, in the list's version where the network names none. One without a name has the
/// resource's, by which IPAM plugins know their ranges.
pub(super) fn stdin(attachment: &PodAttachment, version: SpecVersion, program: &str) -> Map<String, Value> {
    let mut conf = attachment.network.clone();
    let resource = || attachment.resource.replace('/', "-");
    let version = version.max(SpecVersion::V0_3_0).as_str();
    for (key, value) in [
        ("name", resource()),
        ("cniVersion", version.to_owned()),
        ("type", program.to_owned()),
    ] {
        if AnyCase::new(&conf).get(key).is_none() {
            conf.insert(key.to_owned(), value.into());
        }
    }
    // An interface of the host without a place on a bus has no other id than its name.
    let (field, device) = match &attachment.device {
        DeviceId::Interface(name) => ("device", name.to_string()),
        id => ("deviceID", id.to_string()),
    };
    conf.insert(field.to_owned(), device.into());
    conf
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_network_is_completed_and_what_it_says_stays() {
        let attachment = |network: Value| PodAttachment {
            device: "0000:3b:02.1".parse().unwrap(),
            resource: "intel.com/vfs".to_owned(),
            interface: "net1".parse().unwrap(),
            network: network.as_object().cloned().unwrap(),
            claim: None,
        };
        let made = stdin(&attachment(json!({"vlan": 100})), SpecVersion::V1_0_0, "hardwire");
        let expected = json!({"vlan": 100, "name": "intel.com-vfs", "cniVersion": "1.0.0", "type": "hardwire",
                              "deviceID": "0000:3b:02.1"});
        assert_eq!(Value::Object(made), expected);
        let named = json!({"Name": "lab", "cniVersion": "0.4.0"});
        let made = stdin(&attachment(named), SpecVersion::V1_1_0, "hardwire");
        assert_eq!(
            (&made["Name"], &made["cniVersion"], made.get("name")),
            (&json!("lab"), &json!("0.4.0"), None)
        );
    }
}
