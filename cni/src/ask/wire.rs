//! Questions and answers as they are written.

use std::time::Duration;

use hardwire_pci::{DeviceId, IfName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::node::AskedSettings;
use crate::protocol::CallingPod;

/// Name of the socket in the state directory.
pub const SOCKET: &str = "pods.sock";
/// Bytes; names of pods have 253 each.
pub const LONGEST_REQUEST: usize = 16 << 10;
/// Bytes; each attachment comes with its network.
pub const LONGEST_ANSWER: usize = 1 << 20;
/// How long the plugin waits, from the connection to the end of the answer.
pub const BOUND: Duration = Duration::from_secs(2);

/// A question, with the version of what is written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`Self::VERSION`].
    pub version: u32,
    /// What is asked.
    pub question: Question,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Are you there? The kubelet is not asked.
    Here,
    /// Which attachments does this pod have?
    Attachments {
        /// The pod.
        pod: CallingPod,
    },
    /// May this pod have this device, with these settings?
    May {
        /// The pod.
        pod: CallingPod,
        /// The device.
        device: DeviceId,
        /// What is asked of it.
        settings: AskedSettings,
    },
}

/// An answer, with the version of what is written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// [`Request::VERSION`].
    pub version: u32,
    /// What is answered.
    pub answer: Answer,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// I am.
    Here,
    /// The pod's attachments, in the order in which they are made.
    Attachments(Vec<PodAttachment>),
    /// It may.
    May,
    /// It may not, for this reason.
    MayNot(String),
    /// It is not known, for this reason.
    Unknown(String),
    /// The question makes no sense, for this reason.
    Refused(String),
}

/// A device that a pod was given, and how it is to be attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodAttachment {
    /// The device.
    pub device: DeviceId,
    /// The resource that it was given as.
    pub resource: String,
    /// What its interface is called.
    pub interface: IfName,
    /// The pool's network.
    #[serde(default)]
    pub network: Map<String, Value>,
    /// The claim that it was given by; none of one that the kubelet's device manager gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// A `ResourceClaim`, which a device was prepared for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The uids of the pods that it is for (`status.reservedFor`).
    #[serde(default)]
    pub reserved_for: Vec<String>,
}

// === impl Request ===

impl Request {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;
}
