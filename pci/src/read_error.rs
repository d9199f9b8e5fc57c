//! Why a device could not be read.

use crate::id::DeviceId;
use crate::sysfs::SysfsError;

/// A device that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such device.
    #[error("no such device: {0}")]
    Missing(DeviceId),
    /// One of its files is unreadable.
    #[error(transparent)]
    Sysfs(#[from] SysfsError),
}
