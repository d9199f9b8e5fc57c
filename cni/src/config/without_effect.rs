//! Fields that other plugins know and that cannot take effect here: refused by name, so that nobody believes in them.
//!
//! Contract: ib-sriov-cni's `pkey`, `rdmaIsolation`, `ibKubernetesEnabled` and its three ways to give a GUID
//! (`runtimeConfig.infinibandGUID`, `args.cni.guid`, `GUID` in `CNI_ARGS`); the bandwidth plugin's section, which a runtime
//! puts into `runtimeConfig`.

use serde_json::Value;

use crate::printable::excerpt;
use crate::protocol::{AnyCase, CniArgs, CniError};

const INFINIBAND: &str = "InfiniBand is not supported";

/// As much of a value as an error quotes, bytes.
const QUOTED: usize = 256;

pub(super) fn refuse(fields: AnyCase<'_>, runtime: Option<AnyCase<'_>>, args: &CniArgs) -> Result<(), CniError> {
    let inner = |object: Option<AnyCase<'_>>, key: &str| object.and_then(|object| object.get(key)).cloned();
    let of = |parent: &'_ Value| parent.as_object().cloned();
    let in_args = fields.get("args").and_then(of).and_then(|args| {
        let cni = AnyCase::new(&args).get("cni").and_then(of)?;
        AnyCase::new(&cni).get("guid").cloned()
    });
    let infiniband = [
        ("pkey", inner(Some(fields), "pkey")),
        ("rdmaIsolation", inner(Some(fields), "rdmaIsolation")),
        ("ibKubernetesEnabled", inner(Some(fields), "ibKubernetesEnabled")),
        ("guid", inner(Some(fields), "guid")),
        ("args.cni.guid", in_args),
        ("runtimeConfig.infinibandGUID", inner(runtime, "infinibandGUID")),
        ("CNI_ARGS GUID", args.get("GUID").map(Value::from)),
    ];
    for (name, value) in infiniband {
        if let Some(value) = value.filter(asks_for_something) {
            let value = excerpt(&value.to_string(), QUOTED);
            return Err(CniError::config(format!("{name}: {value} cannot be set: {INFINIBAND}")));
        }
    }
    if let Some(value) = inner(Some(fields), "bandwidth") {
        let asks = asks_for_a_rate(&value);
        let value = excerpt(&value.to_string(), QUOTED);
        let right = "it takes effect as runtimeConfig.bandwidth, where the runtime puts it, or as max_tx_rate";
        if asks {
            let msg = format!("bandwidth: {value} cannot be set here: {right}");
            return Err(CniError::config(msg));
        }
        tracing::warn!("bandwidth: {value} is ignored here: {right}");
    }
    if inner(runtime, "ips").is_some_and(|ips| asks_for_something(&ips)) && fields.get("ipam").is_none() {
        tracing::warn!("runtimeConfig.ips is ignored: without ipam there are no addresses");
    }
    Ok(())
}

/// The same of a section of rates, of which 0 is none.
fn asks_for_a_rate(bandwidth: &Value) -> bool {
    let is_rate = |value: &Value| value.as_f64() != Some(0.0) && asks_for_something(value);
    match bandwidth {
        Value::Object(rates) => rates.values().any(is_rate),
        other => asks_for_something(other),
    }
}

/// Whether a value is more than a way of writing nothing.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}
