//! Which attachments does this pod have? The daemon knows, and where it cannot be asked, the kubelet's device checkpoint tells
//! whether there are any: a pod without a device of ours does not wait for us, and one with a device is not started without it.

use crate::Context;
use crate::ask::{Answer, PodAttachment, Question, ask};
use crate::entitlement::Checkpoint;
use crate::node::{AttachBy, Policies};
use crate::protocol::{CallingPod, CniError, code};

/// What to start.
const REMEDY: &str = "hardwired attaches pods' devices: start it on this node (`kubectl -n kube-system get pods -o wide`, or \
                      `hardwired run`); the pod is tried again by itself";

/// The attachments of a pod, in their order. Without the daemon, none, or an error that passes.
pub(super) fn attachments(context: &Context, pod: &CallingPod) -> Result<Vec<PodAttachment>, CniError> {
    let question = Question::Attachments { pod: pod.clone() };
    let why = match ask(&context.state, question) {
        Ok(Answer::Attachments(attachments)) => return Ok(attachments),
        Ok(Answer::Unknown(why)) => why,
        Ok(other) => format!("hardwired answers something else: {other:?}"),
        Err(error) => error.to_string(),
    };
    let refused = |what: String| {
        let msg = format!("{pod}: {what}, and cannot be attached now: {why}");
        Err(CniError::new(code::TRY_AGAIN, msg).with_details(REMEDY))
    };
    match given(context, pod) {
        Ok(given) if given.is_empty() => {
            tracing::info!("{pod} was given no device that is attached here; {why}");
            Ok(Vec::new())
        }
        Ok(given) => refused(format!("it was given {}", given.join(", "))),
        Err(unknown) => refused(format!("whether it was given a device is not known ({unknown})")),
    }
}

/// What the kubelet gave a pod of what we attach, by its checkpoint; or why that is not known.
fn given(context: &Context, pod: &CallingPod) -> Result<Vec<String>, String> {
    let policies = Policies::read(&context.policies).map_err(|error| error.to_string())?;
    let pools = policies.iter().flat_map(|policies| &policies.pools);
    let ours: Vec<&str> = pools
        .filter(|pool| pool.attach == AttachBy::Chain)
        .map(|pool| pool.resource.as_str())
        .collect();
    let Some(policies) = policies.as_ref().filter(|_| !ours.is_empty()) else {
        // No daemon ever offered any here.
        return Ok(Vec::new());
    };
    let checkpoint = Checkpoint::read(&policies.checkpoint).map_err(|error| error.to_string())?;
    let Some(checkpoint) = checkpoint else {
        return Ok(Vec::new());
    };
    if pod.uid.is_empty() {
        return Err("the runtime does not say the pod's uid (K8S_POD_UID)".to_owned());
    }
    let of_pod = checkpoint
        .of(&pod.uid)
        .filter(|given| ours.contains(&given.resource.as_str()));
    let named = of_pod.map(|given| format!("{} of {}", given.devices.join(" and "), given.resource));
    Ok(named.collect())
}
