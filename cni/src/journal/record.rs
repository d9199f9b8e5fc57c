//! What a record holds: enough to put everything back without any other source.

use hardwire_pci::netlink::{Kept, KeptKind};
use hardwire_pci::{DeviceId, IfName, MacAddr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::hardware::Hardware;
use super::settings::InterfaceSettings;
use crate::netns::NetnsIdentity;
use crate::pf::{OriginalTrunk, OriginalVf};
use crate::protocol::{ChainCall, CniArgs, ContainerId, NetworkName};

/// One attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Layout of the record.
    pub version: u32,
    /// Which attempt wrote it: tells an ADD that the record it finds again is still its own.
    pub attempt: String,
    /// The device.
    pub device: DeviceId,
    /// What tells it from one that was made later under the same id ([`hardwire_pci::instance`]); none where that is not
    /// known.
    #[serde(default)]
    pub instance: Option<u64>,
    /// Who has it.
    pub owner: Owner,
    /// How far the attachment got.
    pub step: Step,
    /// What was asked for.
    pub target: Target,
    /// The interface before; none for a device without one (vfio).
    pub link: Option<OriginalLink>,
    /// The VF on its PF before; none where no attribute of the PF is touched.
    pub vf: Option<OriginalVf>,
    /// The VLANs that were added to the VF's trunk; none where none were asked for.
    #[serde(default)]
    pub trunk: Option<OriginalTrunk>,
    /// What IPAM DEL needs; none without IPAM, and none once its addresses are released and the device is not.
    pub ipam: Option<Ipam>,
    /// What the node had on the interface; none for a device that it does not use.
    #[serde(default)]
    pub host_network: Option<HostNetwork>,
    /// Who said that the owner has ended, while the attachment is still being released; none of one that lives.
    #[serde(default)]
    pub ending: Option<Ending>,
    /// The owner's pod; none where the runtime did not say.
    #[serde(default)]
    pub pod: Option<PodName>,
    /// What the pod has of it, once ADD has succeeded; for those who show it, and nothing goes by it.
    #[serde(default, skip_serializing_if = "InPod::is_unknown")]
    pub in_pod: InPod,
    /// The call that it was made in, where that was for all attachments of the pod.
    #[serde(default)]
    pub chain: Option<ChainCall>,
    /// What it was answered with, once it was complete, where the call's answer is for several: that may leave out addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
}

impl Record {
    /// The layout that this program writes.
    pub const VERSION: u32 = 1;

    /// Who has a device since when, and nothing yet of what it was like or what is to be set.
    pub fn new(device: DeviceId, attempt: String, owner: Owner, step: Step) -> Self {
        Self {
            version: Self::VERSION,
            attempt,
            device,
            instance: None,
            owner,
            step,
            target: Target::default(),
            link: None,
            vf: None,
            trunk: None,
            ipam: None,
            host_network: None,
            ending: None,
            pod: None,
            in_pod: InPod::default(),
            chain: None,
            result: None,
        }
    }

    /// Whether a call with these names is for this attachment: its own, or the one for all of the pod's.
    pub fn is_of(&self, container_id: &ContainerId, ifname: &IfName) -> bool {
        self.owner.is_of(self.chain.as_ref(), container_id, ifname)
    }

    /// The network and the interface by which the runtime knows it.
    pub fn called(&self) -> (&NetworkName, &IfName) {
        self.owner.called(self.chain.as_ref())
    }

    /// Whether IPAM may hold an address: it is asked from step `moved` on.
    pub fn may_hold_addresses(&self) -> bool {
        self.ipam.is_some() && self.step > Step::Begun
    }
}

/// Who said that an attachment's owner has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its DEL, which has begun.
    Del,
    /// The kubelet, which gave the device to another pod; the DEL is still to come.
    GivenAway,
}

/// Whose attachment it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `name` of the configuration.
    pub network: NetworkName,
    /// `CNI_CONTAINERID`.
    pub container_id: ContainerId,
    /// `CNI_IFNAME`.
    pub ifname: IfName,
    /// `CNI_NETNS`, verbatim.
    pub netns_path: String,
    /// What that namespace is recognised by.
    pub netns: NetnsIdentity,
}

/// What a pod has of a device: part of what ADD answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InPod {
    /// The interface's address; none for a device without an interface, unless its PF was given one.
    pub mac: Option<MacAddr>,
    /// The addresses that IPAM gave, with their prefix lengths.
    pub addresses: Vec<String>,
}

impl InPod {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A pod, as the kubelet's podresources names it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodName {
    /// `K8S_POD_NAMESPACE` of `CNI_ARGS`.
    pub namespace: String,
    /// `K8S_POD_NAME`.
    pub name: String,
    /// `K8S_POD_UID`, by which the cluster's API tells it from an earlier pod of the name; none where the runtime gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

impl PodName {
    /// The pod that `CNI_ARGS` name, where both names are such as Kubernetes gives (RFC 1123).
    pub fn of(args: &CniArgs) -> Option<Self> {
        let name = |key: &str| {
            let text = args.get(key)?;
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            let valid = (1..=253).contains(&text.len()) && text.bytes().all(plain);
            valid.then(|| text.to_owned())
        };
        let uid = || {
            let text = args.get("K8S_POD_UID")?;
            let valid =
                (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            valid.then(|| text.to_owned())
        };
        Some(Self {
            namespace: name("K8S_POD_NAMESPACE")?,
            name: name("K8S_POD_NAME")?,
            uid: uid(),
        })
    }
}

impl Owner {
    /// Whether a call with these names is for this attachment.
    pub fn is(&self, container_id: &ContainerId, ifname: &IfName) -> bool {
        &self.container_id == container_id && &self.ifname == ifname
    }

    /// The same of an attachment that came with such a call: then that call's name is what counts, and its own interface's
    /// may be another network's.
    pub fn is_of(&self, chain: Option<&ChainCall>, container_id: &ContainerId, ifname: &IfName) -> bool {
        let (_, called) = self.called(chain);
        &self.container_id == container_id && called == ifname
    }

    /// The network and the interface by which the runtime knows an attachment that came with such a call.
    pub fn called<'a>(&'a self, chain: Option<&'a ChainCall>) -> (&'a NetworkName, &'a IfName) {
        chain.map_or((&self.network, &self.ifname), |chain| (&chain.network, &chain.ifname))
    }
}

/// How far an attachment got. Later steps include the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Changes may have begun.
    Begun,
    /// The device is in the pod; IPAM may have been asked.
    Moved,
    /// ADD has succeeded.
    Attached,
    /// DEL was here, and the device could not be reached then.
    Released,
}

/// What was set on the interface in the pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The MAC that was asked for.
    pub mac: Option<MacAddr>,
    /// The MTU that was asked for.
    pub mtu: Option<u32>,
    /// The interface's index in the pod, from step `moved` on.
    pub index: Option<u32>,
}

/// An interface as it was on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalLink {
    /// Name.
    pub name: IfName,
    /// Index at the time.
    pub index: u32,
    /// Alternative names.
    pub altnames: Vec<String>,
    /// MAC address.
    pub mac: Option<MacAddr>,
    /// Bytes; 0 where it is not known and left alone.
    pub mtu: u32,
    /// `IFLA_IFALIAS`.
    #[serde(default)]
    pub alias: Option<String>,
    /// `ifi_flags`.
    pub flags: u32,
    /// What else it was set to.
    #[serde(default)]
    pub settings: InterfaceSettings,
    /// What it is known by, whatever it is called.
    #[serde(default)]
    pub hardware: Hardware,
}

/// What the host loses while the interface is in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostNetwork {
    /// Seconds since boot when it was read: lifetimes go on.
    pub since: u64,
    /// Addresses, nexthops, routes and rules, in the order in which they are made again.
    pub kept: Vec<Kept>,
    /// Neighbours, which are made after these. Apart, so that a version that knows of none reads the record.
    #[serde(default)]
    pub neighbours: Vec<Kept>,
}

impl HostNetwork {
    /// What was read at this moment.
    pub fn now(kept: Vec<Kept>) -> Self {
        let (neighbours, kept) = kept.into_iter().partition(|kept| kept.kind == KeptKind::Neighbour);
        Self {
            since: since_boot(),
            kept,
            neighbours,
        }
    }

    /// All of it, in the order in which it is made again.
    pub fn all(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().chain(&self.neighbours)
    }

    /// Seconds since then.
    pub fn elapsed(&self) -> u32 {
        u32::try_from(since_boot().saturating_sub(self.since)).unwrap_or(u32::MAX)
    }
}

/// Seconds, those asleep included (proc(5), `/proc/uptime`).
fn since_boot() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split('.').next().unwrap_or_default();
    seconds.parse().unwrap_or_default()
}

/// What IPAM DEL needs, for a release without a caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ipam {
    /// `ipam.type`.
    pub plugin: String,
    /// stdin of the ADD, byte for byte.
    pub config: String,
    /// `CNI_ARGS`.
    pub args: String,
    /// `CNI_PATH`.
    pub path: String,
}
