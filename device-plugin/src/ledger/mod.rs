//! Who has which device, and what is done when its owner is gone.
//!
//! The witnesses: the kubelet (its podresources API lists every device that a pod holds), our own journal (an attachment
//! from before its first change until all of it is undone), and the Allocates that neither shows yet.
//!
//! - [`podresources`]: what the kubelet says;
//! - [`allocations`]: Allocates that nothing has confirmed yet;
//! - [`given_away`]: attachments whose device the kubelet has given to another pod;
//! - [`repair`]: attachments that no DEL came for are released;
//! - [`leases`]: addresses of attachments of before the boot.

pub mod allocations;
pub mod given_away;
pub mod leases;
pub mod podresources;
pub mod repair;
