//! A range of addresses in a subnet, as host-local has it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::Problem;
use super::config::{Fields, network};
use crate::printable::excerpt;

/// As much of a value as an error quotes, bytes.
const QUOTED: usize = 256;

/// A range as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// `subnet`.
    pub(super) subnet: Option<IpNetwork>,
    start: Option<IpAddr>,
    end: Option<IpAddr>,
    gateway: Option<IpAddr>,
}

/// Addresses from `first` to `last`, both of them in it, but for the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    subnet: IpNetwork,
    /// The first one.
    pub(super) first: IpAddr,
    /// The last one.
    pub(super) last: IpAddr,
    /// Given to nobody.
    pub(super) gateway: IpAddr,
}

// === impl Written ===

impl Written {
    /// What `subnet`, `rangeStart`, `rangeEnd` and `gateway` say.
    pub(super) fn of(fields: &Fields<'_>) -> Result<Self, Problem> {
        let bad = |text: &str| Problem(format!("invalid CIDR address: {}", excerpt(text, QUOTED)));
        let subnet = fields.text("subnet")?;
        Ok(Self {
            subnet: subnet.map(|text| network(text).ok_or_else(|| bad(text))).transpose()?,
            start: fields.address("rangeStart")?,
            end: fields.address("rangeEnd")?,
            gateway: fields.address("gateway")?,
        })
    }

    /// The range, whose subnet has to be there.
    pub(super) fn range(self) -> Result<Range, Problem> {
        let subnet = self
            .subnet
            .ok_or_else(|| Problem("IP <nil> not v4 nor v6".to_owned()))?;
        Range::new(subnet, self)
    }
}

// === impl Range ===

impl Range {
    fn new(subnet: IpNetwork, written: Written) -> Result<Self, Problem> {
        let Written {
            start, end, gateway, ..
        } = written;
        let length = subnet.prefix();
        let longest = if subnet.is_ipv4() { 30 } else { 126 };
        if length > longest {
            return Err(Problem(format!("Network {subnet} too small to allocate from")));
        }
        if subnet.ip().to_canonical() != subnet.ip() {
            return Err(Problem("IPNet IP and Mask version mismatch".to_owned()));
        }
        let base = subnet.network();
        if base != subnet.ip() {
            return Err(Problem(format!(
                "Network has host bits set. For a subnet mask of length {length} the network address is {base}"
            )));
        }
        let outside = |which: &str, address: IpAddr| Problem(format!("{which} {address} not in network {subnet}"));
        if let Some(start) = start {
            let is_before_end = end.is_none_or(|end| number(start) <= number(end));
            if !subnet.contains(start) || !is_before_end {
                return Err(outside("RangeStart", start));
            }
        }
        let first = start.unwrap_or_else(|| next(base));
        if let Some(end) = end
            && (!subnet.contains(end) || number(end) < number(first))
        {
            return Err(outside("RangeEnd", end));
        }
        // The last address of an IPv4 subnet is its broadcast.
        let last = match subnet {
            IpNetwork::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.broadcast().to_bits() - 1)),
            IpNetwork::V6(v6) => IpAddr::V6(v6.broadcast()),
        };
        Ok(Self {
            subnet,
            first,
            last: end.unwrap_or(last),
            gateway: gateway.unwrap_or_else(|| next(base)),
        })
    }

    /// Whether an address is one of it.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.subnet.contains(address) && (number(self.first)..=number(self.last)).contains(&number(address))
    }

    /// Whether an address is in both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first)
            || self.contains(other.last)
            || other.contains(self.first)
            || other.contains(self.last)
    }

    /// An address of it, with the length of its subnet's prefix.
    pub(super) fn with_prefix(&self, address: IpAddr) -> Result<IpNetwork, Problem> {
        IpNetwork::new(address, self.subnet.prefix()).map_err(|error| Problem(error.to_string()))
    }

    /// Whether its addresses are IPv4.
    pub(super) fn is_ipv4(&self) -> bool {
        self.subnet.is_ipv4()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The address after this one; of the very last, the first.
pub(super) fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits().wrapping_add(1))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits().wrapping_add(1))),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
