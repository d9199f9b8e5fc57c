//! Bandwidth the CNI way: `runtimeConfig.bandwidth`, in bit/s.
//!
//! Contract: CNI conventions, capability `bandwidth`: ingressRate, ingressBurst, egressRate, egressBurst. Egress becomes
//! the VF's max tx rate; a VF has no rate for what it receives. Runtimes fill bursts with maxima, so they are no request.

use super::field;
use crate::protocol::{CniError, Folded};

const MEGABIT: u64 = 1_000_000;

/// The max tx rate in Mbit/s that the runtime asks for, rounded up.
pub(super) fn max_tx_rate(fields: Folded<'_>, runtime: Option<Folded<'_>>) -> Result<Option<u32>, CniError> {
    let ignored = field::word(fields, "ingress", &[("refuse", false), ("ignore", true)])?.unwrap_or_default();
    let Some(bandwidth) = runtime
        .map(|runtime| field::object(runtime, "bandwidth"))
        .transpose()?
        .flatten()
    else {
        return Ok(None);
    };
    let rate = |key: &str, name: &str| {
        let Some(value) = bandwidth.get(key) else { return Ok(0) };
        value
            .as_u64()
            .ok_or_else(|| field::wrong(name, value, "a whole number of bit/s"))
    };
    let ingress = rate("ingressRate", "runtimeConfig.bandwidth.ingressRate")?;
    if ingress > 0 && !ignored {
        return Err(CniError::config(format!(
            "runtimeConfig.bandwidth.ingressRate: {ingress} cannot be set: a VF has no rate for what it receives \
             (\"ingress\": \"ignore\" leaves it out)"
        )));
    }
    if ingress > 0 {
        tracing::info!("ingressRate {ingress} is ignored, as the configuration asks");
    }
    for key in ["ingressBurst", "egressBurst"] {
        if bandwidth.get(key).is_some_and(|burst| burst.as_u64() != Some(0)) {
            tracing::info!("{key} is not applied: a VF has no bursts");
        }
    }
    let name = "runtimeConfig.bandwidth.egressRate";
    let egress = rate("egressRate", name)?;
    if egress == 0 {
        return Ok(None);
    }
    let megabits = u32::try_from(egress.div_ceil(MEGABIT));
    let megabits = megabits.map_err(|_too_many| field::wrong(name, egress, "at most 4294967295000000 bit/s"))?;
    if fields.get("max_tx_rate").is_some() {
        return Err(CniError::config(format!(
            "{name}: {egress} is given together with max_tx_rate: give one of them"
        )));
    }
    Ok(Some(megabits))
}
