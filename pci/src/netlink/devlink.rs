//! What devlink tells of the switch in a PF, over generic netlink.
//!
//! Contract: `include/uapi/linux/genetlink.h` for finding the family by its name; `include/uapi/linux/devlink.h` for its
//! commands and attributes. A device is named by its bus and its name there. What a driver without such a switch answers is no
//! error: it has no mode.

use super::attributes::{after_header, attributes, u16_at};
use super::error::NetlinkError;
use super::socket::Socket;

/// `GENL_ID_CTRL`.
const CONTROLLER: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const DEVLINK_CMD_ESWITCH_GET: u8 = 29;
const DEVLINK_ATTR_BUS_NAME: u16 = 1;
const DEVLINK_ATTR_DEV_NAME: u16 = 2;
const DEVLINK_ATTR_ESWITCH_MODE: u16 = 25;
/// `struct genlmsghdr`.
const HEADER: usize = 4;

/// devlink, as the running kernel numbers it.
#[derive(Debug)]
pub struct Devlink {
    socket: Socket,
    family: u16,
}

/// A message to devlink about one device, to which attributes can be added.
#[derive(Debug, Clone)]
pub struct DevlinkMessage(Vec<u8>);

// === impl DevlinkMessage ===

impl DevlinkMessage {
    /// A command for the device that is called `name` on `bus`.
    pub fn new(command: u8, bus: &str, name: &str) -> Self {
        let mut message = Self::bare(command);
        message.add(DEVLINK_ATTR_BUS_NAME, &terminated(bus));
        message.add(DEVLINK_ATTR_DEV_NAME, &terminated(name));
        message
    }

    /// The mode of its switch, as devlink numbers it.
    #[must_use]
    pub fn with_eswitch_mode(mut self, mode: u16) -> Self {
        self.add(DEVLINK_ATTR_ESWITCH_MODE, &mode.to_ne_bytes());
        self
    }

    fn bare(command: u8) -> Self {
        // Version 1 of the family, and two bytes that are reserved.
        Self(vec![command, 1, 0, 0])
    }

    fn add(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

// === impl Devlink ===

impl Devlink {
    /// Finds it; `None` where the kernel has none.
    pub fn open() -> Result<Option<Self>, NetlinkError> {
        let mut socket = Socket::open_generic()?;
        let mut question = DevlinkMessage::bare(CTRL_CMD_GETFAMILY);
        question.add(CTRL_ATTR_FAMILY_NAME, &terminated("devlink"));
        let family = socket.ask_raw(CONTROLLER, &question.0, |answer| {
            let id = attribute(answer, CTRL_ATTR_FAMILY_ID)?;
            id.ok_or_else(|| NetlinkError::Malformed("a family without number".to_owned()))
        });
        match family {
            Ok(family) => Ok(Some(Self { socket, family })),
            Err(error) if error.errno() == Some(rustix::io::Errno::NOENT.raw_os_error()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The mode of a device's switch (0 legacy, 1 switchdev); `None` where it has none, or devlink does not know it.
    pub fn eswitch_mode(&mut self, bus: &str, name: &str) -> Result<Option<u16>, NetlinkError> {
        use rustix::io::Errno;
        let question = DevlinkMessage::new(DEVLINK_CMD_ESWITCH_GET, bus, name);
        let answer = self.socket.ask_raw(self.family, &question.0, |answer| {
            attribute(answer, DEVLINK_ATTR_ESWITCH_MODE)
        });
        let none = [Errno::NODEV, Errno::OPNOTSUPP, Errno::NOENT].map(|errno| Some(errno.raw_os_error()));
        match answer {
            Err(error) if none.contains(&error.errno()) => Ok(None),
            answer => answer,
        }
    }

    /// Sends what changes something, and waits until the driver has done it.
    pub fn change(&mut self, message: &DevlinkMessage) -> Result<(), NetlinkError> {
        self.socket.change_raw(self.family, &message.0, 0)
    }
}

fn attribute(answer: &[u8], wanted: u16) -> Result<Option<u16>, NetlinkError> {
    for attribute in attributes(after_header(answer, HEADER)?) {
        let (kind, value) = attribute?;
        if kind == wanted {
            return u16_at(value, 0).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payload that `devlink dev eswitch set pci/0000:01:00.0 mode switchdev` sends (iproute2 6.1).
    #[test]
    fn a_message_names_the_device_and_the_mode() {
        let message = DevlinkMessage::new(30, "pci", "0000:01:00.0").with_eswitch_mode(1);
        let mut expected = vec![30, 1, 0, 0];
        expected.extend(b"\x08\x00\x01\x00pci\0");
        expected.extend(b"\x11\x00\x02\x000000:01:00.0\0\0\0\0");
        expected.extend(b"\x06\x00\x19\x00\x01\x00\0\0");
        assert_eq!(message.0, expected);
    }

    #[test]
    fn an_answer_is_read_and_one_that_is_cut_short_is_an_error() {
        let answer = b"\x1d\x01\0\0\x08\x00\x01\x00pci\0\x06\x00\x19\x00\x01\x00\0\0";
        assert_eq!(attribute(answer, DEVLINK_ATTR_ESWITCH_MODE).unwrap(), Some(1));
        assert_eq!(attribute(answer, 99).unwrap(), None);
        assert!(attribute(&answer[..2], 25).is_err());
        assert!(attribute(&answer[..15], 25).is_err());
    }
}
