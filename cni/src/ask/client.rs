//! The plugin's end of the socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::wire::{Answer, BOUND, LONGEST_ANSWER, Question, Reply, Request, SOCKET};

/// Why there is no answer. Asked again later, there may be one.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("hardwired does not run on this node ({}: {source})", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It does not answer.
    #[error("hardwired did not answer within {BOUND:?} ({}: {source})", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It answers something else.
    #[error("the answer of hardwired is not understood ({}: {reason})", path.display())]
    Misunderstood {
        /// The socket.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Asks the daemon on `state`, the state directory, and waits for [`BOUND`] at most.
pub fn ask(state: &Path, question: Question) -> Result<Answer, AskError> {
    let path = state.join(SOCKET);
    let until = Instant::now() + BOUND;
    let misunderstood = |reason: String| AskError::Misunderstood {
        path: path.clone(),
        reason,
    };
    let request = Request {
        version: Request::VERSION,
        question,
    };
    let request = serde_json::to_vec(&request).map_err(|error| misunderstood(error.to_string()))?;
    let no_answer = |source| AskError::NoAnswer {
        path: path.clone(),
        source,
    };
    let stream = connected(&path).map_err(|source| match source.kind() {
        // Its queue is full, and stays so.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => no_answer(source),
        _ => AskError::NoDaemon {
            path: path.clone(),
            source,
        },
    })?;
    let answer = exchange(stream, request, until).map_err(no_answer)?;
    let reply: Reply = serde_json::from_slice(&answer).map_err(|error| misunderstood(error.to_string()))?;
    match reply.answer {
        _ if reply.version != Request::VERSION => Err(misunderstood(format!("its version is {}", reply.version))),
        Answer::Refused(reason) => Err(misunderstood(reason)),
        answer => Ok(answer),
    }
}

/// connect(2) waits for a place in the listener's queue, no longer than for sending.
fn connected(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(BOUND))?;
    connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

fn exchange(mut stream: UnixStream, mut request: Vec<u8>, until: Instant) -> io::Result<Vec<u8>> {
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    let mut part = [0; 8 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part) {
            Ok(0) if answer.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend(part.iter().take(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if answer.len() > LONGEST_ANSWER {
            let message = format!("more than {LONGEST_ANSWER} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::protocol::CallingPod;

    fn question() -> Question {
        Question::Attachments {
            pod: CallingPod {
                uid: "u".to_owned(),
                ..CallingPod::default()
            },
        }
    }

    fn answered(with: &'static [u8]) -> Result<Answer, AskError> {
        let state = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(state.path().join(SOCKET)).unwrap();
        let daemon = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            stream.write_all(with).unwrap();
            line
        });
        let answer = ask(state.path(), question());
        let line = daemon.join().unwrap();
        assert_eq!(
            line.trim_end(),
            r#"{"version":1,"question":{"attachments":{"pod":{"namespace":"","name":"","uid":"u","sandbox":""}}}}"#
        );
        answer
    }

    #[test]
    fn an_answer_is_of_our_version_or_none() {
        let answer = answered(b"{\"version\":1,\"answer\":{\"attachments\":[]}}\n");
        assert_eq!(answer.unwrap(), Answer::Attachments(Vec::new()));
        for (text, expected) in [
            (&b"{\"version\":2,\"answer\":\"may\"}"[..], "its version is 2"),
            (b"{\"version\":1,\"answer\":{\"refused\":\"no\"}}", "not understood"),
            (b"{", "not understood"),
            (b"", "did not answer"),
        ] {
            let error = answered(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_daemon_that_is_away_or_hangs_is_waited_for_no_longer_than_the_bound() {
        let state = tempfile::tempdir().unwrap();
        assert!(matches!(ask(state.path(), question()), Err(AskError::NoDaemon { .. })));
        // Connections stay in its queue.
        let silent = UnixListener::bind(state.path().join(SOCKET)).unwrap();
        let begun = Instant::now();
        assert!(matches!(ask(state.path(), question()), Err(AskError::NoAnswer { .. })));
        assert!(begun.elapsed() < BOUND * 3, "{:?}", begun.elapsed());
        drop(silent);
        assert!(matches!(ask(state.path(), question()), Err(AskError::NoDaemon { .. })));
    }
}
