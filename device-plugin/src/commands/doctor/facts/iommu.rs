//! The witness for the IOMMU: its groups in sysfs, what the kernel was told, whose processor it is.
//!
//! Contract: Documentation/admin-guide/kernel-parameters.txt: `intel_iommu=` and `iommu=` take lists, `amd_iommu=` has an `off` and no
//! `on`; a later word counts.

use std::fs;

use hardwire_pci::Sysfs;

use super::places::Places;

/// Whether devices can be given to user space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Iommu {
    /// How many groups there are; none means that it is off.
    pub groups: usize,
    /// VFIO was told to do without.
    pub is_waived: bool,
    /// The kernel's command line.
    pub command_line: Option<String>,
    /// Whose processor it is.
    pub processor: Processor,
}

/// Who makes the IOMMU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Processor {
    /// VT-d.
    Intel,
    /// AMD-Vi, Hygon's too.
    Amd,
    /// Another one, or one that is not known.
    #[default]
    Other,
}

// === impl Iommu ===

impl Iommu {
    pub(super) fn read(places: &Places, sysfs: &Sysfs) -> Self {
        let waived = sysfs.path("module/vfio/parameters/enable_unsafe_noiommu_mode");
        let of_proc = |name: &str| fs::read_to_string(places.proc.join(name)).ok();
        Self {
            groups: sysfs.names(&sysfs.path("kernel/iommu_groups")).len(),
            is_waived: sysfs.optional_text(&waived).is_some_and(|text| text == "Y"),
            command_line: of_proc("cmdline").map(|text| text.trim().to_owned()),
            processor: Processor::in_text(&of_proc("cpuinfo").unwrap_or_default()),
        }
    }

    /// The word that turned it off, if one did.
    pub fn turned_off_by(&self) -> Option<String> {
        let own = self.processor.parameter();
        let names = own.into_iter().chain(["iommu"]);
        let last = names.filter_map(|name| Some((name, self.last(name)?)));
        let mut off = last.filter(|(_, value)| value.split(',').any(|part| part == "off"));
        off.next().map(|(name, value)| format!("{name}={value}"))
    }

    /// Whether the kernel was told to turn it on.
    pub fn is_asked_for(&self) -> bool {
        let last = self.processor.parameter().and_then(|name| self.last(name));
        last.is_some_and(|value| value.split(',').any(|part| part == "on"))
    }

    /// The value of the last word for a parameter.
    fn last(&self, name: &str) -> Option<&str> {
        let words = self.command_line.as_deref()?.split_whitespace();
        words
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='))
            .next_back()
    }
}

// === impl Processor ===

impl Processor {
    fn in_text(cpuinfo: &str) -> Self {
        if cpuinfo.contains("GenuineIntel") {
            Self::Intel
        } else if cpuinfo.contains("AuthenticAMD") || cpuinfo.contains("HygonGenuine") {
            Self::Amd
        } else {
            Self::Other
        }
    }

    fn parameter(self) -> Option<&'static str> {
        match self {
            Self::Intel => Some("intel_iommu"),
            Self::Amd => Some("amd_iommu"),
            Self::Other => None,
        }
    }
}
