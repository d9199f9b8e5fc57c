//! What an interface was set to, and what was attached to it, beside name, addresses, MTU and flags.
//!
//! All of it stays with a device that changes its namespace; a pod that may administer its network can leave it to the next.

use hardwire_pci::netlink::{Link, LinkSettings, XdpProgram};
use serde::{Deserialize, Serialize};

use crate::kernel::ethtool::EthtoolSettings;
use crate::kernel::{TcxProgram, tcx_programs};

/// Settings of an interface as it was on the host. What is `None` is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InterfaceSettings {
    /// What `RTM_GETLINK` tells.
    pub link: LinkSettings,
    /// Its XDP programs.
    pub xdp: Option<Vec<XdpProgram>>,
    /// Its tcx programs.
    pub tcx: Option<Vec<TcxProgram>>,
    /// What ethtool shows.
    pub ethtool: Option<EthtoolSettings>,
}

impl From<&Link> for InterfaceSettings {
    fn from(link: &Link) -> Self {
        Self {
            link: link.settings.clone(),
            xdp: Some(link.xdp.clone()),
            tcx: None,
            ethtool: None,
        }
    }
}

impl InterfaceSettings {
    /// Asks what netlink does not tell of an interface of the calling thread's network namespace: its tcx programs and what
    /// ethtool shows. What cannot be had is not known. Each question waits for RTNL.
    pub fn complete(&mut self, index: u32, name: &str, is_vf: bool) {
        self.tcx = tcx_programs(index).ok();
        self.ethtool = EthtoolSettings::read(name, is_vf).ok();
    }
}
