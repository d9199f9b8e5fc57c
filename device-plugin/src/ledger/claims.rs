//! What claims say: which devices were prepared for one. They are the daemon's own records, which the plugin reads too.

use std::collections::BTreeMap;

use hardwire_cni::claims::{ClaimRecord, ClaimStore};
use hardwire_pci::DeviceId;

/// Claims as a witness.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prepared {
    /// Those that are prepared.
    pub records: Vec<ClaimRecord>,
    /// Why that may not be all.
    pub unheard: Option<String>,
}

/// A device that a claim has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OfClaim {
    /// `NAMESPACE/NAME` of the claim.
    pub(super) claim: String,
    /// As which resource.
    pub(super) resource: String,
}

// === impl Prepared ===

impl Prepared {
    /// As the records have them now. Blocking.
    pub fn read(store: &ClaimStore) -> Self {
        match store.all() {
            Ok(records) => Self { records, unheard: None },
            Err(error) => Self {
                records: Vec::new(),
                unheard: Some(format!("which devices claims have is not known: {error}")),
            },
        }
    }

    /// Each device that a claim has.
    pub(super) fn by_device(&self) -> BTreeMap<DeviceId, OfClaim> {
        let each = self.records.iter();
        let each = each.flat_map(|record| record.devices.iter().map(move |device| (record, device)));
        let entry = |(record, device): (&ClaimRecord, &hardwire_cni::claims::ClaimedDevice)| {
            let held = OfClaim {
                claim: record.name(),
                resource: device.resource.clone(),
            };
            (device.device.clone(), held)
        };
        each.map(entry).collect()
    }
}
