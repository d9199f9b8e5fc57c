//! The whole configuration, as ADD and CHECK need it.

use hardwire_pci::MacAddr;

use super::base::Base;
use super::device_name::DeviceName;
use super::field;
use super::vf_settings::VfSettings;
use crate::protocol::{CniArgs, CniError, Dns, Folded, SpecVersion};

/// A configuration of which every field was read and checked.
#[derive(Debug, Clone)]
pub struct NetConf {
    /// Version of the result to print.
    pub version: SpecVersion,
    /// Which device.
    pub device: DeviceName,
    /// What to set on the PF.
    pub vf: VfSettings,
    /// `mtu` of the pod's interface, bytes.
    pub mtu: Option<u32>,
    /// `allowNodeDevice`: attach the device although the node lives on it.
    pub allow_node_device: bool,
    /// `dns`.
    pub dns: Dns,
    /// The frame.
    pub base: Base,
}

impl NetConf {
    /// Reads all fields.
    pub fn parse(base: Base, version: SpecVersion, args: &CniArgs) -> Result<Self, CniError> {
        let fields = base.fields();
        let runtime = field::object(fields, "runtimeConfig")?;
        let mac = mac(fields, runtime, args)?;
        let dns = fields
            .get("dns")
            .map(Dns::from_json)
            .transpose()
            .map_err(CniError::config)?
            .unwrap_or_default();
        Ok(Self {
            version,
            device: DeviceName::parse(fields, runtime)?,
            vf: VfSettings::parse(fields, mac)?,
            // 68 is the least that IPv4 asks of a link (RFC 791); drivers say more, and the device is asked later.
            mtu: field::number(fields, "mtu", 68, 65535)?,
            allow_node_device: field::boolean(fields, "allowNodeDevice")?.unwrap_or_default(),
            dns,
            base,
        })
    }
}

/// `runtimeConfig.mac`, then `args.cni.mac`, then `CNI_ARGS`, then `mac` (contract.md 3.1).
fn mac(fields: Folded<'_>, runtime: Option<Folded<'_>>, args: &CniArgs) -> Result<Option<MacAddr>, CniError> {
    let in_args = field::object(fields, "args")?
        .map(|args| field::object(args, "cni"))
        .transpose()?
        .flatten();
    let candidates = [
        ("runtimeConfig.mac", mac_in(runtime)?),
        ("args.cni.mac", mac_in(in_args)?),
        (
            "CNI_ARGS MAC",
            args.get("MAC").filter(|mac| !mac.is_empty()).map(str::to_owned),
        ),
        ("mac", mac_in(Some(fields))?),
    ];
    let given = candidates.into_iter().find_map(|(name, text)| Some((name, text?)));
    let Some((name, text)) = given else { return Ok(None) };
    let mac: Option<MacAddr> = text.parse().ok();
    let usable = mac.filter(|mac| !mac.is_multicast() && *mac != MacAddr::ZERO);
    let right = "a unicast MAC address of six bytes as in 02:00:00:00:00:0a";
    usable
        .map(Some)
        .ok_or_else(|| field::wrong(name, format_args!("{text:?}"), right))
}

fn mac_in(source: Option<Folded<'_>>) -> Result<Option<String>, CniError> {
    let Some(source) = source else { return Ok(None) };
    Ok(field::text(source, "mac")?.map(str::to_owned))
}

#[cfg(test)]
#[path = "net_conf_tests.rs"]
mod tests;
