//! Network sysctls of an interface.
//!
//! `/proc/sys/net` shows the namespace of the thread that opens it, so these run inside [`crate::netns::Netns::run`].
//! Paths with slashes: an interface name may hold dots. Contract: Documentation/networking/ip-sysctl.rst.

use std::fs;
use std::io;
use std::path::PathBuf;

/// One sysctl of one interface.
#[derive(Debug, Clone)]
pub struct Sysctl {
    path: PathBuf,
}

/// A sysctl that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct SysctlError {
    /// Which.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl Sysctl {
    /// `net/FAMILY/conf/INTERFACE/NAME`; `family` is `ipv4` or `ipv6`. Interface names come from a type that holds no `/`.
    pub fn of(family: &str, interface: &str, name: &str) -> Self {
        Self {
            path: PathBuf::from(format!("/proc/sys/net/{family}/conf/{interface}/{name}")),
        }
    }

    /// Its value without the line end.
    pub fn read(&self) -> Result<String, SysctlError> {
        let text = fs::read_to_string(&self.path).map_err(|source| self.error(source))?;
        Ok(text.trim_end().to_owned())
    }

    /// Sets it.
    pub fn write(&self, value: &str) -> Result<(), SysctlError> {
        fs::write(&self.path, value).map_err(|source| self.error(source))
    }

    fn error(&self, source: io::Error) -> SysctlError {
        SysctlError {
            path: self.path.clone(),
            source,
        }
    }
}
