//! The Kubernetes API: what this node tells about itself. Nothing waits for it: without an API server, without our definition
//! or without rights everything else works, and one line of the log says so.
//!
//! One object a node, a `NodeNetworkDevices` (`deploy/base/crd.yaml`), says which devices are offered and who has them. It is
//! written as a whole, only when it changes, and not too often; Events tell what a person should hear of. The loop leaves a
//! snapshot of what it knows, repair what it sees in the journal, and a task of its own reads the newest of both.
//!
//! What is told, and when, is decided in the daemon, without a byte of TLS or HTTP. Another program, [`helper`], asks the API
//! server, one request after the other, as it is told over a pipe: one that is slow, hangs or is killed costs the view and
//! nothing else, and its successor goes on where it was.
//!
//! Contract: server-side apply (`application/apply-patch+yaml`) with one field manager. What is applied replaces all that this
//! manager wrote before, so two daemons of different versions, which follow each other on a node, leave nothing of each other
//! behind. On different nodes they write different objects.
//!
//! - [`snapshot`]: what the loop leaves; [`facts`]: that and the rest, at one moment;
//! - [`object`], `row`, `conditions`, `measure`: what is written;
//! - [`schedule`]: when it is written;
//! - [`news`], [`fault`]: what happened that a person should hear of; [`memory`]: of what the node was told; [`events`]: which of it
//!   is sent, and when; `event`: as what;
//! - [`slices`]: which devices claims may have; `claims`: what is asked of claims, and said of them;
//! - [`telling`]: the task; [`access`]: whether there is one; `conversation`, `flight`: when it asks for what, and what comes of
//!   it; `said`: what is said of that in the log; [`sources`]: where it hears;
//! - [`messages`]: what is said to the helper, and by it; `line`: the daemon's end of that; `program`: the helper's process;
//! - [`helper`]: the helper;
//! - `clock`: times as the API writes them.

pub mod access;
mod claims;
mod clock;
pub mod conditions;
mod conversation;
mod event;
pub mod events;
pub mod facts;
pub mod fault;
#[cfg(test)]
mod fixture;
mod flight;
pub mod helper;
mod line;
pub mod measure;
pub mod memory;
pub mod messages;
pub mod news;
pub mod object;
mod program;
mod row;
mod said;
pub mod schedule;
pub mod slices;
pub mod snapshot;
pub mod sources;
pub mod telling;

pub use access::KubeAccess;
pub use snapshot::Snapshot;
pub use sources::Sources;
pub use telling::{Claimed, Telling};
