//! IPAM's answer, applied to the interface in the pod.
//!
//! Contract: `ConfigureIface` of the reference plugins (contract.md 2.3). Addresses are set while the link is down and the
//! link goes up after them with `arp_notify` and `ndisc_notify`, so that the kernel announces each address without a
//! packet socket, whose close would cost an RCU grace period.

use std::net::IpAddr;

use hardwire_pci::IfName;
use hardwire_pci::netlink::{NetlinkError, Socket};

use crate::kernel::{AddressFlag, LinkChange, Sysctl, SysctlError, add_address, add_route, change_link};
use crate::netns::Netns;
use crate::protocol::{CniError, Route, Success, code};

/// Sets addresses, up, and routes.
pub fn configure(
    netns: &Netns,
    socket: &mut Socket,
    ifname: &IfName,
    index: u32,
    result: &Success,
) -> Result<(), CniError> {
    let v6 = result.ips.iter().any(|ip| ip.address.is_ipv6());
    let prepared = netns
        .run(|| prepare(ifname, v6))
        .map_err(|error| CniError::new(code::INTERNAL, error))?;
    prepared.map_err(|error| CniError::new(code::INTERNAL, format!("{ifname}: {error}")))?;

    for ip in &result.ips {
        let added = add_address(socket, index, ip.address, AddressFlag::Optimistic);
        added.map_err(|error| refused(ifname, &format!("address {}", ip.address), &error))?;
    }
    change_link(socket, index, &LinkChange::up(true)).map_err(|error| refused(ifname, "up", &error))?;

    let mut done: Vec<&Route> = Vec::new();
    for route in &result.routes {
        // Exactly the same route twice is a slip of an IPAM configuration and changes nothing.
        if done.contains(&route) {
            continue;
        }
        let gateway = route.gw.or_else(|| family_gateway(result, route.dst.is_ipv6()));
        let added = add_route(socket, index, route, gateway);
        added.map_err(|error| refused(ifname, &format!("route {}{}", route.dst, via(gateway)), &error))?;
        done.push(route);
    }
    Ok(())
}

fn via(gateway: Option<IpAddr>) -> String {
    gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default()
}

fn family_gateway(result: &Success, v6: bool) -> Option<IpAddr> {
    result
        .ips
        .iter()
        .filter(|ip| ip.address.is_ipv6() == v6)
        .find_map(|ip| ip.gateway)
}

fn refused(ifname: &IfName, what: &str, error: &NetlinkError) -> CniError {
    CniError::new(code::REFUSED, format!("{ifname}: the kernel refused {what}: {error}"))
}

/// What must hold before an address is set and announced. Announcing is a courtesy; IPv6 without its sysctls is not.
fn prepare(ifname: &IfName, v6: bool) -> Result<(), SysctlError> {
    let name = ifname.as_str();
    for (family, sysctl) in [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")] {
        if let Err(error) = Sysctl::of(family, name, sysctl).write("1") {
            tracing::debug!(ifname = name, "addresses will not be announced: {error}");
        }
    }
    if !v6 {
        return Ok(());
    }
    for interface in ["lo", name] {
        let disabled = Sysctl::of("ipv6", interface, "disable_ipv6");
        match disabled.read() {
            Ok(value) if value == "0" => {}
            Ok(_) => disabled.write("0")?,
            Err(error) => tracing::warn!(ifname = name, "cannot tell whether IPv6 is on: {error}"),
        }
    }
    Sysctl::of("ipv6", name, "keep_addr_on_down").write("1")?;
    if let Err(error) = Sysctl::of("ipv6", name, "optimistic_dad").write("1") {
        tracing::debug!(ifname = name, "this kernel has no optimistic DAD: {error}");
    }
    Ok(())
}
