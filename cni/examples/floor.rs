//! The floor of an attachment: the kernel's share of it, as a whole process.
//!
//! Sends exactly the messages that `hardwire` must send to attach a device and to take it back, with the same code, and
//! does nothing else: no configuration, no journal, no lock, no check, no answer. What `hardwire` needs beyond this is its
//! own; `hack/bench` measures it. The caller knows the interface's index and that a move keeps it.

use std::error::Error;
use std::os::fd::AsFd;

use hardwire_cni::kernel::{AddressFlag, LinkChange, Sysctl, VfAttribute, add_address, change_link, set_vf};
use hardwire_cni::netns::Netns;
use hardwire_pci::netlink::{LinkFlags, Socket, VlanProtocol};
use hardwire_pci::{IfName, MacAddr};
use ipnetwork::IpNetwork;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const USAGE: &str =
    "usage: floor add|del NETNS INDEX NAME [mtu=N] [mac=MAC] [address=CIDR] [pf=INDEX vf=N vlan=ID [vf-mac=MAC]]

  add  moves the host's interface INDEX into NETNS as NAME, and sets it up
  del  moves the interface INDEX of NETNS to the host as NAME, down";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [verb, netns, index, name, options @ ..] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let request = Request {
        netns: Netns::open(netns)?,
        index: index.parse()?,
        name: name.parse()?,
        options,
    };
    match verb.as_str() {
        "add" => request.add(),
        "del" => request.del(),
        _ => Err(USAGE.into()),
    }
}

struct Request<'a> {
    netns: Netns,
    index: u32,
    name: IfName,
    options: &'a [String],
}

impl Request<'_> {
    fn add(&self) -> Result<(), Box<dyn Error>> {
        let mut host = Socket::open()?;
        self.set_vf(&mut host)?;
        let address: Option<IpNetwork> = self.option("address").map(str::parse).transpose()?;
        let flags = address
            .is_none()
            .then_some((LinkFlags(LinkFlags::UP), LinkFlags(LinkFlags::UP)));
        change_link(&mut host, self.index, &self.change(&self.netns, flags)?)?;
        // With an address to announce, up comes after it.
        let Some(address) = address else { return Ok(()) };
        move_into_link_name_space(self.netns.as_fd(), Some(LinkNameSpaceType::Network))?;
        Sysctl::of("ipv4", self.name.as_str(), "arp_notify").write("1")?;
        Sysctl::of("ipv6", self.name.as_str(), "ndisc_notify").write("1")?;
        let mut pod = Socket::open()?;
        add_address(&mut pod, self.index, address, AddressFlag::Optimistic)?;
        change_link(&mut pod, self.index, &LinkChange::up(true))?;
        Ok(())
    }

    fn del(&self) -> Result<(), Box<dyn Error>> {
        self.set_vf(&mut Socket::open()?)?;
        let host = Netns::own()?;
        move_into_link_name_space(self.netns.as_fd(), Some(LinkNameSpaceType::Network))?;
        let mut pod = Socket::open()?;
        let down = Some((LinkFlags(0), LinkFlags(LinkFlags::UP)));
        change_link(&mut pod, self.index, &self.change(&host, down)?)?;
        Ok(())
    }

    /// The one message to the PF, where there is one.
    fn set_vf(&self, host: &mut Socket) -> Result<(), Box<dyn Error>> {
        let (Some(pf), Some(vf), Some(vlan)) = (self.option("pf"), self.option("vf"), self.option("vlan")) else {
            return Ok(());
        };
        let mac: Option<MacAddr> = self.option("vf-mac").map(str::parse).transpose()?;
        let vlan = VfAttribute::Vlan {
            id: vlan.parse()?,
            qos: 0,
            protocol: VlanProtocol::Dot1Q,
        };
        let attributes: Vec<VfAttribute> = mac.map(VfAttribute::Mac).into_iter().chain([vlan]).collect();
        set_vf(host, pf.parse()?, vf.parse()?, &attributes)?;
        Ok(())
    }

    fn change<'fd>(
        &self,
        target: &'fd Netns,
        flags: Option<(LinkFlags, LinkFlags)>,
    ) -> Result<LinkChange<'fd>, Box<dyn Error>> {
        Ok(LinkChange {
            netns: Some(target.as_fd()),
            name: Some(self.name.clone()),
            mac: self.option("mac").map(str::parse).transpose()?,
            mtu: self.option("mtu").map(str::parse).transpose()?,
            flags,
            ..LinkChange::default()
        })
    }

    fn option(&self, name: &str) -> Option<&str> {
        let options = self.options.iter();
        options
            .filter_map(|option| option.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}
