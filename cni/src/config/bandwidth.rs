//! Bandwidth the CNI way: `runtimeConfig.bandwidth`, in bit/s.
//!
//! Contract: CNI conventions, capability `bandwidth`: ingressRate, ingressBurst, egressRate, egressBurst. Egress becomes
//! the VF's max tx rate; a VF has no rate for what it receives. Runtimes fill bursts with maxima, so they are no request.
//!
//! A runtime hands both directions of a pod's annotations on, and the pod's author can change neither the network nor its
//! hardware: refused, the pod would never start. So what cannot be had is left out with a warning, unless the network wants
//! such pods refused.

use super::field;
use crate::protocol::{AnyCase, CniError};

const MEGABIT: u64 = 1_000_000;

/// A rate that the runtime asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate {
    /// Mbit/s, rounded up.
    pub(super) megabits: u32,
    /// The key that says it, as the configuration spells it.
    pub(super) key: String,
}

/// What becomes of a rate for what the VF receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ingress {
    /// The pod starts without it, and the log warns.
    #[default]
    Warn,
    /// The pod starts without it, as the network's author knows.
    Ignore,
    /// The pod does not start.
    Refuse,
}

/// The max tx rate that the runtime asks for.
pub(super) fn max_tx_rate(fields: AnyCase<'_>, runtime: Option<AnyCase<'_>>) -> Result<Option<Rate>, CniError> {
    let words = [
        ("warn", Ingress::Warn),
        ("ignore", Ingress::Ignore),
        ("refuse", Ingress::Refuse),
    ];
    let on_ingress = field::word(fields, "ingress", &words)?.unwrap_or_default();
    let Some(runtime) = runtime else { return Ok(None) };
    let spelt = |object: AnyCase<'_>, key: &str| object.spelling(key).unwrap_or(key).to_owned();
    let path = format!("{}.{}", spelt(fields, "runtimeConfig"), spelt(runtime, "bandwidth"));
    let Some(bandwidth) = field::object_of(runtime, "bandwidth", &path)? else {
        return Ok(None);
    };
    let name = |key: &str| format!("{path}.{}", spelt(bandwidth, key));
    let rate = |key: &str| {
        let Some(value) = bandwidth.get(key) else { return Ok(0) };
        value
            .as_u64()
            .ok_or_else(|| field::wrong(&name(key), value, "a whole number of bit/s"))
    };
    let ingress = rate("ingressRate")?;
    if ingress > 0 {
        let name = name("ingressRate");
        match on_ingress {
            Ingress::Warn => tracing::warn!(
                "{name}: {ingress} is left out: a VF has no rate for what it receives (\"ingress\": \"refuse\" refuses \
                 such pods, \"ignore\" says nothing)"
            ),
            Ingress::Ignore => tracing::info!("{name}: {ingress} is left out, as the configuration asks"),
            Ingress::Refuse => {
                return Err(CniError::config(format!(
                    "{name}: {ingress} cannot be set: a VF has no rate for what it receives, and \"ingress\" is \"refuse\""
                )));
            }
        }
    }
    for key in ["ingressBurst", "egressBurst"] {
        if bandwidth.get(key).is_some_and(|burst| burst.as_u64() != Some(0)) {
            tracing::info!("{key} is not applied: a VF has no bursts");
        }
    }
    let egress = rate("egressRate")?;
    if egress == 0 {
        return Ok(None);
    }
    let key = name("egressRate");
    let megabits = u32::try_from(egress.div_ceil(MEGABIT));
    let megabits = megabits.map_err(|_too_many| field::wrong(&key, egress, "at most 4294967295000000 bit/s"))?;
    if fields.get("max_tx_rate").is_some() {
        let other = spelt(fields, "max_tx_rate");
        return Err(CniError::config(format!(
            "{key}: {egress} is given together with {other}: give one of them"
        )));
    }
    Ok(Some(Rate { megabits, key }))
}
