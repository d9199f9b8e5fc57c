//! A device that is to be handed out, and how.

use hardwire_pci::Device;

use crate::config::Needs;

/// A device of a pool, and what is known of it.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// The device.
    pub device: &'a Device,
    /// Its PF, where it shows one.
    pub pf: Option<&'a Device>,
    /// What the selector that took it wants it to be given out with.
    pub needs: Needs,
    /// Whether it may be given out.
    pub healthy: bool,
    /// Why an Allocate of it is refused.
    pub refused: Option<String>,
    /// `NAMESPACE/POD has it as RESOURCE`, where somebody has it as another resource than this pool's.
    pub held_as: Option<String>,
    /// Somebody has it, or had it until a moment ago.
    pub is_held: bool,
}
