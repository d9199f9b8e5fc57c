//! Pods that sriov-cni or host-device attached, met by a DEL or an ADD of ours.
//!
//! Users switch by exchanging the binary while pods run. What those plugins left is turned into a record, and released with
//! the very code that releases ours. Contract: what sriov-cni v2.10 and host-device
//! v1.9 of the reference plugins write.

mod allocation;
mod host_device;
mod sriov_cni;

use hardwire_pci::DeviceId;
use hardwire_pci::netlink::{Link, LinkFlags, Socket};

use crate::Context;
use crate::config::Base;
use crate::journal::Record;
use crate::protocol::{CniError, Environment};

/// An attachment that another plugin made, as a record of ours.
#[derive(Debug)]
pub struct ForeignAttachment {
    /// What is to be released.
    pub record: Record,
    /// Files of the other plugin that go with it.
    pub files: Vec<std::path::PathBuf>,
}

impl ForeignAttachment {
    /// Removes the other plugin's files, after its attachment was released.
    pub fn forget(&self) {
        for file in &self.files {
            allocation::remove(file);
        }
    }
}

/// What the replaced plugins left for this container and interface.
pub fn find(
    context: &Context,
    environment: &Environment,
    base: &Base,
    host: &mut Socket,
) -> Result<Option<ForeignAttachment>, CniError> {
    if let Some(found) = sriov_cni::find(context, environment, host)? {
        return Ok(Some(found));
    }
    let found = host_device::find(context, environment, base, host)?;
    Ok(found.filter(|found| !allocation::is_allocated(context, &found.record.device)))
}

/// Refuses a device that sriov-cni gave to a pod that still lives.
pub fn check_free(context: &Context, id: &DeviceId) -> Result<(), CniError> {
    allocation::check_free(context, id)
}

/// The flags that an interface has which nobody set any of: neither plugin remembers them, and what a pod left is no answer.
fn unset_flags(link: &Link) -> u32 {
    const ARPHRD_ETHER: u16 = 1;
    if link.hardware == ARPHRD_ETHER {
        // `ether_setup`, net/ethernet/eth.c.
        LinkFlags::MULTICAST
    } else {
        link.flags.0 & LinkFlags::OTHERS
    }
}
