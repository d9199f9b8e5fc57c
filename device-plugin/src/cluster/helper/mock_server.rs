//! A service in the place of the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

/// One request, and what it was answered with.
#[derive(Debug, Clone)]
pub(in crate::cluster) struct Call {
    pub(in crate::cluster) verb: &'static str,
    pub(in crate::cluster) resource: &'static str,
    pub(in crate::cluster) path: String,
    pub(in crate::cluster) at: Instant,
    pub(in crate::cluster) body: Value,
    pub(in crate::cluster) status: u16,
}

/// What stands for an API server.
#[derive(Clone)]
pub(in crate::cluster) struct Server {
    calls: Arc<Mutex<Vec<Call>>>,
    state: Arc<Mutex<State>>,
    object: Arc<Mutex<Option<Value>>>,
    slices: Arc<Mutex<BTreeMap<String, Value>>>,
    minor: Arc<Mutex<String>>,
    clients: Arc<AtomicUsize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) enum State {
    /// It takes everything.
    Well,
    /// Nobody listens.
    Away,
    /// It takes a connection, and says nothing.
    Silent,
    /// It has too much to do for so many seconds.
    Busy(u32),
    /// It does not know us.
    Unauthorized,
    /// It knows no such definition.
    WithoutDefinition,
    /// It allows these verbs of these resources.
    Allowing(BTreeSet<(String, String)>),
}

impl Server {
    pub(in crate::cluster) fn new() -> Self {
        Self {
            calls: Arc::default(),
            state: Arc::new(Mutex::new(State::Well)),
            object: Arc::default(),
            slices: Arc::default(),
            minor: Arc::new(Mutex::new("36+".to_owned())),
            clients: Arc::default(),
        }
    }

    /// How many clients were made for it.
    pub(in crate::cluster) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// Somebody deletes the object.
    pub(in crate::cluster) fn delete(&self) {
        assert!(self.object.lock().unwrap().take().is_some(), "it is there");
    }

    /// It is of Kubernetes 1 and this.
    pub(in crate::cluster) fn is_of(&self, minor: &str) {
        minor.clone_into(&mut self.minor.lock().unwrap());
    }

    /// The slices that are there.
    pub(in crate::cluster) fn slices(&self) -> Vec<Value> {
        self.slices.lock().unwrap().values().cloned().collect()
    }

    /// Somebody deletes all slices.
    pub(in crate::cluster) fn delete_slices(&self) {
        self.slices.lock().unwrap().clear();
    }

    /// Writes and deletions of slices that were taken.
    pub(in crate::cluster) fn slice_writes(&self) -> usize {
        self.taken("patch", "resourceslices").len() + self.taken("delete", "resourceslices").len()
    }

    /// Somebody else changes it.
    pub(in crate::cluster) fn spoil(&self) {
        let mut object = self.object.lock().unwrap();
        let object = object.as_mut().unwrap();
        object["metadata"]["generation"] = 1000.into();
        object["status"]["devices"] = json!([]);
    }

    pub(in crate::cluster) fn is(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    pub(in crate::cluster) fn client(&self) -> Client {
        self.clients.fetch_add(1, Ordering::Relaxed);
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let path = parts.uri.to_string();
        let resource = match path.as_str() {
            "/version" => "version",
            path if path.starts_with("/api/v1/nodes/") => "nodes",
            path if path.starts_with("/apis/hardwire.dev/v1alpha1/nodenetworkdevices/") => "nodenetworkdevices",
            path if path.starts_with("/apis/resource.k8s.io/v1/resourceslices") => "resourceslices",
            path if path.starts_with("/apis/events.k8s.io/v1/namespaces/") => "events",
            path => panic!("{path}"),
        };
        let verb = match parts.method.as_str() {
            "GET" => "get",
            "POST" => "create",
            "PATCH" => "patch",
            "DELETE" => "delete",
            method => panic!("{method}"),
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The first apply makes the object, for which that is asked too.
        let is_first = (verb, resource) == ("patch", "nodenetworkdevices") && self.object.lock().unwrap().is_none();
        let verbs = if is_first { vec![verb, "create"] } else { vec![verb] };
        let mut retry_after = None;
        let (status, message) = match state {
            State::Away => (0, String::new()),
            State::Silent => (1, String::new()),
            State::Busy(seconds) => {
                retry_after = Some(seconds);
                (429, "Too many requests, please try again later.".to_owned())
            }
            State::Unauthorized => (401, "Unauthorized".to_owned()),
            State::WithoutDefinition if resource == "nodenetworkdevices" => (404, "404 page not found".to_owned()),
            State::Well | State::WithoutDefinition => (200, String::new()),
            State::Allowing(rights) => {
                let missing = verbs
                    .iter()
                    .find(|verb| !rights.contains(&(resource.to_owned(), (**verb).to_owned())));
                missing.map_or((200, String::new()), |verb| {
                    (403, format!("User \"hardwired\" cannot {verb} resource \"{resource}\""))
                })
            }
        };
        let sent: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, message, answer) = match status {
            200 if resource == "version" => (
                200,
                message,
                json!({"major": "1", "minor": self.minor.lock().unwrap().clone()}),
            ),
            200 if resource == "resourceslices" => (200, message, self.done_to_slices(verb, &path, sent.clone())),
            200 => self.done(verb, resource, &sent),
            status => (status, message, Value::Null),
        };
        self.calls.lock().unwrap().push(Call {
            verb,
            resource,
            path,
            at: Instant::now(),
            body: sent,
            status,
        });
        let answer = match status {
            0 => return Err(io::ErrorKind::ConnectionRefused.into()),
            1 => return pending().await,
            200 => answer.to_string(),
            404 if message.contains("page") => message,
            code => json!({"kind": "Status", "status": "Failure", "code": code, "message": message}).to_string(),
        };
        let mut head = Response::builder().status(status);
        if let Some(seconds) = retry_after {
            head = head.header("retry-after", seconds);
        }
        Ok(head.body(Body::from(answer.into_bytes())).unwrap())
    }

    /// What an API server makes of a request that it takes.
    fn done(&self, verb: &str, resource: &str, sent: &Value) -> (u16, String, Value) {
        let mut object = self.object.lock().unwrap();
        let plain = json!({"kind": "PartialObjectMetadata", "metadata": {"uid": "uid-node"}});
        match (verb, resource) {
            ("get", "nodenetworkdevices") => {
                if let Some(object) = &*object {
                    return (200, String::new(), object.clone());
                }
                let message = "nodenetworkdevices.hardwire.dev \"node1\" not found";
                (404, message.to_owned(), Value::Null)
            }
            ("patch", "nodenetworkdevices") => {
                let before = object
                    .as_ref()
                    .and_then(|object| object["metadata"]["generation"].as_i64());
                let mut now = sent.clone();
                now["metadata"]["generation"] = (before.unwrap_or(0) + 1).into();
                (200, String::new(), object.insert(now).clone())
            }
            ("create", "events") => {
                let is_there = |call: &Call| call.body["metadata"]["name"] == sent["metadata"]["name"];
                if self.events().iter().any(is_there) {
                    return (409, "it is there already".to_owned(), Value::Null);
                }
                (200, String::new(), plain)
            }
            _ => (200, String::new(), plain),
        }
    }

    fn done_to_slices(&self, verb: &str, path: &str, mut sent: Value) -> Value {
        let mut slices = self.slices.lock().unwrap();
        let name = path
            .split('?')
            .next()
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default();
        match verb {
            "get" => {
                let items: Vec<Value> = slices
                    .values()
                    .map(|slice| json!({"metadata": slice["metadata"]}))
                    .collect();
                json!({"kind": "PartialObjectMetadataList", "items": items})
            }
            "patch" => {
                let before = slices
                    .get(name)
                    .and_then(|slice| slice["metadata"]["generation"].as_i64());
                sent["metadata"]["generation"] = (before.unwrap_or(0) + 1).into();
                slices.insert(name.to_owned(), sent.clone());
                sent
            }
            _ => slices.remove(name).unwrap_or_default(),
        }
    }

    pub(in crate::cluster) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Those of one kind that were taken.
    pub(in crate::cluster) fn taken(&self, verb: &str, resource: &str) -> Vec<Call> {
        let is_it = |call: &Call| (call.verb, call.resource, call.status) == (verb, resource, 200);
        self.calls().into_iter().filter(is_it).collect()
    }

    pub(in crate::cluster) fn writes(&self) -> Vec<Call> {
        self.taken("patch", "nodenetworkdevices")
    }

    pub(in crate::cluster) fn events(&self) -> Vec<Call> {
        self.taken("create", "events")
    }
}
