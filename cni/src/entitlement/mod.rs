//! May this pod have this device, with these settings? Asked before anything is done about a device that a pool has.
//!
//! A NAD is written by a tenant, who may name any device in it. What counts is who was given the device: the kubelet says so by
//! the pod's uid in its device checkpoint, which is read here, with or without the daemon, and so are the claims that were
//! prepared here ([`crate::claims`]). Where that says no, or cannot be read, the daemon is asked, which has more witnesses
//! (podresources); where it does not run, the checkpoint has the last word, and without one nobody gets the device. A call that
//! names no pod (cnitool, podman) is an administrator's, and passes unless the pool says `always`. What may be asked of a device is
//! limited by the pool's `allow`.

mod checkpoint;
mod witness;

use hardwire_pci::{Device, DeviceId, read_device};

pub use checkpoint::{CHECKPOINT, Checkpoint, CheckpointError, CheckpointText, Given};
pub use witness::{Word, word};

use crate::Context;
use crate::ask::{Answer, Question, ask};
use crate::claims::{HeldByClaim, held_by_claim};
use crate::config::NetConf;
use crate::device::vfs_of;
use crate::node::{AskedSettings, AttachBy, Policies, PoolPolicy, RequireAllocation};
use crate::protocol::{CallingPod, CniError, Environment, code};

/// Refuses a NAD's ADD of a device that is not its pod's, or of more than its pool allows. What no pool has is nobody's.
pub fn check(context: &Context, environment: &Environment, conf: &NetConf, device: &DeviceId) -> Result<(), CniError> {
    let policies = Policies::read(&context.policies).map_err(|error| {
        let details = "hardwired writes it anew when it starts; where it is to run no more, remove the file";
        CniError::new(
            code::TRY_AGAIN,
            format!("what pools say of {device} is not known: {error}"),
        )
        .with_details(details)
    })?;
    let Some(policies) = policies else { return Ok(()) };
    let pools = pools_of(context, &policies, device)?;
    if pools.is_empty() {
        return Ok(());
    }
    let idle = context.baselines.get(device).and_then(|idle| idle.vf);
    let settings = AskedSettings::of(conf, idle.as_ref().map(|vf| &vf.state));
    let pod = CallingPod::of(environment);
    pools
        .into_iter()
        .try_for_each(|pool| check_pool(context, &policies, pool, pod.as_ref(), device, &settings))
}

/// The pools whose word counts for a device: the one that has it, or else all that have a part of it or that of which it is a
/// part.
fn pools_of<'a>(context: &Context, policies: &'a Policies, device: &DeviceId) -> Result<Vec<&'a PoolPolicy>, CniError> {
    if let Some(pool) = policies.pool_of(device) {
        return Ok(vec![pool]);
    }
    let vfs = vfs_of(context, device)?;
    let read = read_device(&context.sysfs, device).unwrap_or_else(|_error| Device::unknown(device.clone()));
    let beside = policies.pools_beside(&read, &vfs).map(|pool| pool.resource.clone());
    let beside: Vec<String> = beside.collect();
    let is_beside = |pool: &&PoolPolicy| beside.contains(&pool.resource);
    Ok(policies.pools.iter().filter(is_beside).collect())
}

fn check_pool(
    context: &Context,
    policies: &Policies,
    pool: &PoolPolicy,
    pod: Option<&CallingPod>,
    device: &DeviceId,
    settings: &AskedSettings,
) -> Result<(), CniError> {
    refuse_by_pool(pool, device, settings).map_err(CniError::config)?;
    match (pool.require_allocation, pod) {
        (RequireAllocation::Off, _) | (RequireAllocation::On, None) => Ok(()),
        (RequireAllocation::Always, None) => {
            let msg = format!(
                "{device} is of pool {}, whose devices are for pods only (requireAllocation: always), and this call names none",
                pool.resource
            );
            Err(CniError::new(code::NOT_GIVEN, msg).with_details(advice(pool)))
        }
        (_, Some(pod)) => refuse_unless_given(context, policies, pool, pod, device, settings.clone()),
    }
}

/// Why a pool's own word refuses a NAD.
pub fn refuse_by_pool(pool: &PoolPolicy, device: &DeviceId, settings: &AskedSettings) -> Result<(), String> {
    let resource = &pool.resource;
    if pool.attach == AttachBy::Chain {
        return Err(format!(
            "{device} is of pool {resource}, whose devices are attached without a NAD (attach: chain): take the network off \
             the pod, or give the pool attach: multus"
        ));
    }
    match pool.allow.as_ref().and_then(|allow| allow.excess(settings)) {
        None => Ok(()),
        Some(excess) => Err(format!(
            "{}: {} is more than pool {resource} allows for {device}: {}",
            excess.field, excess.value, excess.rule
        )),
    }
}

fn refuse_unless_given(
    context: &Context,
    policies: &Policies,
    pool: &PoolPolicy,
    pod: &CallingPod,
    device: &DeviceId,
    settings: AskedSettings,
) -> Result<(), CniError> {
    let claimed = match context.claims.all() {
        Ok(records) => held_by_claim(&records, pod, device),
        Err(error) => Some(HeldByClaim::Unknown(error.to_string())),
    };
    if claimed == Some(HeldByClaim::Given) {
        return Ok(());
    }
    let checkpoint = CheckpointText::read(&policies.checkpoint);
    if let Ok(Some(text)) = &checkpoint
        && text.gave(&pod.uid, &device.to_string())
    {
        return Ok(());
    }
    let understood = checkpoint.and_then(|text| text.map(|text| text.understood()).transpose());
    let here = match understood {
        Ok(checkpoint) => word(checkpoint.as_ref(), pod, device),
        Err(error) => Word::Unknown(error.to_string()),
    };
    if here == Word::Given {
        return Ok(());
    }
    let here = match claimed {
        Some(HeldByClaim::NotGiven(why)) => Word::NotGiven(why),
        Some(HeldByClaim::Unknown(why)) => Word::Unknown(why),
        Some(HeldByClaim::Given) | None => here,
    };
    let question = Question::May {
        pod: pod.clone(),
        device: device.clone(),
        settings,
    };
    let (refused, because) = match ask(&context.state, question) {
        Ok(Answer::May) => return Ok(()),
        Ok(Answer::MayNot(why)) => (code::NOT_GIVEN, why),
        Ok(Answer::Unknown(why)) => (code::TRY_AGAIN, why),
        Ok(other) => (code::TRY_AGAIN, format!("hardwired answers something else: {other:?}")),
        Err(error) => match here {
            Word::NotGiven(why) => (code::NOT_GIVEN, why),
            Word::Given | Word::Unknown(_) => {
                let why = if let Word::Unknown(why) = here {
                    why
                } else {
                    String::new()
                };
                (
                    code::TRY_AGAIN,
                    format!("it is not known whether it was given it: {why}; {error}"),
                )
            }
        },
    };
    let msg = format!("{device} of pool {} is not for {pod}: {because}", pool.resource);
    let details = if refused == code::NOT_GIVEN {
        advice(pool)
    } else {
        "the pod is tried again by itself; hardwired has to run on this node, and to hear the kubelet: its log and /readyz say \
         what is missing"
            .to_owned()
    };
    Err(CniError::new(refused, msg).with_details(details))
}

fn advice(pool: &PoolPolicy) -> String {
    let resource = &pool.resource;
    if pool.is_left {
        return format!(
            "{resource} is in no configuration that is in force, and its last rules hold until another pool has its devices: is \
             the pool refused (hardwired check)? To give them up, remove policies.json and start hardwired again"
        );
    }
    format!(
        "a pod gets a device of this pool by resources: {{limits: {{{resource}: 1}}}}; an operator who wants NADs to name its \
         devices (deviceID) gives the pool requireAllocation: false"
    )
}
