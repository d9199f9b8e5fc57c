//! What is wrong, as functions of the facts: one file per kind of cause. Nothing is read here.
//!
//! - [`state`]: the daemon, its state directory, its sockets; [`confinement`]: what it may not do;
//! - [`pools`]: the configuration; [`kubelet`]: the conversation with it;
//! - [`iommu`]; [`hardware`]: VFs, PFs; [`driver`]: what is bound to devices;
//! - [`attachments`]: devices whose pods are gone; [`devices`]: what the daemon holds against a device;
//! - [`plugin`]: the CNI directory; [`networks`]: Multus, NADs, addresses;
//! - [`commands`]: how what mends is written.

mod attachments;
mod commands;
mod confinement;
mod devices;
mod driver;
mod hardware;
mod iommu;
mod kubelet;
mod networks;
mod plugin;
mod pools;
mod state;

use super::causes::folded;
use super::facts::Facts;
use super::finding::Finding;

/// Everything that is wrong, what follows from it below it.
pub fn all(facts: &Facts) -> Vec<Finding> {
    let found = [
        state::findings(facts),
        confinement::findings(facts),
        pools::findings(facts),
        kubelet::findings(facts),
        iommu::findings(facts),
        hardware::findings(facts),
        driver::findings(facts),
        attachments::findings(facts),
        devices::findings(facts),
        plugin::findings(facts),
        networks::findings(facts),
    ];
    folded(found.into_iter().flatten().collect())
}
