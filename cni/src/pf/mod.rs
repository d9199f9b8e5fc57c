//! A VF's attributes on its PF: setting what was asked for, naming what the PF refuses, putting the original back.
//!
//! The same code for igb, netdevsim and every other PF: the kernel's VF interface (`ndo_set_vf_*`) is all it knows. The
//! kernel applies a message's attributes one by one and stops at the first refusal, so an undo never assumes all or nothing.

mod address;
mod admin_mac;
mod attributes;
mod original;
mod trunk;

use std::fmt;

use hardwire_pci::netlink::{NetlinkError, Socket, VfState};
use hardwire_pci::{DeviceId, MacAddr, Sysfs, pf_interface};

use crate::config::VfSettings;
use crate::kernel::{VfAttribute, set_vf};

pub use admin_mac::{AdminMac, SeenMacs};
pub use original::{InForce, OriginalVf, OwnAddress};
pub use trunk::{OriginalTrunk, TrunkError};

/// A PF that can be asked: it has an interface in the host's namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pf {
    /// Which device.
    pub id: DeviceId,
    /// Name of its interface.
    pub name: String,
    /// Index of its interface.
    pub index: u32,
}

impl fmt::Display for Pf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PF {} ({})", self.name, self.id)
    }
}

/// A PF as it is to be asked now, whatever it is called; `None` if it has no interface on the host.
pub fn pf_of(id: &DeviceId, sysfs: &Sysfs) -> Option<Pf> {
    let (name, index) = pf_interface(sysfs, id)?;
    Some(Pf {
        id: id.clone(),
        name: name.to_string(),
        index,
    })
}

/// Why the PF did not do it.
#[derive(Debug, thiserror::Error)]
pub enum PfError {
    /// It refused an attribute.
    #[error("{pf} refused {attribute} for VF {vf}: {source}")]
    Refused {
        /// The PF.
        pf: Pf,
        /// The VF's index.
        vf: u32,
        /// Field of the configuration and value.
        attribute: String,
        /// The kernel's words.
        source: NetlinkError,
    },
    /// Its VFs cannot be read.
    #[error("{pf}: reading its VFs: {source}")]
    Read {
        /// The PF.
        pf: Pf,
        /// The kernel's words.
        source: NetlinkError,
    },
    /// The kernel cannot tell: the VFs are too many for one message, or have attributes that it leaves no room for.
    #[error(
        "{pf}: the attributes of its VFs are not known, for they do not fit into a message of the kernel (EMSGSIZE)"
    )]
    TooLong {
        /// The PF.
        pf: Pf,
    },
    /// It does not list the VF.
    #[error("{pf} does not report a VF {vf}")]
    NoVf {
        /// The PF.
        pf: Pf,
        /// The VF's index.
        vf: u32,
    },
}

/// One VF of a PF, and the way to it.
#[derive(Debug)]
pub struct VfPort<'a> {
    /// The host's socket.
    pub socket: &'a mut Socket,
    /// The PF.
    pub pf: Pf,
    /// The VF's index.
    pub vf: u32,
}

impl VfPort<'_> {
    /// What the PF holds about the VF now.
    pub fn read(&mut self) -> Result<VfState, PfError> {
        let state = self.socket.vf(self.pf.index, self.vf);
        let state = state.map_err(|source| {
            let pf = self.pf.clone();
            if source.is_too_long() {
                PfError::TooLong { pf }
            } else {
                PfError::Read { pf, source }
            }
        })?;
        state.ok_or_else(|| PfError::NoVf {
            pf: self.pf.clone(),
            vf: self.vf,
        })
    }

    /// Sets what is wanted, in one message. After a refusal some of it may be set.
    pub fn apply(&mut self, wanted: &Wanted, before: &VfState) -> Result<(), PfError> {
        let Wanted(wanted) = wanted;
        if wanted.is_empty() {
            return Ok(());
        }
        match set_vf(self.socket, self.pf.index, self.vf, wanted) {
            Ok(()) => Ok(()),
            Err(source) => Err(self.name_the_refused(wanted, before, source)),
        }
    }

    /// Puts back what an attachment may have touched: what differs between what it found and what it asked for, and an admin
    /// MAC that was not set. Where others may have changed the VF meanwhile (`in_doubt`), only what is still as the
    /// attachment left it: the rest is theirs. Tells the admin MAC that is.
    pub fn restore(&mut self, vf: &OriginalVf, in_doubt: bool, own: OwnAddress) -> Result<Option<MacAddr>, PfError> {
        let mut touched = attributes::to_restore(vf);
        let mut foreign = None;
        if in_doubt && !touched.is_empty() {
            match self.read() {
                Ok(now) => {
                    touched.retain(|attribute| self.is_to_restore(attribute, vf, &now, own));
                    foreign = attributes::foreign_mac(vf, &now, own);
                }
                // The next pod is not to inherit what cannot be seen.
                Err(PfError::TooLong { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if !touched.is_empty() && set_vf(self.socket, self.pf.index, self.vf, &touched).is_err() {
            self.restore_singly(touched)?;
        }
        Ok(foreign)
    }

    fn restore_singly(&mut self, touched: Vec<VfAttribute>) -> Result<(), PfError> {
        // The message stopped at what the driver refuses; that one may never have been changed. Set what differs, singly.
        let now = match self.read() {
            Ok(now) => Some(now),
            Err(PfError::TooLong { .. }) => None,
            Err(error) => return Err(error),
        };
        let mut refused = None;
        for attribute in touched
            .into_iter()
            .filter(|attribute| !now.is_some_and(|now| attributes::is_set(attribute, &now)))
        {
            match set_vf(self.socket, self.pf.index, self.vf, &[attribute]) {
                Ok(()) => {}
                // What a driver cannot set it was not set to.
                Err(source) if now.is_none() && is_unsupported(&source) => {}
                Err(source) => {
                    refused.get_or_insert_with(|| self.refused(&attribute, source));
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn is_to_restore(&self, attribute: &VfAttribute, vf: &OriginalVf, now: &VfState, own: OwnAddress) -> bool {
        if attributes::is_set(attribute, now) {
            return false;
        }
        let is_ours = attributes::is_ours(attribute, vf, now, own);
        if !is_ours {
            let before = attributes::described(attribute);
            tracing::warn!(
                "{}, VF {}: somebody changed what was to be {before} again while a pod had it: it is left to them",
                self.pf,
                self.vf
            );
        }
        is_ours
    }

    /// The attributes that are not as in `expected`, described as they should be.
    pub fn differing(&mut self, expected: &VfState) -> Result<Vec<String>, PfError> {
        let now = self.read()?;
        Ok(attributes::differing(expected, &now)
            .iter()
            .map(attributes::described)
            .collect())
    }

    /// The first attribute, in the kernel's order, that was not applied. One that had its value before looks applied
    /// whatever happened: asking for it alone, which changes nothing, tells.
    fn name_the_refused(&mut self, wanted: &[VfAttribute], before: &VfState, source: NetlinkError) -> PfError {
        let all = || wanted.iter().map(attributes::described).collect::<Vec<_>>().join(", ");
        let refused_all = |pf: Pf, vf, source| PfError::Refused {
            pf,
            vf,
            attribute: all(),
            source,
        };
        let now = match self.read() {
            Ok(now) => now,
            Err(PfError::TooLong { pf }) => return refused_all(pf, self.vf, source),
            Err(unreadable) => return unreadable,
        };
        for attribute in wanted {
            if !attributes::is_set(attribute, &now) {
                return self.refused(attribute, source);
            }
            if attributes::is_set(attribute, before)
                && let Err(source) = set_vf(self.socket, self.pf.index, self.vf, &[*attribute])
            {
                return self.refused(attribute, source);
            }
        }
        refused_all(self.pf.clone(), self.vf, source)
    }

    fn refused(&self, attribute: &VfAttribute, source: NetlinkError) -> PfError {
        PfError::Refused {
            pf: self.pf.clone(),
            vf: self.vf,
            attribute: attributes::described(attribute),
            source,
        }
    }
}

fn is_unsupported(source: &NetlinkError) -> bool {
    source.errno() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error())
}

/// Attributes to set for an attachment, in one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(Vec<VfAttribute>);

impl Wanted {
    /// What `settings` ask for, and what of `baseline`, the state of the VF while nobody has it, is not so `before`.
    pub fn new(settings: &VfSettings, before: &VfState, baseline: Option<&VfState>) -> Self {
        Self(attributes::wanted(settings, before, baseline))
    }

    /// Whether there is nothing to set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the PF will hold then.
    pub fn after(&self, before: &VfState) -> VfState {
        attributes::after(&self.0, before)
    }
}
