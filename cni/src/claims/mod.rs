//! Claims that were prepared on this node: which devices each has, how they are to be attached, and for which pods.
//!
//! A `ResourceClaim` (resource.k8s.io/v1) is allocated by the scheduler and prepared by `hardwired`, before the sandbox of its
//! pod is made. What that came to is on record here, a file a claim: the plugin reads it where the daemon does not run, so that
//! a pod whose claim has a device is not started without it. Records live beside the journal and as long: a kubelet prepares the
//! claims of its pods anew after a boot. The kubelet's calls name a claim and no pod; for which pods it is, the claim itself says
//! when it is prepared (`status.reservedFor`, by uid). A claim that no pod owns may get more pods later, of which only the
//! kubelet's podresources know.

mod record;
mod store;
mod witness;

pub use record::{ClaimRecord, ClaimedDevice};
pub use store::{ClaimStore, ClaimsError};
pub use witness::{Claimed, HeldByClaim, held_by_claim, of_pod};
