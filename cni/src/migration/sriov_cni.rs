//! sriov-cni's cache (`CONTAINER-IFNAME`) and allocation (`pci/ADDRESS`) files.
//!
//! A cache stays behind when its DEL failed or never came, and its VF has long been given to another pod. So the cache alone
//! releases nothing: the allocation, whose content is the path of a namespace, has to be this container's, or the kernel has
//! to show the VF in this container's namespace.

use std::fs;

use hardwire_pci::netlink::{Link, Socket, VfLinkState, VfState, VlanProtocol};
use hardwire_pci::{DeviceId, IfName, read_device};
use serde::Deserialize;

use super::allocation::{Allocation, Claim, remove};
use super::{ForeignAttachment, unset_flags};
use crate::Context;
use crate::device::is_link_of;
use crate::journal::{Hardware, InterfaceSettings, OriginalLink, OriginalVf, Owner, Record, Step};
use crate::netns::{Netns, NetnsIdentity};
use crate::pf::AdminMac;
use crate::protocol::{CniError, Environment, NetworkName, code};

/// What its cache holds, as far as a release needs it.
#[derive(Debug, Deserialize)]
struct Cache {
    name: String,
    #[serde(rename = "deviceID")]
    device_id: String,
    #[serde(rename = "OrigVfState", default)]
    original: OrigVfState,
    #[serde(rename = "MAC", default)]
    mac: Option<String>,
    #[serde(default)]
    vlan: Option<i64>,
    #[serde(rename = "vlanQoS", default)]
    vlan_qos: Option<i64>,
    #[serde(rename = "vlanProto", default)]
    vlan_proto: Option<String>,
    #[serde(default)]
    min_tx_rate: Option<i64>,
    #[serde(default)]
    max_tx_rate: Option<i64>,
    #[serde(default)]
    spoofchk: Option<String>,
    #[serde(default)]
    trust: Option<String>,
    #[serde(default)]
    link_state: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct OrigVfState {
    #[serde(rename = "HostIFName")]
    host_ifname: String,
    spoof_chk: bool,
    trust: bool,
    #[serde(rename = "AdminMAC")]
    admin_mac: String,
    #[serde(rename = "EffectiveMAC")]
    effective_mac: String,
    vlan: u16,
    #[serde(rename = "VlanQoS")]
    vlan_qos: u8,
    vlan_proto: u32,
    min_tx_rate: u32,
    max_tx_rate: u32,
    link_state: u32,
    #[serde(rename = "MTU")]
    mtu: u32,
}

/// 0x88a8, and the same as sriov-cni's byte-swapped constants have it on big-endian machines.
const DOT1AD: [u32; 2] = [0x88a8, 0xa888];

pub(super) fn find(
    context: &Context,
    environment: &Environment,
    host: &mut Socket,
) -> Result<Option<ForeignAttachment>, CniError> {
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    let path = context.sriov_cni.join(format!("{container_id}-{ifname}"));
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let cache: Cache = match serde_json::from_str(&text) {
        Ok(cache) => cache,
        Err(error) => {
            tracing::warn!("{}: left by sriov-cni, not understood: {error}", path.display());
            return Ok(None);
        }
    };
    let (Ok(device), Ok(network)) = (cache.device_id.parse::<DeviceId>(), cache.name.parse::<NetworkName>()) else {
        tracing::warn!("{}: left by sriov-cni, names no device", path.display());
        return Ok(None);
    };
    let allocation = match Allocation::read(context, &device) {
        Ok(allocation) => allocation,
        Err(error) => {
            let msg = format!("{device}: sriov-cni's allocation of it cannot be read: {error}");
            return Err(CniError::new(code::IO, msg));
        }
    };
    let mut files = vec![path.clone()];
    match allocation.claim(environment.netns.as_deref(), &device, ifname) {
        Claim::Allocated => files.push(allocation.file),
        Claim::Seen => {}
        Claim::None(why) => {
            tracing::warn!(device = %device, "sriov-cni's cache {} is stale, the VF is left alone: {why}", path.display());
            remove(&path);
            return Ok(None);
        }
    }
    let netns_path = environment.netns.clone().unwrap_or_default();
    let owner = Owner {
        network,
        container_id: container_id.clone(),
        ifname: ifname.clone(),
        netns: identity(&netns_path),
        netns_path: netns_path.clone(),
    };
    let attempt = format!("sriov-cni-{container_id}-{ifname}");
    let record = Record {
        link: cache.link(link_now(context, &device, &netns_path, ifname, host)),
        vf: cache.vf(context, &device),
        ..Record::new(device, attempt, owner, Step::Attached)
    };
    Ok(Some(ForeignAttachment { record, files }))
}

impl Cache {
    /// The interface. The cache knows neither alias nor alternative names, so they stay as they are now; sriov-cni leaves
    /// the link down.
    fn link(&self, now: Option<Link>) -> Option<OriginalLink> {
        let original = &self.original;
        let name: IfName = original.host_ifname.parse().ok()?;
        let now = now.unwrap_or_default();
        Some(OriginalLink {
            flags: unset_flags(&now),
            settings: InterfaceSettings::default(),
            index: now.index,
            altnames: now.altnames,
            alias: now.alias,
            // Empty in caches of old versions: nothing to put back then.
            mac: original.effective_mac.parse().ok(),
            mtu: original.mtu,
            hardware: Hardware::default(),
            name,
        })
    }

    /// The VF on its PF; only what the configuration asked for was touched, and the admin MAC. Which VF of which PF it is, its
    /// place on the bus says.
    fn vf(&self, context: &Context, device: &DeviceId) -> Option<OriginalVf> {
        let device = read_device(&context.sysfs, device).ok()?;
        let (pf, index) = (device.pf()?.clone(), device.vf_index()?);
        let original = &self.original;
        let state = VfState {
            mac: original.admin_mac.parse().ok(),
            vlan: original.vlan,
            qos: original.vlan_qos,
            vlan_protocol: if DOT1AD.contains(&original.vlan_proto) {
                VlanProtocol::Dot1Ad
            } else {
                VlanProtocol::Dot1Q
            },
            min_tx_rate: original.min_tx_rate,
            max_tx_rate: original.max_tx_rate,
            spoofchk: Some(original.spoof_chk),
            trust: Some(original.trust),
            query_rss: None,
            link_state: match original.link_state {
                1 => VfLinkState::Enable,
                2 => VfLinkState::Disable,
                _ => VfLinkState::Auto,
            },
        };
        Some(OriginalVf {
            pf,
            index,
            requested: self.set(state),
            state,
            admin_mac: AdminMac::Unknown,
            in_force: None,
        })
    }

    /// The state with each attribute that sriov-cni set as it set it.
    fn set(&self, state: VfState) -> VfState {
        fn number<T: TryFrom<i64>>(field: Option<i64>, before: T) -> T {
            field.and_then(|number| T::try_from(number).ok()).unwrap_or(before)
        }
        let is = |field: &Option<String>, word: &str| field.as_ref().map(|text| text.eq_ignore_ascii_case(word));
        let on =
            |field: &Option<String>, before| is(field, "").filter(|empty| !empty).map_or(before, |_| is(field, "on"));
        // Each field by its name: the compiler says when a new one has to be thought of.
        let VfState {
            // It restores the admin MAC whenever it has one, whether it had set it or not.
            mac: _,
            vlan,
            qos,
            vlan_protocol,
            min_tx_rate,
            max_tx_rate,
            spoofchk,
            trust,
            query_rss,
            link_state,
        } = state;
        let protocol = match is(&self.vlan_proto, "802.1ad") {
            Some(true) => VlanProtocol::Dot1Ad,
            _ => VlanProtocol::Dot1Q,
        };
        let (vlan, qos, vlan_protocol) = match self.vlan {
            Some(_) => (number(self.vlan, vlan), number(self.vlan_qos, 0), protocol),
            None => (vlan, qos, vlan_protocol),
        };
        VfState {
            mac: self.mac.as_ref().and_then(|mac| mac.parse().ok()),
            vlan,
            qos,
            vlan_protocol,
            min_tx_rate: number(self.min_tx_rate, min_tx_rate),
            max_tx_rate: number(self.max_tx_rate, max_tx_rate),
            spoofchk: on(&self.spoofchk, spoofchk),
            trust: on(&self.trust, trust),
            query_rss,
            link_state: match self.link_state.as_deref() {
                Some("enable") => VfLinkState::Enable,
                Some("disable") => VfLinkState::Disable,
                Some("auto") => VfLinkState::Auto,
                _ => link_state,
            },
        }
    }
}

/// The interface as it is now, in the pod or on the host.
fn link_now(context: &Context, device: &DeviceId, netns: &str, ifname: &IfName, host: &mut Socket) -> Option<Link> {
    let pod = Netns::open(netns).and_then(Netns::enter).ok();
    let in_pod = pod.and_then(|mut pod| pod.socket.link_by_name(ifname.as_str()).ok().flatten());
    in_pod
        .filter(|link| is_link_of(link, device) == Some(true))
        .or_else(|| {
            let device = read_device(&context.sysfs, device).ok()?;
            host.link_by_index(device.netdev()?.index).ok().flatten()
        })
}

fn identity(path: &str) -> NetnsIdentity {
    let entered = Netns::open(path).and_then(Netns::enter);
    // No namespace has this identity: the interface is then looked for on the host only.
    entered.map_or(
        NetnsIdentity {
            cookie: None,
            device: 0,
            inode: 0,
        },
        |entered| entered.identity,
    )
}
