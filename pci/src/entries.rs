//! The names in the directory of a PCI function.

use crate::sysfs::Directory;

/// What there is in a device's directory, listed once: most of what a device may have it has not, and asking for each costs
/// as much as reading it.
#[derive(Default)]
pub(crate) struct Entries {
    /// Of [`READ`], those that are there.
    there: Vec<&'static str>,
    /// Those that may be devices below this one, sorted.
    pub(crate) below: Vec<String>,
}

/// What is read of a function, or tells what else is.
const READ: [&str; 8] = [
    "acpi_index",
    "driver",
    "infiniband",
    "iommu_group",
    "net",
    "numa_node",
    "physfn",
    "sriov_totalvfs",
];

// === impl Entries ===

impl Entries {
    /// Of a PCI function. Names that follow no scheme are remembered only where vDPA devices may be called so.
    pub(crate) fn of(directory: &Directory, has_vdpa_bus: bool) -> Self {
        let mut entries = Self::default();
        directory.each_name(|name| {
            if let Some(known) = READ.iter().find(|known| **known == name) {
                entries.there.push(known);
            } else if has_vdpa_bus || name.starts_with("vdpa") || name.starts_with("virtio") {
                entries.below.push(name.to_owned());
            }
        });
        entries.below.sort_unstable();
        entries
    }

    /// Whether one of [`READ`] is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.there.contains(&name)
    }
}
