//! Which of the links that a namespace shows is the one that was attached.
//!
//! The bus identifies the function. Permanent address, `phys_port_id` and the index in that namespace only choose between
//! its ports: a neighbour may be the node's NIC, or another pod's, so what cannot be told is not taken.

use hardwire_pci::MacAddr;
use hardwire_pci::netlink::Link;

use crate::device::is_link_of;
use crate::journal::{OriginalLink, Parent, Record};

/// How a link compares with what is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// It is another one.
    Other,
    /// Nothing speaks against it, and nothing tells it from another port of its function.
    Possible,
    /// It is the one.
    Same,
}

/// The one that was attached; `index` is what it had in this namespace, as far as that is known.
pub(super) fn which<'l>(
    record: &Record,
    original: &OriginalLink,
    links: &'l [Link],
    index: Option<u32>,
) -> Option<&'l Link> {
    let alike = |likeness| {
        links
            .iter()
            .filter(move |link| self::likeness(record, original, link) == likeness)
    };
    let one_of = |found: Vec<&'l Link>, may_be_alone: bool| match found[..] {
        [link] if may_be_alone => Some(link),
        _ => found.into_iter().find(|link| Some(link.index) == index),
    };
    let same: Vec<&Link> = alike(Likeness::Same).collect();
    if !same.is_empty() {
        return one_of(same, true);
    }
    one_of(alike(Likeness::Possible).collect(), original.hardware.port.is_none())
}

/// Whether a link is the one that was attached, as far as the link itself tells.
pub(super) fn likeness(record: &Record, original: &OriginalLink, link: &Link) -> Likeness {
    let recorded = &original.hardware;
    let on_bus = match (is_link_of(link, &record.device), &recorded.parent) {
        (Some(on_bus), _) => on_bus,
        (None, Some(parent)) => Parent::of(link).as_ref() == Some(parent),
        (None, None) => return without_bus(record, original, link),
    };
    let compared = [
        compare(recorded.phys_port_id.as_ref(), link.phys_port_id.as_ref()),
        compare(recorded.permanent, MacAddr::from_bytes(&link.permanent_address)),
    ];
    let named_otherwise = compare(recorded.phys_port_name.as_ref(), link.phys_port_name.as_ref()) == Some(false);
    if !on_bus || named_otherwise || compared.contains(&Some(false)) {
        Likeness::Other
    } else if compared.contains(&Some(true)) {
        Likeness::Same
    } else {
        Likeness::Possible
    }
}

/// `None` where one of the two does not tell.
fn compare<T: PartialEq>(was: Option<T>, is: Option<T>) -> Option<bool> {
    Some(was? == is?)
}

/// A namespace gives an index to one device only; a name can become another's, so it needs the address beside it.
fn without_bus(record: &Record, original: &OriginalLink, link: &Link) -> Likeness {
    let named = link.name == record.owner.ifname.as_str() || link.name == original.name.as_str();
    let mac = link.mac();
    let addressed = mac == original.mac || record.target.mac.is_some() && mac == record.target.mac;
    let is_it = record
        .target
        .index
        .map_or(named && addressed, |index| index == link.index);
    if is_it { Likeness::Same } else { Likeness::Other }
}

#[cfg(test)]
#[path = "which_tests.rs"]
mod tests;
