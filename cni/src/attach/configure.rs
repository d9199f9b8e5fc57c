//! IPAM's answer, applied to the interface in the pod.
//!
//! Contract: `ConfigureIface` of the reference plugins (contract.md 2.3). Addresses are set while the link is down and the
//! link goes up after them with `arp_notify` and `ndisc_notify`, so that the kernel announces each address without a
//! packet socket, whose close would cost an RCU grace period.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hardwire_pci::IfName;
use hardwire_pci::netlink::{Group, InterfaceAddress, NetlinkError, Socket, Watch};

use super::announce::{Bound, CarrierBound, announce};
use crate::kernel::{AddressFlag, LinkChange, Sysctl, SysctlError, add_address, add_route, change_link};
use crate::netns::Netns;
use crate::protocol::{CniError, Route, Success, code};
use crate::report::{Phase, Phases};

/// As long as the reference waits.
const DAD_BOUND: Duration = Duration::from_secs(5);

/// Sets addresses, up, and routes.
pub fn configure(
    netns: &Netns,
    socket: &mut Socket,
    ifname: &IfName,
    index: u32,
    result: &Success,
    carrier: CarrierBound,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let v6 = result.ips.iter().any(|ip| ip.address.is_ipv6());
    // Routes through a gateway need a source address that is no longer tentative.
    let settled = family_gateway(result, true).is_some();
    let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("{ifname}: {error}"));
    let (mut links, addresses, kernel) = phases.time(Phase::Addresses, || {
        let inside = netns.run(|| -> Result<_, CniError> {
            let kernel = prepare(ifname, v6).map_err(|error| failed(&error))?;
            let links = Watch::open(Group::Links).map_err(|error| failed(&error))?;
            let addresses = settled.then(|| Watch::open(Group::Ipv6Addresses)).transpose();
            Ok((links, addresses.map_err(|error| failed(&error))?, kernel))
        });
        let watches = inside.map_err(|error| failed(&error))??;
        set_addresses(socket, ifname, index, result)?;
        Ok::<_, CniError>(watches)
    })?;
    phases.time(Phase::Announce, || {
        let bound = Bound { carrier, kernel };
        announce(netns, socket, &mut links, ifname, index, result, bound);
    });
    phases.time(Phase::Addresses, || {
        if let Some(mut addresses) = addresses {
            settle(socket, ifname, index, &mut addresses)?;
        }
        set_routes(socket, ifname, index, result)
    })
}

fn set_addresses(socket: &mut Socket, ifname: &IfName, index: u32, result: &Success) -> Result<(), CniError> {
    for ip in &result.ips {
        let added = add_address(socket, index, ip.address, AddressFlag::Optimistic);
        added.map_err(|error| refused(ifname, &format!("address {}", ip.address), &error))?;
    }
    change_link(socket, index, &LinkChange::up(true)).map_err(|error| refused(ifname, "up", &error))
}

fn set_routes(socket: &mut Socket, ifname: &IfName, index: u32, result: &Success) -> Result<(), CniError> {
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

/// Waits for the end of duplicate address detection, which the kernel reports with each address that it changes.
fn settle(socket: &mut Socket, ifname: &IfName, index: u32, watch: &mut Watch) -> Result<(), CniError> {
    let deadline = Instant::now() + DAD_BOUND;
    let failed = |error| CniError::new(code::INTERNAL, format!("{ifname}: waiting for its addresses: {error}"));
    loop {
        let addresses = socket.addresses(Some(index)).map_err(failed)?;
        if let Some(duplicate) = addresses.iter().find(|address| address.is_duplicate()) {
            let msg = format!(
                "{ifname}: another host has {} already (duplicate address detection)",
                duplicate.address
            );
            return Err(CniError::new(code::INTERNAL, msg));
        }
        if !addresses.iter().any(InterfaceAddress::is_tentative) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        watch.wait(left).map_err(failed)?;
    }
    // Without a carrier there is no detection, and nobody to disturb.
    let link = socket.link_by_index(index).map_err(failed)?;
    if link.is_some_and(|link| link.flags.is_running()) {
        return Err(CniError::new(
            code::INTERNAL,
            format!("{ifname}: its IPv6 addresses are still tentative"),
        ));
    }
    tracing::info!(ifname = %ifname, "no carrier: its IPv6 addresses stay tentative until there is one");
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

/// What must hold before an address is set and announced. Announcing is a courtesy; IPv6 without its sysctls is not. Tells
/// whether the kernel will announce IPv4 addresses.
fn prepare(ifname: &IfName, v6: bool) -> Result<bool, SysctlError> {
    let name = ifname.as_str();
    let [kernel, _v6] = [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")].map(|(family, sysctl)| {
        let written = Sysctl::of(family, name, sysctl).write("1");
        written
            .inspect_err(|error| tracing::debug!(ifname = name, "the kernel will not announce addresses: {error}"))
            .is_ok()
    });
    if !v6 {
        return Ok(kernel);
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
    Ok(kernel)
}
