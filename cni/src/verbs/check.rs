//! CHECK: is the attachment still what ADD printed?
//!
//! Chained plugins may change what they are for (tuning the MAC, sbr the tables of routes, vrf the master), and prevResult
//! holds the MAC that tuning set, so that is what the interface is compared with.

use hardwire_pci::IfName;
use hardwire_pci::netlink::Socket;

use super::previous::previous;
use crate::Context;
use crate::config::{Base, NetConf};
use crate::ipam::Delegate;
use crate::journal::Record;
use crate::netns::{Entered, Netns};
use crate::pf::{PfError, VfPort, pf_of};
use crate::protocol::{CniError, Command, Environment, Interface, NextHop, SpecVersion, Success, code};

/// Compares the pod, and the VF on its PF, with prevResult and the record.
pub(super) fn check(context: &Context, environment: &Environment, base: Base, stdin: &[u8]) -> Result<(), CniError> {
    let version = base.version_since(SpecVersion::V0_4_0, "CHECK")?;
    let mut conf = NetConf::parse(base, version, &environment.args)?;
    if let Some(plugin) = &conf.base.ipam {
        Delegate::of_call(context, plugin, environment, stdin).run(Command::Check)?;
    }
    let result = previous(&mut conf)?;
    let result = result.ok_or_else(|| CniError::config("prevResult: CHECK needs the result of the ADD"))?;
    let interface = our_interface(environment, environment.ifname()?, &result)?;
    let record = context
        .journal
        .find(environment.container_id()?, environment.ifname()?, conf.device.id());
    let record = record.map_err(|error| CniError::new(code::IO, error))?;
    let without_netdev = record.as_ref().is_some_and(|record| record.link.is_none());
    if !without_netdev {
        check_pod(environment, &result, interface.0, &interface.1)?;
        check_routes(environment, &result)?;
    }
    record.map_or(Ok(()), |record| check_vf(context, &record))
}

pub(super) fn our_interface(
    environment: &Environment,
    ifname: &IfName,
    result: &Success,
) -> Result<(usize, Interface), CniError> {
    let (ifname, netns) = (ifname.as_str(), environment.netns()?);
    let named = result
        .interfaces
        .iter()
        .enumerate()
        .filter(|(_, interface)| interface.name == ifname);
    let mut in_sandbox = named.clone().filter(|(_, interface)| interface.sandbox == netns);
    if let Some((index, interface)) = in_sandbox.next() {
        return Ok((index, interface.clone()));
    }
    let elsewhere: Vec<&str> = named.map(|(_, interface)| interface.sandbox.as_str()).collect();
    Err(CniError::config(if elsewhere.is_empty() {
        format!("prevResult: it has no interface {ifname}")
    } else {
        format!(
            "prevResult: sandbox of {ifname} is {}, CNI_NETNS is {netns}",
            elsewhere.join(", ")
        )
    }))
}

fn enter(environment: &Environment) -> Result<Entered, CniError> {
    let netns = Netns::open(environment.netns()?).map_err(|error| CniError::new(code::ENVIRONMENT, error))?;
    netns
        .enter()
        .map_err(|error| CniError::new(code::INTERNAL, format!("CHECK: {error}")))
}

/// Compares an interface of the pod with the one of the result that has this place.
pub(super) fn check_pod(
    environment: &Environment,
    result: &Success,
    index: usize,
    interface: &Interface,
) -> Result<(), CniError> {
    let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("CHECK: {error}"));
    let mut pod = enter(environment)?;
    let name = &interface.name;
    let link = pod.socket.link_by_name(name).map_err(|error| failed(&error))?;
    let link = link.ok_or_else(|| failed(&format!("interface {name} is not in the pod")))?;
    let mac = link.mac().map(|mac| mac.to_string()).unwrap_or_default();
    if !interface.mac.is_empty() && !interface.mac.eq_ignore_ascii_case(&mac) {
        return Err(failed(&format!("MAC of {name} is {mac}, and was {}", interface.mac)));
    }
    let addresses = pod.socket.addresses(Some(link.index)).map_err(|error| failed(&error))?;
    let index = i64::try_from(index).ok();
    for ip in result.ips.iter().filter(|ip| ip.interface == index) {
        let there = |a: &&_| {
            let a: &hardwire_pci::netlink::InterfaceAddress = a;
            a.address == ip.address.ip() && a.prefix_len == ip.address.prefix()
        };
        match addresses.iter().find(there) {
            None => return Err(failed(&format!("address {} is not on {name}", ip.address))),
            Some(address) if address.is_duplicate() => {
                return Err(failed(&format!("address {} is another host's too", ip.address)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

pub(super) fn check_routes(environment: &Environment, result: &Success) -> Result<(), CniError> {
    let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("CHECK: {error}"));
    if result.routes.is_empty() {
        return Ok(());
    }
    let routes = enter(environment)?.socket.routes().map_err(|error| failed(&error))?;
    for route in &result.routes {
        let default = route.dst.prefix() == 0;
        let there = routes.iter().any(|found| {
            let same = found.prefix_len == route.dst.prefix() && found.destination == Some(route.dst.network());
            let same = same || default && found.prefix_len == 0 && found.v6 == route.dst.is_ipv6();
            let through = match route.next_hop() {
                // What ADD took for it, or a plugin after it.
                NextHop::OfFamily => true,
                NextHop::OnLink => found.gateway.is_none(),
                NextHop::Gateway(gateway) => found.gateway == Some(gateway),
            };
            same && (default || through)
        });
        if !there {
            let via = route.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
            return Err(failed(&format!("route {}{via} is in no table of the pod", route.dst)));
        }
    }
    Ok(())
}

/// The VF's attributes on the PF are nobody's to change while a pod has it.
pub(super) fn check_vf(context: &Context, record: &Record) -> Result<(), CniError> {
    let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("CHECK: {error}"));
    let Some(vf) = &record.vf else { return Ok(()) };
    let pf =
        pf_of(&vf.pf, &context.sysfs).ok_or_else(|| failed(&format!("PF {} has no interface on this host", vf.pf)))?;
    let mut socket = Socket::open().map_err(|error| failed(&error))?;
    let mut port = VfPort {
        socket: &mut socket,
        pf,
        vf: vf.index,
    };
    let differing = match port.differing(&vf.requested) {
        Err(error @ PfError::TooLong { .. }) => {
            tracing::warn!("CHECK: {error}");
            return Ok(());
        }
        differing => differing.map_err(|error| failed(&error))?,
    };
    if differing.is_empty() {
        return Ok(());
    }
    let (pf, list) = (&port.pf, differing.join(", "));
    Err(failed(&format!("{pf}, VF {}: no longer {list}", vf.index)))
}
