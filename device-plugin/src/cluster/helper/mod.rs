//! The program `hardwired-cluster`: what speaks HTTP and TLS to an API server, in a process of its own.
//!
//! It is apart from the daemon for two reasons. What it links is as large as half of the daemon, and stays out of its memory
//! where the cluster is told nothing. And it reads what somebody on the network sends, which the process that may do everything
//! with this machine's network need not. It decides nothing: what is written, and when, comes on stdin ([`super::messages`]),
//! and it ends where that does.
//!
//! - [`args`]: its flags; [`confine`]: what it gives up first;
//! - `client`: how the API is reached; `api`: what is asked of it; `claims`: what is read of claims and slices.

mod api;
pub mod args;
mod claims;
mod client;
pub mod confine;
#[cfg(test)]
pub(super) mod mock_server;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use futures_util::StreamExt;
use kube::Client;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LinesCodec};

use self::api::Api;
use self::args::HelperArgs;
use self::client::{ClientError, client};
use super::messages::{Answer, ApiError, Ask, CONNECTED, LONGEST_REQUEST, Opening, VERSION};

/// Why it ended before its stdin did.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// Somebody else than the daemon has started it.
    #[error("{0}: is no pipe: `hardwired run` starts this program, with --kube, and nobody else needs to")]
    NoPipe(&'static str),
    /// A pipe cannot be used.
    #[error("stdin or stdout: {0}")]
    Pipe(#[from] io::Error),
    /// A line is no request.
    #[error("stdin: what is no request: {0}")]
    Nonsense(String),
}

/// Does what stdin says until that ends.
pub async fn run(args: &HelperArgs) -> Result<(), HelperError> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let requests = pipe::Receiver::from_file(copy(&stdin)?).map_err(|_no_pipe| HelperError::NoPipe("stdin"))?;
    let answers = pipe::Sender::from_file(copy(&stdout)?).map_err(|_no_pipe| HelperError::NoPipe("stdout"))?;
    // A program that a kubeconfig names may read from its stdin, and must not take our requests for its input.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
    let access = args.kube.clone();
    let making = move || {
        let access = access.clone();
        async move {
            // A kubeconfig may name a program to be run, and both may be on a disk that hangs.
            let made = timeout(CONNECTED, spawn_blocking(move || client(&access))).await;
            match made {
                Ok(Ok(made)) => made.map_err(|error: ClientError| error.to_string()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_elapsed) => Err(format!(
                    "{CONNECTED:?} were not enough to read it, or to run the program that it names"
                )),
            }
        }
    };
    serve(requests, answers, &args.node, making).await
}

fn copy(of: impl AsFd) -> io::Result<File> {
    Ok(of.as_fd().try_clone_to_owned()?.into())
}

/// Answers one request after the other. The client is made when it is first needed, and made anew after a failure that another
/// one might not have: certificates and tokens are files that change.
pub(super) async fn serve<F>(
    requests: impl AsyncRead + Unpin,
    mut answers: impl AsyncWrite + Unpin,
    node: &str,
    make: impl Fn() -> F,
) -> Result<(), HelperError>
where
    F: Future<Output = Result<Client, String>>,
{
    let mut lines = FramedRead::new(requests, LinesCodec::new_with_max_length(LONGEST_REQUEST));
    let opening = Opening {
        version: VERSION,
        program: hardwire_cni::VERSION.to_owned(),
    };
    say(&mut answers, &opening).await?;
    let mut client = None;
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| HelperError::Nonsense(error.to_string()))?;
        let ask: Ask = serde_json::from_str(&line).map_err(|error| HelperError::Nonsense(error.to_string()))?;
        // It is in `ask` now, and may be half a megabyte.
        drop(line);
        let answer = tokio::select! {
            answer = answer(ask, &mut client, node, &make) => answer,
            // The daemon is gone, or waits no more.
            _ = lines.next() => return Ok(()),
        };
        say(&mut answers, &answer).await?;
    }
    Ok(())
}

async fn answer<F>(ask: Ask, client: &mut Option<Client>, node: &str, make: impl Fn() -> F) -> Result<Answer, ApiError>
where
    F: Future<Output = Result<Client, String>>,
{
    let made = match client.take() {
        Some(made) => made,
        None => make().await.map_err(ApiError::NoAccess)?,
    };
    let answer = Api::new(&made, node).answer(ask).await;
    let is_stale = matches!(
        &answer,
        Err(ApiError::Away { .. } | ApiError::Refused { code: 401, .. })
    );
    *client = Some(made).filter(|_| !is_stale);
    answer
}

async fn say(answers: &mut (impl AsyncWrite + Unpin), what: &impl serde::Serialize) -> Result<(), HelperError> {
    let mut line = serde_json::to_vec(what).map_err(io::Error::from)?;
    line.push(b'\n');
    match answers.write_all(&line).await {
        // The daemon is gone, which stdin says next.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
