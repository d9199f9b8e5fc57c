//! Links that were made on a device: VLANs, macvlans, ipvlans and the like.
//!
//! The kernel leaves them where they are when their device moves, and they go on receiving its packets
//! (`macvlan_device_event`, drivers/net/macvlan.c: "twiddle thumbs on netns device moves"). They are seen from their own
//! namespace only.

use std::os::fd::AsFd;

use hardwire_pci::netlink::{Link, NetlinkError};

use crate::kernel::{LinkChange, change_link, delete_group, delete_link};
use crate::netns::{Entered, Netns};

/// What became of the links that stand on a device.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How many there were.
    pub(super) count: usize,
    /// Why some are still there.
    pub(super) refused: Option<NetlinkError>,
}

/// Ends the links in `place` that stand on the interfaces `indices` of namespace `home`, another one.
pub(super) fn end_children(place: &mut Entered, home: &Netns, indices: &[u32]) -> Result<Ended, NetlinkError> {
    let links = place.socket.all_links()?;
    let elsewhere =
        |link: &&Link| link.stands_on().is_some_and(|lower| indices.contains(&lower)) && link.lower_netns.is_some();
    if !links.iter().any(|link| elsewhere(&link)) {
        return Ok(Ended::default());
    }
    // The dump has made the kernel number whatever namespace it told of.
    let Some(number) = place.socket.netns_number(home.as_fd())? else {
        return Ok(Ended::default());
    };
    let children = links.iter().filter(elsewhere);
    let children: Vec<u32> = children
        .filter(|link| link.lower_netns == Some(number))
        .map(|link| link.index)
        .collect();
    let ended = match children.as_slice() {
        [] => Ok(()),
        [only] => gone(delete_link(&mut place.socket, *only)),
        several => end_together(place, several, unused_group(&links)),
    };
    Ok(Ended {
        count: children.len(),
        refused: ended.err(),
    })
}

/// In one step: the end of each link waits for RCU, and a pod may have made thousands.
fn end_together(place: &mut Entered, children: &[u32], group: u32) -> Result<(), NetlinkError> {
    for child in children {
        let mut change = LinkChange::default();
        change.settings.group = Some(group);
        gone(change_link(&mut place.socket, *child, &change))?;
    }
    gone(delete_group(&mut place.socket, group))
}

fn unused_group(links: &[Link]) -> u32 {
    let used = |group: &u32| links.iter().any(|link| link.settings.group == Some(*group));
    // No namespace has a link for each number.
    (1..u32::MAX).rev().find(|group| !used(group)).unwrap_or(u32::MAX)
}

/// Whoever made it may end it at any time.
fn gone(done: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    done.or_else(|error| if error.is_missing() { Ok(()) } else { Err(error) })
}
