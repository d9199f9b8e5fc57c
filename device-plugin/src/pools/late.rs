//! Character devices that were not there when an offer was made: the module that makes them (`ib_uverbs`, `rdma_ucm`,
//! `vhost_net`) was loaded later. An event tells of that, and the offer is made anew; an Allocate that comes before looks for
//! itself, at the devices that it is about.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_pci::{DeviceId, read_device};

use super::given::Given;
use crate::config::{Needs, Pool};
use crate::container::{HostPaths, Member};

/// What an offer was made with.
#[derive(Debug)]
pub(super) struct Maker {
    pool: Pool,
    host_paths: HostPaths,
}

/// Devices that lacked something.
#[derive(Debug)]
pub struct Late {
    maker: Arc<Maker>,
    devices: Vec<(String, Needs)>,
}

/// An offer is what its devices are: what they were made with does not count.
impl PartialEq for Maker {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Maker {}

// === impl Maker ===

impl Maker {
    pub(super) fn new(pool: &Pool, host_paths: &HostPaths) -> Self {
        Self {
            pool: pool.clone(),
            host_paths: host_paths.clone(),
        }
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn host_paths(&self) -> &HostPaths {
        &self.host_paths
    }
}

// === impl Late ===

impl Late {
    pub(super) fn new(maker: Arc<Maker>, devices: Vec<(String, Needs)>) -> Self {
        Self { maker, devices }
    }

    /// Looks again. Reads sysfs: the devices themselves, and where RDMA is wanted the classes of its files.
    #[must_use]
    pub fn look(&self) -> BTreeMap<String, Given> {
        let looked = self
            .devices
            .iter()
            .map(|(id, needs)| Some((id.clone(), self.given(id, *needs)?)));
        looked.flatten().collect()
    }

    fn given(&self, id: &str, needs: Needs) -> Option<Given> {
        let Maker { pool, host_paths } = &*self.maker;
        let read = |id: &DeviceId| read_device(&host_paths.sysfs, id).ok();
        let device = read(&id.parse().ok()?)?;
        let pf = device.pf().and_then(read);
        let member = Member {
            device: &device,
            pf: pf.as_ref(),
            needs,
            // Of no account here.
            healthy: true,
            refused: None,
            held_as: None,
            is_held: false,
        };
        Some(Given::read(pool, &member, host_paths, &host_paths.shared_by(&device)))
    }
}

#[cfg(test)]
#[path = "late_tests.rs"]
mod tests;
