//! The Kubernetes API: what this node tells about itself. Nothing waits for it: without an API server, without our definition
//! or without rights everything else works, and one line of the log says so.
//!
//! One object a node, a `NodeNetworkDevices` (`deploy/base/crd.yaml`), says which devices are offered and who has them. It is
//! written as a whole, only when it changes, and not too often; Events tell what a person should hear of. The loop leaves a
//! snapshot of what it knows, repair what it sees in the journal, and a task of its own reads the newest of both.
//!
//! Contract: server-side apply (`application/apply-patch+yaml`) with one field manager. What is applied replaces all that this
//! manager wrote before, so two daemons of different versions, which follow each other on a node, leave nothing of each other
//! behind. On different nodes they write different objects.
//!
//! - [`snapshot`]: what the loop leaves; [`facts`]: that and the rest, at one moment;
//! - [`object`], `row`, `conditions`, `measure`: what is written;
//! - [`schedule`]: when it is written;
//! - [`news`]: what happened that a person should hear of; [`events`]: which of it is sent, and when; `event`: as what;
//! - [`access`]: where the API is; [`api`]: what is asked of it; `said`: what is said of it in the log;
//! - [`telling`]: the task; `conversation`, `flight`: when it asks for what, and what comes of it; [`sources`]: where it hears;
//! - `clock`: times as the API writes them.

pub mod access;
pub mod api;
mod clock;
pub mod conditions;
mod conversation;
mod event;
pub mod events;
pub mod facts;
#[cfg(test)]
mod fixture;
mod flight;
pub mod measure;
#[cfg(test)]
mod mock_server;
pub mod news;
pub mod object;
mod row;
mod said;
pub mod schedule;
pub mod snapshot;
pub mod sources;
pub mod telling;

pub use access::KubeAccess;
pub use snapshot::Snapshot;
pub use sources::Sources;
pub use telling::Telling;
