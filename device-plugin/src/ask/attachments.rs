//! From the devices that a pod was given to its attachments: in which order, under which names, with which networks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hardwire_cni::ask::{Claim, PodAttachment};
use hardwire_cni::claims::{ClaimRecord, ClaimedDevice};
use hardwire_cni::entitlement::Checkpoint;
use hardwire_cni::node::{InterfacePattern, Policies, configurations, read_configuration};
use hardwire_pci::DeviceId;
use serde_json::{Map, Value};

/// A device that a container of a pod was given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GivenDevice {
    /// As which resource.
    pub resource: String,
    /// To which container.
    pub container: String,
    /// Which device.
    pub device: DeviceId,
}

// === impl GivenDevice ===

impl GivenDevice {
    /// What the kubelet's checkpoint says of a pod. What is no device's id is another plugin's.
    pub fn all_of(checkpoint: &Checkpoint, pod_uid: &str) -> Vec<Self> {
        checkpoint
            .of(pod_uid)
            .flat_map(|given| {
                let ids = given.devices.iter().filter_map(|id| id.parse().ok());
                ids.map(|device| Self {
                    resource: given.resource.clone(),
                    container: given.container.clone(),
                    device,
                })
            })
            .collect()
    }
}

/// What is made of a pod's devices, so far.
struct Made {
    with_multus: bool,
    counts: BTreeMap<InterfacePattern, usize>,
    attachments: Vec<PodAttachment>,
}

/// The attachments of a pod: by the order of the pools, then by container, then by device, since the kubelet keeps no order; and
/// behind them those of its claims, by name, request and device. Fails where two interfaces would have one name.
pub fn attachments(
    policies: &Policies,
    mut given: Vec<GivenDevice>,
    claims: &[&ClaimRecord],
    with_multus: bool,
) -> Result<Vec<PodAttachment>, String> {
    given.sort_by(|a, b| (&a.container, &a.device).cmp(&(&b.container, &b.device)));
    let mut made = Made {
        with_multus,
        counts: BTreeMap::new(),
        attachments: Vec::new(),
    };
    for pool in policies.chained() {
        // Also one that the pool has no more: its pod is not to start without it.
        let of_pool = |given: &&GivenDevice| given.resource == pool.resource;
        for GivenDevice { device, .. } in given.iter().filter(of_pool) {
            made.add(
                device,
                &pool.resource,
                pool.interface.as_ref(),
                pool.network.as_ref(),
                None,
            )?;
        }
    }
    let mut claims: Vec<&ClaimRecord> = claims.to_vec();
    claims.sort_by(|a, b| a.claim.name.cmp(&b.claim.name));
    for record in claims {
        let mut devices: Vec<&ClaimedDevice> = record.chained().collect();
        devices.sort_by(|a, b| (&a.request, &a.device).cmp(&(&b.request, &b.device)));
        for claimed in devices {
            let (interface, claim) = (claimed.interface.as_ref(), Some(&record.claim));
            made.add(
                &claimed.device,
                &claimed.resource,
                interface,
                Some(&claimed.network),
                claim,
            )?;
        }
    }
    Ok(made.attachments)
}

// === impl Made ===

impl Made {
    fn add(
        &mut self,
        device: &DeviceId,
        resource: &str,
        interface: Option<&InterfacePattern>,
        network: Option<&Map<String, Value>>,
        claim: Option<&Claim>,
    ) -> Result<(), String> {
        // One that two containers were given, as init containers and the others may be.
        if self.attachments.iter().any(|attachment| attachment.device == *device) {
            return Ok(());
        }
        let pattern = interface.cloned();
        let pattern = pattern.unwrap_or_else(|| InterfacePattern::by_default(self.with_multus));
        let count = self.counts.entry(pattern.clone()).or_default();
        *count += 1;
        let interface = pattern.name(*count).ok_or_else(|| {
            format!(
                "the pod was given {count} devices whose pools or claims call their interface {pattern}: a pattern with %d \
                 names more than one"
            )
        })?;
        if self
            .attachments
            .iter()
            .any(|attachment| attachment.interface == interface)
        {
            return Err(format!(
                "two pools or claims of the pod's devices call their interface {interface}"
            ));
        }
        self.attachments.push(PodAttachment {
            device: device.clone(),
            resource: resource.to_owned(),
            interface,
            network: network.cloned().unwrap_or_default(),
            claim: claim.cloned(),
        });
        Ok(())
    }
}

/// Whether Multus is in a network configuration of the node: it makes `net1` and so on, and refuses a name that exists.
pub fn with_multus(cni_config: &Path) -> bool {
    let is_multus = |plugin: &Value| {
        let name = plugin.get("type").and_then(Value::as_str);
        name.is_some_and(|name| name == "multus" || name == "multus-shim")
    };
    let files = configurations(cni_config).unwrap_or_default();
    let read = |path: PathBuf| serde_json::from_str::<Value>(&read_configuration(&path).ok()?).ok();
    files.into_iter().filter_map(read).any(|config| {
        let plugins = config.get("plugins").and_then(Value::as_array);
        is_multus(&config) || plugins.is_some_and(|plugins| plugins.iter().any(is_multus))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use hardwire_cni::node::{AttachBy, PoolPolicy, RequireAllocation};

    use super::*;

    fn pool(resource: &str, interface: Option<&str>, attach: AttachBy) -> PoolPolicy {
        PoolPolicy {
            resource: resource.to_owned(),
            require_allocation: RequireAllocation::On,
            allow: None,
            attach,
            network: None,
            interface: interface.map(|pattern| pattern.parse().unwrap()),
            selected_by: String::new(),
            is_left: false,
            devices: (1..=3).map(id).collect::<Vec<_>>().iter().collect(),
        }
    }

    fn given(resource: &str, container: &str, n: u32) -> GivenDevice {
        GivenDevice {
            resource: resource.to_owned(),
            container: container.to_owned(),
            device: id(n),
        }
    }

    fn id(n: u32) -> DeviceId {
        format!("0000:3b:02.{n}").parse().unwrap()
    }

    fn names(pools: Vec<PoolPolicy>, given: Vec<GivenDevice>, with_multus: bool) -> Result<Vec<String>, String> {
        let policies = Policies {
            pools,
            ..Policies::default()
        };
        let attachments = attachments(&policies, given, &[], with_multus)?;
        let name = |attachment: PodAttachment| format!("{} {}", attachment.interface, attachment.device);
        Ok(attachments.into_iter().map(name).collect())
    }

    #[test]
    fn interfaces_are_numbered_by_pool_container_and_device_whatever_order_the_kubelet_has() {
        let pools = || vec![pool("b", None, AttachBy::Chain), pool("a", None, AttachBy::Chain)];
        let all = vec![given("a", "x", 3), given("b", "y", 1), given("b", "x", 2)];
        let expected = ["net1 0000:3b:02.2", "net2 0000:3b:02.1", "net3 0000:3b:02.3"];
        assert_eq!(names(pools(), all.clone(), false).unwrap(), expected);
        assert_eq!(names(pools(), all, true).unwrap()[0], "vf1 0000:3b:02.2");
        let twice = vec![given("a", "init", 3), given("a", "main", 3)];
        assert_eq!(names(pools(), twice, false).unwrap(), ["net1 0000:3b:02.3"]);
    }

    #[test]
    fn what_multus_attaches_and_what_is_another_plugins_is_not_ours() {
        let pools = vec![pool("a", None, AttachBy::Multus), pool("b", None, AttachBy::Chain)];
        let all = vec![given("a", "x", 1), given("nvidia.com/gpu", "x", 2)];
        assert_eq!(names(pools, all, false).unwrap(), [""; 0]);
    }

    #[test]
    fn two_interfaces_of_one_name_are_refused() {
        let one = || pool("a", Some("data"), AttachBy::Chain);
        let error = names(vec![one()], vec![given("a", "x", 1), given("a", "x", 2)], false).unwrap_err();
        assert!(
            error.contains("2 devices whose pools or claims call their interface data"),
            "{error}"
        );
        let pools = vec![
            one(),
            pool("b", Some("dat%d"), AttachBy::Chain),
            pool("c", Some("dat1"), AttachBy::Chain),
        ];
        let error = names(pools, vec![given("b", "x", 1), given("c", "x", 2)], false).unwrap_err();
        assert!(error.contains("call their interface dat1"), "{error}");
    }

    #[test]
    fn multus_is_seen_by_its_type() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!with_multus(directory.path()));
        fs::write(
            directory.path().join("10-a.conflist"),
            r#"{"plugins":[{"type":"bridge"}]}"#,
        )
        .unwrap();
        fs::write(directory.path().join("20-b.conf.bak"), r#"{"type":"multus"}"#).unwrap();
        assert!(!with_multus(directory.path()));
        fs::write(directory.path().join("00-multus.conf"), r#"{"type":"multus-shim"}"#).unwrap();
        assert!(with_multus(directory.path()));
    }

    #[test]
    fn what_claims_gave_comes_behind_what_pools_gave_with_the_claims_words() {
        let claim = |name: &str, devices: serde_json::Value| -> ClaimRecord {
            let claim = serde_json::json!({"namespace": "red", "name": name, "uid": name});
            let record = serde_json::json!({"version": 1, "claim": claim, "isShareable": false, "driver": "hardwire.dev",
                "devices": devices});
            serde_json::from_value(record).unwrap()
        };
        let device = |n: u32, request: &str, attach: &str| {
            serde_json::json!({"device": id(n).to_string(), "resource": "b", "request": request, "name": "n", "pool": "p",
                "attach": attach, "network": {"vlan": n}})
        };
        let second = claim(
            "y",
            serde_json::json!([device(2, "b", "chain"), device(3, "a", "chain")]),
        );
        let first = claim("x", serde_json::json!([device(4, "a", "multus")]));
        let policies = Policies {
            pools: vec![pool("a", None, AttachBy::Chain)],
            ..Policies::default()
        };
        let made = attachments(&policies, vec![given("a", "x", 1)], &[&second, &first], false).unwrap();
        let told: Vec<String> = made
            .iter()
            .map(|made| {
                let claim = made.claim.as_ref().map_or("", |claim| &claim.name);
                let vlan = made.network.get("vlan").map(ToString::to_string);
                format!(
                    "{} {} {claim} {}",
                    made.interface,
                    made.device,
                    vlan.unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(
            told,
            ["net1 0000:3b:02.1  ", "net2 0000:3b:02.3 y 3", "net3 0000:3b:02.2 y 2"]
        );
    }
}
