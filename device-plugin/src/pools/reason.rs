//! Why a device is in no pool.

use std::fmt;

use super::hardware::HostUse;
use crate::config::ResourceName;

/// Why a device is in no pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is a PF whose VFs are what is given away.
    PfWithVfs(u32),
    /// Nothing drives it, so nothing could be done with it.
    NoDriver,
    /// The node uses it itself.
    UsedByNode(HostUse),
    /// Whether a pool wants it depends on the DDP profile of its adapter, which is being asked for.
    AwaitsProfile(ResourceName),
    /// No pool wants it.
    NoSelector,
    /// Pools for such devices want others.
    Differs(Vec<Difference>),
    /// There are no pools.
    NoPools,
}

/// Why a pool does not want a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The pool.
    pub resource: ResourceName,
    /// The first field of each of its selectors that the device does not match.
    pub fields: Vec<&'static str>,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PfWithVfs(1) => f.write_str("PF with 1 VF"),
            Self::PfWithVfs(vfs) => write!(f, "PF with {vfs} VFs"),
            Self::NoDriver => f.write_str("no driver is bound to it"),
            Self::UsedByNode(host_use) => host_use.fmt(f),
            Self::AwaitsProfile(resource) => {
                write!(f, "whether {resource} selects it is known once its DDP profile is")
            }
            Self::NoSelector => f.write_str("no selector matches"),
            Self::Differs(differences) => {
                f.write_str("no selector matches: ")?;
                for (index, Difference { resource, fields }) in differences.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{resource} differs in {}", fields.join(" or "))?;
                }
                Ok(())
            }
            Self::NoPools => f.write_str("no pools are configured"),
        }
    }
}
