//! Why a device is in no pool.

use std::fmt;

use super::hardware::Claim;

/// Why a device is in no pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is a PF whose VFs are what is given away.
    PfWithVfs(u32),
    /// Nothing drives it, so nothing could be done with it.
    NoDriver,
    /// The node uses it itself.
    Claimed(Claim),
    /// No pool wants it.
    NoSelector,
    /// There are no pools.
    NoPools,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PfWithVfs(1) => f.write_str("PF with 1 VF"),
            Self::PfWithVfs(vfs) => write!(f, "PF with {vfs} VFs"),
            Self::NoDriver => f.write_str("no driver is bound to it"),
            Self::Claimed(claim) => claim.fmt(f),
            Self::NoSelector => f.write_str("no selector matches"),
            Self::NoPools => f.write_str("no pools are configured"),
        }
    }
}
