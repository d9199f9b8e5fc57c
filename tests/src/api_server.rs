//! What stands for a cluster's API server: it takes what `hardwired` tells, over TLS or plain HTTP, and remembers it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::node::run;

/// The uid that every Node has.
pub const NODE_UID: &str = "0b5c1f4e-node";
/// The name of the node, for `NODE_NAME`.
pub const NODE: &str = "node1";

/// A request that was taken.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST, PATCH.
    pub method: String,
    /// With its query.
    pub path: String,
    /// As it came.
    pub body: Vec<u8>,
    /// The token that it came with.
    pub token: String,
    /// What it was answered.
    pub status: u16,
}

/// A server. Its thread ends with the process.
#[derive(Debug)]
pub struct ApiServer {
    port: u16,
    /// The certificate by which a client knows it; none without TLS.
    certificate: Option<PathBuf>,
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    cluster: Mutex<Cluster>,
    more: Condvar,
}

/// What it has, and was asked.
#[derive(Debug, Default)]
struct Cluster {
    requests: Vec<Request>,
    object: Option<Value>,
    /// By `NAMESPACE/NAME`.
    claims: BTreeMap<String, Value>,
    /// By name.
    slices: BTreeMap<String, Value>,
    /// It drops what it has no gate for, without a word.
    drops_taints: bool,
    /// Requests with this method and this text in their path are answered so.
    refused: Option<(&'static str, &'static str, u16, &'static str)>,
}

// === impl Request ===

impl Request {
    /// Whether it writes a `NodeNetworkDevices`, and was taken.
    pub fn is_write(&self) -> bool {
        self.method == "PATCH" && self.path.contains("/nodenetworkdevices/") && self.status < 300
    }

    /// Whether it writes or deletes a slice.
    pub fn is_of_slices(&self) -> bool {
        self.method != "GET" && self.path.contains("/resourceslices")
    }

    /// Whether it says how the devices of a claim are.
    pub fn is_claim_status(&self) -> bool {
        self.method == "PATCH" && self.path.contains("/resourceclaims/") && self.path.contains("/status?")
    }

    /// Whether it makes an Event, and was taken.
    pub fn is_event(&self) -> bool {
        self.method == "POST" && self.path.contains("/events") && self.status < 300
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
    /// Listens on a port of its own, for plain HTTP.
    ///
    /// # Errors
    /// Where the system has none.
    pub fn start() -> io::Result<Self> {
        Self::listen(None, None)
    }

    /// Listens for TLS, with a certificate that it makes in this directory.
    ///
    /// # Errors
    /// Where the system has no port.
    ///
    /// # Panics
    /// Without openssl.
    pub fn start_with_tls(directory: &Path) -> io::Result<Self> {
        let (key, certificate) = (directory.join("api.key"), directory.join("api.crt"));
        run(&[
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=api",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            key.to_str().expect("UTF-8"),
            "-out",
            certificate.to_str().expect("UTF-8"),
        ]);
        let chain = vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a key and its certificate");
        Self::listen(Some(Arc::new(config)), Some(certificate))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, certificate: Option<PathBuf>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let taken = Arc::new(Taken::default());
        let shared = Arc::clone(&taken);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (taken, tls) = (Arc::clone(&shared), tls.clone());
                // A client that goes away ends its thread.
                thread::spawn(move || match tls {
                    None => drop(taken.serve(stream)),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a connection");
                        drop(taken.serve(StreamOwned::new(connection, stream)));
                    }
                });
            }
        });
        Ok(Self {
            port,
            certificate,
            taken,
        })
    }

    /// Writes the kubeconfig that leads here.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn kubeconfig(&self, directory: &Path) -> PathBuf {
        match &self.certificate {
            None => kubeconfig(directory, self.port),
            Some(certificate) => {
                let certificate = certificate.display();
                let cluster = format!(
                    "server: \"https://127.0.0.1:{}\", certificate-authority: \"{certificate}\"",
                    self.port
                );
                write_kubeconfig(directory, &cluster)
            }
        }
    }

    /// From now on requests with this method and this text in their path are refused.
    pub fn refuse(&self, method: &'static str, path: &'static str, code: u16, message: &'static str) {
        self.taken.cluster().refused = Some((method, path, code, message));
    }

    /// There is this claim now.
    pub fn put_claim(&self, namespace: &str, name: &str, claim: Value) {
        self.taken.cluster().claims.insert(format!("{namespace}/{name}"), claim);
    }

    /// The slices that are there, by name.
    pub fn slices(&self) -> BTreeMap<String, Value> {
        self.taken.cluster().slices.clone()
    }

    /// Somebody deletes all slices, as a kubelet does that starts.
    pub fn delete_slices(&self) {
        self.taken.cluster().slices.clear();
    }

    /// From now on it keeps no taints (`DRADeviceTaints` is off).
    pub fn drop_taints(&self) {
        self.taken.cluster().drops_taints = true;
    }

    /// What it was asked for until now.
    pub fn requests(&self) -> Vec<Request> {
        self.taken.cluster().requests.clone()
    }

    /// How often the object was written, and with how many bytes the last time.
    pub fn writes(&self) -> (usize, usize) {
        let cluster = self.taken.cluster();
        let writes: Vec<&Request> = cluster.requests.iter().filter(|request| request.is_write()).collect();
        (writes.len(), writes.last().map_or(0, |write| write.body.len()))
    }

    /// Waits for a request that is right, among all of them.
    ///
    /// # Panics
    /// Without one in time.
    #[track_caller]
    pub fn wait_for(&self, is_right: impl Fn(&Request) -> bool, bound: Duration) -> Request {
        let deadline = Instant::now() + bound;
        let mut cluster = self.taken.cluster();
        loop {
            if let Some(right) = cluster.requests.iter().find(|request| is_right(request)) {
                return right.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let asked = cluster.requests.iter();
                let asked: Vec<String> = asked
                    .map(|it| format!("{} {} {}", it.method, it.path, it.status))
                    .collect();
                let last = cluster.requests.last();
                let last = last.map(|it| String::from_utf8_lossy(&it.body).into_owned());
                panic!("no such request among {asked:#?}; the last one: {last:?}");
            }
            let waited = self.taken.more.wait_timeout(cluster, left);
            cluster = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// The kubeconfig for a port of this machine.
///
/// # Panics
/// If the file cannot be written.
pub fn kubeconfig(directory: &Path, port: u16) -> PathBuf {
    write_kubeconfig(directory, &format!("server: \"http://127.0.0.1:{port}\""))
}

/// With a token in a file `token`, as it is rotated in a pod.
fn write_kubeconfig(directory: &Path, cluster: &str) -> PathBuf {
    let (path, token) = (directory.join("kubeconfig"), directory.join("token"));
    fs::write(&token, "first").expect("a file");
    let token = token.display();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters:\n  - name: test\n    cluster: {{{cluster}}}\n\
         users:\n  - name: test\n    user: {{tokenFile: \"{token}\"}}\ncontexts:\n  - name: test\n    \
         context: {{cluster: test, user: test}}\n"
    );
    fs::write(&path, text).expect("a file");
    path
}

// === impl Taken ===

impl Taken {
    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one connection's requests, one after the other.
    fn serve(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(mut request) = read(&mut reader)? {
            let answer = {
                let mut cluster = self.cluster();
                let (status, answer) = cluster.answer(&request);
                request.status = status;
                cluster.requests.push(request);
                format!(
                    "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                )
            };
            self.more.notify_all();
            reader.get_mut().write_all(answer.as_bytes())?;
            reader.get_mut().flush()?;
        }
        Ok(())
    }
}

// === impl Cluster ===

impl Cluster {
    /// What it makes of a request, in the shape of an object's metadata where nothing else is asked for.
    fn answer(&mut self, request: &Request) -> (u16, String) {
        let refusal = |code: u16, message: &str| {
            let status = json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
            (code, status.to_string())
        };
        if let Some((method, path, code, message)) = self.refused
            && request.method == method
            && request.path.contains(path)
        {
            return refusal(code, message);
        }
        let plain = json!({"kind": "PartialObjectMetadata", "metadata": {"uid": NODE_UID}});
        if let Some((_, rest)) = request.path.split_once("/apis/resource.k8s.io/v1/") {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            return match self.claimed(request, path, query) {
                Some(answer) => (200, answer.to_string()),
                None => refusal(404, &format!("\"{path}\" not found")),
            };
        }
        match (&*request.method, request.path.contains("/nodenetworkdevices/")) {
            ("GET", true) => match &self.object {
                Some(object) => (200, object.to_string()),
                None => refusal(404, "nodenetworkdevices.hardwire.dev \"node1\" not found"),
            },
            ("PATCH", true) => {
                let before = self
                    .object
                    .as_ref()
                    .and_then(|object| object["metadata"]["generation"].as_i64());
                let mut object = request.json();
                object["metadata"]["generation"] = (before.unwrap_or(0) + 1).into();
                let answer = json!({"kind": "PartialObjectMetadata", "metadata": object["metadata"]});
                self.object = Some(object);
                (200, answer.to_string())
            }
            ("POST", _) => {
                let name = |request: &Request| request.json()["metadata"]["name"].clone();
                if self
                    .requests
                    .iter()
                    .any(|other| other.is_event() && name(other) == name(request))
                {
                    return refusal(409, "it is there already");
                }
                (201, plain.to_string())
            }
            _ => (200, plain.to_string()),
        }
    }
}

impl Cluster {
    /// What it makes of a request about claims and slices; none where there is nothing such.
    fn claimed(&mut self, request: &Request, path: &str, query: &str) -> Option<Value> {
        let parts: Vec<&str> = path.split('/').collect();
        match (&*request.method, &parts[..]) {
            ("GET", ["namespaces", namespace, "resourceclaims", name]) => {
                self.claims.get(&format!("{namespace}/{name}")).cloned()
            }
            ("PATCH", ["namespaces", namespace, "resourceclaims", name, "status"]) => {
                let claim = self.claims.get_mut(&format!("{namespace}/{name}"))?;
                claim["status"]["devices"] = request.json()["status"]["devices"].clone();
                Some(claim.clone())
            }
            ("GET", ["resourceslices"]) => {
                let is_selected = |slice: &&Value| {
                    let field = |name: &str| slice["spec"][name].as_str().unwrap_or_default().to_owned();
                    query.contains(&format!("spec.driver%3D{},", field("driver")))
                        && query.ends_with(&format!("spec.nodeName%3D{}", field("nodeName")))
                };
                let metadata = |slice: &Value| json!({"metadata": slice["metadata"]});
                let items: Vec<Value> = self.slices.values().filter(is_selected).map(metadata).collect();
                Some(json!({"kind": "PartialObjectMetadataList", "items": items}))
            }
            ("PATCH", ["resourceslices", name]) => {
                let mut slice = request.json();
                let before = self.slices.get(*name);
                let generation = before.and_then(|slice| slice["metadata"]["generation"].as_i64());
                slice["metadata"]["generation"] = (generation.unwrap_or(0) + 1).into();
                let devices = slice["spec"]["devices"].as_array_mut().into_iter().flatten();
                for device in devices.filter(|_| self.drops_taints) {
                    device.as_object_mut()?.remove("taints");
                }
                self.slices.insert((*name).to_owned(), slice.clone());
                Some(slice)
            }
            ("DELETE", ["resourceslices", name]) => self.slices.remove(*name),
            _ => None,
        }
    }
}

/// A request with a length, as clients send it whose body is in memory; none at the end of the connection.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut token) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim();
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        match (&*name.to_ascii_lowercase(), value.trim()) {
            ("content-length", value) => length = value.parse().map_err(|_no_number| io::ErrorKind::InvalidData)?,
            ("authorization", value) => value.trim_start_matches("Bearer ").clone_into(&mut token),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path,
        body,
        token,
        status: 0,
    }))
}
