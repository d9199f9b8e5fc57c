//! What the daemon and its helper `hardwired-cluster` say to each other: lines of JSON, one request and its answer at a time.
//!
//! The helper opens with its version. A line has a bound on each side: the daemon takes little from a program that listens to
//! the network, the helper what an object may have.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dra::Allocated;

/// The helper's program, beside the daemon's.
pub const PROGRAM: &str = "hardwired-cluster";
/// The language of these lines. Both programs are of one release; a helper of another is not spoken to.
pub const VERSION: u32 = 2;
/// Bytes of a line of the daemon: an object, and what it is wrapped in.
pub const LONGEST_REQUEST: usize = 1 << 20;
/// Bytes of a line of the helper: a claim of 32 devices, each with 10 KiB of parameters, and what it is wrapped in.
pub const LONGEST_ANSWER: usize = 512 << 10;
/// Characters of a text that somebody else wrote, in an answer.
pub const LONGEST_TEXT: usize = 1024;
/// For the connection, and what it takes to know how: a kubeconfig may name a program that is run first.
pub const CONNECTED: Duration = Duration::from_secs(20);
/// For the whole of a request: an object of half a megabyte to an API server that has much to do.
pub const ANSWERED: Duration = Duration::from_secs(30);

/// The helper's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// [`VERSION`].
    pub version: u32,
    /// The version of the program.
    pub program: String,
}

/// What the helper is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ask {
    /// Tell the uid of the Node.
    Node,
    /// Tell of the object, which need not be there.
    Object {
        /// With its conditions, for which all of it is transferred.
        is_whole: bool,
    },
    /// Write this object, whether it is there or not.
    Apply(Box<RawValue>),
    /// Make an Event, or change one that was made.
    Event {
        /// Where it is.
        place: Place,
        /// The Event, or what changes of it.
        body: Box<RawValue>,
        /// It is to be made.
        is_new: bool,
    },
    /// Tell which version of Kubernetes it is.
    Version,
    /// Tell what a claim was allocated of a driver.
    Claim {
        /// The claim.
        place: Place,
        /// The driver.
        driver: String,
    },
    /// Tell which slices of this node the driver has.
    Slices {
        /// The driver.
        driver: String,
    },
    /// Write a slice, whether it is there or not.
    ApplySlice {
        /// Its name.
        name: String,
        /// The slice.
        body: Box<RawValue>,
    },
    /// Delete a slice.
    DeleteSlice {
        /// Its name.
        name: String,
    },
    /// Say how the devices of a claim are.
    ClaimStatus {
        /// The claim.
        place: Place,
        /// What of it is ours to say.
        body: Box<RawValue>,
    },
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The Node has this uid.
    Node {
        /// It.
        uid: String,
    },
    /// This is there, or nothing.
    Object(Option<Found>),
    /// It is written.
    Applied {
        /// `metadata.generation`, which counts its changes.
        generation: Option<i64>,
    },
    /// The Event, or the status of the claim, is with the API server.
    Sent,
    /// It is this version.
    Version {
        /// The first number.
        major: u32,
        /// The second.
        minor: u32,
    },
    /// This is the claim, if it is there.
    Claim(Option<Box<Allocated>>),
    /// These slices are there.
    Slices(Vec<SliceFound>),
    /// The slice is written.
    Slice(SliceFound),
    /// It is not there any more.
    Deleted,
}

/// A slice that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SliceFound {
    /// Its name.
    pub name: String,
    /// What its writer says it wrote.
    pub digest: Option<String>,
    /// `metadata.generation`, which counts its changes.
    pub generation: Option<i64>,
    /// The generation of its pool, as its writer wrote it.
    pub pool_generation: Option<i64>,
    /// How many of its devices have a taint, where the API server said all of it.
    pub tainted: Option<usize>,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// What its writer says it wrote.
    pub digest: Option<String>,
    /// `metadata.generation`, which counts its changes.
    pub generation: Option<i64>,
    /// Since when its conditions are as they are, if all of it was asked for.
    pub conditions: Vec<Since>,
}

/// Since when a condition has its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True` or `False`.
    pub status: String,
    /// RFC 3339.
    #[serde(rename = "lastTransitionTime")]
    pub at: String,
}

/// Where an Event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase")]
pub enum ApiError {
    /// It is not known how to ask: the kubeconfig or the service account's files are of no use.
    #[error("{0}")]
    NoAccess(String),
    /// The helper does not run, or says nothing.
    #[error("{0}")]
    NoHelper(String),
    /// Nobody answers, or who does has too much to do, or is broken.
    #[error("the API server cannot be had: {message}")]
    Away {
        /// What it says, or what was seen of it.
        message: String,
        /// It is not to be asked before so many seconds.
        retry_after: Option<u32>,
    },
    /// We have not the right.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such object, or no such kind of objects.
    #[error("{0}")]
    Absent(String),
    /// It takes something else.
    #[error("the API server refuses it ({code}): {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
}

// === impl ApiError ===

impl ApiError {
    /// The API server was not reached, or not understood.
    pub fn away(message: impl Into<String>) -> Self {
        Self::Away {
            message: message.into(),
            retry_after: None,
        }
    }

    /// Whether trying again may help, without anybody changing anything at the API server.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::NoAccess(_) | Self::NoHelper(_))
    }

    /// How long the API server wants to be left alone, which nobody makes an hour of.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Away {
                retry_after: Some(seconds),
                ..
            } => Duration::from_secs(u64::from(*seconds).min(600)),
            _ => Duration::ZERO,
        }
    }
}
