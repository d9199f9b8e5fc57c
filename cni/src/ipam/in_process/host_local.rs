//! host-local's verbs.

use std::fs;
use std::io::Read;

use super::config::Ipam;
use super::range_set::{RangeSet, range_sets};
use super::store::Store;
use super::{Attachment, Problem, requested};
use crate::node::NodeConfig;
use crate::protocol::{Dns, IpConfig, Success};

/// What separates a container's id from the interface's name in a file of the store.
const LINE_BREAK: &str = "\r\n";
/// Bytes; a resolver reads no more.
const LARGEST_RESOLV_CONF: u64 = 64 << 10;

/// An address of each set, or none.
pub(super) fn add(ipam: &Ipam<'_>, attachment: &Attachment, operator: &NodeConfig) -> Result<Success, Problem> {
    let mut asked = requested::addresses(ipam, attachment)?;
    let sets = range_sets(ipam)?;
    let (routes, dns) = (ipam.routes()?, dns(ipam, operator)?);
    let store = store(ipam, operator)?;
    let mut ips = Vec::with_capacity(sets.len());
    for (index, set) in sets.iter().enumerate() {
        let wanted = asked.iter().position(|address| set.range_of(*address).is_some());
        let wanted = wanted.map(|at| asked.remove(at));
        let given = match wanted {
            Some(address) => named(&store, set, attachment, (index, address)),
            None => any(&store, set, attachment, index),
        };
        match given {
            Ok(ip) => ips.push(ip),
            Err(problem) => {
                release_all(&store, attachment, &ips);
                return Err(Problem(format!("failed to allocate for range {index}: {problem}")));
            }
        }
    }
    if !asked.is_empty() {
        release_all(&store, attachment, &ips);
        let mut words = "failed to allocate all requested IPs:".to_owned();
        for address in asked {
            words += " ";
            words += &address.to_string();
        }
        return Err(Problem(words));
    }
    Ok(Success {
        interfaces: Vec::new(),
        ips,
        routes,
        dns,
    })
}

pub(super) fn del(ipam: &Ipam<'_>, attachment: &Attachment, operator: &NodeConfig) -> Result<(), Problem> {
    requested::addresses(ipam, attachment)?;
    range_sets(ipam)?;
    store(ipam, operator)?.release(&owner(attachment), attachment.container_id.trim())
}

pub(super) fn check(ipam: &Ipam<'_>, attachment: &Attachment, operator: &NodeConfig) -> Result<(), Problem> {
    requested::addresses(ipam, attachment)?;
    range_sets(ipam)?;
    let container = attachment.container_id.trim();
    if store(ipam, operator)?.has(&owner(attachment), container)? {
        return Ok(());
    }
    Err(Problem(format!(
        "host-local: Failed to find address added by container {container}"
    )))
}

pub(super) fn status(ipam: &Ipam<'_>) -> Result<(), Problem> {
    range_sets(ipam).map(drop)
}

fn store(ipam: &Ipam<'_>, operator: &NodeConfig) -> Result<Store, Problem> {
    let data_dir = ipam
        .section()
        .text("dataDir")?
        .unwrap_or(super::super::host_local::DATA_DIR);
    let place = operator.ipam_store(data_dir);
    let place = place.ok_or_else(|| {
        Problem(format!(
            "ipam.dataDir: {data_dir:?}: expected a path below a directory of the operator's"
        ))
    })?;
    Store::lock(&place.base, &place.below, ipam.name()?.as_str())
}

fn owner(attachment: &Attachment) -> String {
    format!("{}{LINE_BREAK}{}", attachment.container_id.trim(), attachment.ifname)
}

/// The address that was asked for.
fn named(
    store: &Store,
    set: &RangeSet,
    attachment: &Attachment,
    (index, address): (usize, std::net::IpAddr),
) -> Result<IpConfig, Problem> {
    let range = set.range_of(address);
    let range = range.ok_or_else(|| Problem(format!("{address} not in range set {set}")))?;
    if address == range.gateway {
        return Err(Problem(format!("requested ip {address} is subnet's gateway")));
    }
    if !store.reserve(&owner(attachment), address, index)? {
        return Err(Problem(format!(
            "requested IP address {address} is not available in range set {set}"
        )));
    }
    Ok(IpConfig {
        interface: None,
        address: range.with_prefix(address)?,
        gateway: Some(range.gateway),
    })
}

/// The next one that is free. Whoever has one of the set gets no second one.
fn any(store: &Store, set: &RangeSet, attachment: &Attachment, index: usize) -> Result<IpConfig, Problem> {
    let (owner, container) = (owner(attachment), attachment.container_id.trim());
    let before = store.of(&owner, container)?;
    if let Some(before) = before.into_iter().find(|address| set.range_of(*address).is_some()) {
        return Err(Problem(format!(
            "{before} has been allocated to {container}, duplicate allocation is not allowed"
        )));
    }
    for (address, range) in set.after(store.last(index)) {
        if store.reserve(&owner, address, index)? {
            return Ok(IpConfig {
                interface: None,
                address: range.with_prefix(address)?,
                gateway: Some(range.gateway),
            });
        }
    }
    Err(Problem(format!("no IP addresses available in range set: {set}")))
}

/// After a failure, which is what is told.
fn release_all(store: &Store, attachment: &Attachment, given: &[IpConfig]) {
    if given.is_empty() {
        return;
    }
    if let Err(error) = store.release(&owner(attachment), attachment.container_id.trim()) {
        tracing::warn!("IPAM host-local: {error}");
    }
}

/// What a `resolv.conf` of the operator's says.
fn dns(ipam: &Ipam<'_>, operator: &NodeConfig) -> Result<Dns, Problem> {
    let Some(path) = ipam.section().text("resolvConf")? else {
        return Ok(Dns::default());
    };
    if !operator.allows_resolv_conf(path) {
        return Err(Problem(format!(
            "ipam.resolvConf: {path:?}: expected a file that the operator names"
        )));
    }
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST_RESOLV_CONF).read_to_string(&mut text));
    read.map_err(|error| Problem(format!("open {path}: {error}")))?;
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(key), Some(first)) = (words.next(), words.next()) else {
            continue;
        };
        match key.as_str() {
            "nameserver" => dns.nameservers.push(first),
            "domain" => dns.domain = first,
            "search" => dns.search.extend([first].into_iter().chain(words)),
            "options" => dns.options.extend([first].into_iter().chain(words)),
            _ => {}
        }
    }
    Ok(dns)
}
