//! Networks as their authors write them, each a `NetworkAttachmentDefinition`: made for a pool (`nad`), and examined before a pod waits
//! for one (`check --nad`).
//!
//! Contract: Multus' reading of one (the annotation with the resource, `spec.config`, the device that it writes into it) and
//! libcni's of a list of plugins. What an ADD takes and refuses is not judged here: `hardwire_cni::config::examine` is ADD's own
//! reading.
//!
//! - [`definition`]: the object, and the configurations in it as the plugins get them;
//! - [`examine`]: what is wrong with one; `sections`: with where its addresses come from; [`known_pools`]: with which pools it is compared; [`check`]: the command;
//! - [`device_class`]: what claims ask for the devices of a pool by;
//! - [`nad`]: one for a pool, by [`args`]; [`ipam`]: where its addresses come from.

pub mod args;
pub mod check;
pub mod definition;
pub mod device_class;
pub mod examine;
pub mod ipam;
pub mod known_pools;
pub mod nad;
mod sections;
