//! Addresses that are asked for by name: in `CNI_ARGS`, in `args.cni.ips`, and by the runtime.

use std::net::IpAddr;

use super::config::{Ipam, network};
use super::{Attachment, Problem, args};
use crate::printable::excerpt;

const QUOTED: usize = 256;

/// What host-local is asked for. Each address may stand with the length of its prefix, which says nothing.
pub(super) fn addresses(ipam: &Ipam<'_>, attachment: &Attachment) -> Result<Vec<IpAddr>, Problem> {
    let mut asked = Vec::new();
    let [named] = args::known(&attachment.args, ["IP"])?;
    if let Some(text) = named.filter(|text| !text.is_empty()) {
        let why = || {
            Problem(format!(
                "ARGS: error parsing value of pair \"IP={0}\": invalid IP address {0}",
                excerpt(text, QUOTED)
            ))
        };
        asked.push(address(text).ok_or_else(why)?);
    }
    for place in [ipam.cni_args()?, ipam.runtime_config()?].into_iter().flatten() {
        for text in place.texts("ips")? {
            let why = || Problem(format!("invalid IP address {}", excerpt(text, QUOTED)));
            asked.push(address(text).ok_or_else(why)?);
        }
    }
    asked.sort_unstable();
    asked.dedup();
    Ok(asked)
}

fn address(text: &str) -> Option<IpAddr> {
    let address = match network(text) {
        Some(network) => network.ip(),
        None => text.parse().ok()?,
    };
    Some(address.to_canonical())
}
