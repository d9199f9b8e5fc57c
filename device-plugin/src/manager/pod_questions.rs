//! What the plugin wants to know of a pod that only the kubelet's podresources can tell: answered by the next answer that is
//! asked for after the question, since one of before may be older than the pod.

use hardwire_pci::DeviceId;

use crate::ask::attachments::GivenDevice;
use crate::ask::pods::{AboutPod, LedgersWord};
use crate::ledger::{Ledger, Ownership};

/// Questions, each with the number of the first answer that is new enough.
#[derive(Debug, Default)]
pub(super) struct PodQuestions {
    waiting: Vec<(u64, AboutPod)>,
}

// === impl PodQuestions ===

impl PodQuestions {
    /// Takes a question that is answered by this answer of the kubelet's, or a later one.
    pub(super) fn wait(&mut self, answer: u64, about: AboutPod) {
        self.waiting.retain(|(_, about)| !about.reply.is_closed());
        self.waiting.push((answer, about));
    }

    /// Answers what can be answered now. `owner` tells who has a device.
    pub(super) fn answer(&mut self, ledger: &Ledger, owner: impl Fn(&DeviceId) -> Ownership) {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (ready, early) = waiting.partition(|(answer, _)| *answer <= ledger.answers());
        self.waiting = early;
        for (_, about) in ready {
            let holder = about.device.as_ref().map(|id| format!("{id} is {}", owner(id)));
            let word = LedgersWord {
                given: given(ledger, &about),
                claims: claims(ledger, &about),
                holder,
            };
            // Who asked may have gone.
            let _ = about.reply.send(word);
        }
    }
}

fn claims(ledger: &Ledger, about: &AboutPod) -> Vec<(String, String)> {
    let held = ledger.held();
    let claims = held
        .into_iter()
        .flat_map(|held| held.claims_of(&about.namespace, &about.name));
    claims.cloned().collect()
}

fn given(ledger: &Ledger, about: &AboutPod) -> Result<Vec<GivenDevice>, String> {
    let Some(held) = ledger.held() else {
        return Err(ledger.kubelet_unheard().unwrap_or_default().to_owned());
    };
    let of_pod = held
        .iter()
        .filter(|(_, holder)| (&holder.namespace, &holder.pod) == (&about.namespace, &about.name));
    let given = of_pod.filter_map(|(id, holder)| {
        Some(GivenDevice {
            resource: holder.resource.clone(),
            container: holder.container.clone(),
            device: id.parse().ok()?,
        })
    });
    Ok(given.collect())
}
