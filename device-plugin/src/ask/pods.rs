//! What the CNI plugin asks, over a socket in the state directory that is root's: which attachments does this pod have, and may
//! it have this device? One question and one answer a connection (`hardwire_cni::ask`).
//!
//! The kubelet's device checkpoint answers by the pod's uid, and is written before the pod's sandbox is made: it is never older
//! than the pod. Where it cannot be read, or the runtime names no uid, the loop is asked, whose ledger asks the kubelet's
//! podresources anew: what was heard before may be older than the pod. Those know no uid; a name is then all there is.
//!
//! Devices of claims are on record, with the pods that the claim was reserved for when it was prepared. A claim that no pod owns
//! may have got more pods since: podresources tell, by name. Such a pod is told of the device, which another has already, and is
//! refused by that; it is never told that it has none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::ask::{Answer, LONGEST_ANSWER, LONGEST_REQUEST, Question, Reply, Request, SOCKET};
use hardwire_cni::claims::{ClaimRecord, Claimed, HeldByClaim, held_by_claim, of_pod};
use hardwire_cni::entitlement::{Word, refuse_by_pool, word};
use hardwire_cni::node::{AskedSettings, Policies};
use hardwire_cni::printable::printable;
use hardwire_cni::protocol::CallingPod;
use hardwire_pci::DeviceId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{debug, info};

use super::attachments::{GivenDevice, attachments, with_multus};
use super::checkpoint::{Checkpointed, ReadCheckpoint};
use super::listening::listen;
use crate::events::connections::{self, Limits};
use crate::ledger::claims::Prepared;

/// Less than the plugin waits, so that it hears why.
const ANSWER_BOUND: Duration = Duration::from_millis(1800);
/// As many as a node starts at once after a boot; each costs a descriptor and some hundred bytes. The plugin waits no longer.
const LIMITS: Limits = Limits {
    most: 512,
    longest: Duration::from_secs(5),
};

/// The loop is asked about a pod.
#[derive(Debug)]
pub struct AboutPod {
    /// The pod's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The device whose holder is to be told, if any.
    pub device: Option<DeviceId>,
    /// Takes the ledger's word.
    pub reply: oneshot::Sender<LedgersWord>,
}

/// What the ledger says of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgersWord {
    /// What the kubelet says that it holds, or why nothing is known.
    pub given: Result<Vec<GivenDevice>, String>,
    /// Namespace and name of the claims that it says the pod has; none where nothing is known.
    pub claims: Vec<(String, String)>,
    /// Who has the device.
    pub holder: Option<String>,
}

/// What questions are answered with.
#[derive(Debug, Clone)]
pub struct PodAnswers {
    /// What the pools say.
    pub policies: watch::Receiver<Arc<Policies>>,
    /// Which devices claims have.
    pub prepared: watch::Receiver<Arc<Prepared>>,
    /// Takes questions to the loop.
    pub ledger: mpsc::Sender<AboutPod>,
    /// Where the runtime's network configurations are.
    pub cni_config: PathBuf,
    /// What the kubelet's checkpoint said when it was read last.
    checkpoint: Arc<ReadCheckpoint>,
}

/// Answers until it is dropped. `state` is the state directory.
pub async fn serve(state: &Path, answers: PodAnswers) {
    let (listener, _file) = listen(&state.join(SOCKET)).await;
    let answer = |stream| {
        let answers = answers.clone();
        async move {
            if let Err(error) = answer(stream, &answers).await {
                debug!("the plugin was not answered: {error}");
            }
        }
    };
    connections::serve("questions of the plugin", &listener, LIMITS, answer).await;
}

async fn answer(stream: UnixStream, answers: &PodAnswers) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    let bound = u64::try_from(LONGEST_REQUEST).unwrap_or(u64::MAX) + 1;
    timeout(ANSWER_BOUND, (&mut stream).take(bound).read_until(b'\n', &mut line)).await??;
    let answer = match request(&line) {
        Err(why) => Answer::Refused(why),
        Ok(question) => match timeout(ANSWER_BOUND, answers.to(question)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Answer::Unknown("the kubelet did not answer in time".to_owned()),
        },
    };
    let mut text = encoded(answer)?;
    if text.len() > LONGEST_ANSWER {
        text = encoded(Answer::Refused(format!(
            "the answer has {} bytes, too many",
            text.len()
        )))?;
    }
    stream.write_all(&text).await
}

fn encoded(answer: Answer) -> io::Result<Vec<u8>> {
    let reply = Reply {
        version: Request::VERSION,
        answer,
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    Ok(text)
}

pub(crate) fn request(line: &[u8]) -> Result<Question, String> {
    if line.len() > LONGEST_REQUEST {
        return Err(format!("the request has more than {LONGEST_REQUEST} bytes"));
    }
    let request: Request = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if request.version == Request::VERSION {
        Ok(request.question)
    } else {
        Err(format!(
            "the request has version {}, and version {} is spoken here",
            request.version,
            Request::VERSION
        ))
    }
}

// === impl PodAnswers ===

impl PodAnswers {
    /// With the loop's ends: what it is asked, and where it tells what the pools say. `cni_config` is the directory of the
    /// runtime's network configurations.
    pub fn new(
        cni_config: &Path,
        prepared: watch::Receiver<Arc<Prepared>>,
    ) -> (Self, mpsc::Receiver<AboutPod>, watch::Sender<Arc<Policies>>) {
        let (ledger, asked) = mpsc::channel(1);
        let (tell, policies) = watch::channel(Arc::default());
        let answers = Self {
            policies,
            prepared,
            ledger,
            cni_config: cni_config.to_owned(),
            checkpoint: Arc::default(),
        };
        (answers, asked, tell)
    }

    async fn to(&self, question: Question) -> Answer {
        match question {
            Question::Here => Answer::Here,
            Question::Attachments { pod } => self.attachments(&pod).await,
            Question::May { pod, device, settings } => {
                let answer = self.may(&pod, &device, &settings).await;
                info!(%device, "may {} have it: {answer:?}", printable(&pod.to_string()));
                answer
            }
        }
    }

    async fn checkpoint(&self) -> Checkpointed {
        let path = self.policies.borrow().checkpoint.clone();
        self.checkpoint.read(path).await
    }

    async fn ledger(&self, pod: &CallingPod, device: Option<&DeviceId>) -> Option<LedgersWord> {
        let (reply, replied) = oneshot::channel();
        let about = AboutPod {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            device: device.cloned(),
            reply,
        };
        // Neither comes to nothing before the daemon ends.
        self.ledger.send(about).await.ok()?;
        replied.await.ok()
    }

    async fn attachments(&self, pod: &CallingPod) -> Answer {
        if self.policies.borrow().version != Policies::VERSION {
            // A pod that was given a device before we were started anew is not to start without it.
            return Answer::Unknown("hardwired has just started, and does not know its pools yet".to_owned());
        }
        let prepared = Arc::clone(&self.prepared.borrow());
        let claims = match self.claims(&prepared, pod).await {
            Ok(claims) => claims,
            Err(why) => return Answer::Unknown(why),
        };
        let given = match self.given(pod).await {
            Ok(given) => given,
            Err(why) => return Answer::Unknown(why),
        };
        if given.is_empty() && claims.is_empty() {
            return Answer::Attachments(Vec::new());
        }
        let policies = Arc::clone(&self.policies.borrow());
        let stranger = given
            .iter()
            .find(|given| policies.is_chained_as_another(&given.device, &given.resource));
        if let Some(GivenDevice { resource, device, .. }) = stranger {
            return Answer::Unknown(format!(
                "the pod was given {device} as {resource}, which is no pool's now: was its pool renamed? A new pod gets one of \
                 the pool that there is"
            ));
        }
        let directory = self.cni_config.clone();
        let Ok(with_multus) = spawn_blocking(move || with_multus(&directory)).await else {
            return Answer::Unknown("hardwired is stopping".to_owned());
        };
        match attachments(&policies, given, &claims, with_multus) {
            Ok(attachments) => Answer::Attachments(attachments),
            Err(why) => Answer::MayNot(why),
        }
    }

    /// What the kubelet's device manager gave a pod; nothing where nothing of that is for us to attach.
    async fn given(&self, pod: &CallingPod) -> Result<Vec<GivenDevice>, String> {
        if self.policies.borrow().chained().next().is_none() {
            return Ok(Vec::new());
        }
        match self.checkpoint().await {
            Ok(Some(checkpoint)) if !pod.uid.is_empty() => Ok(GivenDevice::all_of(&checkpoint, &pod.uid)),
            // Without the file, too: it may be elsewhere than where we look.
            _ => match self.ledger(pod, None).await {
                Some(word) => word.given,
                None => Err("hardwired is stopping".to_owned()),
            },
        }
    }

    /// The pod's claims with devices that are for us to attach. Those that pods may share are the pod's if the kubelet says so.
    async fn claims<'p>(&self, prepared: &'p Prepared, pod: &CallingPod) -> Result<Vec<&'p ClaimRecord>, String> {
        if let Some(why) = &prepared.unheard {
            return Err(why.clone());
        }
        let is_chained = |record: &&ClaimRecord| record.chained().next().is_some();
        match of_pod(&prepared.records, pod) {
            Claimed::By(claims) => Ok(claims.into_iter().filter(is_chained).collect()),
            Claimed::Perhaps(claims, why) => {
                let word = self.ledger(pod, None).await.ok_or("hardwired is stopping")?;
                if let Err(deaf) = word.given {
                    return Err(format!("{why}; {deaf}"));
                }
                let is_named = |record: &&ClaimRecord| {
                    let (namespace, name) = (&record.claim.namespace, &record.claim.name);
                    word.claims
                        .iter()
                        .any(|claim| (&claim.0, &claim.1) == (namespace, name))
                };
                let is_known = |record: &&ClaimRecord| claims.iter().any(|known| known.claim.uid == record.claim.uid);
                let its = |record: &&ClaimRecord| is_named(record) || is_known(record);
                Ok(prepared.records.iter().filter(its).filter(is_chained).collect())
            }
        }
    }

    /// Whether a claim gave a device to a pod; none where no claim has it.
    async fn claimed(&self, pod: &CallingPod, device: &DeviceId) -> Option<HeldByClaim> {
        let prepared = Arc::clone(&self.prepared.borrow());
        let HeldByClaim::Unknown(why) = held_by_claim(&prepared.records, pod, device)? else {
            return held_by_claim(&prepared.records, pod, device);
        };
        let Some(word) = self.ledger(pod, None).await else {
            return Some(HeldByClaim::Unknown(why));
        };
        if let Err(deaf) = word.given {
            return Some(HeldByClaim::Unknown(format!("{why}; {deaf}")));
        }
        let has_it = |record: &&ClaimRecord| record.devices.iter().any(|held| held.device == *device);
        let record = prepared.records.iter().find(has_it)?;
        let (namespace, name) = (&record.claim.namespace, &record.claim.name);
        let is_its = word
            .claims
            .iter()
            .any(|claim| (&claim.0, &claim.1) == (namespace, name));
        Some(if is_its {
            HeldByClaim::Given
        } else {
            HeldByClaim::NotGiven(format!("claim {} has it, which is another pod's", record.name()))
        })
    }

    async fn may(&self, pod: &CallingPod, device: &DeviceId, settings: &AskedSettings) -> Answer {
        let policies = Arc::clone(&self.policies.borrow());
        let refused = policies
            .pool_of(device)
            .map(|pool| refuse_by_pool(pool, device, settings));
        if let Some(Err(why)) = refused {
            return Answer::MayNot(why);
        }
        match self.claimed(pod, device).await {
            Some(HeldByClaim::Given) => return Answer::May,
            Some(HeldByClaim::NotGiven(why)) => return Answer::MayNot(why),
            Some(HeldByClaim::Unknown(why)) => return Answer::Unknown(why),
            None => {}
        }
        let by_uid = match self.checkpoint().await {
            Ok(checkpoint) => word(checkpoint.as_deref(), pod, device),
            Err(why) => Word::Unknown(why),
        };
        if by_uid == Word::Given {
            return Answer::May;
        }
        let ledger = self.ledger(pod, Some(device)).await;
        match (by_uid, ledger) {
            (Word::NotGiven(why), ledger) => {
                let holder = ledger.and_then(|word| word.holder);
                Answer::MayNot(holder.map_or_else(|| why.clone(), |holder| format!("{why}; {holder}")))
            }
            (
                Word::Unknown(why),
                Some(LedgersWord {
                    given: Ok(given),
                    holder,
                    ..
                }),
            ) => {
                if given.iter().any(|given| given.device == *device) {
                    return Answer::May;
                }
                let holder = holder.unwrap_or_else(|| "nobody has it".to_owned());
                Answer::MayNot(format!("the kubelet does not name it as the pod's ({holder}); {why}"))
            }
            (Word::Unknown(why), Some(LedgersWord { given: Err(deaf), .. })) => {
                Answer::Unknown(format!("{why}; {deaf}"))
            }
            (Word::Unknown(why), None) => Answer::Unknown(why),
            (Word::Given, _) => Answer::May,
        }
    }
}
