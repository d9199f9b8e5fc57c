//! A new route (`RTM_NEWROUTE`).

use std::net::IpAddr;

use hardwire_pci::netlink::Change;
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::protocol::Route;

/// `route` through the link with this index. Flags as the reference's: create, neither exclusive nor replacing, so
/// that a second IPv6 next hop of one destination makes a multipath route.
pub fn new_route(index: u32, route: &Route, gateway: Option<IpAddr>) -> Change {
    let mut message = RouteMessage::default();
    let scope = route.scope.map_or(RouteScope::Universe, RouteScope::from);
    message.header.address_family = if route.dst.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    };
    message.header.destination_prefix_length = route.dst.prefix();
    message.header.protocol = RouteProtocol::Boot;
    message.header.kind = RouteType::Unicast;
    message.header.scope = scope;
    // 0 means main as well; tables above 255 fit only into the attribute.
    let table = route
        .table
        .filter(|table| *table != 0)
        .unwrap_or_else(|| RouteHeader::RT_TABLE_MAIN.into());
    message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    message.attributes.push(RouteAttribute::Table(table));
    message.attributes.push(RouteAttribute::Oif(index));
    if route.dst.prefix() > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(RouteAddress::from(route.dst.network())));
    }
    if let Some(gateway) = gateway {
        message
            .attributes
            .push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
    }
    if route.priority != 0 {
        message.attributes.push(RouteAttribute::Priority(route.priority));
    }
    let metrics = [
        (route.mtu, RouteMetric::Mtu as fn(u32) -> _),
        (route.advmss, RouteMetric::Advmss),
    ];
    let metrics: Vec<RouteMetric> = metrics
        .into_iter()
        .filter(|(n, _)| *n != 0)
        .map(|(n, make)| make(n))
        .collect();
    if !metrics.is_empty() {
        message.attributes.push(RouteAttribute::Metrics(metrics));
    }
    Change::new(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE)
}
