//! Changing the mode of the switch in a PF.

use hardwire_pci::netlink::{Devlink, DevlinkMessage, NetlinkError};

const DEVLINK_CMD_ESWITCH_SET: u8 = 30;

/// Sets the mode of the switch of the device that is called `name` on `bus`: 0 legacy, 1 switchdev. What a driver does for it may
/// take minutes.
pub fn set_eswitch_mode(devlink: &mut Devlink, bus: &str, name: &str, mode: u16) -> Result<(), NetlinkError> {
    let message = DevlinkMessage::new(DEVLINK_CMD_ESWITCH_SET, bus, name).with_eswitch_mode(mode);
    devlink.change(&message)
}
