//! A device that is to be handed out, and how.

use hardwire_pci::Device;

use crate::config::Needs;

/// A device of a pool, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The device.
    pub device: &'a Device,
    /// Its PF, where it shows one.
    pub pf: Option<&'a Device>,
    /// What the selector that took it wants it to be given out with.
    pub needs: Needs,
    /// Whether it may be given out.
    pub healthy: bool,
}
