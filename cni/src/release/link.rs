//! An interface back on the host, with its own name, address, MTU, flags and alternative names.

use std::os::fd::AsFd;

use hardwire_pci::netlink::{Link, LinkFlags, NetlinkError, Socket};
use hardwire_pci::{IfName, MacAddr};

use super::children::end_children;
use super::clean::{From, Left, clean, note};
use super::fallback_name::fallback_names;
use super::find::{Location, find};
use super::pf::{self, PfLocation};
use super::{ReleaseError, refused};
use crate::Context;
use crate::journal::{OriginalLink, OriginalVf, Record};
use crate::kernel::{LinkChange, add_altname, change_link, delete_altname, is_taken};
use crate::netns::{Entered, Netns};
use crate::pf::VfPort;

/// The flags that an administrator sets: up, promiscuous, all multicast, and what else there is.
const RESTORED: LinkFlags = LinkFlags(LinkFlags::UP | LinkFlags::PROMISC | LinkFlags::ALLMULTI | LinkFlags::OTHERS);

/// An interface that is put right: what it was like, and where that is put back.
#[derive(Debug)]
pub(super) struct Restoring<'a> {
    /// Where the node's state is.
    pub(super) context: &'a Context,
    /// The attachment.
    pub(super) record: &'a Record,
    /// What the interface was like, as the record has it.
    pub(super) original: &'a OriginalLink,
    /// The host's socket.
    pub(super) host: &'a mut Socket,
}

// === impl Restoring ===

impl Restoring<'_> {
    /// The mirror of the move: one message with namespace, name, address, MTU and flags. With `foreign_mac`, an admin MAC that
    /// somebody gave the VF meanwhile, that is its address: it takes no other. Tells its name on the host, which is another
    /// than before where that is taken.
    pub(super) fn bring_back(
        &mut self,
        mut pod: Entered,
        link: &Link,
        foreign_mac: Option<MacAddr>,
    ) -> Result<IfName, ReleaseError> {
        let (record, original) = (self.record, self.original);
        let own = own_netns(record)?;
        for altname in link
            .altnames
            .iter()
            .filter(|altname| !original.altnames.contains(altname))
        {
            // Before the move, which a name that the host has would stop.
            let deleted = delete_altname(&mut pod.socket, link.index, altname);
            deleted.map_err(|source| refused(record, "taking an alternative name from it", source))?;
        }
        let mut name = self.free_name(None)?;
        let mut change = LinkChange {
            netns: Some(own.as_fd()),
            name: Some(name.clone()),
            mac: foreign_mac.or(original.mac).filter(|mac| link.mac() != Some(*mac)),
            mtu: differing_mtu(link, original),
            alias: differing_alias(link, original),
            flags: Some((LinkFlags(original.flags), RESTORED)),
            ..LinkChange::default()
        };
        let mut moved = change_link(&mut pod.socket, link.index, &change);
        if is_taken(&moved) {
            drop_taken_altnames(record, link, &mut pod, self.host)?;
            // Somebody may have taken the name since.
            name = self.free_name(None)?;
            change.name = Some(name.clone());
            moved = change_link(&mut pod.socket, link.index, &change);
        }
        let mut address = Address::of(record, foreign_mac);
        if let Err(source) = moved {
            // The move itself may be done: what it left is then put right on the host, part by part.
            let Location::Host(link) = find(self.context, record, self.host)? else {
                return Err(refused(record, "moving it back to the host", source));
            };
            return self.settle(&link, From::Pod, Some(pod), address);
        }
        let back = self.host.link_by_name(name.as_str());
        let back = back.map_err(|source| refused(record, "looking at it on the host", source))?;
        // The move told the PF the address, unless it was that before.
        address.tell = address.tell.filter(|_| change.mac.is_none());
        back.map_or(Ok(name), |link| self.settle(&link, From::Pod, Some(pod), address))
    }

    /// What is to be done with an interface on the host: nothing of a pod stays on it, and it is as it was. `pod` is the
    /// namespace of its attachment, where that still is. Tells its name.
    pub(super) fn settle(
        &mut self,
        link: &Link,
        from: From,
        pod: Option<Entered>,
        address: Address,
    ) -> Result<IfName, ReleaseError> {
        let mut left = clean(&self.original.settings, link, from, self.host);
        let children = match pod {
            Some(mut pod) => children_in(self.record, &mut pod, link.index, &mut left),
            None => Ok(()),
        };
        // Whatever keeps it from its name or address, nobody gets it with what is left.
        let noted = note(self.context, &self.record.device, link.index, &left);
        let name = self.restore_on_host(link, address)?;
        children.and(noted).map(|()| name)
    }

    /// Puts right whatever differs on an interface that is on the host, and tells its name. Sends nothing if nothing does.
    fn restore_on_host(&mut self, link: &Link, Address { mac, tell }: Address) -> Result<IfName, ReleaseError> {
        let (record, original) = (self.record, self.original);
        let index = link.index;
        let mac = mac.filter(|mac| link.mac() != Some(*mac) || tell.is_some());
        let name = if link.name == original.name.as_str() {
            original.name.clone()
        } else {
            self.free_name(Some(index))?
        };
        let renamed = link.name != name.as_str();
        let mut flags = link.flags;
        if flags.is_up() && (mac.is_some() || renamed) {
            // Many drivers change neither while they are up.
            let down = change_link(self.host, index, &LinkChange::up(false));
            down.map_err(|source| refused(record, "setting it down", source))?;
            flags = LinkFlags(flags.0 & !LinkFlags::UP);
        }
        if let Some(mac) = mac {
            if let Some(other) = tell.filter(|_| link.mac() == Some(mac)) {
                // The kernel passes on an address only if it is another one than before. A refusal is the next step's to tell.
                drop(give(self.host, index, other));
            }
            self.restore_mac(index, mac)?;
        }
        let mut apply = |step: &str, change: LinkChange<'_>| {
            change_link(self.host, index, &change).map_err(|source| refused(record, step, source))
        };
        if let mtu @ Some(_) = differing_mtu(link, original) {
            apply(
                "restoring its MTU",
                LinkChange {
                    mtu,
                    ..LinkChange::default()
                },
            )?;
        }
        if let alias @ Some(_) = differing_alias(link, original) {
            apply(
                "restoring its alias",
                LinkChange {
                    alias,
                    ..LinkChange::default()
                },
            )?;
        }
        let name = if renamed { self.rename(link, name)? } else { name };
        if flags.0 & RESTORED.0 != original.flags & RESTORED.0 {
            let flags = Some((LinkFlags(original.flags), RESTORED));
            let change = LinkChange {
                flags,
                ..LinkChange::default()
            };
            change_link(self.host, index, &change).map_err(|source| refused(record, "restoring its flags", source))?;
        }
        restore_altnames(record, link, &name, original, self.host)?;
        Ok(name)
    }

    fn restore_mac(&mut self, index: u32, mac: MacAddr) -> Result<(), ReleaseError> {
        let record = self.record;
        let refused = |source| refused(record, "restoring its MAC address", source);
        let Err(source) = give(self.host, index, mac) else {
            return Ok(());
        };
        // While an admin MAC stands in the way. One that somebody gave it meanwhile, it has when it resets.
        let Some(vf) = &record.vf else {
            return Err(refused(source));
        };
        if self.original.mac != Some(mac) {
            tracing::warn!(device = %record.device, "it does not take its new admin MAC {mac} as address yet: {source}");
            return Ok(());
        }
        let lift = |socket: &mut Socket, netns, pf| {
            let mut port = VfPort {
                socket,
                pf,
                vf: vf.index,
            };
            port.give_address(netns, index, mac, vf.admin_mac())
        };
        let given = match pf::locate(self.context, &vf.pf) {
            PfLocation::Host(pf) => lift(self.host, None, pf),
            PfLocation::Elsewhere(pf, mut there) => lift(&mut there, Some(self.host), pf),
            PfLocation::Hidden | PfLocation::Gone => Err(source),
        };
        given.map_err(refused)
    }

    fn rename(&mut self, link: &Link, mut name: IfName) -> Result<IfName, ReleaseError> {
        let record = self.record;
        // An alternative name that equals it would stop the rename.
        if link.altnames.iter().any(|altname| altname == name.as_str()) {
            let deleted = delete_altname(self.host, link.index, name.as_str());
            deleted.map_err(|source| refused(record, "taking an alternative name from it", source))?;
        }
        let change = |name: &IfName| LinkChange {
            name: Some(name.clone()),
            ..LinkChange::default()
        };
        let mut renamed = change_link(self.host, link.index, &change(&name));
        if is_taken(&renamed) {
            // Somebody may have taken the name since.
            name = self.free_name(Some(link.index))?;
            renamed = change_link(self.host, link.index, &change(&name));
        }
        renamed.map_err(|source| refused(record, "restoring its name", source))?;
        Ok(name)
    }

    /// Its own name, or a fallback name where another interface of the host has that. `own` is the device's index on the host.
    fn free_name(&mut self, own: Option<u32>) -> Result<IfName, ReleaseError> {
        let (record, original) = (self.record, self.original);
        for name in std::iter::once(original.name.clone()).chain(fallback_names(&record.device)) {
            let other = self.host.link_by_name(name.as_str());
            let other = other.map_err(|source| refused(record, "asking for its name on the host", source))?;
            if other.is_none_or(|other| Some(other.index) == own) {
                return Ok(name);
            }
        }
        Err(ReleaseError::NamesTaken {
            device: record.device.clone(),
            name: original.name.to_string(),
        })
    }
}

/// Ends what the pod made on the interface. That it cannot be looked for is no reason to let it be: the next DEL does it.
fn children_in(record: &Record, pod: &mut Entered, index: u32, left: &mut Left) -> Result<(), ReleaseError> {
    let own = own_netns(record)?;
    let ended = end_children(pod, &own, &[index]);
    let ended = ended.map_err(|source| refused(record, "looking for what was made on it in the pod", source))?;
    if let Some(error) = ended.refused {
        left.push(format!("what was made on it in the pod: {error}"));
    }
    Ok(())
}

fn own_netns(record: &Record) -> Result<Netns, ReleaseError> {
    Netns::own().map_err(|source| ReleaseError::Netns {
        device: record.device.clone(),
        source,
    })
}

/// Takes from it the alternative names that other interfaces of the host got meanwhile: the kernel refuses the move of a
/// device with such a name.
fn drop_taken_altnames(record: &Record, link: &Link, pod: &mut Entered, host: &mut Socket) -> Result<(), ReleaseError> {
    for altname in &link.altnames {
        let other = host.link_by_name(altname);
        let other = other.map_err(|source| refused(record, "asking for its alternative names on the host", source))?;
        if other.is_some() {
            // One that the pod gave it was taken from it before, and is not there any more.
            if let Err(error) = delete_altname(&mut pod.socket, link.index, altname) {
                tracing::debug!(device = %record.device, "{altname} is not taken from it: {error}");
            }
        }
    }
    Ok(())
}

/// The address that an interface gets on the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    mac: Option<MacAddr>,
    /// Of a VF whose driver has to tell its PF its address again: another one, to be told before.
    tell: Option<MacAddr>,
}

impl Address {
    /// The one on record, or `foreign_mac` as in [`bring_back`].
    pub(super) fn of(record: &Record, foreign_mac: Option<MacAddr>) -> Self {
        let original = record.link.as_ref().and_then(|original| original.mac);
        let tell = record.vf.as_ref().and_then(OriginalVf::to_tell_after);
        Self {
            mac: foreign_mac.or(original),
            tell: tell.filter(|_| foreign_mac.is_none()),
        }
    }
}

fn give(socket: &mut Socket, index: u32, mac: MacAddr) -> Result<(), NetlinkError> {
    let change = LinkChange {
        mac: Some(mac),
        ..LinkChange::default()
    };
    change_link(socket, index, &change)
}

fn differing_mtu(link: &Link, original: &OriginalLink) -> Option<u32> {
    Some(original.mtu).filter(|mtu| *mtu != 0 && *mtu != link.mtu)
}

fn differing_alias(link: &Link, original: &OriginalLink) -> Option<String> {
    (link.alias != original.alias).then(|| original.alias.clone().unwrap_or_default())
}

fn restore_altnames(
    record: &Record,
    link: &Link,
    name: &IfName,
    original: &OriginalLink,
    host: &mut Socket,
) -> Result<(), ReleaseError> {
    let failed = |source| refused(record, "restoring its alternative names", source);
    let is_own = |altname: &&String| altname.as_str() != name.as_str();
    for extra in link
        .altnames
        .iter()
        .filter(is_own)
        .filter(|altname| !original.altnames.contains(altname))
    {
        delete_altname(host, link.index, extra).map_err(failed)?;
    }
    let kept: Vec<&String> = link
        .altnames
        .iter()
        .filter(|name| original.altnames.contains(name))
        .collect();
    // The kernel appends, so those that stand behind one that is lost follow it again.
    let pairs = kept.iter().zip(&original.altnames);
    let in_place = pairs.take_while(|(is, was)| **is == *was).count();
    for behind in kept.into_iter().skip(in_place) {
        delete_altname(host, link.index, behind).map_err(failed)?;
    }
    for lost in original.altnames.iter().skip(in_place) {
        let added = add_altname(host, link.index, lost);
        if is_taken(&added) {
            // It is no part of what makes a device free, and its new holder's for good, as far as anybody can tell.
            tracing::warn!(device = %record.device, "its alternative name {lost} is another interface's by now: it goes without");
        } else {
            added.map_err(failed)?;
        }
    }
    Ok(())
}
