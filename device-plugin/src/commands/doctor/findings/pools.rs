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
        let what = match facts.daemon {
            Ok(_) => "as it is now, it is of no use; what was in force before stays so until hardwired is started anew",
            Err(_) => "as it is now, it is of no use: hardwired does not start with it",
        };
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
        0 => "every device here is in another pool, or there is none".to_owned(),
        count if count > SHOWN => format!("{}; and {} more", reasons[..SHOWN].join("; "), count - SHOWN),
        _ => reasons.join("; "),
    };
    // One configuration is for all nodes: most have pools of hardware that others have.
    let (severity, what, mend) = if has_candidates(facts, pool) || is_listed(facts, &resource) {
        let what = "no device is in this pool: pods that ask for it wait";
        (Severity::Error, what, edit.clone())
    } else {
        let what = "no device of the kind that it takes is on this node";
        (
            Severity::Note,
            what,
            Mend::by_hand("nothing, where other nodes have such devices"),
        )
    };
    Finding::mended_by(mend, Name::PoolEmpty, severity, resource, what)
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
        assert!(
            matches!(&findings(&facts)[0].mend, Mend::ByHand(how) if how.contains("nothing, where other nodes")),
            "one configuration is for all nodes"
        );
        facts.rename_pf("eth9");
        assert_eq!(severity(&facts), [Severity::Error], "only the driver is another one");
        assert!(matches!(findings(&facts)[0].mend, Mend::Command { .. }));
    }

    /// As after each boot of a node with the pools of all examples.
    #[test]
    fn vfs_that_nobody_made_are_the_cause_also_where_the_pf_is_in_a_pool() {
        let mut facts = Facts::with_pools(&serde_json::json!([
            {"resourceName": "vfs", "selectors": {"drivers": ["igbvf"]}},
            {"resourceName": "nics", "selectors": {"functions": ["plain", "pf"]}},
        ]));
        facts.without_vfs();
        let found = super::super::all(&facts);
        let names: Vec<Name> = found.iter().map(|found| found.name).collect();
        assert_eq!(names, [Name::NoVfs], "{found:#?}");
        assert_eq!(found[0].follows[0].name, Name::PoolEmpty);
        let why = found[0].follows[0].why.as_deref();
        assert_eq!(why, Some("every device here is in another pool, or there is none"));
    }

    #[test]
    fn a_configuration_that_keeps_the_daemon_from_starting_is_the_cause_and_not_its_absence() {
        use crate::commands::doctor::facts::NoDaemon;

        let mut facts = Facts::with_pools(&serde_json::json!([]));
        facts.daemon = Err(NoDaemon::Absent("connection refused".to_owned()));
        facts.configured.bad_file = Some("not JSON".to_owned());
        let found = super::super::all(&facts);
        assert_eq!(
            (found.len(), found[0].name),
            (1, Name::ConfigurationRefused),
            "{found:#?}"
        );
        assert!(
            found[0].what.ends_with("hardwired does not start with it"),
            "{}",
            found[0].what
        );
        assert_eq!(found[0].follows[0].name, Name::DaemonAbsent);
        facts.configured.bad_file = None;
        facts.configured.refused = vec!["resourceList[0] (x): selectors: no".to_owned()];
        let found = super::super::all(&facts);
        assert_eq!((found.len(), found[0].name), (1, Name::PoolRefused), "{found:#?}");
        let mut others = Facts::sample();
        others.daemon = Err(NoDaemon::Absent("connection refused".to_owned()));
        others.configured.refused = facts.configured.refused;
        let found = super::super::all(&others);
        assert!(
            found.iter().any(|found| found.name == Name::DaemonAbsent),
            "it starts with the other pool"
        );
    }
}
