//! Dynamic resource allocation: devices for claims, as the kubelet's DRA manager asks for them.
//!
//! Contract: pluginregistration v1 and dra v1 (v1beta1 before Kubernetes 1.34) of the kubelet, pkg/kubelet/cm/dra. The kubelet
//! dials every socket in `plugins_registry`, hears there who we are, and dials the other socket, on which it has claims prepared
//! before a pod's sandbox is made and unprepared after the last one has ended. It names claims and neither pods nor devices: what
//! was allocated is in the claim, which is fetched once, through who speaks to the API. What a claim came to is on record before
//! the kubelet is answered, so that the same question has the same answer, after our own restart too and without an API server.
//! One process serves a driver at a time (`maxSurge: 0`).
//!
//! - [`claimable`]: what the loop leaves: which devices claims may have; [`names`]: what they are called in the API;
//! - [`allocated`]: a claim as the API has it; [`parameters`]: what it may ask for; [`decision`]: what it comes to;
//! - [`claims`]: those that are prepared, and the two verbs; [`specs`]: what the runtime does for them;
//! - [`service`]: the services of the driver; [`health`]: how its devices are;
//! - [`registration`]: who we are; [`authority`], `rewriting`: what keeps the kubelet's dialler from being refused;
//! - [`driver`]: when to serve what.

pub mod allocated;
pub mod authority;
pub mod claimable;
pub mod claims;
pub mod decision;
pub mod driver;
pub mod health;
pub mod names;
pub mod parameters;
pub mod registration;
mod rewriting;
pub mod service;
pub mod specs;

pub use allocated::{AboutClaim, Allocated};
pub use claimable::Claimable;
pub use claims::Claims;
