//! static: the addresses that the configuration has, or those that are asked for in their place. Nothing is reserved.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::config::{Fields, Ipam, network};
use super::{Attachment, Problem, args};
use crate::printable::excerpt;
use crate::protocol::{IpConfig, SpecVersion, Success};

const QUOTED: usize = 256;

/// An address and its gateway.
#[derive(Debug, Clone, Copy)]
struct Given {
    address: IpNetwork,
    gateway: Option<IpAddr>,
}

pub(super) fn add(ipam: &Ipam<'_>, attachment: &Attachment) -> Result<Success, Problem> {
    let ips = given(ipam, attachment)?.into_iter().map(|given| IpConfig {
        interface: None,
        address: given.address,
        gateway: given.gateway,
    });
    Ok(Success {
        interfaces: Vec::new(),
        ips: ips.collect(),
        routes: ipam.routes()?,
        dns: ipam.dns()?,
    })
}

/// Whether a previous result has another gateway for one of the addresses.
pub(super) fn check(ipam: &Ipam<'_>, attachment: &Attachment) -> Result<(), Problem> {
    let given = given(ipam, attachment)?;
    let previous = ipam.previous_result();
    let previous = previous.ok_or_else(|| Problem("Required prevResult missing".to_owned()))?;
    let previous = Success::from_json(previous, SpecVersion::NEWEST).map_err(|error| Problem(error.to_string()))?;
    for Given { address, gateway } in given {
        let same = previous.ips.iter().find(|ip| ip.address.ip() == address.ip());
        if let Some(same) = same
            && gateway.is_some()
            && gateway != same.gateway
        {
            let interface = &attachment.ifname;
            return Err(Problem(format!(
                "static: Failed to match addr {} on interface {interface}",
                address.ip()
            )));
        }
    }
    Ok(())
}

pub(super) fn status(ipam: &Ipam<'_>) -> Result<(), Problem> {
    given(ipam, &Attachment::default()).map(drop)
}

/// The runtime's word counts before the one in `args`, and that before `CNI_ARGS`, which come to what is configured.
fn given(ipam: &Ipam<'_>, attachment: &Attachment) -> Result<Vec<Given>, Problem> {
    let [ips, gateways] = args::known(&attachment.args, ["IP", "GATEWAY"])?;
    let section = ipam.section();
    let mut configured = Vec::new();
    for (place, value) in section.list("addresses")? {
        let fields = Fields::of(value, place)?;
        configured.push((fields.text("address")?.unwrap_or_default(), fields.address("gateway")?));
    }
    let mut asked = Vec::new();
    for text in listed(ips) {
        let why = || not_cidr("the 'ip' field is expected to be in CIDR notation", text);
        let address = network(text).ok_or_else(why)?;
        asked.push(Given { address, gateway: None });
    }
    for text in listed(gateways) {
        let gateway = text.parse::<IpAddr>();
        let gateway = gateway.map_err(|_bad| Problem(format!("invalid gateway address: {}", excerpt(text, QUOTED))))?;
        for given in asked
            .iter_mut()
            .filter(|given| given.address.contains(gateway.to_canonical()))
        {
            given.gateway = Some(gateway.to_canonical());
        }
    }
    let mut instead = None;
    for place in [ipam.cni_args()?, ipam.runtime_config()?].into_iter().flatten() {
        let texts = place.texts("ips")?;
        if texts.is_empty() {
            continue;
        }
        let mut all = Vec::with_capacity(texts.len());
        for text in texts {
            let why = || not_cidr("an entry in the 'ips' field is NOT in CIDR notation", text);
            let address = network(text).ok_or_else(why)?;
            all.push(Given { address, gateway: None });
        }
        instead = Some(all);
    }
    let given = if let Some(instead) = instead {
        instead
    } else {
        let mut given = Vec::with_capacity(configured.len() + asked.len());
        for (text, gateway) in configured {
            let why = || not_cidr("the 'address' field is expected to be in CIDR notation", text);
            let address = network(text).ok_or_else(why)?;
            given.push(Given { address, gateway });
        }
        given.extend(asked);
        given
    };
    ipam.check_count(given.iter().map(|given| given.address.ip()))?;
    Ok(given)
}

fn listed(values: Option<&str>) -> impl Iterator<Item = &str> {
    let values = values.filter(|values| !values.is_empty());
    values.into_iter().flat_map(|values| values.split(',')).map(str::trim)
}

fn not_cidr(what: &str, text: &str) -> Problem {
    Problem(format!("{what}, got: '{}'", excerpt(text, QUOTED)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn addresses(config: &Value, args: &str) -> Result<Vec<(String, Option<String>)>, String> {
        let attachment = Attachment {
            args: args.to_owned(),
            ..Attachment::default()
        };
        let found = Ipam::of(config).and_then(|ipam| add(&ipam, &attachment));
        let found = found.map_err(|problem| problem.to_string())?;
        let gateway = |ip: &IpConfig| ip.gateway.map(|gateway| gateway.to_string());
        Ok(found
            .ips
            .iter()
            .map(|ip| (ip.address.to_string(), gateway(ip)))
            .collect())
    }

    #[test]
    fn who_asks_last_is_heard() {
        let configured =
            json!({"cniVersion": "1.0.0", "ipam": {"addresses": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1"}]}});
        let one = |address: &str, gateway: Option<&str>| (address.to_owned(), gateway.map(str::to_owned));
        let first = one("10.0.0.5/24", Some("10.0.0.1"));
        assert_eq!(addresses(&configured, ""), Ok(vec![first.clone()]));
        assert_eq!(
            addresses(&configured, "IP=10.1.0.5/24;GATEWAY=10.1.0.1"),
            Ok(vec![first, one("10.1.0.5/24", Some("10.1.0.1"))])
        );
        let mut asked = configured.clone();
        asked["args"] = json!({"cni": {"ips": ["10.2.0.5/24"]}});
        assert_eq!(addresses(&asked, ""), Ok(vec![one("10.2.0.5/24", None)]));
        asked["runtimeConfig"] = json!({"ips": ["10.3.0.5/24", "fd00::5/64"]});
        assert_eq!(
            addresses(&asked, ""),
            Ok(vec![one("10.3.0.5/24", None), one("fd00::5/64", None)])
        );
        asked["runtimeConfig"] = json!({"ips": ["10.3.0.5"]});
        assert_eq!(
            addresses(&asked, ""),
            Err("an entry in the 'ips' field is NOT in CIDR notation, got: '10.3.0.5'".to_owned())
        );
        assert_eq!(
            addresses(&configured, "IP=10.1.0.5"),
            Err("the 'ip' field is expected to be in CIDR notation, got: '10.1.0.5'".to_owned())
        );
    }
}
