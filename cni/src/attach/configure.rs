//! IPAM's answer, applied to the interface in the pod.
//!
//! Contract: `ConfigureIface` of the reference plugins (pkg/ipam). Addresses are set while the link is down and the
//! link goes up after them with `arp_notify` and `ndisc_notify`, so that the kernel announces each address without a
//! packet socket, whose close would cost an RCU grace period.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hardwire_pci::IfName;
use hardwire_pci::netlink::{Change, Group, InterfaceAddress, RefusedChange, Watch};
use ipnetwork::IpNetwork;

use super::announce::announce;
use super::pod_interface::{CarrierBound, PodInterface};
use crate::kernel::{AddressFlag, LinkChange, Sysctl, SysctlError, new_address, new_route, set_link};
use crate::protocol::{CniError, NextHop, Route, Success, code};
use crate::report::{Phase, Phases};

/// As long as the reference waits.
const DAD_BOUND: Duration = Duration::from_secs(5);

/// A change, and what a refusal calls it.
struct Named {
    name: String,
    change: Change,
}

// === impl PodInterface ===

impl PodInterface<'_> {
    /// Sets addresses, up, and routes.
    pub fn configure(&mut self, result: &Success, phases: &mut Phases) -> Result<(), CniError> {
        let ifname = self.ifname;
        let v6 = result.ips.iter().any(|ip| ip.address.is_ipv6());
        // Routes through a gateway need a source address that is no longer tentative.
        let settled = result.family_gateway(true).is_some();
        let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("{ifname}: {error}"));
        let mut routes = self.routes(result);
        let (mut links, addresses, kernel_announces) = phases.time(Phase::Addresses, || {
            let inside = self.netns.run(|| -> Result<_, CniError> {
                let kernel_announces = prepare(ifname, v6).map_err(|error| failed(&error))?;
                let links = Watch::open(Group::Links).map_err(|error| failed(&error))?;
                let addresses = settled.then(|| Watch::open(Group::Ipv6Addresses)).transpose();
                Ok((links, addresses.map_err(|error| failed(&error))?, kernel_announces))
            });
            let watches = inside.map_err(|error| failed(&error))??;
            let mut first = self.addresses_and_up(result);
            if !settled {
                first.append(&mut routes);
            }
            self.apply(first)?;
            Ok::<_, CniError>(watches)
        })?;
        phases.time(Phase::Announce, || announce(self, &mut links, result, kernel_announces));
        phases.time(Phase::Addresses, || {
            if let Some(mut addresses) = addresses {
                self.settle(&mut addresses)?;
            }
            self.apply(routes)
        })
    }

    /// In one batch: the kernel applies them in order.
    fn apply(&mut self, changes: Vec<Named>) -> Result<(), CniError> {
        let (names, changes): (Vec<String>, Vec<Change>) =
            changes.into_iter().map(|named| (named.name, named.change)).unzip();
        self.socket
            .change_all(&changes)
            .map_err(|RefusedChange { index, error }| {
                let what = names.get(index).map_or("a change", String::as_str);
                let msg = format!("{}: the kernel refused {what}: {error}", self.ifname);
                CniError::new(code::REFUSED, msg)
            })
    }

    fn addresses_and_up(&self, result: &Success) -> Vec<Named> {
        let addresses = result.ips.iter().map(|ip| Named {
            name: format!("address {}", ip.address),
            change: new_address(self.index, ip.address, AddressFlag::Optimistic),
        });
        let up = Named {
            name: "up".to_owned(),
            change: set_link(self.index, &LinkChange::up(true)),
        };
        addresses.chain([up]).collect()
    }

    fn routes(&self, result: &Success) -> Vec<Named> {
        let (mut kept, mut routes) = (Vec::new(), Vec::new());
        for route in &result.routes {
            let gateway = match route.next_hop() {
                NextHop::OnLink => None,
                NextHop::Gateway(gateway) => Some(gateway),
                NextHop::OfFamily => result.family_gateway(route.dst.is_ipv6()),
            };
            // Exactly the same route twice is a slip of an IPAM configuration and changes nothing.
            let this = as_kept(route, gateway);
            if kept.contains(&this) {
                continue;
            }
            kept.push(this);
            routes.push(Named {
                name: format!("route {}{}", route.dst, via(gateway)),
                change: new_route(self.index, route, gateway),
            });
        }
        routes
    }

    /// Waits for the end of duplicate address detection, which the kernel reports with each address that it changes. It begins
    /// with the carrier, so there is none to wait for where no carrier comes.
    fn settle(&mut self, watch: &mut Watch) -> Result<(), CniError> {
        let (ifname, index) = (self.ifname, self.index);
        let mut deadline = Instant::now() + DAD_BOUND;
        let failed = |error| CniError::new(code::INTERNAL, format!("{ifname}: waiting for its addresses: {error}"));
        if matches!(self.carrier, CarrierBound::Never | CarrierBound::Absent) {
            let link = self.socket.link_by_index(index).map_err(failed)?;
            if link.is_some_and(|link| !link.flags.is_running()) {
                deadline = Instant::now();
            }
        }
        loop {
            let addresses = self.socket.addresses(Some(index)).map_err(failed)?;
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
        let link = self.socket.link_by_index(index).map_err(failed)?;
        if link.is_some_and(|link| link.flags.is_running()) {
            return Err(CniError::new(
                code::INTERNAL,
                format!("{ifname}: its IPv6 addresses are still tentative"),
            ));
        }
        tracing::info!(ifname = %ifname, "no carrier: its IPv6 addresses stay tentative until there is one");
        Ok(())
    }
}

/// A route as the kernel keeps it: without the host's bits, and with its own words for what is not said (table 254 is main,
/// metric 1024 is IPv6's for routes of users).
fn as_kept(route: &Route, gateway: Option<IpAddr>) -> Route {
    const MAIN: u32 = 254;
    const IPV6_METRIC: u32 = 1024;
    let network = IpNetwork::new(route.dst.network(), route.dst.prefix());
    Route {
        dst: network.unwrap_or(route.dst),
        gw: gateway,
        table: Some(route.table.filter(|table| *table != 0).unwrap_or(MAIN)),
        scope: Some(route.scope.unwrap_or_default()),
        priority: match route.priority {
            0 if route.dst.is_ipv6() => IPV6_METRIC,
            priority => priority,
        },
        ..route.clone()
    }
}

fn via(gateway: Option<IpAddr>) -> String {
    gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default()
}

/// What must hold before an address is set and announced. Announcing is a courtesy; IPv6 without its sysctls is not. Tells
/// whether the kernel will announce IPv4 addresses.
fn prepare(ifname: &IfName, v6: bool) -> Result<bool, SysctlError> {
    let name = ifname.as_str();
    let [kernel, _v6] = [("ipv4", "arp_notify"), ("ipv6", "ndisc_notify")].map(|(family, sysctl)| {
        let written = Sysctl::of(family, name, sysctl).set("1");
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
    Sysctl::of("ipv6", name, "keep_addr_on_down").set("1")?;
    if let Err(error) = Sysctl::of("ipv6", name, "optimistic_dad").set("1") {
        tracing::debug!(ifname = name, "this kernel has no optimistic DAD: {error}");
    }
    Ok(kernel)
}
