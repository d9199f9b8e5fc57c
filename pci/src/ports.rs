//! The ports of one PCI function: cards of Chelsio (cxgb4), Netronome (nfp) and Mellanox (mlx4) have one function for
//! several ports, with an interface for each.
//!
//! Each port is a device of its own: the first keeps the function's address, the others are
//! `ADDRESS/pN`. N is what the driver counts them by, so it is the same whatever the other ports do: `dev_port`, or
//! `dev_id`, which older drivers have in its place, or the number in `phys_port_name`. Where nothing tells them apart they
//! stay one device, which only the name or address of an interface can say more of.

use crate::device::{Device, Function, Netdev};
use crate::id::{DeviceId, PortName};

/// What the kernel says of where an interface is among those of its function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    /// `dev_port`, 0 where the driver does not set it.
    pub(crate) dev_port: u32,
    /// `dev_id`, likewise.
    pub(crate) dev_id: u32,
    /// `phys_port_name`.
    pub(crate) name: Option<PortName>,
}

/// A number for each, by the first of the three that tells them apart. What is alone has the number that it would have
/// beside others, as far as that can be told.
pub(crate) fn count(ports: &[Counted]) -> Vec<Option<u32>> {
    if let [port] = ports {
        let number = if port.dev_port == 0 { port.dev_id } else { port.dev_port };
        return vec![Some(number)];
    }
    let distinct = |numbers: Vec<Option<u32>>| {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        (sorted.len() == numbers.len() && !numbers.contains(&None)).then_some(numbers)
    };
    let physical = |port: &Counted| match port.name {
        Some(PortName::Physical(number)) => Some(number),
        _ => None,
    };
    let ports = ports.iter();
    distinct(ports.clone().map(|port| Some(port.dev_port)).collect())
        .or_else(|| distinct(ports.clone().map(|port| Some(port.dev_id)).collect()))
        .or_else(|| distinct(ports.clone().map(physical).collect()))
        .unwrap_or_else(|| vec![None; ports.len()])
}

/// A physical port of a switch: the uplink of a PF in switchdev mode.
pub(crate) fn is_uplink(netdev: &Netdev) -> bool {
    netdev.switch_id.is_some() && matches!(netdev.port, Some(PortName::Physical(_)))
}

impl Device {
    /// Its interfaces that are no representors, each of which is a port of its own; of a PF in switchdev mode its uplinks.
    /// The first comes first.
    pub fn ports(&self) -> Vec<&Netdev> {
        let on_pci = self.id.pci().is_some();
        let uplinks = self.netdevs.iter().any(is_uplink);
        let own = self.netdevs.iter();
        let own = own.filter(|netdev| !on_pci || (!netdev.is_representor() && (!uplinks || is_uplink(netdev))));
        let mut own: Vec<&Netdev> = own.collect();
        if own.iter().any(|netdev| netdev.number.is_some()) {
            own.retain(|netdev| netdev.number.is_some());
            own.sort_by_key(|netdev| netdev.number);
        }
        own
    }

    /// The id of one of its ports.
    pub fn id_of_port(&self, netdev: &Netdev) -> DeviceId {
        let (Some(function), Some(port)) = (self.id.pci(), netdev.number) else {
            return self.id.clone();
        };
        let ports = self.ports();
        let is_first = ports.first().is_some_and(|first| first.number == Some(port));
        if port == 0 || ports.len() > 1 && is_first {
            DeviceId::Pci(function)
        } else {
            DeviceId::PciPort { function, port }
        }
    }

    /// Only this port of it, as the device that it is; without interface if the port has none here.
    pub(crate) fn into_port(mut self, id: DeviceId, number: u32) -> Self {
        let own = self.ports().into_iter().find(|netdev| netdev.number == Some(number));
        let own = own.map(|netdev| (netdev.clone(), self.id_of_port(netdev)));
        let id = match (number, self.id.pci()) {
            (0, Some(function)) => DeviceId::Pci(function),
            _ => id,
        };
        let (netdev, id) = own.map_or((None, id), |(netdev, id)| (Some(netdev), id));
        if id.is_further_port() {
            // What user space drives, and what a PF sets of a VF, is the whole function's, and goes with its address.
            self.rdma.clear();
            self.vdpa.clear();
            if let Function::Vf { index, .. } = &mut self.function {
                *index = None;
            }
            self.netdevs.clear();
        }
        self.netdevs.retain(Netdev::is_representor);
        self.netdevs.extend(netdev);
        Self { id, ..self }
    }

    /// Each of its ports as a device of its own, the first one first.
    pub(crate) fn split(self) -> Vec<Self> {
        let ports: Vec<_> = self
            .ports()
            .into_iter()
            .map(|netdev| (netdev.number, self.id_of_port(netdev)))
            .collect();
        if ports.len() < 2 || ports.iter().any(|(number, _)| number.is_none()) {
            return vec![self];
        }
        let port = |(number, id): (Option<u32>, DeviceId)| Some(self.clone().into_port(id, number?));
        ports.into_iter().filter_map(port).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(ports: &[(u32, u32, Option<PortName>)]) -> Vec<Option<u32>> {
        let ports = ports.iter().map(|(dev_port, dev_id, name)| Counted {
            dev_port: *dev_port,
            dev_id: *dev_id,
            name: *name,
        });
        count(&ports.collect::<Vec<_>>())
    }

    #[test]
    fn rule_6_ports_are_counted_by_what_tells_them_apart() {
        let named = |n| Some(PortName::Physical(n));
        assert_eq!(counted(&[(0, 0, None), (1, 0, None)]), [Some(0), Some(1)]);
        assert_eq!(counted(&[(0, 0, None), (0, 1, None)]), [Some(0), Some(1)]);
        assert_eq!(counted(&[(0, 0, named(1)), (0, 0, named(2))]), [Some(1), Some(2)]);
        assert_eq!(counted(&[(0, 0, None), (0, 0, None)]), [None, None]);
        assert_eq!(counted(&[(0, 0, named(1)), (0, 0, None)]), [None, None]);
    }

    #[test]
    fn rule_6_a_port_that_is_alone_here_keeps_its_number() {
        assert_eq!(counted(&[(1, 0, Some(PortName::Physical(7)))]), [Some(1)]);
        assert_eq!(counted(&[(0, 1, None)]), [Some(1)]);
        assert_eq!(counted(&[(0, 0, Some(PortName::Physical(1)))]), [Some(0)]);
    }
}
