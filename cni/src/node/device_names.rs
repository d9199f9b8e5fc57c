//! The devices of a pool, as one text: each ADD asks for one of perhaps a thousand, and decoding them all costs more than looking
//! for one.

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};

/// No id has one: it is an address or the name of an interface.
const BETWEEN: char = ' ';

/// Ids of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceNames(String);

// === impl DeviceNames ===

impl DeviceNames {
    /// Whether a device is among them.
    pub fn contains(&self, device: &DeviceId) -> bool {
        let name = device.to_string();
        self.names().any(|other| other == name)
    }

    /// Each; what is no id is none.
    pub fn iter(&self) -> impl Iterator<Item = DeviceId> {
        self.names().filter_map(|name| name.parse().ok())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(BETWEEN).filter(|name| !name.is_empty())
    }
}

impl<'a> FromIterator<&'a DeviceId> for DeviceNames {
    fn from_iter<T: IntoIterator<Item = &'a DeviceId>>(devices: T) -> Self {
        let mut text = String::new();
        for device in devices {
            if !text.is_empty() {
                text.push(BETWEEN);
            }
            text.push_str(&device.to_string());
        }
        text.shrink_to_fit();
        Self(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_its_whole_name() {
        let ids: Vec<DeviceId> = ["0000:3b:02.1", "0000:3b:02.2/p1", "net/eth10"]
            .map(|text| text.parse().unwrap())
            .into();
        let names: DeviceNames = ids.iter().collect();
        assert_eq!((names.len(), names.iter().collect::<Vec<_>>()), (3, ids.clone()));
        assert!(ids.iter().all(|id| names.contains(id)));
        for other in ["0000:3b:02.2", "net/eth1", "0000:3b:02.0"] {
            assert!(!names.contains(&other.parse().unwrap()), "{other}");
        }
        let none: DeviceNames = std::iter::empty().collect();
        assert!(none.is_empty() && !none.contains(&ids[0]));
        let read: DeviceNames = serde_json::from_str(&serde_json::to_string(&names).unwrap()).unwrap();
        assert_eq!(read, names);
    }
}
