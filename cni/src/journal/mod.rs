//! The journal: one record per attached device, written before the first change and removed after the last.
//!
//! The record *is* the ownership, so two owners cannot exist. It lives on tmpfs: like the state that it describes it
//! outlives the process and not the boot, and costs no fsync. Renames make it whole or absent at any instant; a lock per
//! device, which the kernel releases when its holder dies, is held around changes only.

#[cfg(test)]
mod fixture;
mod hardware;
mod lock;
mod record;
mod settings;
mod store;
mod unreadable;
mod waiting;

pub use crate::pf::OriginalVf;
pub use hardware::{Hardware, Parent};
pub(crate) use lock::lock_within;
pub use lock::{DeviceLock, LockError};
pub use record::{Ending, HostNetwork, InPod, Ipam, OriginalLink, Owner, PodName, Record, Step, Target};
pub use settings::InterfaceSettings;
pub use store::{Journal, JournalError};
pub use unreadable::{Salvaged, Unreadable};
pub use waiting::{Waiting, Watch};
