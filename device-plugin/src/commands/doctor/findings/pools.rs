//! The configuration: what is refused, and pools without devices.

use std::path::Path;

use super::commands::edit;
use super::driver::{subject, without_driver};
use super::hardware::{has_candidates, pools_waiting_for_vfs_of};
use super::iommu::{IOMMU, wants_vfio};
use crate::commands::doctor::facts::Facts;
use crate::commands::doctor::finding::{Cause, Finding, Mend, Severity};
use crate::commands::doctor::name::Name;
use crate::config::Pool;
use crate::pools::PoolMatch;

/// As many reasons as a person reads.
const SHOWN: usize = 4;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let edit = edit(facts);
    let configured = &facts.configured;
    let file = configured
        .file
        .as_deref()
        .unwrap_or_else(|| Path::new(""))
        .display()
        .to_string();
    let mut found = Vec::new();
    found.extend(configured.bad_file.iter().map(|why| {
        let what = "as it is now, it is of no use; what was in force before stays so until hardwired is started anew";
        Finding::mended_by(edit.clone(), Name::ConfigurationRefused, Severity::Error, &file, what).because(why)
    }));
    found.extend(configured.refused.iter().map(|refused| {
        let (pool, why) = refused.split_once(": ").unwrap_or((&file, refused));
        let what = "this pool is refused, and nothing is offered for it";
        Finding::mended_by(edit.clone(), Name::PoolRefused, Severity::Error, pool, what).because(why)
    }));
    let pools = configured.config.pools.iter().enumerate();
    let empty = pools.filter(|(index, _)| facts.hardware.assignment.devices(*index).next().is_none());
    found.extend(empty.map(|(_, pool)| without_devices(facts, pool, &edit)));
    found
}

fn without_devices(facts: &Facts, pool: &Pool, edit: &Mend) -> Finding {
    let resource = pool.resource.to_string();
    let mut causes = Vec::new();
    if wants_vfio(pool) {
        causes.push(Cause::of(Name::IommuOff, IOMMU));
    }
    let devices = &facts.hardware.hardware.inventory.devices;
    let waits = |pf: &&hardwire_pci::Device| {
        let mut waiting = pools_waiting_for_vfs_of(facts, pf).into_iter();
        waiting.any(|waiting| waiting.resource == pool.resource)
    };
    let without_vfs = devices.iter().filter(waits);
    causes.extend(without_vfs.map(|pf| Cause::of(Name::NoVfs, facts.hardware.called(&pf.id))));
    causes.push(Cause::of(Name::WrongDriver, &resource));
    causes.extend(without_driver(facts).map(|device| Cause::of(Name::DriverMissing, subject(facts, device))));
    causes.push(Cause::of(Name::DeviceGone, &resource));
    let reasons: Vec<String> = facts
        .hardware
        .assignment
        .matches
        .iter()
        .filter_map(|(id, found)| match found {
            PoolMatch::Unmatched(reason) => Some(format!("{id}: {reason}")),
            PoolMatch::Pool(_) => None,
        })
        .collect();
    let why = match reasons.len() {
        0 => "there is no network device that is in no pool".to_owned(),
        count if count > SHOWN => format!("{}; and {} more", reasons[..SHOWN].join("; "), count - SHOWN),
        _ => reasons.join("; "),
    };
    // One configuration is for all nodes: most have pools of hardware that others have.
    let (severity, what) = if has_candidates(facts, pool) || is_listed(facts, &resource) {
        (Severity::Error, "no device is in this pool: pods that ask for it wait")
    } else {
        (Severity::Note, "no device of the kind that it takes is on this node")
    };
    Finding::mended_by(edit.clone(), Name::PoolEmpty, severity, resource, what)
        .because(why)
        .after(causes)
}

/// Whether the daemon still lists a device of it, which is gone.
fn is_listed(facts: &Facts, resource: &str) -> bool {
    facts.state.view.devices.values().any(|seen| seen.pool == resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_hardware_that_other_nodes_have_is_only_noted() {
        let pools = serde_json::json!([{"resourceName": "a", "selectors": {"pfNames": ["eth9"], "drivers": ["iavf"]}}]);
        let mut facts = Facts::with_pools(&pools);
        facts.add_vf(0, Some("igbvf"));
        let severity = |facts: &Facts| {
            findings(facts)
                .into_iter()
                .map(|found| found.severity)
                .collect::<Vec<_>>()
        };
        assert_eq!(severity(&facts), [Severity::Note]);
        facts.rename_pf("eth9");
        assert_eq!(severity(&facts), [Severity::Error], "only the driver is another one");
    }
}
