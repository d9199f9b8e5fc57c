//! The writes themselves: the kernel's files, a PF's attributes of VFs, and the mode of its switch.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use hardwire_cni::kernel::{VfAttribute, set_eswitch_mode, set_vf};
use hardwire_pci::DeviceId;
use hardwire_pci::netlink::{Devlink, NetlinkError, Socket};

use super::look::devlink_name;
use super::step::described;
use crate::config::pfs::EswitchMode;

/// What writes. One for each PF.
pub trait Machine {
    /// Writes an attribute of sysfs, in one system call, as the kernel takes it.
    fn write(&mut self, file: &Path, text: &str) -> io::Result<()>;

    /// Sets attributes of a VF through its PF, whose interface has this index.
    fn set_vf(&mut self, pf: u32, vf: u32, attributes: &[VfAttribute]) -> Result<(), String>;

    /// Sets what the switch in a PF does.
    fn set_mode(&mut self, pf: &DeviceId, mode: EswitchMode) -> Result<(), String>;
}

/// The kernel.
#[derive(Debug, Default)]
pub struct Kernel {
    socket: Option<Socket>,
}

// === impl Kernel ===

impl Kernel {
    fn socket(&mut self) -> Result<&mut Socket, NetlinkError> {
        if self.socket.is_none() {
            self.socket = Some(Socket::open()?);
        }
        self.socket
            .as_mut()
            .ok_or_else(|| NetlinkError::Malformed("no socket".to_owned()))
    }
}

impl Machine for Kernel {
    fn write(&mut self, file: &Path, text: &str) -> io::Result<()> {
        tracing::debug!("{text:?} to {}", file.display());
        // Truncating means nothing to sysfs, and everything to a tree of files.
        let mut file = OpenOptions::new().write(true).truncate(true).open(file)?;
        let written = file.write(text.as_bytes())?;
        if written < text.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    fn set_vf(&mut self, pf: u32, vf: u32, attributes: &[VfAttribute]) -> Result<(), String> {
        let socket = self.socket().map_err(|error| error.to_string())?;
        if set_vf(socket, pf, vf, attributes).is_ok() {
            return Ok(());
        }
        // Which one was refused is told by setting each for itself.
        for attribute in attributes {
            set_vf(socket, pf, vf, &[*attribute]).map_err(|error| format!("{}: {error}", described(attribute)))?;
        }
        Ok(())
    }

    fn set_mode(&mut self, pf: &DeviceId, mode: EswitchMode) -> Result<(), String> {
        let (bus, name) = devlink_name(pf).ok_or_else(|| format!("{pf}: devlink does not know such devices"))?;
        let number = match mode {
            EswitchMode::Legacy => 0,
            EswitchMode::Switchdev => 1,
        };
        let devlink = Devlink::open().map_err(|error| format!("devlink: {error}"))?;
        let mut devlink = devlink.ok_or("this kernel has no devlink")?;
        set_eswitch_mode(&mut devlink, bus, &name, number).map_err(|error| error.to_string())
    }
}
