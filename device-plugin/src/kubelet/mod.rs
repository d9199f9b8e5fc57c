//! The conversation with the kubelet (deviceplugin v1beta1, classic registration).
//!
//! Contract: the kubelet's pkg/kubelet/cm/devicemanager. Each pool has a socket in the kubelet's device-plugin directory. It
//! must be served before it is registered, since the kubelet calls back inside Register. A starting kubelet removes every
//! socket of the directory and never reconnects; whoever wants to stay registered has to notice both. The plugin-watcher
//! directory is no alternative: the kubelet's dialler there sends an `:authority` that Rust's HTTP stack refuses.
//!
//! - [`service`], [`serving`]: the gRPC service of one pool, and the server that runs it;
//! - [`allocate`], [`preferred`]: its two answers that take thinking;
//! - [`registration`]: the call to the kubelet;
//! - [`lifecycle`]: when to do which.

pub mod allocate;
pub mod lifecycle;
pub mod preferred;
pub mod registration;
pub mod service;
pub mod serving;
