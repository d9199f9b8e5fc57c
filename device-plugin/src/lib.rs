//! The node's device manager, as a library; `hardwired`, and its helper `hardwired-cluster`, are thin programs around it.
//!
//! The rooms, each using only those below it:
//!
//! - [`commands`]: what a person types;
//! - [`manager`]: the loop: an event comes in, the state changes, effects go out;
//! - [`cluster`]: the Kubernetes API: what this node tells about itself. Nothing waits for it;
//! - [`kubelet`]: the conversation with the kubelet, one socket per pool; [`dra`]: the other one, about claims;
//! - [`provision`]: VFs made as configured, and never under a pod;
//! - [`ask`]: what others ask of the running daemon, and what it leaves for them to read;
//! - [`ledger`]: who has which device, and repair, which acts on it;
//! - [`health`]: what a free device should be like, and how it differs;
//! - [`pools`]: what is there, which device belongs to which pool, or why to none, and what a pool offers;
//! - [`container`]: what a container gets with its devices: nodes, variables and documents;
//! - [`telemetry`]: logs, metrics, probes, the plugin's reports;
//! - [`events`]: what happens on the node: uevents, rtnetlink, files;
//! - [`config`]: what the operator wants: pools of devices.

pub mod ask;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod container;
pub mod dra;
pub mod events;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod health;
pub mod kubelet;
pub mod ledger;
pub mod manager;
pub mod pools;
pub mod provision;
pub mod telemetry;
