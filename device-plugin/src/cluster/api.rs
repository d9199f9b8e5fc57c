//! What is asked of the API server, each with a bound.
//!
//! Answers are asked for without what we do not read (`PartialObjectMetadata`): that to an apply has the whole object else.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;

use super::event::Place;
use crate::telemetry::causes;

/// For the whole of a request: an object of half a megabyte to an API server that has much to do.
const BOUND: Duration = Duration::from_secs(30);
/// Who writes the fields of the object. The same in every version, so that each takes over what another wrote.
const MANAGER: &str = "hardwired";
const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Nobody answers, or who does has too much to do, or is broken.
    #[error("the API server cannot be had: {0}")]
    Away(String),
    /// We have not the right.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such object, or no such kind of objects.
    #[error("{0}")]
    Absent(String),
    /// It takes something else.
    #[error("the API server refuses it ({code}): {message}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
}

/// The API, for this node.
#[derive(Clone)]
pub struct Api {
    client: Client,
    node: String,
}

#[derive(Deserialize)]
struct Answer {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    uid: String,
}

// === impl ApiError ===

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::Service(error) => return Self::Away(causes(&*error)),
            error => return Self::Away(causes(&error)),
        };
        let (code, message) = (status.code, status.message);
        match code {
            // RBAC's words. A policy, a quota and a namespace that ends answer with the same code, and say nothing of rights.
            403 if message.contains("cannot ") && message.contains(" resource ") => Self::Forbidden(message),
            404 => Self::Absent(message),
            // So it calls fields that its definition does not have.
            500 if message.contains("not declared in schema") => Self::Refused { code: 500, message },
            408 | 429 | 500.. | 0 => Self::Away(format!("{code}: {message}")),
            code => Self::Refused { code, message },
        }
    }
}

// === impl Api ===

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Api {
    /// Of the node with this name.
    pub fn new(client: Client, node: String) -> Self {
        Self { client, node }
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The uid of the Node.
    pub async fn node_uid(&self) -> Result<String, ApiError> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let text = self.request(Method::GET, &path, METADATA, JSON, Vec::new()).await?;
        let answer: Answer =
            serde_json::from_str(&text).map_err(|error| ApiError::Away(format!("GET {path}: {error}")))?;
        Ok(answer.metadata.uid)
    }

    /// Writes the object, whether it is there or not.
    pub async fn apply(&self, object: Vec<u8>) -> Result<(), ApiError> {
        let path = format!(
            "/apis/{}/nodenetworkdevices/{}?fieldManager={MANAGER}&force=true",
            super::object::API_VERSION,
            self.node
        );
        let kind = "application/apply-patch+yaml";
        self.request(Method::PATCH, &path, METADATA, kind, object).await?;
        Ok(())
    }

    /// Makes an Event, or changes one that was made.
    pub async fn send_event(&self, place: &Place, body: &Value, is_new: bool) -> Result<(), ApiError> {
        let Place { namespace, name } = place;
        let folder = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events?fieldManager={MANAGER}");
        let one = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events/{name}?fieldManager={MANAGER}");
        let body = body.to_string().into_bytes();
        let sent = if is_new {
            self.request(Method::POST, &folder, METADATA, JSON, body).await
        } else {
            let kind = "application/merge-patch+json";
            self.request(Method::PATCH, &one, METADATA, kind, body).await
        };
        sent.map(drop)
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Result<String, ApiError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, kind)
            .body(body)
            .map_err(|error| ApiError::Refused {
                code: 0,
                message: error.to_string(),
            })?;
        let answer = timeout(BOUND, self.client.request_text(request)).await;
        let answer = answer.map_err(|_elapsed| ApiError::Away(format!("no answer within {BOUND:?}")))?;
        Ok(answer?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means_is_known_by_its_code() {
        let error = |code, message: &str| {
            let status = kube::core::Status::failure(message, "x").with_code(code);
            ApiError::from(kube::Error::Api(status.boxed()))
        };
        let rights = "events.events.k8s.io is forbidden: User \"x\" cannot create resource \"events\" in API group";
        assert_eq!(error(403, rights), ApiError::Forbidden(rights.to_owned()));
        for other in [
            "unable to create new content in namespace red because it is being terminated",
            "exceeded quota: q, requested: count/events.events.k8s.io=1",
            "ValidatingAdmissionPolicy 'hardwired' denied request: another node's",
        ] {
            assert!(
                matches!(error(403, other), ApiError::Refused { code: 403, .. }),
                "{other}"
            );
        }
        assert!(matches!(error(401, "no"), ApiError::Refused { code: 401, .. }));
        assert_eq!(error(404, "no"), ApiError::Absent("no".to_owned()));
        for code in [408, 429, 500, 503] {
            assert!(matches!(error(code, "no"), ApiError::Away(_)), "{code}");
        }
        for code in [400, 409, 422] {
            assert!(matches!(error(code, "no"), ApiError::Refused { .. }), "{code}");
        }
        // As Kubernetes 1.36 says it of a daemon that is newer than the definition.
        let newer = error(
            500,
            "failed to create typed patch object: .status.x: field not declared in schema",
        );
        assert!(matches!(newer, ApiError::Refused { .. }), "{newer}");
    }
}
