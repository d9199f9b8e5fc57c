//! What the daemon mends when it is told to: what is surely its own, or surely nobody's.
//!
//! A request names no path: where programs and sockets are is the daemon's to know. What is done is done by whoever started
//! the daemon and knows how ([`Mender`]); here is what can be asked for.

use std::fmt;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use hardwire_pci::DeviceId;

const PLUGIN: &str = "plugin";
const SOCKETS: &str = "sockets";
const RELEASE: &str = "release";
/// What can be asked for, for messages.
pub const FIXES: &str = "plugin, sockets, or release ID";

/// What the daemon can mend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// Put the CNI plugin's program into the node's directory of CNI plugins.
    Plugin,
    /// Remove sockets of ours that nobody serves.
    Sockets,
    /// Release the attachment of a device that nobody has any more.
    Release(DeviceId),
}

/// The end of one [`Fix`]: what was done, or why it was not.
pub type Mending = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Does what can be asked for.
#[derive(Clone)]
pub struct Mender(Arc<dyn Fn(Fix) -> Mending + Send + Sync>);

// === impl Fix ===

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin => f.write_str(PLUGIN),
            Self::Sockets => f.write_str(SOCKETS),
            Self::Release(device) => write!(f, "{RELEASE} {device}"),
        }
    }
}

impl FromStr for Fix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            None if text == PLUGIN => Ok(Self::Plugin),
            None if text == SOCKETS => Ok(Self::Sockets),
            Some((RELEASE, id)) => {
                let id = id.parse();
                id.map(Self::Release)
                    .map_err(|error: hardwire_pci::BadDeviceId| error.to_string())
            }
            _ => Err(format!("{text:?} cannot be mended (expected {FIXES})")),
        }
    }
}

// === impl Mender ===

impl fmt::Debug for Mender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mender").finish_non_exhaustive()
    }
}

impl Mender {
    /// One that does this.
    pub fn new(mend: impl Fn(Fix) -> Mending + Send + Sync + 'static) -> Self {
        Self(Arc::new(mend))
    }

    /// Mends something. Dropping it gives up waiting for the answer; what blocks goes on to its end.
    pub fn mend(&self, fix: Fix) -> Mending {
        (self.0)(fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for_is_said_as_it_is_read() {
        for fix in [Fix::Plugin, Fix::Sockets, Fix::Release("0000:01:10.2".parse().unwrap())] {
            assert_eq!(fix.to_string().parse(), Ok(fix));
        }
        for bad in ["", "plugin /etc", "release", "release ../x", "leases"] {
            assert!(bad.parse::<Fix>().is_err(), "{bad}");
        }
    }
}
