//! Connections to our sockets: taken whatever happens, never more than a few, none for ever.
//!
//! accept(2) fails while the process or the system has no descriptor left (`EMFILE`, `ENFILE`) or no memory, and the
//! connection stays in the queue: whoever asks again at once spins. So there is a pause after each failure, which ends early
//! when a connection of ours ends. A client that says nothing costs a descriptor: where there are too many, the oldest goes.

use std::collections::VecDeque;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::backoff::Backoff;

/// The first pause after a failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// A socket that connections come to.
pub trait Listen {
    /// One of them.
    type Stream: Send + 'static;

    /// The next one.
    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;
}

/// What a client may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// So many connections at a time.
    pub most: usize,
    /// How long one may take, from its beginning to its end.
    pub longest: Duration,
}

/// Takes connections from a listener.
#[derive(Debug)]
struct Acceptor {
    /// The listener, for the log.
    what: String,
    backoff: Backoff,
    fails: bool,
}

/// What is being done about connections, the oldest first.
#[derive(Debug)]
struct Open<T> {
    tasks: JoinSet<T>,
    ages: VecDeque<AbortHandle>,
    most: usize,
}

// === impl Listen ===

impl Listen for TcpListener {
    type Stream = TcpStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        Self::poll_accept(self, context).map_ok(|(stream, _)| stream)
    }
}

impl Listen for UnixListener {
    type Stream = UnixStream;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<UnixStream>> {
        Self::poll_accept(self, context).map_ok(|(stream, _)| stream)
    }
}

// === impl Acceptor ===

impl Acceptor {
    fn new(what: &str) -> Self {
        Self {
            what: what.to_owned(),
            backoff: Backoff::between(PAUSES.0, PAUSES.1),
            fails: false,
        }
    }

    /// The next connection. Nothing is lost if it is dropped before it is done.
    async fn next<L: Listen>(&mut self, listener: &L) -> L::Stream {
        loop {
            match poll_fn(|context| listener.poll_accept(context)).await {
                Ok(stream) => {
                    if std::mem::take(&mut self.fails) {
                        info!("{}: connections are taken again", self.what);
                        self.backoff.reset();
                    }
                    return stream;
                }
                // This connection's own: it is out of the queue.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.fails, true) {
                        warn!("{}: no connection can be taken for now: {error}", self.what);
                    }
                    sleep(self.backoff.pause()).await;
                }
            }
        }
    }
}

// === impl Open ===

impl<T: Send + 'static> Open<T> {
    fn new(most: usize) -> Self {
        Self {
            tasks: JoinSet::new(),
            ages: VecDeque::new(),
            most,
        }
    }

    /// Begins with another one, in the place of the oldest where there are too many.
    fn add(&mut self, task: impl Future<Output = T> + Send + 'static) {
        self.ages.retain(|age| !age.is_finished());
        while self.ages.len() >= self.most {
            if let Some(oldest) = self.ages.pop_front() {
                oldest.abort();
            }
        }
        self.ages.push_back(self.tasks.spawn(task));
    }

    /// Waits until one is done. Nothing is lost if it is dropped before.
    async fn done(&mut self) -> Option<T> {
        match self.tasks.join_next().await {
            Some(Ok(done)) => Some(done),
            Some(Err(failed)) => {
                if failed.is_panic() {
                    error!("answering a connection: {failed}");
                }
                None
            }
            None => pending().await,
        }
    }
}

/// Answers each connection, until it is dropped, which ends all of them. `what` is the listener, for the log.
pub async fn serve<L, F>(what: &str, listener: &L, limits: Limits, answer: impl Fn(L::Stream) -> F)
where
    L: Listen,
    F: Future<Output = ()> + Send + 'static,
{
    let (mut acceptor, mut open) = (Acceptor::new(what), Open::new(limits.most));
    loop {
        tokio::select! {
            stream = acceptor.next(listener) => {
                let answered = timeout(limits.longest, answer(stream));
                open.add(async { drop(answered.await) });
            }
            _ = open.done() => {}
        }
    }
}

/// The connections that have something to say within the limits' time; from then on they are not limited.
pub fn speaking(
    what: &str,
    listener: UnixListener,
    limits: Limits,
) -> impl Stream<Item = io::Result<UnixStream>> + use<> {
    let begin = (Acceptor::new(what), Open::new(limits.most));
    unfold(
        (begin, listener),
        move |((mut acceptor, mut silent), listener)| async move {
            loop {
                tokio::select! {
                    stream = acceptor.next(&listener) => silent.add(async move {
                        let speaks = timeout(limits.longest, has_spoken(&stream)).await;
                        speaks.is_ok().then_some(stream)
                    }),
                    done = silent.done() => if let Some(Some(stream)) = done {
                        return Some((Ok(stream), ((acceptor, silent), listener)));
                    },
                }
            }
        },
    )
}

/// Waits until there is something to read, be it the end. tokio's word alone may be wrong.
async fn has_spoken(stream: &UnixStream) {
    let peek = || Ok(rustix::net::recv(stream, &mut [0; 1], RecvFlags::PEEK)?);
    while stream.readable().await.is_ok() {
        match stream.try_io(Interest::READABLE, peek) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Whoever reads finds out what is wrong.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::StreamExt;
    use tokio::io::AsyncReadExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn run<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(test)
    }

    /// One without descriptors for a while.
    struct Exhausted {
        failures: usize,
        asked: Cell<usize>,
    }

    impl Listen for Exhausted {
        type Stream = ();

        fn poll_accept(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.asked.set(self.asked.get() + 1);
            if self.asked.get() <= self.failures {
                return Poll::Ready(Err(io::Error::from_raw_os_error(24)));
            }
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn without_descriptors_it_waits_between_attempts_and_goes_on_afterwards() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let listener = Exhausted {
                failures: 20,
                asked: Cell::new(0),
            };
            let begin = tokio::time::Instant::now();
            let mut acceptor = Acceptor::new("test");
            acceptor.next(&listener).await;
            // 50, 100, 200, 400, 800, 1600 ms, and 2 s from then on.
            assert_eq!(begin.elapsed().as_millis(), 3_150 + 14 * 2_000);
            assert_eq!(listener.asked.get(), 21);
            assert_eq!(acceptor.backoff.pause(), PAUSES.0, "the next failure is a new one");
        });
    }

    #[test]
    fn of_too_many_connections_the_oldest_ends_and_a_panic_ends_only_its_own() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let begun = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&begun);
            let limits = Limits { most: 2, longest: LONG };
            let serving = serve("test", &listener, limits, move |mut stream| {
                let count = Arc::clone(&count);
                async move {
                    count.fetch_add(1, Ordering::Relaxed);
                    let read = stream.read_u8().await;
                    assert!(read.is_err(), "it panics on what it reads");
                }
            });
            let clients = async {
                let mut first = UnixStream::connect(&path).await.unwrap();
                let mut second = UnixStream::connect(&path).await.unwrap();
                while begun.load(Ordering::Relaxed) < 2 {
                    tokio::task::yield_now().await;
                }
                let third = UnixStream::connect(&path).await.unwrap();
                assert_eq!(first.read(&mut [0]).await.unwrap(), 0, "the oldest is ended");
                third.writable().await.unwrap();
                third.try_write(b"x").unwrap();
                let mut third = third.into_std().unwrap();
                third.set_nonblocking(false).unwrap();
                let ended = tokio::task::spawn_blocking(move || third.read(&mut [0]).map_or(0, |read| read));
                assert_eq!(ended.await.unwrap(), 0, "its task panicked");
                let fourth = UnixStream::connect(&path).await.unwrap();
                while begun.load(Ordering::Relaxed) < 4 {
                    tokio::task::yield_now().await;
                }
                drop(fourth);
                let still = timeout(Duration::from_millis(50), second.read(&mut [0])).await;
                assert!(still.is_err(), "the others are not disturbed");
            };
            tokio::select! {
                () = serving => unreachable!("for ever"),
                () = clients => {}
            }
        });
    }

    #[test]
    fn a_connection_that_takes_too_long_is_ended() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let limits = Limits {
                most: 2,
                longest: Duration::from_millis(20),
            };
            let answer = |stream: UnixStream| async move {
                pending::<()>().await;
                drop(stream);
            };
            tokio::select! {
                () = serve("test", &listener, limits, answer) => unreachable!("for ever"),
                read = async { UnixStream::connect(&path).await.unwrap().read(&mut [0]).await } => {
                    assert_eq!(read.unwrap(), 0);
                }
            }
        });
    }

    #[test]
    fn who_says_nothing_is_not_passed_on() {
        run(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.sock");
            let listener = UnixListener::bind(&path).unwrap();
            let limits = Limits {
                most: 4,
                longest: Duration::from_millis(20),
            };
            let mut streams = Box::pin(speaking("test", listener, limits));
            let mut silent = UnixStream::connect(&path).await.unwrap();
            let speaking = UnixStream::connect(&path).await.unwrap();
            speaking.writable().await.unwrap();
            speaking.try_write(b"x").unwrap();
            let mut passed = streams.next().await.unwrap().unwrap();
            assert_eq!(passed.read_u8().await.unwrap(), b'x');
            let mut room = [0];
            tokio::select! {
                _ = streams.next() => panic!("the other one says nothing"),
                read = silent.read(&mut room) => assert_eq!(read.unwrap(), 0),
            }
        });
    }
}
