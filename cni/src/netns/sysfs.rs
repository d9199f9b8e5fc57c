//! What the sysfs of a namespace shows: which interface is which, that no netlink message tells.
//!
//! A sysfs shows the interfaces of the namespace in which it was made (`sysfs_init_fs_context`, fs/sysfs/mount.c). This one
//! is mounted nowhere (`fsmount(2)`, Linux 5.2) and ends with its descriptor. That end waits for RCU, so it is nothing for
//! the way of every attachment.

use std::os::fd::{AsRawFd, OwnedFd};

use hardwire_pci::{Sysfs, index_of_instance};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use super::{Netns, NetnsError};

impl Netns {
    /// Index of the interface in this namespace that is a certain [`hardwire_pci::instance`], whatever it is called there.
    pub fn index_of_instance(&self, instance: u64) -> Result<Option<u32>, NetnsError> {
        let mount = self.run(sysfs)?.map_err(|errno| NetnsError::Io {
            path: self.path.clone(),
            step: "make a sysfs",
            source: errno.into(),
        })?;
        let root = Sysfs::at(format!("/proc/self/fd/{}", mount.as_raw_fd()));
        Ok(index_of_instance(&root, instance))
    }
}

/// A sysfs of the calling thread's namespace.
fn sysfs() -> rustix::io::Result<OwnedFd> {
    let configured = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&configured)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&configured, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}
