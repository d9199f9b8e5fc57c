//! A connection whose requests have an authority that is one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tonic::transport::server::Connected;

use super::authority::Authority;

/// Read at once.
const PART: usize = 4 << 10;

/// A stream, and what was read of it and not taken yet.
#[derive(Debug)]
pub(super) struct Rewriting {
    stream: UnixStream,
    authority: Authority,
    ready: Vec<u8>,
    taken: usize,
}

// === impl Rewriting ===

impl Rewriting {
    /// Of a caller that has said nothing yet.
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            authority: Authority::default(),
            ready: Vec::new(),
            taken: 0,
        }
    }
}

impl Connected for Rewriting {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Rewriting {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.taken == this.ready.len() {
            this.ready.clear();
            this.taken = 0;
            let mut part = [0; PART];
            let mut read = ReadBuf::new(&mut part);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let passed = this.authority.pass(read.filled(), &mut this.ready);
            passed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        let rest = this.ready.get(this.taken..).unwrap_or_default();
        let part = rest.get(..room.remaining().min(rest.len())).unwrap_or_default();
        room.put_slice(part);
        this.taken += part.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewriting {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
