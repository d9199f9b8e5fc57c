//! The daemon's end of the line to its helper.
//!
//! One request is under way at a time, and what is asked for is made when it is asked: nothing waits in a queue, so a helper
//! that is slow costs no memory, and is told what is newest.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use super::messages::{
    ANSWERED, Answer, ApiError, Ask, CONNECTED, Found, LONGEST_ANSWER, Opening, Place, SliceFound, VERSION,
};
use crate::dra::Allocated;

/// A program that was started has said its version by then.
const OPENED: Duration = Duration::from_secs(10);
/// The helper has bounds of its own, and keeps them unless it hangs.
const BOUND: Duration = CONNECTED
    .saturating_add(ANSWERED)
    .saturating_add(Duration::from_secs(10));

/// Why nothing more is said on a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// It is closed at the other end.
    #[error("it has ended")]
    Ended,
    /// Nothing is heard.
    #[error("it says nothing for {0:?}")]
    Silent(Duration),
    /// What is heard is no answer.
    #[error("it says what is not understood: {0}")]
    Nonsense(String),
    /// It speaks another language.
    #[error("it is of another release, {0}: install the programs of one")]
    OtherVersion(String),
    /// The system does not carry it.
    #[error(transparent)]
    Io(io::Error),
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Asked {
    ask: Ask,
    answer: oneshot::Sender<Result<Answer, ApiError>>,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub(super) struct Line(mpsc::Sender<Asked>);

/// Where they come out.
#[derive(Debug)]
pub(super) struct Requests(mpsc::Receiver<Asked>);

// === impl Line ===

impl Line {
    /// A line, and its other end.
    pub(super) fn new() -> (Self, Requests) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Requests(receiver))
    }

    /// The uid of the Node.
    pub(super) async fn node_uid(&self) -> Result<String, ApiError> {
        match self.ask(Ask::Node).await? {
            Answer::Node { uid } => Ok(uid),
            other => Err(unfitting(&other)),
        }
    }

    /// The object that is there, if one is.
    pub(super) async fn object(&self, is_whole: bool) -> Result<Option<Found>, ApiError> {
        match self.ask(Ask::Object { is_whole }).await? {
            Answer::Object(found) => Ok(found),
            other => Err(unfitting(&other)),
        }
    }

    /// Writes the object; tells its generation.
    pub(super) async fn apply(&self, object: Box<RawValue>) -> Result<Option<i64>, ApiError> {
        match self.ask(Ask::Apply(object)).await? {
            Answer::Applied { generation } => Ok(generation),
            other => Err(unfitting(&other)),
        }
    }

    /// Makes an Event, or changes one.
    pub(super) async fn send_event(&self, place: Place, body: Box<RawValue>, is_new: bool) -> Result<(), ApiError> {
        match self.ask(Ask::Event { place, body, is_new }).await? {
            Answer::Sent => Ok(()),
            other => Err(unfitting(&other)),
        }
    }

    /// The version of Kubernetes: its first two numbers.
    pub(super) async fn version(&self) -> Result<(u32, u32), ApiError> {
        match self.ask(Ask::Version).await? {
            Answer::Version { major, minor } => Ok((major, minor)),
            other => Err(unfitting(&other)),
        }
    }

    /// What a claim was allocated of a driver; none where there is no such claim.
    pub(super) async fn claim(&self, place: Place, driver: String) -> Result<Option<Allocated>, ApiError> {
        match self.ask(Ask::Claim { place, driver }).await? {
            Answer::Claim(found) => Ok(found.map(|found| *found)),
            other => Err(unfitting(&other)),
        }
    }

    /// The slices of this node that a driver has.
    pub(super) async fn slices(&self, driver: String) -> Result<Vec<SliceFound>, ApiError> {
        match self.ask(Ask::Slices { driver }).await? {
            Answer::Slices(found) => Ok(found),
            other => Err(unfitting(&other)),
        }
    }

    /// Writes a slice.
    pub(super) async fn apply_slice(&self, name: String, body: Box<RawValue>) -> Result<SliceFound, ApiError> {
        match self.ask(Ask::ApplySlice { name, body }).await? {
            Answer::Slice(written) => Ok(written),
            other => Err(unfitting(&other)),
        }
    }

    /// Deletes a slice.
    pub(super) async fn delete_slice(&self, name: String) -> Result<(), ApiError> {
        match self.ask(Ask::DeleteSlice { name }).await? {
            Answer::Deleted => Ok(()),
            other => Err(unfitting(&other)),
        }
    }

    /// Says how the devices of a claim are.
    pub(super) async fn claim_status(&self, place: Place, body: Box<RawValue>) -> Result<(), ApiError> {
        match self.ask(Ask::ClaimStatus { place, body }).await? {
            Answer::Sent => Ok(()),
            other => Err(unfitting(&other)),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, ApiError> {
        let (answer, answered) = oneshot::channel();
        let ended = || ApiError::NoHelper("hardwired-cluster has ended before it answered".to_owned());
        self.0.send(Asked { ask, answer }).await.map_err(|_asked| ended())?;
        answered.await.map_err(|_dropped| ended())?
    }
}

fn unfitting(answer: &Answer) -> ApiError {
    ApiError::NoHelper(format!("hardwired-cluster answers another question: {answer:?}"))
}

// === impl Requests ===

impl Requests {
    /// Refuses what is asked until it is dropped.
    pub(super) async fn refuse(&mut self, reason: &str) {
        while let Some(asked) = self.0.recv().await {
            // Who does not wait any more has no use for it.
            let _ = asked.answer.send(Err(ApiError::NoHelper(reason.to_owned())));
        }
        std::future::pending::<()>().await;
    }
}

/// What is heard of a helper.
pub(super) struct Heard<R>(FramedRead<R, LinesCodec>);

// === impl Heard ===

impl<R: AsyncRead + Unpin> Heard<R> {
    pub(super) fn new(reader: R) -> Self {
        Self(FramedRead::new(reader, LinesCodec::new_with_max_length(LONGEST_ANSWER)))
    }

    /// Its version.
    pub(super) async fn opening(&mut self) -> Result<Opening, LineError> {
        let opening: Opening = within(OPENED, self.next()).await?;
        if opening.version == VERSION {
            return Ok(opening);
        }
        Err(LineError::OtherVersion(opening.program))
    }

    /// Carries requests and answers, until it ends.
    pub(super) async fn carry<W: AsyncWrite + Unpin>(&mut self, mut to: W, requests: &mut Requests) -> LineError {
        loop {
            let asked = tokio::select! {
                Some(asked) = requests.0.recv() => asked,
                said = self.next::<Box<RawValue>>() => {
                    return said.map_or_else(|error| error, |said| LineError::Nonsense(said.get().to_owned()));
                }
            };
            // Dropped with an error, it tells who waits for it that the helper has ended.
            let answer = within(BOUND, async {
                send(&mut to, &asked.ask).await?;
                self.next().await
            });
            match answer.await {
                Ok(answer) => drop(asked.answer.send(answer)),
                Err(error) => return error,
            }
        }
    }

    async fn next<T: DeserializeOwned>(&mut self) -> Result<T, LineError> {
        let line = match self.0.next().await {
            None => return Err(LineError::Ended),
            Some(Err(LinesCodecError::Io(error))) => return Err(LineError::Io(error)),
            Some(Err(error @ LinesCodecError::MaxLineLengthExceeded)) => {
                return Err(LineError::Nonsense(error.to_string()));
            }
            Some(Ok(line)) => line,
        };
        serde_json::from_str(&line).map_err(|error| LineError::Nonsense(error.to_string()))
    }
}

async fn send<W: AsyncWrite + Unpin>(to: &mut W, ask: &Ask) -> Result<(), LineError> {
    let mut line = serde_json::to_vec(ask).map_err(|error| LineError::Io(error.into()))?;
    line.push(b'\n');
    let sent = async {
        to.write_all(&line).await?;
        to.flush().await
    };
    sent.await.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => LineError::Ended,
        _ => LineError::Io(error),
    })
}

async fn within<T>(bound: Duration, what: impl Future<Output = Result<T, LineError>>) -> Result<T, LineError> {
    timeout(bound, what).await.unwrap_or(Err(LineError::Silent(bound)))
}
