//! What is left for the plugin: what is on the host's interfaces from other namespaces, and which devices of the node the
//! pools give away.

use std::collections::BTreeSet;
use std::path::Path;

use hardwire_cni::node::{Findings, Upper};
use hardwire_pci::DeviceId;
use tracing::warn;

use super::lists::PoolList;
use crate::pools::{Assignment, Hardware, PoolMatch};

/// What the file says, or would if it could be written.
#[derive(Debug, Default)]
pub(super) struct WrittenFindings {
    last: Option<Findings>,
    /// It is in the file.
    is_written: bool,
}

// === impl WrittenFindings ===

impl WrittenFindings {
    /// Writes the file, if it says something else than before. Nothing before the first search.
    pub(super) fn write(
        &mut self,
        (state, boot): (Option<&Path>, &str),
        uppers: Option<&[Upper]>,
        lists: &[PoolList],
        assignment: &Assignment,
        hardware: &Hardware,
    ) {
        let (Some(uppers), Some(state)) = (uppers, state) else {
            return;
        };
        let before = self.last.as_ref().map(|findings| &findings.allowed);
        let findings = Findings {
            version: Findings::VERSION,
            boot: boot.to_owned(),
            allowed: allowed(before, lists, assignment, hardware),
            uppers: uppers.to_vec(),
        };
        if self.is_written && self.last.as_ref() == Some(&findings) {
            return;
        }
        if let Err(error) = findings.write(state) {
            warn!("what the plugin should know of the node is not written: {error}");
            self.is_written = false;
        } else {
            self.is_written = true;
        }
        self.last = Some(findings);
    }
}

/// The devices that their pools may give away although they are the node's. One whose interface is in a pod has lost the name
/// by which its pool may know it.
fn allowed(
    before: Option<&BTreeSet<DeviceId>>,
    lists: &[PoolList],
    assignment: &Assignment,
    hardware: &Hardware,
) -> BTreeSet<DeviceId> {
    let is_allowed = |(id, place): &(&DeviceId, &PoolMatch)| {
        let PoolMatch::Pool(index) = place else { return false };
        let (Some(pool), Some(device)) = (lists.get(*index), hardware.inventory.get(id)) else {
            return false;
        };
        let was_allowed = || device.netdevs.is_empty() && before.is_some_and(|before| before.contains(*id));
        pool.pool.allows(device) || !pool.pool.allow_node_devices.is_empty() && was_allowed()
    };
    let places = assignment.matches.iter().filter(is_allowed);
    places.map(|(id, _)| id.clone()).collect()
}
