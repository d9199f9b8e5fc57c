//! Network sysctls of an interface.
//!
//! `/proc/sys/net` shows the namespace of the thread that opens it, so these run inside [`crate::netns::Netns::run`].
//! Paths with slashes: an interface name may hold dots. Contract: Documentation/networking/ip-sysctl.rst.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
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

    /// Sets it where it is something else.
    pub fn set(&self, value: &str) -> Result<(), SysctlError> {
        let set = || {
            let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
            let mut now = [0; 16];
            let length = file.read_at(&mut now, 0)?;
            if now[..length].trim_ascii_end() == value.as_bytes() {
                return Ok(());
            }
            // A value is taken from the beginning of the file only (`sysctl_writes_strict`).
            file.write_all_at(value.as_bytes(), 0)
        };
        set().map_err(|source| self.error(source))
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
