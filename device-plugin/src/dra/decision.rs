//! What a claim comes to: its record, or why there is none. Nothing is read or written here.

use hardwire_cni::ask::Claim;
use hardwire_cni::claims::{ClaimRecord, ClaimedDevice};
use hardwire_cni::node::AttachBy;

use super::allocated::{Allocated, Allocation};
use super::claimable::Claimable;
use super::parameters::{Parameters, network};

/// A claim as the kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

// === impl ClaimName ===

impl ClaimName {
    /// Names and uids are what the API server takes, and go into paths of its API and of files.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let is_name =
            |text: &str| (1..=253).contains(&text.len()) && text.bytes().all(is_plain) && !text.starts_with('.');
        let is_uid = |text: &str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if is_name(&self.namespace) && is_name(&self.name) && is_uid(&self.uid) {
            return Ok(());
        }
        Err(format!(
            "{:?}/{:?} with uid {:?} is no claim's name",
            self.namespace, self.name, self.uid
        ))
    }
}

/// The record of a claim that is to be prepared. `others` are the claims that are.
pub fn decide(
    claim: &ClaimName,
    found: &Allocated,
    driver: &str,
    claimable: &Claimable,
    others: &[ClaimRecord],
) -> Result<ClaimRecord, String> {
    if found.uid != claim.uid {
        return Err(format!(
            "claim {}/{} is another one by now: its uid is {}, not {}",
            claim.namespace, claim.name, found.uid, claim.uid
        ));
    }
    if !found.is_allocated {
        return Err(format!("claim {}/{} is not allocated", claim.namespace, claim.name));
    }
    let mut devices: Vec<ClaimedDevice> = Vec::new();
    for allocation in &found.results {
        let device = decide_device(&claim.uid, allocation, found, claimable, others)?;
        // Two requests may have the same device only if they share it, which none of ours can be.
        if devices.iter().any(|other| other.device == device.device) {
            return Err(format!("{} is allocated twice by one claim", device.device));
        }
        devices.push(device);
    }
    Ok(ClaimRecord {
        version: ClaimRecord::VERSION,
        claim: Claim {
            namespace: claim.namespace.clone(),
            name: claim.name.clone(),
            uid: claim.uid.clone(),
            reserved_for: found.reserved_for.clone(),
        },
        is_shareable: !found.is_owned,
        driver: driver.to_owned(),
        devices,
    })
}

fn decide_device(
    uid: &str,
    allocation: &Allocation,
    found: &Allocated,
    claimable: &Claimable,
    others: &[ClaimRecord],
) -> Result<ClaimedDevice, String> {
    let Allocation {
        request, device: name, ..
    } = allocation;
    let of = |what: String| format!("request {request}, device {name}: {what}");
    if allocation.admin_access {
        return Err(of(
            "adminAccess: a network device serves one pod, and there is nothing to look after".to_owned(),
        ));
    }
    if allocation.share_id.is_some() {
        return Err(of(
            "shareID: a network device serves one pod and has no shares".to_owned()
        ));
    }
    let named = claimable.named(name);
    let (pool, id, state) =
        named.ok_or_else(|| of("no pool of this node that is given to claims has it".to_owned()))?;
    let has_it = |other: &&ClaimRecord| other.claim.uid != uid && other.devices.iter().any(|held| held.device == *id);
    if let Some(other) = others.iter().find(has_it) {
        return Err(of(format!("claim {} has {id}", other.name())));
    }
    if let Some(why) = &state.refused {
        return Err(of(format!("{id} is not given out: {why}")));
    }
    if let Some(who) = &state.held_as {
        return Err(of(format!("{id} is not free: {who}")));
    }
    let attachment = &pool.pool.attachment;
    let mut asked = Parameters::default();
    // The class first: what the claim says counts, within what the pool allows.
    for of_class in [true, false] {
        let configured = found
            .config
            .iter()
            .filter(|configured| configured.is_of_class == of_class);
        for configured in configured.filter(|configured| configured.is_for(request)) {
            let at = if of_class {
                "the class's parameters"
            } else {
                "the claim's parameters"
            };
            asked.overlay(Parameters::parse(at, &configured.parameters).map_err(of)?);
        }
    }
    if attachment.by == AttachBy::Multus && !asked.is_empty() {
        return Err(of(format!(
            "parameters: pool {} has attach: multus, where a NAD says how its devices are attached",
            pool.pool.resource
        )));
    }
    let limited = || format!("pool {}", pool.pool.resource);
    let network = if attachment.by == AttachBy::Multus {
        serde_json::Map::new()
    } else {
        let made = network(attachment.network.as_ref(), &asked, attachment.allow.as_ref(), id);
        made.map_err(|error| of(format!("{}: {error}", limited())))?
    };
    Ok(ClaimedDevice {
        device: id.clone(),
        resource: pool.pool.resource.to_string(),
        request: request.clone(),
        name: name.clone(),
        pool: allocation.pool.clone(),
        attach: attachment.by,
        network,
        interface: asked.interface.or_else(|| attachment.interface.clone()),
        cdi: Vec::new(),
    })
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
