//! Which attachments does this pod have? The daemon knows, and where it cannot be asked, the kubelet's device checkpoint tells
//! whether there are any: a pod without a device of ours does not wait for us, and one with a device is not started without it.

use crate::Context;
use crate::ask::{Answer, PodAttachment, Question, ask};
use crate::claims::{Claimed, ClaimedDevice, of_pod};
use crate::entitlement::{Checkpoint, Given};
use crate::node::Policies;
use crate::protocol::{CallingPod, CniError, code};

/// What to start.
const REMEDY: &str = "hardwired attaches pods' devices: start it on this node (`kubectl -n kube-system get pods -o wide`, or \
                      `hardwired run`); the pod is tried again by itself";

/// The attachments of a pod, in their order. Without the daemon, none, or an error that passes.
pub(super) fn attachments(context: &Context, pod: &CallingPod) -> Result<Vec<PodAttachment>, CniError> {
    let question = Question::Attachments { pod: pod.clone() };
    let answer = ask(&context.state, question);
    // A daemon that lives and does not know has pools of ours, whatever was written when.
    let is_certain = matches!(answer, Ok(Answer::Unknown(_)));
    let why = match answer {
        Ok(Answer::Attachments(attachments)) => return Ok(attachments),
        Ok(Answer::MayNot(why)) => return Err(CniError::config(format!("{pod}: {why}"))),
        Ok(Answer::Unknown(why)) => why,
        Ok(other) => format!("hardwired answers something else: {other:?}"),
        Err(error) => error.to_string(),
    };
    let refused = |what: String| {
        let msg = format!("{pod}: {what}, and cannot be attached now: {why}");
        Err(CniError::new(code::TRY_AGAIN, msg).with_details(REMEDY))
    };
    match given(context, pod) {
        Ok(Some(given)) if given.is_empty() => {
            tracing::info!("{pod} was given no device that is attached here; {why}");
            Ok(Vec::new())
        }
        Ok(None) if is_certain => refused("whether it was given a device is not known".to_owned()),
        // No daemon ever offered any here.
        Ok(None) => Ok(Vec::new()),
        Ok(Some(given)) => {
            let named = given.iter().map(|(device, resource)| format!("{device} of {resource}"));
            refused(format!("it was given {}", named.collect::<Vec<_>>().join(", ")))
        }
        Err(unknown) => refused(format!("whether it was given a device is not known ({unknown})")),
    }
}

/// What the kubelet gave a pod of what we attach, device and resource, by its checkpoint, and claims by their records; or why
/// that is not known. `None` where no pool's devices are attached by us, and no claim's.
pub(super) fn given(context: &Context, pod: &CallingPod) -> Result<Option<Vec<(String, String)>>, String> {
    let claimed = claimed(context, pod)?;
    let by_plugin = given_by_plugin(context, pod)?;
    if claimed.is_empty() {
        return Ok(by_plugin);
    }
    Ok(Some(by_plugin.into_iter().flatten().chain(claimed).collect()))
}

/// What claims gave a pod of what we attach; or why that is not known.
fn claimed(context: &Context, pod: &CallingPod) -> Result<Vec<(String, String)>, String> {
    let mut records = context.claims.all().map_err(|error| error.to_string())?;
    records.retain(|record| record.chained().next().is_some());
    let claims = match of_pod(&records, pod) {
        Claimed::Perhaps(claims, why) if claims.is_empty() => return Err(why),
        // It is not started whatever the others say.
        Claimed::By(claims) | Claimed::Perhaps(claims, _) => claims,
    };
    let named = claims.into_iter().flat_map(|record| {
        let device = |claimed: &ClaimedDevice| (claimed.device.to_string(), format!("claim {}", record.name()));
        record.chained().map(device)
    });
    Ok(named.collect())
}

fn given_by_plugin(context: &Context, pod: &CallingPod) -> Result<Option<Vec<(String, String)>>, String> {
    let policies = Policies::read(&context.policies).map_err(|error| error.to_string())?;
    let Some(policies) = policies.filter(|policies| policies.chained().next().is_some()) else {
        return Ok(None);
    };
    let checkpoint = Checkpoint::read(&policies.checkpoint).map_err(|error| error.to_string())?;
    let checkpoint = checkpoint.ok_or_else(|| {
        let path = policies.checkpoint.display();
        format!("the kubelet's device checkpoint {path} is not there")
    })?;
    let of_ours = checkpoint.all().filter(|given| !ours(&policies, given).is_empty());
    if pod.uid.is_empty() {
        // Where no pod at all has a device of ours, this one has none either.
        let someone = of_ours.map(|given| given.resource.as_str()).next();
        return someone.map_or(Ok(Some(Vec::new())), |resource| {
            Err(format!(
                "the runtime does not say the pod's uid (K8S_POD_UID), and pods have devices of {resource}"
            ))
        });
    }
    let of_pod = of_ours.filter(|given| given.pod_uid == pod.uid);
    let named = of_pod.flat_map(|given| {
        let devices = ours(&policies, given).into_iter();
        devices.map(|device| (device, given.resource.clone()))
    });
    Ok(Some(named.collect()))
}

/// Which of the devices that a container was given are for us to attach.
fn ours(policies: &Policies, given: &Given) -> Vec<String> {
    let is_of_pool = policies.chained().any(|pool| pool.resource == given.resource);
    let is_ours = |id: &&String| {
        is_of_pool || {
            let device = id.parse();
            device.is_ok_and(|device| policies.is_chained_as_another(&device, &given.resource))
        }
    };
    given.devices.iter().filter(is_ours).cloned().collect()
}
