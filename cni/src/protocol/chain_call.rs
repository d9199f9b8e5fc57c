//! The call that an attachment of a chain came with: it has an interface name of its own, and is for all of them.

use hardwire_pci::IfName;
use serde::{Deserialize, Serialize};

use super::names::NetworkName;

/// The runtime's call of the list in which we stand: what its DEL, CHECK and GC name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainCall {
    /// `name` of the list.
    pub network: NetworkName,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
}
