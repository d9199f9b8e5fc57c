//! A service in the place of the API server.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

/// One request, and what it was answered with.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) verb: &'static str,
    pub(super) resource: &'static str,
    pub(super) path: String,
    pub(super) at: Instant,
    pub(super) body: Value,
    pub(super) status: u16,
}

/// What stands for an API server.
#[derive(Clone)]
pub(super) struct Server {
    calls: Arc<Mutex<Vec<Call>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It takes everything.
    Well,
    /// Nobody listens.
    Away,
    /// It takes a connection, and says nothing.
    Silent,
    /// It knows no such definition.
    WithoutDefinition,
    /// It allows these verbs of these resources.
    Allowing(BTreeSet<(String, String)>),
}

impl Server {
    pub(super) fn new() -> Self {
        Self {
            calls: Arc::default(),
            state: Arc::new(Mutex::new(State::Well)),
        }
    }

    pub(super) fn is(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    pub(super) fn client(&self) -> Client {
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
        let resource = match &path {
            path if path.starts_with("/api/v1/nodes/") => "nodes",
            path if path.starts_with("/apis/hardwire.dev/v1alpha1/nodenetworkdevices/") => "nodenetworkdevices",
            path if path.starts_with("/apis/events.k8s.io/v1/namespaces/") => "events",
            path => panic!("{path}"),
        };
        let verb = match parts.method.as_str() {
            "GET" => "get",
            "POST" => "create",
            "PATCH" => "patch",
            method => panic!("{method}"),
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The first apply makes the object, for which that is asked too.
        let is_first = resource == "nodenetworkdevices" && self.taken("patch", resource).is_empty();
        let verbs = if is_first { vec![verb, "create"] } else { vec![verb] };
        let (status, message) = match state {
            State::Away => (0, String::new()),
            State::Silent => (1, String::new()),
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
        self.calls.lock().unwrap().push(Call {
            verb,
            resource,
            path,
            at: Instant::now(),
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            status,
        });
        let answer = match status {
            0 => return Err(io::ErrorKind::ConnectionRefused.into()),
            1 => return pending().await,
            200 => json!({"kind": "PartialObjectMetadata", "metadata": {"uid": "uid-node"}}).to_string(),
            404 => message,
            code => json!({"kind": "Status", "status": "Failure", "code": code, "message": message}).to_string(),
        };
        let answer = Response::builder().status(status).body(Body::from(answer.into_bytes()));
        Ok(answer.unwrap())
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Those of one kind that were taken.
    pub(super) fn taken(&self, verb: &str, resource: &str) -> Vec<Call> {
        let is_it = |call: &Call| (call.verb, call.resource, call.status) == (verb, resource, 200);
        self.calls().into_iter().filter(is_it).collect()
    }

    pub(super) fn writes(&self) -> Vec<Call> {
        self.taken("patch", "nodenetworkdevices")
    }

    pub(super) fn events(&self) -> Vec<Call> {
        self.taken("create", "events")
    }
}
