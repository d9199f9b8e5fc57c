//! Records that this program does not understand, and what can be told of them all the same.
//!
//! A record of another layout is another version's of this program, before an upgrade or after a step back: its device may
//! be in a pod. Whose it is stands where every layout so far has it.

use std::path::{Path, PathBuf};

use hardwire_pci::{DeviceId, IfName};
use serde_json::Value;

use crate::protocol::ContainerId;

/// A record that makes no sense: torn, empty, or of another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("journal: record {} is not understood: {reason}", path.display())]
pub struct Unreadable {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
    /// Its layout, where that is another one than ours.
    pub other_version: Option<u64>,
    /// What else can be read of it; nothing of one that is torn.
    pub salvaged: Box<Salvaged>,
}

/// What every layout has in the same place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// `device`.
    pub device: Option<DeviceId>,
    /// `owner.container_id`.
    pub container_id: Option<ContainerId>,
    /// `owner.ifname`.
    pub ifname: Option<IfName>,
    /// `owner.netns_path`.
    pub netns_path: Option<String>,
}

impl Unreadable {
    pub(super) fn new(path: &Path, reason: String, bytes: &[u8], ours: u32) -> Self {
        let value: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let version = value.get("version").and_then(Value::as_u64);
        let owner = value.get("owner").unwrap_or(&Value::Null);
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        Self {
            path: path.to_owned(),
            reason,
            other_version: version.filter(|version| *version != u64::from(ours)),
            salvaged: Box::new(Salvaged {
                device: text(&value, "device").and_then(|device| device.parse().ok()),
                container_id: text(owner, "container_id").and_then(|id| id.parse().ok()),
                ifname: text(owner, "ifname").and_then(|name| name.parse().ok()),
                netns_path: text(owner, "netns_path"),
            }),
        }
    }

    /// Whether it is of this attachment; `None` if nobody can tell.
    pub fn is_of(&self, container_id: &ContainerId, ifname: &IfName) -> Option<bool> {
        let Salvaged {
            container_id: id,
            ifname: name,
            ..
        } = &*self.salvaged;
        Some(id.as_ref()? == container_id && name.as_ref()? == ifname)
    }
}
