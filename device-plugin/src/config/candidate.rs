//! What a selector looks at.

use std::collections::BTreeSet;

use hardwire_pci::{Device, Function, LinkType, MacAddr};

/// A device, and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The device.
    pub device: &'a Device,
    /// Its PF, or the parent of a subfunction, where it shows one.
    pub pf: Option<&'a Device>,
    /// What was asked for of the device.
    pub details: Option<&'a Details>,
    /// What was asked for of the PF.
    pub pf_details: Option<&'a Details>,
}

/// What is read of a device only because a selector asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Alternative names of its interface.
    pub altnames: Vec<String>,
    /// The MAC address it was made with, which stays while a bond gives it another.
    pub permanent_mac: Option<MacAddr>,
    /// Mbit/s.
    pub speed: Option<u32>,
    /// Partition keys at index 0.
    pub pkeys: Vec<u16>,
    /// Whether it can do RDMA, even if its RDMA device is in a pod.
    pub rdma: bool,
    /// The DDP profile that its adapter is loaded with.
    pub ddp_profile: DdpProfile,
}

/// What is known of a DDP profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DdpProfile {
    /// The answer is not there yet.
    #[default]
    Unknown,
    /// There is none, or nobody can tell.
    None,
    /// Its name.
    Named(String),
}

/// A detail that a selector may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Alternative names and permanent MAC address of PFs.
    PfNames,
    /// Link speeds.
    Speed,
    /// Partition keys.
    PKeys,
    /// Hidden RDMA devices.
    Rdma,
    /// DDP profiles.
    DdpProfile,
}

/// The details that somebody asks for.
pub type Asked = BTreeSet<Detail>;

// === impl Candidate ===

impl<'a> Candidate<'a> {
    /// Without details.
    pub fn new(device: &'a Device, pf: Option<&'a Device>) -> Self {
        Self {
            device,
            pf,
            details: None,
            pf_details: None,
        }
    }

    /// The driver that counts: of a subfunction its parent's, as upstream.
    pub(super) fn driver(&self) -> Option<&'a str> {
        let device = match self.device.function {
            Function::Sf { .. } => self.pf?,
            Function::Plain | Function::Pf { .. } | Function::Vf { .. } => self.device,
        };
        device.driver.as_deref()
    }

    /// The name of the PF's interface, where it has one.
    pub(super) fn pf_names(&self) -> Option<Vec<String>> {
        self.pf?.netdev().map(|netdev| vec![netdev.name.to_string()])
    }

    /// The alternative names of the PF's interface, none if it has none.
    pub(super) fn pf_altnames(&self) -> Option<Vec<String>> {
        self.pf_details.map(|details| details.altnames.clone())
    }

    /// The MAC addresses of the PF: the one it has and the one it was made with.
    pub(super) fn pf_macs(&self) -> Option<Vec<String>> {
        let current = self.pf?.netdev().and_then(|netdev| netdev.mac);
        let permanent = self.pf_details.and_then(|details| details.permanent_mac);
        let macs: Vec<String> = current
            .into_iter()
            .chain(permanent)
            .map(|mac| mac.to_string())
            .collect();
        Some(macs).filter(|macs| !macs.is_empty())
    }

    /// The device's own link type, or the PF's while a pod or a user-space driver has the device.
    pub(super) fn link_type(&self) -> Option<LinkType> {
        let netdev = self.device.netdev();
        let netdev = netdev.or_else(|| self.pf.and_then(|pf| pf.netdev()));
        netdev.map(|netdev| netdev.link_type)
    }

    /// The speed of the PF's link, or of the device's own where it has no PF.
    pub(super) fn speed(&self) -> Option<u32> {
        let details = if self.pf.is_some() {
            self.pf_details
        } else {
            self.details
        };
        details.and_then(|details| details.speed)
    }

    /// Whether it can do RDMA.
    pub(super) fn has_rdma(&self) -> bool {
        !self.device.rdma.is_empty() || self.details.is_some_and(|details| details.rdma)
    }
}
