//! What the records say about a pod, and about a device.

use hardwire_pci::DeviceId;

use super::record::ClaimRecord;
use crate::protocol::CallingPod;

/// What the records say of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed<'a> {
    /// These claims are the pod's, and no others.
    By(Vec<&'a ClaimRecord>),
    /// The same, and of these it is not known, for this reason: the kubelet's podresources tell.
    Perhaps(Vec<&'a ClaimRecord>, String),
}

/// What the records say of a device that a claim has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldByClaim {
    /// The claim is this pod's.
    Given,
    /// It is not; with whose it is.
    NotGiven(String),
    /// That is not known, for this reason.
    Unknown(String),
}

/// Which claims a pod has.
pub fn of_pod<'a>(records: &'a [ClaimRecord], pod: &CallingPod) -> Claimed<'a> {
    let certain = records.iter().filter(|record| record.is_for(&pod.uid)).collect();
    // A claim is of the pod's namespace, which a runtime names with the uid or not at all.
    let is_near = |record: &&ClaimRecord| pod.namespace.is_empty() || record.claim.namespace == pod.namespace;
    let mut open = records.iter().filter(|record| {
        let is_open = pod.uid.is_empty() || record.is_shareable;
        is_open && !record.is_for(&pod.uid) && is_near(record)
    });
    match open.next() {
        None => Claimed::By(certain),
        Some(first) => {
            let claim = first.name();
            let why = if pod.uid.is_empty() {
                format!("the runtime does not say the pod's uid (K8S_POD_UID), and claim {claim} is prepared here")
            } else {
                format!("claim {claim} is prepared here, which pods of its namespace may share")
            };
            Claimed::Perhaps(certain, why)
        }
    }
}

/// Whether a device was given to a pod by a claim; none where no claim has it.
pub fn held_by_claim(records: &[ClaimRecord], pod: &CallingPod, device: &DeviceId) -> Option<HeldByClaim> {
    let has_it = |record: &&ClaimRecord| record.devices.iter().any(|claimed| claimed.device == *device);
    let record = records.iter().find(has_it)?;
    if record.is_for(&pod.uid) {
        return Some(HeldByClaim::Given);
    }
    let claim = record.name();
    Some(if pod.uid.is_empty() {
        HeldByClaim::Unknown(format!(
            "claim {claim} has it, and the runtime does not say the pod's uid (K8S_POD_UID)"
        ))
    } else if record.is_shareable && record.claim.namespace == pod.namespace {
        HeldByClaim::Unknown(format!("claim {claim} has it, which pods of its namespace may share"))
    } else {
        HeldByClaim::NotGiven(format!("claim {claim} has it, which is another pod's"))
    })
}

#[cfg(test)]
pub(super) mod fixture {
    use super::*;
    use crate::ask::Claim;
    use crate::claims::ClaimedDevice;
    use crate::node::AttachBy;

    /// A claim of namespace red with one VF, which its pod owns.
    pub(in crate::claims) fn record(uid: &str, pods: &[&str], vf: u32) -> ClaimRecord {
        let device: DeviceId = format!("0000:3b:02.{vf}").parse().unwrap();
        ClaimRecord {
            version: ClaimRecord::VERSION,
            claim: Claim {
                namespace: "red".to_owned(),
                name: format!("claim-{uid}"),
                uid: uid.to_owned(),
                reserved_for: pods.iter().map(|uid| (*uid).to_owned()).collect(),
            },
            is_shareable: false,
            driver: "hardwire.dev".to_owned(),
            devices: vec![ClaimedDevice {
                name: format!("0000-3b-02-{vf}"),
                device,
                resource: "intel.com/vfs".to_owned(),
                request: "vf".to_owned(),
                pool: "node1".to_owned(),
                attach: AttachBy::Chain,
                network: serde_json::Map::new(),
                interface: None,
                cdi: Vec::new(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::record;
    use super::*;

    fn pod(namespace: &str, uid: &str) -> CallingPod {
        CallingPod {
            namespace: namespace.to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
            sandbox: "s".to_owned(),
        }
    }

    #[test]
    fn a_claim_is_its_pods_by_uid_and_one_that_nobody_owns_may_be_anybodys_of_its_namespace() {
        let mut records = [record("c-1", &["u1"], 1), record("c-2", &["u2"], 2)];
        assert_eq!(of_pod(&records, &pod("red", "u1")), Claimed::By(vec![&records[0]]));
        assert_eq!(of_pod(&records, &pod("red", "u3")), Claimed::By(vec![]));
        records[1].is_shareable = true;
        assert!(matches!(of_pod(&records, &pod("red", "u1")), Claimed::Perhaps(by, _) if by == [&records[0]]));
        assert_eq!(of_pod(&records, &pod("red", "u2")), Claimed::By(vec![&records[1]]));
        assert_eq!(
            of_pod(&records, &pod("blue", "u3")),
            Claimed::By(vec![]),
            "another namespace's"
        );
        assert!(matches!(of_pod(&records, &pod("red", "")), Claimed::Perhaps(by, _) if by.is_empty()));
        assert!(matches!(of_pod(&records, &pod("", "")), Claimed::Perhaps(..)));
        assert_eq!(of_pod(&[], &pod("", "")), Claimed::By(vec![]));
    }

    #[test]
    fn a_device_of_a_claim_is_no_other_pods() {
        let mut records = [record("c-1", &["u1"], 1)];
        let (device, other): (DeviceId, DeviceId) = ("0000:3b:02.1".parse().unwrap(), "0000:3b:02.2".parse().unwrap());
        assert_eq!(
            held_by_claim(&records, &pod("red", "u1"), &device),
            Some(HeldByClaim::Given)
        );
        assert_eq!(held_by_claim(&records, &pod("red", "u1"), &other), None);
        let theirs = held_by_claim(&records, &pod("red", "u2"), &device).unwrap();
        assert_eq!(
            theirs,
            HeldByClaim::NotGiven("claim red/claim-c-1 has it, which is another pod's".to_owned())
        );
        assert!(matches!(
            held_by_claim(&records, &pod("red", ""), &device),
            Some(HeldByClaim::Unknown(_))
        ));
        records[0].is_shareable = true;
        assert!(matches!(
            held_by_claim(&records, &pod("red", "u2"), &device),
            Some(HeldByClaim::Unknown(_))
        ));
        assert!(matches!(
            held_by_claim(&records, &pod("blue", "u2"), &device),
            Some(HeldByClaim::NotGiven(_))
        ));
    }
}
