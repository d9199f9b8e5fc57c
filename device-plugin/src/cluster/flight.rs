//! What is under way, and what came of it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde_json::value::to_raw_value;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::conditions::{Condition, conditions};
use super::event;
use super::events::Post;
use super::facts::Facts;
use super::line::Line;
use super::messages::{ApiError, Found, Since};
use super::news::Subject;
use super::object::Status;
use crate::ledger::checkpoint;

/// A Node is asked again for what it is known by.
pub(super) const UID_KEPT: Duration = Duration::from_secs(300);

/// What is under way.
pub(super) type Flight = BoxFuture<'static, Landed>;

/// What came of it.
pub(super) enum Landed {
    /// The object was to be written.
    Object(Result<Written, ApiError>, Known),
    /// The Node, if it said something of itself.
    Node(Result<Node, ApiError>),
    /// The object was looked at.
    Looked(Result<Option<Found>, ApiError>),
    /// An Event was sent, or was not.
    Event(Box<Post>, Result<(), ApiError>),
}

/// The object as it is with the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// It was written.
    Now(Stamp),
    /// It was so before.
    Before(Stamp),
}

/// What an object that is there is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    digest: String,
    generation: Option<i64>,
}

/// The Node, which owns the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) uid: String,
    /// When it was asked for that.
    pub(super) asked: Instant,
}

/// What writes go by.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The Node, if it said something of itself.
    pub(super) node: Option<Node>,
    /// What is with the API server; none where nobody knows.
    pub(super) written: Option<Stamp>,
    /// Somebody else changed what is there: it is written whatever it says of itself.
    pub(super) is_spoilt: bool,
    /// Since when conditions are as they are.
    conditions: Vec<Since>,
}

// === impl Stamp ===

impl Stamp {
    /// Whether it is that object, and nobody has changed it.
    pub(super) fn is_of(&self, found: &Found) -> bool {
        found.digest.as_ref() == Some(&self.digest) && found.generation == self.generation
    }
}

// === impl Known ===

impl Known {
    /// Writes the object, unless it is there as it is to be. Asks for the Node unless it is known.
    pub(super) async fn write(&mut self, line: &Line, name: &str, facts: Facts) -> Result<Written, ApiError> {
        let found = match self.written {
            Some(_) => None,
            None => line.object(true).await?,
        };
        if let Some(found) = found.as_ref().filter(|_| self.conditions.is_empty()) {
            self.conditions.clone_from(&found.conditions);
        }
        let conditions = conditions(&facts.standing, &self.conditions, SystemTime::now());
        let before = std::mem::replace(&mut self.conditions, conditions.iter().map(Condition::since).collect());
        // A Node that was made anew has another uid, and its kubelet has registered the pools again.
        let is_another = self.conditions != before;
        self.node
            .take_if(|node| is_another || node.asked + UID_KEPT <= Instant::now());
        // A thousand devices take a few milliseconds, in which an Allocate would wait.
        let status = spawn_blocking(move || Status::new(&facts, &conditions)).await;
        let status = status.map_err(|error| ApiError::away(error.to_string()))?;
        let status = status.map_err(|error| ApiError::away(error.to_string()))?;
        let digest = status.digest();
        if let Some(stamp) = self.written.as_ref().filter(|stamp| stamp.digest == digest) {
            return Ok(Written::Before(stamp.clone()));
        }
        let is_it = |found: &Found| found.digest.as_ref() == Some(&digest) && !self.is_spoilt;
        if let Some(found) = found.filter(is_it) {
            let generation = found.generation;
            return Ok(Written::Before(Stamp { digest, generation }));
        }
        let node = match &mut self.node {
            Some(node) => node,
            None => self.node.insert(ask(line).await?),
        };
        let object = status
            .of_node(name, &node.uid)
            .map_err(|error| ApiError::away(error.to_string()))?;
        // Its text is in there, and is not needed twice.
        drop(status);
        let generation = line.apply(object).await?;
        self.is_spoilt = false;
        Ok(Written::Now(Stamp { digest, generation }))
    }
}

pub(super) async fn ask(line: &Line) -> Result<Node, ApiError> {
    Ok(Node {
        uid: line.node_uid().await?,
        asked: Instant::now(),
    })
}

/// Sends an Event. On a pod whose uid nobody said, the kubelet's checkpoint is asked for it: without one, the API knows the
/// Event, and `kubectl describe` does not show it.
pub(super) async fn send(line: &Line, post: &Post, directory: PathBuf) -> Result<(), ApiError> {
    let mut body = post.body.clone();
    if let (Subject::Pod { uid: None, device, .. }, true) = (&post.news.subject, post.is_new) {
        let device = device.clone();
        // Its disk may hang, for which nobody else waits.
        let uid = spawn_blocking(move || checkpoint::pod_of(&directory, &device)).await;
        if let Ok(Some(uid)) = uid {
            event::set_uid(&mut body, uid);
        }
    }
    let body = to_raw_value(&body).map_err(|error| ApiError::away(error.to_string()))?;
    line.send_event(post.place.clone(), body, post.is_new).await
}
