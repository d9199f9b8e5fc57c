//! What stands for a cluster's API server: it takes what `hardwired` tells, over plain HTTP, and remembers it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The uid that every Node has.
pub const NODE_UID: &str = "0b5c1f4e-node";
/// The name of the node, for `NODE_NAME`.
pub const NODE: &str = "node1";
/// What is answered where nothing is asked back.
const METADATA: &str = r#"{"kind":"PartialObjectMetadata","metadata":{"uid":"0b5c1f4e-node"}}"#;

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST, PATCH.
    pub method: String,
    /// With its query.
    pub path: String,
    /// As it came.
    pub body: Vec<u8>,
}

/// A server. Its thread ends with the process.
#[derive(Debug)]
pub struct ApiServer {
    port: u16,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    requests: Mutex<Vec<Request>>,
    more: Condvar,
}

// === impl Request ===

impl Request {
    /// Whether it writes a `NodeNetworkDevices`.
    pub fn is_write(&self) -> bool {
        self.method == "PATCH" && self.path.contains("/nodenetworkdevices/")
    }

    /// Its body.
    ///
    /// # Panics
    /// Unless that is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

// === impl ApiServer ===

impl ApiServer {
    /// Listens on a port of its own.
    ///
    /// # Errors
    /// Where the system has none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let taken = Arc::new(Taken::default());
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let taken = Arc::clone(&shared);
                // A client that goes away ends its thread.
                thread::spawn(move || drop(taken.serve(&stream)));
            }
        });
        Ok(Self { port, taken })
    }

    /// Writes the kubeconfig that leads here.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn kubeconfig(&self, directory: &Path) -> PathBuf {
        kubeconfig(directory, self.port)
    }

    /// What it was asked for until now.
    pub fn requests(&self) -> Vec<Request> {
        self.taken.requests().clone()
    }

    /// How often the object was written, and with how many bytes the last time.
    pub fn writes(&self) -> (usize, usize) {
        let requests = self.taken.requests();
        let writes: Vec<&Request> = requests.iter().filter(|request| request.is_write()).collect();
        (writes.len(), writes.last().map_or(0, |write| write.body.len()))
    }

    /// Waits for a request that is right, among all of them.
    ///
    /// # Panics
    /// Without one in time.
    #[track_caller]
    pub fn wait_for(&self, is_right: impl Fn(&Request) -> bool, bound: Duration) -> Request {
        let deadline = Instant::now() + bound;
        let mut requests = self.taken.requests();
        loop {
            if let Some(right) = requests.iter().find(|request| is_right(request)) {
                return right.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let asked: Vec<String> = requests.iter().map(|it| format!("{} {}", it.method, it.path)).collect();
                let last = requests.last().map(|it| String::from_utf8_lossy(&it.body).into_owned());
                panic!("no such request among {asked:#?}; the last one: {last:?}");
            }
            let waited = self.taken.more.wait_timeout(requests, left);
            requests = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The kubeconfig for a port of this machine.
///
/// # Panics
/// If the file cannot be written.
pub fn kubeconfig(directory: &Path, port: u16) -> PathBuf {
    let path = directory.join("kubeconfig");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n  - name: test\n    cluster: {{server: \"http://127.0.0.1:{port}\"}}\n\
         users:\n  - name: test\n    user: {{token: test}}\ncontexts:\n  - name: test\n    context: {{cluster: test, user: test}}\n"
    );
    fs::write(&path, text).expect("a file");
    path
}

// === impl Taken ===

impl Taken {
    fn requests(&self) -> std::sync::MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one connection's requests, one after the other.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        while let Some(request) = read(&mut reader)? {
            let status = if request.method == "POST" {
                "201 Created"
            } else {
                "200 OK"
            };
            self.requests().push(request);
            self.more.notify_all();
            write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{METADATA}",
                METADATA.len()
            )?;
        }
        Ok(())
    }
}

/// A request with a length, as clients send it whose body is in memory; none at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_no_number| io::ErrorKind::InvalidData)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request { method, path, body }))
}
