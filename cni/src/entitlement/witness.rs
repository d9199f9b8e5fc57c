//! What the kubelet's device checkpoint says about one pod and one device.

use hardwire_pci::DeviceId;

use super::checkpoint::Checkpoint;
use crate::protocol::CallingPod;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The kubelet gave the device to this pod.
    Given,
    /// It did not; with who has it.
    NotGiven(String),
    /// It says nothing.
    Unknown(String),
}

/// The checkpoint's word, by the pod's uid only: a pod of the same name may be another one.
pub fn word(checkpoint: Option<&Checkpoint>, pod: &CallingPod, device: &DeviceId) -> Word {
    let id = device.to_string();
    let Some(checkpoint) = checkpoint else {
        // It is there from the first device that any plugin offered: a kubelet without one is none that we know of.
        return Word::Unknown("the kubelet's device checkpoint is not where hardwired said".to_owned());
    };
    if pod.uid.is_empty() {
        return Word::Unknown("the runtime does not say the pod's uid (K8S_POD_UID)".to_owned());
    }
    if checkpoint.gave(&pod.uid, &id) {
        return Word::Given;
    }
    let holders: Vec<String> = checkpoint
        .holders(&id)
        .map(|given| {
            format!(
                "pod uid {}, container {}, as {}",
                given.pod_uid, given.container, given.resource
            )
        })
        .collect();
    Word::NotGiven(if holders.is_empty() {
        "the kubelet has given it to no pod".to_owned()
    } else {
        format!("the kubelet has given it to {}", holders.join(" and "))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_device_is_its_pods_by_uid_and_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let text = r#"{"Data":{"PodDeviceEntries":[{"PodUID":"u1","ContainerName":"c","ResourceName":"intel.com/vfs",
                       "DeviceIDs":{"0":["0000:3b:02.1"]}}]}}"#;
        fs::write(&path, text).unwrap();
        let seen = Checkpoint::read(&path).unwrap();
        let pod = |uid: &str| CallingPod {
            uid: uid.to_owned(),
            name: "web-0".to_owned(),
            ..CallingPod::default()
        };
        let (device, other) = ("0000:3b:02.1".parse().unwrap(), "0000:3b:02.2".parse().unwrap());
        assert_eq!(word(seen.as_ref(), &pod("u1"), &device), Word::Given);
        let theirs = "the kubelet has given it to pod uid u1, container c, as intel.com/vfs";
        assert_eq!(
            word(seen.as_ref(), &pod("u2"), &device),
            Word::NotGiven(theirs.to_owned())
        );
        let nobodys = "the kubelet has given it to no pod";
        assert_eq!(
            word(seen.as_ref(), &pod("u1"), &other),
            Word::NotGiven(nobodys.to_owned())
        );
        assert!(matches!(word(seen.as_ref(), &pod(""), &device), Word::Unknown(_)));
        assert!(matches!(word(None, &pod("u1"), &device), Word::Unknown(_)));
    }
}
