//! What the plugin asks the daemon of this node: which attachments does this pod have, and may it have this device?
//!
//! One request and one answer over a unix socket in the state directory, each one line of JSON with a version, bounded in size
//! and time. The daemon answers from its ledger, with the kubelet's word where that is older than the pod, and never waits for
//! the API server. The socket is root's: who can write to it could do anything anyway.

mod client;
mod wire;

pub use client::{AskError, ask};
pub use wire::{
    Answer, BOUND, Claim, LONGEST_ANSWER, LONGEST_REQUEST, PodAttachment, Question, Reply, Request, SOCKET,
};
