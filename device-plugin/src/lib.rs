//! The node's device manager, as a library; `hardwired` is a thin program around it.
//!
//! - [`config`]: what the operator wants: pools of devices;
//! - [`pools`]: what is there, and which device belongs to which pool, or why to none;
//! - [`offer`], [`allocate`]: what a pool shows to the kubelet and hands to containers;
//! - [`kubelet`]: the conversation with the kubelet, one socket per pool;
//! - [`podresources`]: which pod holds which device, as the kubelet tells it;
//! - [`directory`]: something in a watched directory changed;
//! - [`reports`]: what the CNI plugin tells of its calls;
//! - [`repair`]: attachments that no DEL came for are released;
//! - [`metrics`]: what the daemon tells of itself: metrics and probes;
//! - [`view`]: what the daemon knows of the devices, for others to read;
//! - [`daemon`], [`devices_table`]: the commands `run` and `devices`;
//! - [`install`]: the command `install-cni`;
//! - [`args`], [`logging`]: the edge.

pub mod allocate;
pub mod args;
pub mod config;
pub mod daemon;
pub mod devices_table;
pub mod directory;
mod go_json;
pub mod install;
pub mod kubelet;
pub mod logging;
pub mod metrics;
pub mod offer;
pub mod podresources;
pub mod pools;
pub mod repair;
pub mod reports;
pub mod view;
