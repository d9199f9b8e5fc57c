//! What the CNI plugin asks, over a socket in the state directory that is root's: which attachments does this pod have, and may
//! it have this device? One question and one answer a connection (`hardwire_cni::ask`).
//!
//! The kubelet's device checkpoint answers by the pod's uid, and is written before the pod's sandbox is made: it is never older
//! than the pod. Where it cannot be read, or the runtime names no uid, the loop is asked, whose ledger asks the kubelet's
//! podresources anew: what was heard before may be older than the pod. Those know no uid; a name is then all there is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::ask::{Answer, LONGEST_ANSWER, LONGEST_REQUEST, Question, Reply, Request, SOCKET};
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
    /// Who has the device.
    pub holder: Option<String>,
}

/// What questions are answered with.
#[derive(Debug, Clone)]
pub struct PodAnswers {
    /// What the pools say.
    pub policies: watch::Receiver<Arc<Policies>>,
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
    pub fn new(cni_config: &Path) -> (Self, mpsc::Receiver<AboutPod>, watch::Sender<Arc<Policies>>) {
        let (ledger, asked) = mpsc::channel(1);
        let (tell, policies) = watch::channel(Arc::default());
        let answers = Self {
            policies,
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
        if self.policies.borrow().chained().next().is_none() {
            return Answer::Attachments(Vec::new());
        }
        let given = match self.checkpoint().await {
            Ok(Some(checkpoint)) if !pod.uid.is_empty() => GivenDevice::all_of(&checkpoint, &pod.uid),
            // Without the file, too: it may be elsewhere than where we look.
            _ => match self.ledger(pod, None).await.map(|word| word.given) {
                Some(Ok(given)) => given,
                Some(Err(why)) => return Answer::Unknown(why),
                None => return Answer::Unknown("hardwired is stopping".to_owned()),
            },
        };
        let policies = Arc::clone(&self.policies.borrow());
        if given.is_empty() {
            return Answer::Attachments(Vec::new());
        }
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
        match attachments(&policies, given, with_multus) {
            Ok(attachments) => Answer::Attachments(attachments),
            Err(why) => Answer::MayNot(why),
        }
    }

    async fn may(&self, pod: &CallingPod, device: &DeviceId, settings: &AskedSettings) -> Answer {
        let policies = Arc::clone(&self.policies.borrow());
        let refused = policies
            .pool_of(device)
            .map(|pool| refuse_by_pool(pool, device, settings));
        if let Some(Err(why)) = refused {
            return Answer::MayNot(why);
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
