//! What the loop leaves for claims: which devices they may have, and how each is.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardwire_pci::{Device, DeviceId};

use super::names::device_name;
use crate::config::{DriverName, Needs, Pool};
use crate::container::Member;
use crate::pools::Hardware;

/// The pools whose devices are given to claims, at one moment. Cheap to copy.
#[derive(Debug, Clone, Default)]
pub struct Claimable {
    /// Whose they are; none where nothing is given to claims.
    pub driver: Option<DriverName>,
    /// What was read of the devices.
    pub hardware: Arc<Hardware>,
    /// The pools, in the order of the configuration.
    pub pools: Vec<ClaimablePool>,
}

/// A pool whose devices are given to claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimablePool {
    /// What the configuration says.
    pub pool: Pool,
    /// Its devices.
    pub devices: BTreeMap<DeviceId, ClaimableDevice>,
}

/// How a device is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimableDevice {
    /// Why it is not to be given out.
    pub unhealthy: Option<String>,
    /// Why it is given to nobody, whoever asks.
    pub refused: Option<String>,
    /// By a name that stays, what kind of reason `unhealthy` is.
    pub kind: Option<&'static str>,
    /// Who has it in another way than by a claim.
    pub held_as: Option<String>,
    /// Somebody has it.
    pub is_held: bool,
    /// What it is given out with.
    pub needs: Needs,
    /// As it was last seen, for one that is gone.
    pub ghost: Option<Box<Device>>,
}

impl PartialEq for Claimable {
    /// Hardware that was read again counts as another.
    fn eq(&self, other: &Self) -> bool {
        self.driver == other.driver && Arc::ptr_eq(&self.hardware, &other.hardware) && self.pools == other.pools
    }
}

// === impl Claimable ===

impl Claimable {
    /// The device with this name, and its pool.
    pub fn named(&self, name: &str) -> Option<(&ClaimablePool, &DeviceId, &ClaimableDevice)> {
        let each = self.pools.iter();
        let mut each = each.flat_map(|pool| pool.devices.iter().map(move |(id, device)| (pool, id, device)));
        each.find(|(_, id, _)| device_name(id) == name)
    }

    /// A device as it is, or as it was last seen.
    pub fn device<'a>(&'a self, id: &DeviceId, claimable: &'a ClaimableDevice) -> Option<&'a Device> {
        self.hardware.inventory.get(id).or(claimable.ghost.as_deref())
    }

    /// What a container gets with a device is read by this.
    pub fn member<'a>(&'a self, id: &DeviceId, claimable: &'a ClaimableDevice) -> Option<Member<'a>> {
        let device = self.device(id, claimable)?;
        Some(Member {
            device,
            pf: self.hardware.inventory.pf_of(device),
            needs: claimable.needs,
            healthy: claimable.unhealthy.is_none(),
            refused: claimable.refused.clone(),
            held_as: claimable.held_as.clone(),
            is_held: claimable.is_held,
        })
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Config, Defaults};

    /// One pool of this form, of `vfs` VFs from 0000:3b:02.0 on.
    pub(crate) fn of_pool(fields: &Value, vfs: u32) -> Claimable {
        let mut pool = json!({"resourceName": "vfs", "selectors": {}, "via": "dra"});
        for (key, value) in fields.as_object().into_iter().flatten() {
            pool[key] = value.clone();
        }
        let defaults = Defaults {
            resource_prefix: "intel.com".to_owned(),
            plugin_directory: "/p".into(),
        };
        let config = Config::from_json(json!({"resourceList": [pool]}), &defaults).unwrap();
        let driver = config.driver();
        let pool = config
            .pools
            .into_iter()
            .next()
            .unwrap_or_else(|| panic!("{:?}", config.refused));
        let devices = (0..vfs).map(|n| {
            let id = format!("0000:{:02x}:{:02x}.{}", 0x3b + n / 128, 2 + n % 128 / 8, n % 8);
            let id: DeviceId = id.parse().unwrap();
            (id, ClaimableDevice::default())
        });
        Claimable {
            driver,
            hardware: Arc::default(),
            pools: vec![ClaimablePool {
                pool,
                devices: devices.collect(),
            }],
        }
    }

    /// The same, of a pool that says nothing else.
    pub(crate) fn claimable(vfs: u32) -> Claimable {
        of_pool(&Value::Null, vfs)
    }
}
