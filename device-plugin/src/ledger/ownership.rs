//! The answer to "who has this device?": free, held, or not known.

use std::fmt;
use std::time::SystemTime;

use super::podresources::Holder;

/// Who has a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Nobody, by the word of every witness.
    Free,
    /// Somebody.
    Held(Box<Holding>),
    /// A witness cannot be heard, for this reason, and no other one names a holder.
    Unknown(String),
}

/// By whom a device is held, and who says so. At least one of the witnesses does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// The kubelet: a pod has it.
    pub pod: Option<Holder>,
    /// `NAMESPACE/NAME` of the claim that has it.
    pub claim: Option<String>,
    /// Our journal: it is attached.
    pub attachment: Option<Attachment>,
    /// An Allocate that no pod accounts for yet.
    pub is_allocated: bool,
    /// The kernel: its interface is in another namespace.
    pub is_away: bool,
    /// The resource that it was given out as, where that is known.
    pub resource: Option<String>,
    /// Since when it has been known to be held.
    pub since: Option<SystemTime>,
}

/// Where an attachment of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// Its pod lives, as far as anybody can tell.
    Living,
    /// Its owner has ended: its DEL has begun, or the kubelet has given the device to another pod.
    Ending,
    /// Its namespace is gone, and no DEL came.
    Orphaned,
    /// Its DEL came, and could not give the device back.
    NotGivenBack,
}

// === impl Attachment ===

impl Attachment {
    /// Whether it is repair's to end.
    pub fn is_under_repair(self) -> bool {
        matches!(self, Self::Orphaned | Self::NotGivenBack)
    }
}

// === impl Ownership ===

impl Ownership {
    /// Whether every witness was heard and none names a holder.
    pub fn is_free(&self) -> bool {
        *self == Self::Free
    }

    /// By whom it is held.
    pub fn holding(&self) -> Option<&Holding> {
        match self {
            Self::Held(holding) => Some(holding),
            Self::Free | Self::Unknown(_) => None,
        }
    }

    /// Where its attachment stands.
    pub fn attachment(&self) -> Option<Attachment> {
        self.holding()?.attachment
    }

    /// Whether nothing but an Allocate speaks for a holder.
    pub fn is_only_allocated(&self) -> bool {
        self.holding().is_some_and(|holding| {
            let is_given = holding.pod.is_some() || holding.claim.is_some();
            !is_given && holding.attachment.is_none() && !holding.is_away
        })
    }

    /// The holder, where it holds the device as another resource than this one, or in another way: by a claim, where the
    /// resource is not for claims, or not by one, where it is.
    pub fn held_as_other(&self, resource: &str, is_for_claims: bool) -> Option<HeldAsOther> {
        let holding = self.holding()?;
        let is_given = holding.pod.is_some() || holding.is_allocated;
        match &holding.claim {
            Some(_) if is_for_claims => return None,
            Some(claim) => {
                return Some(HeldAsOther {
                    resource: format!("claim {claim}"),
                    pod: None,
                });
            }
            None if is_for_claims && is_given => {
                return Some(HeldAsOther {
                    resource: holding.resource.clone().unwrap_or_else(|| resource.to_owned()),
                    pod: holding.pod.as_ref().map(|pod| format!("{}/{}", pod.namespace, pod.pod)),
                });
            }
            None => {}
        }
        let other = holding.resource.as_ref().filter(|held_as| *held_as != resource)?;
        Some(HeldAsOther {
            resource: other.clone(),
            pod: holding.pod.as_ref().map(|pod| format!("{}/{}", pod.namespace, pod.pod)),
        })
    }
}

/// A device that is held as a resource of another name: of a pool that was renamed, or of another plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAsOther {
    /// That resource.
    pub resource: String,
    /// `NAMESPACE/NAME` of the pod.
    pub pod: Option<String>,
}

impl fmt::Display for HeldAsOther {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pod = self.pod.as_deref().unwrap_or("a pod");
        write!(f, "{pod} has it as {}", self.resource)
    }
}

impl fmt::Display for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Free => f.write_str("free"),
            Self::Unknown(because) => write!(f, "not known to be free: {because}"),
            Self::Held(holding) => holding.fmt(f),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.attachment, &self.pod) {
            (Some(Attachment::Orphaned | Attachment::NotGivenBack), _) => f.write_str("under repair"),
            (_, Some(pod)) => write!(f, "held by {}/{}", pod.namespace, pod.pod),
            (_, None) if self.claim.is_some() => {
                write!(f, "held by claim {}", self.claim.as_deref().unwrap_or_default())
            }
            (Some(Attachment::Living | Attachment::Ending), None) => f.write_str("attached to a pod"),
            (None, None) if self.is_allocated => f.write_str("allocated a moment ago"),
            (None, None) => f.write_str("in use: its interface is in another network namespace"),
        }
    }
}
