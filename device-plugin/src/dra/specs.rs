//! What the runtime does to a container that refers to a request of a claim: a CDI spec for each claim.
//!
//! Contract: CDI 0.5.0. Names have the claim's uid in them: a runtime that knows a name from an earlier claim does not look at
//! the folder again. A device without nodes says in a variable which it is.

use std::io;
use std::path::PathBuf;

use hardwire_cni::claims::ClaimRecord;

use super::claimable::Claimable;
use crate::container::claim_spec::{self, ClaimDevice};
use crate::container::{Characters, HostPaths};

/// Where specs of claims go, and what they are made with.
#[derive(Debug, Clone)]
pub struct Specs(HostPaths);

// === impl Specs ===

impl Specs {
    /// On this node.
    pub fn new(host_paths: HostPaths) -> Self {
        Self(host_paths)
    }

    /// Says on the record what its devices are called.
    pub(super) fn name(record: &mut ClaimRecord) {
        for device in &mut record.devices {
            device.cdi = vec![claim_spec::qualified(&record.driver, &record.claim.uid, &device.name)];
        }
    }

    /// Sees to it that the spec of a claim is there. Blocking: reads sysfs.
    pub(super) fn ensure(&self, record: &ClaimRecord, claimable: &Claimable) -> io::Result<()> {
        let devices = record.devices.iter().map(|claimed| {
            let named = claimable.named(&claimed.name);
            let member = named.and_then(|(_, id, state)| claimable.member(id, state));
            let nodes = member.map(|member| {
                let shared = self.0.shared_by(member.device);
                Characters::read(&self.0.sysfs, &shared, &member).nodes()
            });
            ClaimDevice {
                name: &claimed.name,
                id: claimed.device.to_string(),
                resource: &claimed.resource,
                nodes: nodes.unwrap_or_default(),
            }
        });
        let devices: Vec<ClaimDevice<'_>> = devices.collect();
        match claim_spec::spec(&self.0.publisher.cdi, &record.driver, &record.claim.uid, &devices) {
            Some(spec) => spec.ensure(),
            None => Ok(()),
        }
    }

    /// Whether it is there. A record whose spec is gone is made whole from what is known now.
    pub(super) fn is_there(&self, uid: &str) -> bool {
        self.path(uid).exists()
    }

    /// Removes the spec of a claim.
    pub(super) fn remove(&self, uid: &str) {
        claim_spec::remove(&self.path(uid));
    }

    /// Removes those of other claims than these: of a daemon that was killed in between.
    pub(super) fn sweep(&self, records: &[ClaimRecord]) {
        for (uid, path) in claim_spec::all(&self.0.publisher.cdi) {
            if !records.iter().any(|record| record.claim.uid == uid) {
                claim_spec::remove(&path);
            }
        }
    }

    fn path(&self, uid: &str) -> PathBuf {
        claim_spec::path(&self.0.publisher.cdi, uid)
    }
}
