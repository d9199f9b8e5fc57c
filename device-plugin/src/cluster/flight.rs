//! A request under way, and what came of it.

use futures_util::future::BoxFuture;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::api::{Api, ApiError};
use super::conditions::Condition;
use super::events::Post;
use super::facts::Facts;
use super::object::Status;

/// What is under way.
pub(super) type Flight = BoxFuture<'static, Landed>;

/// What came of a request.
pub(super) enum Landed {
    /// The object is written, or is as it was; and what the Node said of itself on the way.
    Object(Result<Written, ApiError>, Option<Node>),
    /// The Node, if it said something of itself.
    Node(Result<Node, ApiError>),
    /// An Event was sent, or was not.
    Event(Post, Result<(), ApiError>),
}

/// The object as it is with the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// With this status.
    Now(u64),
    /// As it was before.
    Before,
}

/// The Node, which owns the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) uid: String,
    /// When it was asked for that.
    pub(super) asked: Instant,
}

/// Writes the object, unless it is there as it is to be. Asks for the Node unless it is known.
pub(super) async fn write(
    api: &Api,
    facts: Facts,
    conditions: Vec<Condition>,
    before: Option<u64>,
    node: &mut Option<Node>,
) -> Result<Written, ApiError> {
    // A thousand devices take a few milliseconds, in which an Allocate would wait.
    let status = spawn_blocking(move || Status::new(&facts, &conditions)).await;
    let status = status.map_err(|error| ApiError::Away(error.to_string()))?;
    let status = status.map_err(|error| ApiError::Away(error.to_string()))?;
    let digest = status.digest();
    if before == Some(digest) {
        return Ok(Written::Before);
    }
    let known = match node {
        Some(node) => node,
        None => node.insert(ask(api).await?),
    };
    api.apply(status.of_node(api.node(), &known.uid)).await?;
    Ok(Written::Now(digest))
}

pub(super) async fn ask(api: &Api) -> Result<Node, ApiError> {
    Ok(Node {
        uid: api.node_uid().await?,
        asked: Instant::now(),
    })
}
