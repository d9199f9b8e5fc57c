//! The node's device manager, as a library; `hardwired` is a thin program around it.
//!
//! - [`config`]: what the operator wants: pools of devices;
//! - [`pools`]: what is there, and which device belongs to which pool, or why to none;
//! - [`offer`], [`allocate`]: what a pool shows to the kubelet and hands to containers;
//! - [`container`]: what of it is nodes, variables and documents; [`preferred`]: which devices go together best;
//! - [`kubelet`]: the conversation with the kubelet, one socket per pool;
//! - [`podresources`]: which pod holds which device, as the kubelet tells it;
//! - [`directory`]: something in a watched directory changed;
//! - [`reports`]: what the CNI plugin tells of its calls;
//! - [`repair`]: attachments that no DEL came for are released;
//! - [`metrics`]: what the daemon tells of itself: metrics and probes;
//! - [`view`]: what the daemon knows of the devices, for others to read;
//! - [`events`], [`debounce`]: what happens on the node; [`health`]: what that means; [`manager`]: the loop around them;
//! - [`allocations`], [`control`]: what the kubelet and what operators ask of the loop;
//! - [`daemon`], [`devices_table`], [`check`], [`install`]: the commands `run`, `devices`, `check` and `install-cni`;
//! - [`args`], [`upstream_flags`], [`logging`]: the edge.

pub mod allocate;
pub mod allocations;
pub mod args;
pub mod check;
pub mod config;
pub mod container;
pub mod control;
pub mod daemon;
pub mod debounce;
pub mod devices_table;
pub mod directory;
pub mod events;
pub mod given_away;
mod go_json;
pub mod health;
pub mod install;
pub mod kubelet;
pub mod leases;
pub mod logging;
pub mod manager;
pub mod metrics;
pub mod offer;
pub mod podresources;
pub mod pools;
pub mod preferred;
pub mod repair;
pub mod reports;
pub mod upstream_flags;
pub mod view;
