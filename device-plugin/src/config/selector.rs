//! Which devices a pool takes: all fields of a selector must match, any value within a field.
//!
//! Field names and meanings are those of sriov-network-device-plugin, and some of our own. A value that can match nothing
//! is refused: ignored, it would let a pool take devices that it must not have.

use hardwire_pci::{Device, Function, LinkType, VdpaDriver};

use super::candidate::{Asked, Candidate, DdpProfile, Detail};
use super::pattern::{Choice, Pattern};
use super::pf_selector::PfSelector;
use super::policy::Needs;
use super::ranges::Ranges;
use super::speeds::Speeds;

const DDP_PROFILES: &str = "ddpProfiles";

/// A conjunction of conditions; without any, every device matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    pub(super) vendors: Choice<String>,
    pub(super) devices: Choice<String>,
    pub(super) drivers: Choice<Pattern>,
    pub(super) addresses: Choice<Pattern>,
    pub(super) acpi_indexes: Choice<String>,
    pub(super) pf_names: Choice<PfSelector>,
    pub(super) pf_altnames: Choice<PfSelector>,
    pub(super) pf_macs: Choice<PfSelector>,
    pub(super) root_devices: Choice<PfSelector>,
    pub(super) link_types: Choice<LinkType>,
    pub(super) ddp_profiles: Choice<Pattern>,
    pub(super) pkeys: Choice<u16>,
    /// Only devices that can do RDMA, or only those that cannot.
    pub(super) rdma: Option<bool>,
    pub(super) vdpa: Option<VdpaDriver>,
    pub(super) vhost_net: bool,
    pub(super) vf_indexes: Choice<Ranges>,
    pub(super) functions: Choice<FunctionKind>,
    /// -1 where the firmware knows none.
    pub(super) numa_nodes: Choice<i64>,
    pub(super) link_speeds: Choice<Speeds>,
}

/// The kind of function that a device is: an entry of `functions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FunctionKind {
    Plain,
    Pf,
    Vf,
    Sf,
}

/// Whether a driver gives devices to user space: `vfio-pci`, and variants such as `mlx5_vfio_pci`.
pub fn is_vfio(driver: &str) -> bool {
    driver == "vfio-pci" || driver.ends_with("_vfio_pci")
}

// === impl Selector ===

impl Selector {
    /// Whether a device is selected.
    pub fn matches(&self, candidate: &Candidate<'_>) -> bool {
        self.mismatch(candidate).is_none()
    }

    /// The field that a device does not match, the first one if there are several.
    pub fn mismatch(&self, candidate: &Candidate<'_>) -> Option<&'static str> {
        self.mismatches(candidate).next()
    }

    /// Whether it asks for a DDP profile of a device that matches in everything else.
    pub fn wants_profile(&self, candidate: &Candidate<'_>) -> bool {
        !self.ddp_profiles.is_empty() && self.mismatches(candidate).all(|field| field == DDP_PROFILES)
    }

    /// Whether nothing but the answer to that is missing.
    pub fn awaits_profile(&self, candidate: &Candidate<'_>) -> bool {
        let profile = candidate.details.map(|details| &details.ddp_profile);
        profile == Some(&DdpProfile::Unknown) && self.wants_profile(candidate)
    }

    /// The drivers that it asks for by name.
    pub fn drivers(&self) -> impl Iterator<Item = &str> {
        self.drivers.named()
    }

    /// Whether all drivers that it asks for are VFIO's.
    pub fn is_for_vfio(&self) -> bool {
        self.drivers.are_all(is_vfio)
    }

    /// All fields that a device does not match.
    pub fn mismatches(&self, candidate: &Candidate<'_>) -> impl Iterator<Item = &'static str> + use<> {
        let device = candidate.device;
        let conditions: [(&str, bool); 17] = [
            ("vendors", self.vendors.takes(|id| *id == device.vendor)),
            ("devices", self.devices.takes(|id| *id == device.device)),
            (
                "drivers",
                self.drivers
                    .takes_known(candidate.driver(), |entry, driver| entry.matches(driver)),
            ),
            ("pciAddresses", self.has_address(candidate)),
            ("acpiIndexes", {
                let index = device.acpi_index.as_ref();
                self.acpi_indexes.takes_known(index, |entry, index| entry == *index)
            }),
            ("pfNames", of_pf(&self.pf_names, device, || candidate.pf_names())),
            (
                "pfAltNames",
                of_pf(&self.pf_altnames, device, || candidate.pf_altnames()),
            ),
            ("pfMacs", of_pf(&self.pf_macs, device, || candidate.pf_macs())),
            (
                "rootDevices",
                of_pf(&self.root_devices, device, || Some(vec![device.pf()?.to_string()])),
            ),
            (
                "linkTypes",
                self.link_types.takes_known(candidate.link_type(), PartialEq::eq),
            ),
            (DDP_PROFILES, self.has_profile(candidate)),
            ("pKeys", self.has_pkey(candidate)),
            (
                self.rdma_field(),
                self.rdma.is_none_or(|rdma| rdma == candidate.has_rdma()),
            ),
            ("vdpaType", self.has_vdpa(candidate)),
            ("vfIndexes", {
                let index = device.function_index();
                self.vf_indexes.takes_known(index, |entry, index| entry.contain(*index))
            }),
            (
                "functions",
                self.functions.takes(|part| *part == FunctionKind::of(&device.function)),
            ),
            (
                "linkSpeeds",
                self.link_speeds
                    .takes_known(candidate.speed(), |entry, speed| entry.contain(*speed)),
            ),
        ];
        let node = device.numa_node.map_or(-1, i64::from);
        let numa = ("numaNodes", self.numa_nodes.takes(|entry| *entry == node));
        let failed = conditions.into_iter().chain([numa]).filter(|(_, holds)| !holds);
        failed.map(|(field, _)| field)
    }

    /// Whether its `functions` let VFs in.
    pub fn may_take_vfs(&self) -> bool {
        self.functions.takes(|part| *part == FunctionKind::Vf)
    }

    /// Whether nothing but a driver is missing.
    pub fn awaits_driver(&self, candidate: &Candidate<'_>) -> bool {
        if candidate.driver().is_some() {
            return false;
        }
        let anyhow_bound = Self {
            drivers: Choice::default(),
            ..self.clone()
        };
        anyhow_bound.matches(candidate)
    }

    /// What its devices are given out with.
    pub fn needs(&self) -> Needs {
        Needs {
            rdma: self.rdma == Some(true),
            vhost_net: self.vhost_net,
            vdpa: self.vdpa,
        }
    }

    /// What must be known of devices besides what is read anyway.
    pub fn asks(&self) -> Asked {
        let asks = [
            (
                Detail::PfNames,
                !self.pf_altnames.is_empty() || !self.pf_macs.is_empty(),
            ),
            (Detail::Speed, !self.link_speeds.is_empty()),
            (Detail::PKeys, !self.pkeys.is_empty()),
            (Detail::Rdma, self.rdma.is_some()),
            (Detail::DdpProfile, !self.ddp_profiles.is_empty()),
        ];
        asks.into_iter()
            .filter(|(_, asked)| *asked)
            .map(|(detail, _)| detail)
            .collect()
    }

    fn has_address(&self, candidate: &Candidate<'_>) -> bool {
        if self.addresses.is_empty() {
            return true;
        }
        let id = candidate.device.id.to_string();
        self.addresses.takes(|entry| entry.matches(&id))
    }

    fn has_profile(&self, candidate: &Candidate<'_>) -> bool {
        let profile = match candidate.details.map(|details| &details.ddp_profile) {
            Some(DdpProfile::Named(profile)) => Some(profile),
            Some(DdpProfile::Unknown | DdpProfile::None) | None => None,
        };
        self.ddp_profiles
            .takes_known(profile, |entry, profile| entry.matches(profile))
    }

    /// Ethernet has partition keys as well, all the same one.
    fn has_pkey(&self, candidate: &Candidate<'_>) -> bool {
        let keys = candidate.details.map_or(&[][..], |details| &details.pkeys);
        let on_infiniband = candidate.link_type() == Some(LinkType::Infiniband);
        let keys = Some(keys).filter(|keys| on_infiniband && !keys.is_empty());
        self.pkeys.takes_known(keys, |entry, keys| keys.contains(entry))
    }

    fn has_vdpa(&self, candidate: &Candidate<'_>) -> bool {
        let mut devices = candidate.device.vdpa.iter();
        self.vdpa
            .is_none_or(|driver| devices.any(|vdpa| vdpa.driver == Some(driver)))
    }

    fn rdma_field(&self) -> &'static str {
        if self.rdma == Some(false) { "notRdma" } else { "isRdma" }
    }
}

/// Whether the PF, by any of its names, and the function of it are chosen. Devices without a PF never are, nor are those
/// whose PF's names are not known.
fn of_pf(choice: &Choice<PfSelector>, device: &Device, names: impl FnOnce() -> Option<Vec<String>>) -> bool {
    if choice.is_empty() {
        return true;
    }
    let index = device.function_index();
    names().is_some_and(|names| choice.takes(|entry| names.iter().any(|name| entry.matches(name, index))))
}

// === impl FunctionKind ===

impl FunctionKind {
    fn of(function: &Function) -> Self {
        match function {
            Function::Plain => Self::Plain,
            Function::Pf { .. } => Self::Pf,
            Function::Vf { .. } => Self::Vf,
            Function::Sf { .. } => Self::Sf,
        }
    }
}

#[cfg(test)]
#[path = "selector_tests.rs"]
mod tests;
