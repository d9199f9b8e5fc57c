//! Links: what `RTM_GETLINK` tells of one.
//!
//! Never asked with `RTEXT_FILTER_VF`: the kernel then queries every VF of a PF, in firmware, under RTNL (`rtnl_fill_vf`,
//! net/core/rtnetlink.c).
//! VFs have their own question in [`super::vfs`].

use netlink_packet_core::DefaultNla;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};

use super::attributes::{after_header, attributes, text, u16_at, u32_at};
use super::error::NetlinkError;
use super::link_settings::{LinkSettings, XdpProgram, xdp_programs};
use super::messages::messages;
use super::socket::Socket;
use crate::mac::MacAddr;

/// `struct ifinfomsg`.
const HEADER: usize = 16;
/// `IFNAMSIZ` without its NUL; longer ones can only be alternative names.
const IFNAME_MAX: usize = 15;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_PROMISCUITY: u16 = 30;
const IFLA_PHYS_PORT_ID: u16 = 34;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_PHYS_PORT_NAME: u16 = 38;
const IFLA_XDP: u16 = 43;
const IFLA_MIN_MTU: u16 = 50;
const IFLA_MAX_MTU: u16 = 51;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;
const IFLA_PERM_ADDRESS: u16 = 54;
const IFLA_PARENT_DEV_NAME: u16 = 56;
const IFLA_PARENT_DEV_BUS_NAME: u16 = 57;
const IFLA_INFO_KIND: u16 = 1;

/// `ifi_flags` (include/uapi/linux/if.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    /// `IFF_UP`.
    pub const UP: u32 = 1;
    const LOOPBACK: u32 = 1 << 3;
    const RUNNING: u32 = 1 << 6;
    const LOWER_UP: u32 = 1 << 16;
    /// `IFF_NOARP`.
    pub const NOARP: u32 = 1 << 7;
    /// `IFF_MULTICAST`.
    pub const MULTICAST: u32 = 1 << 12;
    /// What else an administrator may set (`__dev_change_flags`, net/core/dev.c): debug, no trailers, no ARP, multicast,
    /// port selection, automatic media, dynamic.
    pub const OTHERS: u32 = 1 << 2 | 1 << 5 | Self::NOARP | Self::MULTICAST | 1 << 13 | 1 << 14 | 1 << 15;
    /// `IFF_PROMISC`.
    pub const PROMISC: u32 = 1 << 8;
    /// `IFF_ALLMULTI`.
    pub const ALLMULTI: u32 = 1 << 9;

    /// Administratively up.
    pub fn is_up(self) -> bool {
        self.0 & Self::UP != 0
    }

    /// Up and with carrier.
    pub fn is_running(self) -> bool {
        self.0 & Self::RUNNING != 0
    }

    /// With carrier, whatever else.
    pub fn has_carrier(self) -> bool {
        self.0 & Self::LOWER_UP != 0
    }

    /// `lo`.
    pub fn is_loopback(self) -> bool {
        self.0 & Self::LOOPBACK != 0
    }

    /// Set to receive everything by its administrator.
    pub fn is_promiscuous(self) -> bool {
        self.0 & Self::PROMISC != 0
    }

    /// Set to receive all multicast by its administrator.
    pub fn is_all_multicast(self) -> bool {
        self.0 & Self::ALLMULTI != 0
    }
}

/// A link as its network namespace shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// Interface index, valid in this namespace only.
    pub index: u32,
    /// Current name.
    pub name: String,
    /// Alternative names.
    pub altnames: Vec<String>,
    /// Hardware type (`ARPHRD_*`).
    pub hardware: u16,
    /// Flags.
    pub flags: LinkFlags,
    /// Hardware address, of whatever length the hardware type has.
    pub address: Vec<u8>,
    /// The address the hardware was made with, where the driver tells.
    pub permanent_address: Vec<u8>,
    /// Bytes.
    pub mtu: u32,
    /// Least MTU the driver takes; 0 where it does not say.
    pub min_mtu: u32,
    /// Largest MTU the driver takes; 0 where it does not say.
    pub max_mtu: u32,
    /// Index of the upper device that owns this one (bond, bridge, VRF, OVS).
    pub master: Option<u32>,
    /// Index of the lower device (VLAN, macvlan), in the namespace that `lower_netns` tells; a pair's other end (veth).
    pub lower: Option<u32>,
    /// The namespace of `lower`, if it is another one, as this one numbers it ([`Socket::netns_number`]).
    pub lower_netns: Option<i32>,
    /// `veth`, `vlan`, ... ; none for hardware.
    pub kind: Option<String>,
    /// `IFLA_IFALIAS`.
    pub alias: Option<String>,
    /// How many users asked for promiscuous mode.
    pub promiscuity: u32,
    /// What else an administrator sets.
    pub settings: LinkSettings,
    /// XDP programs, by mode.
    pub xdp: Vec<XdpProgram>,
    /// What the driver calls the physical port, in hexadecimal digits; the functions of one port share it.
    pub phys_port_id: Option<String>,
    /// Name of a port of a switch (`p0`, `pf0vf1`).
    pub phys_port_name: Option<String>,
    /// Bus of the device behind this link: `pci`, `netdevsim`, `virtio`, ...
    pub parent_bus: Option<String>,
    /// Its name on that bus.
    pub parent_name: Option<String>,
}

impl Link {
    /// The address, where it is a MAC address.
    pub fn mac(&self) -> Option<MacAddr> {
        MacAddr::from_bytes(&self.address)
    }

    /// Index of the device that this link stands on. The other end of a pair, which the kernel tells the same way, carries
    /// nothing.
    pub fn stands_on(&self) -> Option<u32> {
        let is_pair = matches!(self.kind.as_deref(), Some("veth" | "netkit" | "vxcan"));
        self.lower.filter(|_| !is_pair)
    }
}

impl Socket {
    /// The link with this index; `None` if there is none.
    pub fn link_by_index(&mut self, index: u32) -> Result<Option<Link>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one_link(message)
    }

    /// The link with this name or alternative name; `None` if there is none.
    pub fn link_by_name(&mut self, name: &str) -> Result<Option<Link>, NetlinkError> {
        let mut message = LinkMessage::default();
        // The kernel looks up both kinds of name through either attribute, and refuses a long one in IFLA_IFNAME.
        message.attributes.push(if name.len() <= IFNAME_MAX {
            LinkAttribute::IfName(name.to_owned())
        } else {
            let mut bytes = name.as_bytes().to_vec();
            bytes.push(0);
            LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, bytes))
        });
        self.one_link(message)
    }

    fn one_link(&mut self, message: LinkMessage) -> Result<Option<Link>, NetlinkError> {
        match self.ask(RouteNetlinkMessage::GetLink(message), parse) {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every link of the namespace.
    pub fn links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        self.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default()), |payload| {
            parse(payload).map(Some)
        })
    }

    /// The same, and none is missing.
    pub fn all_links(&mut self) -> Result<Vec<Link>, NetlinkError> {
        self.dump_whole(&RouteNetlinkMessage::GetLink(LinkMessage::default()), |payload| {
            parse(payload).map(Some)
        })
    }
}

/// The flags of one link in a notification, the first if there are several.
pub(super) fn flags_in(datagram: &[u8], index: u32) -> Option<LinkFlags> {
    const RTM_NEWLINK: u16 = 16;
    let mut changed = messages(datagram)
        .filter_map(Result::ok)
        .filter(|message| message.kind == RTM_NEWLINK);
    let of_it = changed.find(|message| u32_at(message.payload, 4).is_ok_and(|i| i == index))?;
    u32_at(of_it.payload, 8).ok().map(LinkFlags)
}

fn parse(payload: &[u8]) -> Result<Link, NetlinkError> {
    let mut link = Link {
        hardware: u16_at(payload, 2)?,
        index: u32_at(payload, 4)?,
        flags: LinkFlags(u32_at(payload, 8)?),
        ..Link::default()
    };
    for attribute in attributes(after_header(payload, HEADER)?) {
        let (kind, value) = attribute?;
        match kind {
            IFLA_ADDRESS => link.address = value.to_vec(),
            IFLA_PERM_ADDRESS => link.permanent_address = value.to_vec(),
            IFLA_IFNAME => link.name = text(value),
            IFLA_MTU => link.mtu = u32_at(value, 0)?,
            IFLA_MIN_MTU => link.min_mtu = u32_at(value, 0)?,
            IFLA_MAX_MTU => link.max_mtu = u32_at(value, 0)?,
            IFLA_MASTER => link.master = Some(u32_at(value, 0)?),
            IFLA_LINK => link.lower = Some(u32_at(value, 0)?).filter(|index| *index != 0),
            IFLA_LINK_NETNSID => link.lower_netns = Some(u32_at(value, 0)?.cast_signed()),
            IFLA_IFALIAS => link.alias = Some(text(value)),
            IFLA_PROMISCUITY => link.promiscuity = u32_at(value, 0)?,
            IFLA_PHYS_PORT_ID => link.phys_port_id = Some(hexadecimal(value)),
            IFLA_PHYS_PORT_NAME => link.phys_port_name = Some(text(value)),
            IFLA_PARENT_DEV_NAME => link.parent_name = Some(text(value)),
            IFLA_PARENT_DEV_BUS_NAME => link.parent_bus = Some(text(value)),
            IFLA_LINKINFO => link.kind = named(value, IFLA_INFO_KIND)?.into_iter().next(),
            IFLA_PROP_LIST => link.altnames = named(value, IFLA_ALT_IFNAME)?,
            IFLA_XDP => link.xdp = xdp_programs(value)?,
            setting => link.settings.take(setting, value)?,
        }
    }
    Ok(link)
}

/// As sysfs prints it (`phys_port_id_show`).
fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn named(nest: &[u8], wanted: u16) -> Result<Vec<String>, NetlinkError> {
    let mut names = Vec::new();
    for attribute in attributes(nest) {
        let (kind, value) = attribute?;
        if kind == wanted {
            names.push(text(value));
        }
    }
    Ok(names)
}
