//! What the running daemon holds against devices: each is grouped by its reason, below what explains it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hardwire_pci::DeviceId;

use super::commands::{of_plain_words, our_call, plain_word, quoted};
use super::driver::subject;
use crate::ask::view::Seen;
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;

/// What stands before the differences in a reason ([`crate::health::UnhealthyReason`]).
const NOT_IDLE: &str = "free, but not in its idle state: ";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    if facts.daemon.is_err() {
        return Vec::new();
    }
    let unhealthy = facts.state.view.devices.iter().filter(|(_, seen)| !seen.healthy);
    let (mut found, mut groups) = (
        Vec::new(),
        BTreeMap::<(String, String, String), Vec<(&DeviceId, &Seen)>>::new(),
    );
    for (id, seen) in unhealthy {
        let reason = seen.reason.clone().unwrap_or_default();
        match seen.kind.as_deref().unwrap_or_default() {
            "not-idle" => found.push(dirty(facts, id, seen, &reason)),
            "held-as-other" => found.push(held_as_other(facts, id, seen, &reason)),
            kind => {
                let key = (seen.pool.clone(), kind.to_owned(), reason);
                groups.entry(key).or_default().push((id, seen));
            }
        }
    }
    found.extend(
        groups
            .into_iter()
            .map(|((pool, kind, reason), of)| grouped(facts, pool, &kind, &reason, &of)),
    );
    found.extend(offered_twice(facts));
    found
}

fn dirty(facts: &Facts, id: &DeviceId, seen: &Seen, reason: &str) -> Finding {
    let difference = reason.strip_prefix(NOT_IDLE).unwrap_or(reason);
    let adopt = format!(
        "if it is right: {}",
        our_call(facts, &format!("adopt {}", quoted(&id.to_string())))
    );
    let (mend, why) = match undo(facts, id, difference) {
        Some(undo) => (Mend::on_node(undo), format!("{difference}. {adopt}")),
        None => (
            bound_anew(id).once(format!(
                "see who changed it; {adopt}; to take it away, bind its driver anew"
            )),
            difference.to_owned(),
        ),
    };
    let what = "it is free and not as it was when nobody had it, so it is not given out";
    Finding::mended_by(mend, Name::DeviceDirty, Severity::Error, id.to_string(), what)
        .because(why)
        .since(since(seen))
}

/// What a driver makes anew has nothing left of what was done to it.
fn bound_anew(id: &DeviceId) -> Mend {
    let command = id.pci().map(|address| {
        format!("echo {address} > /sys/bus/pci/devices/{address}/driver/unbind && echo {address} > /sys/bus/pci/drivers_probe")
    });
    of_plain_words(command, "unbind its driver and bind it again")
}

/// What undoes differences, in iproute2's words, where it has words for all of them and they are plain.
fn undo(facts: &Facts, id: &DeviceId, difference: &str) -> Option<String> {
    let inventory = &facts.hardware.hardware.inventory;
    let device = inventory.get(id)?;
    let (mut of_vf, mut of_link) = (Vec::new(), Vec::new());
    for part in difference.split("; ") {
        let (field, values) = part.split_once(" was ")?;
        let (was, _is) = values.split_once(", is ")?;
        let was = plain_word(was)?;
        match field {
            "vlan" | "spoofchk" | "trust" | "query_rss" | "min_tx_rate" | "max_tx_rate" => {
                of_vf.push(format!("{field} {was}"));
            }
            "admin MAC" => of_vf.push(format!("mac {was}")),
            "link_state" => of_vf.push(format!("state {was}")),
            // They go with the VLAN.
            "vlanQoS" if was == "0" => {}
            "vlanProto" if was == "802.1q" => {}
            "MTU" => of_link.push(format!("mtu {was}")),
            "MAC" => of_link.push(format!("address {was}")),
            "promiscuous" => of_link.push(format!("promisc {was}")),
            "all multicast" => of_link.push(format!("allmulticast {was}")),
            "name" => of_link.push(format!("name {was}")),
            _ => return None,
        }
    }
    let mut commands = Vec::new();
    if !of_vf.is_empty() {
        let (pf, index) = (facts.hardware.hardware.pf_name(device)?, device.vf_index()?);
        let pf = plain_word(pf)?;
        commands.push(format!("ip link set dev {pf} vf {index} {}", of_vf.join(" ")));
    }
    if !of_link.is_empty() {
        let name = plain_word(device.netdev()?.name.as_str())?;
        commands.push(format!("ip link set dev {name} {}", of_link.join(" ")));
    }
    (!commands.is_empty()).then(|| commands.join(" && "))
}

fn held_as_other(facts: &Facts, id: &DeviceId, seen: &Seen, reason: &str) -> Finding {
    let held = facts.kubelet.held.as_ref().ok();
    let holder = held.and_then(|held| held.holder(&id.to_string()));
    let how = match holder {
        Some(holder) => format!(
            "where the pool was renamed: nothing, it ends with that pod (kubectl -n {} delete pod {}); else take the device \
             out of one of both pools",
            quoted(&holder.namespace),
            quoted(&holder.pod)
        ),
        None => "take the device out of one of both pools".to_owned(),
    };
    let what = format!("it is in {}, and {reason}", seen.pool);
    let found = Finding::by_hand(how, Name::TwoPlugins, Severity::Warning, id.to_string(), what);
    found
        .because("a pool was renamed under a running pod, or another device plugin gives it out too")
        .since(since(seen))
}

/// Devices that the kubelet has of two resources.
fn offered_twice(facts: &Facts) -> Vec<Finding> {
    let Some(checkpoint) = &facts.kubelet.checkpoint else {
        return Vec::new();
    };
    let is_ours = |resource: &str| {
        let mut pools = facts.configured.config.pools.iter();
        pools.any(|pool| pool.resource.to_string() == resource)
    };
    let ours = checkpoint.registered.iter().filter(|(resource, _)| is_ours(resource));
    let ours: BTreeMap<&str, &str> = ours
        .flat_map(|(resource, ids)| ids.iter().map(move |id| (id.as_str(), resource.as_str())))
        .collect();
    let others = checkpoint.registered.iter().filter(|(resource, _)| !is_ours(resource));
    let twice = others.filter_map(|(resource, ids)| {
        let ids: Vec<&String> = ids.iter().filter(|id| ours.contains_key(id.as_str())).collect();
        let our = ours.get(ids.first()?.as_str())?;
        let what = format!(
            "{} of its devices are offered as {our} too: two pods may get one device",
            ids.len()
        );
        let how = "keep the other device plugin off this node, with a label that its nodeSelector does not take (kubectl get \
                   daemonset -A shows which there are), or take the devices out of one of both configurations";
        let why = if facts.kubelet.has_upstream == Some(true) {
            "sriov-network-device-plugin runs on this node too"
        } else {
            "another device plugin has registered them with the kubelet"
        };
        let found = Finding::by_hand(how, Name::TwoPlugins, Severity::Error, resource, what).because(why);
        Some(found.devices(ids.into_iter().cloned()))
    });
    twice.collect()
}

fn grouped(facts: &Facts, pool: String, kind: &str, reason: &str, of: &[(&DeviceId, &Seen)]) -> Finding {
    let earliest = of.iter().filter_map(|(_, seen)| since(seen)).min();
    let ids = of.iter().map(|(id, _)| id.to_string());
    if kind == "gone" {
        let what = format!("{} devices that it lists are gone from the bus", of.len());
        let how = "where VFs were removed on purpose: nothing, they leave the list; else make them anew, or see to the card: \
                   dmesg";
        return Finding::by_hand(how, Name::DeviceGone, Severity::Error, pool, what)
            .devices(ids)
            .since(earliest)
            .after([Cause::any(Name::NoVfs)]);
    }
    let devices = of
        .iter()
        .filter_map(|(id, _)| facts.hardware.hardware.inventory.get(id));
    let causes: Vec<Cause> = match kind {
        "no-carrier" => devices
            .filter_map(|device| device.pf())
            .map(|pf| facts.hardware.called(pf))
            .flat_map(|pf| [Cause::of(Name::PfDown, pf.clone()), Cause::of(Name::PfNoCarrier, pf)])
            .collect(),
        "no-driver" => devices
            .map(|device| Cause::of(Name::DriverMissing, subject(facts, device)))
            .collect(),
        "unselected" => vec![Cause::of(Name::WrongDriver, &pool)],
        "pf-gone" => vec![Cause::of(Name::DeviceGone, &pool)],
        "under-repair" | "not-given-back" => of
            .iter()
            .map(|(id, _)| Cause::of(Name::AttachmentLeft, id.to_string()))
            .collect(),
        _ => Vec::new(),
    };
    let what = format!("{} of its devices are not given out: {reason}", of.len());
    let how = match kind {
        "used-by-node" => "take the address, route or upper device away, or name the device in allowNodeDevices",
        "flapping" => "nothing: it is given out once it has been well for 10 s",
        "not-provisioned" => "hardwired plan says what is missing, and why it is not done",
        "unselected" => "bind the driver that the pool asks for, or change its selectors",
        _ => "what the reason says: hardwired devices",
    };
    Finding::by_hand(how, Name::DeviceUnhealthy, Severity::Warning, pool, what)
        .devices(ids)
        .since(earliest)
        .after(causes)
}

fn since(seen: &Seen) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seen.since?))
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
