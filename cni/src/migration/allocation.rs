//! sriov-cni's allocation of a VF: the file `pci/ADDRESS`, whose content is the path of the pod's network namespace.
//!
//! A cache of a container stays behind when its DEL failed or never came, and its VF has long been given to another pod. So
//! a cache alone is no claim: the allocation has to name this container's namespace, or the kernel has to show the VF there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_pci::{DeviceId, IfName};

use crate::Context;
use crate::device::is_link_of;
use crate::netns::{Netns, is_gone};
use crate::protocol::{CniError, code};

/// What the file of a VF says.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) file: PathBuf,
    /// The path of the namespace that has the VF; none where there is no file.
    pub(super) netns: Option<String>,
}

/// Whether a container has the VF that a cache names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// By the allocation, or as far as anybody can tell: the namespace of the allocation is gone.
    Allocated,
    /// The kernel shows the VF in its namespace.
    Seen,
    /// Somebody else has it, or nothing tells.
    None(String),
}

impl Allocation {
    pub(super) fn read(context: &Context, device: &DeviceId) -> io::Result<Self> {
        let file = context.sriov_cni.join("pci").join(device.file_stem());
        let netns = match fs::read_to_string(&file) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { file, netns })
    }

    /// Whether a namespace that may still live has the VF.
    pub(super) fn is_live(&self) -> bool {
        self.netns.as_deref().is_some_and(|path| !is_gone(path))
    }

    /// Whether the container whose DEL names the namespace `call` has the VF.
    pub(super) fn claim(&self, call: Option<&str>, device: &DeviceId, ifname: &IfName) -> Claim {
        let allocated = self.netns.as_deref();
        match (allocated, call) {
            (Some(allocated), Some(call)) if is_same(allocated, call) => Claim::Allocated,
            (Some(allocated), None) if is_gone(allocated) => Claim::Allocated,
            (_, Some(call)) if is_in(call, device, ifname) => Claim::Seen,
            (Some(allocated), _) => Claim::None(format!("it is allocated to {allocated:?}")),
            (None, _) => Claim::None("it is not allocated, and not in this container's namespace".to_owned()),
        }
    }
}

/// The same path, or two ways to one namespace (`/run/netns`, `/var/run/netns`).
fn is_same(allocated: &str, call: &str) -> bool {
    allocated == call
        || matches!((Netns::open(allocated), Netns::open(call)), (Ok(allocated), Ok(call)) if allocated.is_same(&call))
}

/// Whether the VF's interface is in a namespace, by what the kernel says of its bus.
fn is_in(netns: &str, device: &DeviceId, ifname: &IfName) -> bool {
    let entered = Netns::open(netns).and_then(Netns::enter);
    let link = entered.map(|mut entered| entered.socket.link_by_name(ifname.as_str()));
    matches!(link, Ok(Ok(Some(link))) if is_link_of(&link, device) == Some(true))
}

/// Refuses a device that sriov-cni gave to a pod that lives, or may live.
pub(super) fn check_free(context: &Context, id: &DeviceId) -> Result<(), CniError> {
    let taken = |why: &dyn std::fmt::Display| {
        let msg = format!("{id} is attached to another pod by sriov-cni: {why}");
        Err(CniError::new(code::TRY_AGAIN, msg))
    };
    match Allocation::read(context, id) {
        Err(error) => taken(&format!("its allocation cannot be read: {error}")),
        Ok(allocation) if allocation.is_live() => {
            let path = allocation.netns.unwrap_or_default();
            taken(&format!("{path:?}"))
        }
        Ok(allocation) => {
            if allocation.netns.is_some() {
                // Its namespace is gone: sriov-cni removes the file at this point too.
                remove(&allocation.file);
            }
            Ok(())
        }
    }
}

/// Whether sriov-cni has given a device away, or nobody can tell.
pub(super) fn is_allocated(context: &Context, id: &DeviceId) -> bool {
    !Allocation::read(context, id).is_ok_and(|allocation| allocation.netns.is_none())
}

/// Removes a file of sriov-cni, which may be gone.
pub(super) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!("removing {}: {error}", path.display());
    }
}
