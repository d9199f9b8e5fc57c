//! The whole configuration, as ADD and CHECK need it.

use hardwire_pci::MacAddr;

use super::base::Base;
use super::device_name::DeviceName;
use super::vf_settings::VfSettings;
use super::vlan_trunk::VlanTrunk;
use super::{bandwidth, field, typos, without_effect};
use crate::beneath::is_plain_name;
use crate::printable::excerpt;
use crate::protocol::{AnyCase, CniArgs, CniError, Dns, SpecVersion};

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
    /// `promisc`: whether the pod's interface receives everything.
    pub promisc: Option<bool>,
    /// `allmulti`: whether it receives all multicast.
    pub allmulti: Option<bool>,
    /// `vlanTrunk`.
    pub vlan_trunk: Option<VlanTrunk>,
    /// `runtimeConfig.CNIDeviceInfoFile` as it is spelt.
    pub device_info_file: Option<String>,
    /// `allowNodeDevice`: attach the device although the node lives on it.
    pub allow_node_device: bool,
    /// `dns`.
    pub dns: Dns,
    /// The key that says `vf.max_tx_rate`, where it is not that one.
    rate_key: Option<String>,
    /// The frame.
    pub base: Base,
}

impl NetConf {
    /// Reads all fields.
    pub fn parse(base: Base, version: SpecVersion, args: &CniArgs) -> Result<Self, CniError> {
        let fields = base.fields();
        typos::check(base.strangers())?;
        if fields.get("reportIps").is_some() {
            return Err(CniError::config("reportIps: it does nothing without attach: pod"));
        }
        check_ipam_type(&base)?;
        let runtime = field::object(fields, "runtimeConfig")?;
        let mac = mac(fields, runtime, args)?;
        without_effect::refuse(fields, runtime, args)?;
        let mut vf = VfSettings::parse(fields, mac)?;
        let rate = bandwidth::max_tx_rate(fields, runtime)?;
        vf.max_tx_rate = rate.as_ref().map(|rate| rate.megabits).or(vf.max_tx_rate);
        let rate_key = rate.map(|rate| rate.key);
        vf.check_rates(rate_key.as_deref().unwrap_or("max_tx_rate"))?;
        let dns = fields
            .get("dns")
            .map(Dns::from_json)
            .transpose()
            .map_err(|error| CniError::config(format!("dns: {error}")))?
            .unwrap_or_default();
        let conf = Self {
            version,
            device: DeviceName::parse(fields, runtime)?,
            vf,
            // 68 is the least that IPv4 asks of a link (RFC 791); drivers say more, and the device is asked later.
            mtu: field::number(fields, "mtu", 68, 65535)?,
            promisc: field::boolean(fields, "promisc")?,
            allmulti: field::boolean(fields, "allmulti")?,
            vlan_trunk: VlanTrunk::parse(fields)?,
            device_info_file: device_info_file(runtime)?,
            allow_node_device: field::boolean(fields, "allowNodeDevice")?.unwrap_or_default(),
            dns,
            rate_key,
            base,
        };
        if version < SpecVersion::V0_3_0 && conf.base.ipam.is_none() {
            let msg = format!("cniVersion: {version} cannot express an attachment without ipam: give 0.3.1 or later");
            return Err(CniError::config(msg));
        }
        Ok(conf)
    }

    /// What this configuration calls a field: its spelling, or the key that stands for it.
    pub fn spelt<'a>(&'a self, field: &'a str) -> &'a str {
        match &self.rate_key {
            Some(key) if field == "max_tx_rate" => key,
            _ => self.base.fields().spelling(field).unwrap_or(field),
        }
    }
}

/// IPAM's plugin is a name: what is a way to a file would be run as root.
fn check_ipam_type(base: &Base) -> Result<(), CniError> {
    match base.ipam.as_deref() {
        Some(plugin) if !is_plain_name(plugin) => {
            let error = CniError::config(format!("invalid plugin name: {}", excerpt(plugin, 256)));
            Err(error.with_details("ipam.type must be the name of a file in one of CNI_PATH's directories"))
        }
        _ => Ok(()),
    }
}

/// `runtimeConfig.mac`, then `args.cni.mac`, then `CNI_ARGS`, then `mac`: Multus writes a pod's own wish into the
/// first three, and `mac` is the network's.
fn mac(fields: AnyCase<'_>, runtime: Option<AnyCase<'_>>, args: &CniArgs) -> Result<Option<MacAddr>, CniError> {
    let in_args = field::object(fields, "args")?
        .map(|args| field::object_of(args, "cni", "args.cni"))
        .transpose()?
        .flatten();
    let candidates = [
        ("runtimeConfig.mac", mac_in(runtime, "runtimeConfig.mac")?),
        ("args.cni.mac", mac_in(in_args, "args.cni.mac")?),
        (
            "CNI_ARGS MAC",
            args.get("MAC").filter(|mac| !mac.is_empty()).map(str::to_owned),
        ),
        ("mac", mac_in(Some(fields), "mac")?),
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

fn device_info_file(runtime: Option<AnyCase<'_>>) -> Result<Option<String>, CniError> {
    let Some(runtime) = runtime else { return Ok(None) };
    Ok(field::text_of(runtime, "CNIDeviceInfoFile", "runtimeConfig.CNIDeviceInfoFile")?.map(str::to_owned))
}

fn mac_in(source: Option<AnyCase<'_>>, path: &str) -> Result<Option<String>, CniError> {
    let Some(source) = source else { return Ok(None) };
    Ok(field::text_of(source, "mac", path)?.map(str::to_owned))
}

#[cfg(test)]
#[path = "net_conf_tests.rs"]
mod tests;
