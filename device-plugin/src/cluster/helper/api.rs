//! What is asked of the API server, each with a bound: of time, and of what is read of an answer.
//!
//! Answers are asked for without what we do not read (`PartialObjectMetadata`): that to an apply has the whole object else.

use std::collections::BTreeMap;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::claims::{Claim, Slice, SliceList};
use crate::cluster::measure::cut;
use crate::cluster::messages::{ANSWERED, Answer, ApiError, Ask, Found, LONGEST_TEXT, Place, Since};
use crate::cluster::object::{API_VERSION, DIGEST};
use crate::telemetry::causes;

/// Who writes the fields of the object. The same in every version, so that each takes over what another wrote.
const MANAGER: &str = "hardwired";
/// Bytes of an answer: more than the largest object that etcd takes.
const LARGEST: usize = 4 << 20;
/// Conditions that are read of an object, which has three.
const CONDITIONS: usize = 8;
const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// Server-side apply.
const APPLY: &str = "application/apply-patch+yaml";
/// The group of claims and slices.
const RESOURCE: &str = "/apis/resource.k8s.io/v1";
const SLICES: &str = "/apis/resource.k8s.io/v1/resourceslices";

/// The API, for this node.
pub(super) struct Api<'a> {
    client: &'a Client,
    node: &'a str,
}

/// What is read of any object.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    status: Option<ObjectStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    uid: String,
    generation: Option<i64>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ObjectStatus {
    #[serde(default)]
    conditions: Vec<Since>,
}

/// What `/version` says.
#[derive(Deserialize)]
struct Version {
    major: String,
    minor: String,
}

/// What an API server says of a request that it does not take (`metav1.Status`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    message: String,
    details: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    retry_after_seconds: Option<u32>,
}

// === impl Api ===

impl<'a> Api<'a> {
    /// Of the node with this name.
    pub(super) fn new(client: &'a Client, node: &'a str) -> Self {
        Self { client, node }
    }

    /// Does what is asked.
    pub(super) async fn answer(&self, ask: Ask) -> Result<Answer, ApiError> {
        match ask {
            Ask::Node => self.node_uid().await,
            Ask::Object { is_whole } => self.object(is_whole).await,
            Ask::Apply(object) => self.apply(String::from(Box::<str>::from(object))).await,
            Ask::Event { place, body, is_new } => {
                self.send_event(&place, String::from(Box::<str>::from(body)), is_new)
                    .await
            }
            Ask::Version => self.version().await,
            Ask::Claim { place, driver } => self.claim(&place, &driver).await,
            Ask::Slices { driver } => self.slices(&driver).await,
            Ask::ApplySlice { name, body } => self.apply_slice(&name, String::from(Box::<str>::from(body))).await,
            Ask::DeleteSlice { name } => self.delete_slice(&name).await,
            Ask::ClaimStatus { place, body } => self.claim_status(&place, String::from(Box::<str>::from(body))).await,
        }
    }

    /// The version of the API server.
    async fn version(&self) -> Result<Answer, ApiError> {
        let version: Version = self.request(Method::GET, "/version", JSON, JSON, String::new()).await?;
        // Some clouds write `36+`.
        let number = |text: &str| text.trim_end_matches('+').parse().ok();
        match (number(&version.major), number(&version.minor)) {
            (Some(major), Some(minor)) => Ok(Answer::Version { major, minor }),
            _ => Err(ApiError::away("GET /version: no version of Kubernetes")),
        }
    }

    /// What a claim has of a driver.
    async fn claim(&self, place: &Place, driver: &str) -> Result<Answer, ApiError> {
        let path = claim_path(place);
        let claim: Claim = match self.request(Method::GET, &path, JSON, JSON, String::new()).await {
            Err(ApiError::Absent(message)) if is_of_an_object(&message) => return Ok(Answer::Claim(None)),
            claim => claim?,
        };
        Ok(Answer::Claim(Some(Box::new(claim.of_driver(driver)))))
    }

    /// Says how a claim's devices are: of those that other drivers have, nothing.
    async fn claim_status(&self, place: &Place, body: String) -> Result<Answer, ApiError> {
        let path = format!("{}/status?fieldManager={MANAGER}&force=true", claim_path(place));
        let _written: Object = self.request(Method::PATCH, &path, METADATA, APPLY, body).await?;
        Ok(Answer::Sent)
    }

    /// The driver's slices of this node.
    async fn slices(&self, driver: &str) -> Result<Answer, ApiError> {
        let selector = format!("spec.driver%3D{driver},spec.nodeName%3D{}", self.node);
        let path = format!("{SLICES}?fieldSelector={selector}");
        let list: SliceList = self
            .request(Method::GET, &path, METADATA_LIST, JSON, String::new())
            .await?;
        Ok(Answer::Slices(list.items.into_iter().map(Slice::found).collect()))
    }

    /// Writes a slice, and tells what the API server kept of it.
    async fn apply_slice(&self, name: &str, body: String) -> Result<Answer, ApiError> {
        let path = format!("{SLICES}/{name}?fieldManager={MANAGER}&force=true");
        let written: Slice = self.request(Method::PATCH, &path, JSON, APPLY, body).await?;
        Ok(Answer::Slice(written.found()))
    }

    async fn delete_slice(&self, name: &str) -> Result<Answer, ApiError> {
        let path = format!("{SLICES}/{name}");
        let deleted = self.request(Method::DELETE, &path, METADATA, JSON, String::new()).await;
        match deleted.map(|_gone: Object| ()) {
            // Somebody was faster.
            Err(ApiError::Absent(_)) | Ok(()) => Ok(Answer::Deleted),
            Err(error) => Err(error),
        }
    }

    /// The uid of the Node.
    async fn node_uid(&self) -> Result<Answer, ApiError> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let node: Object = self.request(Method::GET, &path, METADATA, JSON, String::new()).await?;
        match node.metadata.uid {
            uid if uid.is_empty() => Err(ApiError::away(format!("GET {path}: a Node without a uid"))),
            uid => Ok(Answer::Node { uid: short(&uid) }),
        }
    }

    /// The object, if it is there.
    async fn object(&self, is_whole: bool) -> Result<Answer, ApiError> {
        let accept = if is_whole { JSON } else { METADATA };
        let path = self.path();
        let object: Object = match self.request(Method::GET, &path, accept, JSON, String::new()).await {
            Err(ApiError::Absent(message)) if is_of_an_object(&message) => return Ok(Answer::Object(None)),
            object => object?,
        };
        let conditions = object.status.map(|status| status.conditions).unwrap_or_default();
        Ok(Answer::Object(Some(Found {
            digest: object.metadata.annotations.get(DIGEST).map(|digest| short(digest)),
            generation: object.metadata.generation,
            conditions: conditions.iter().take(CONDITIONS).map(Since::shortened).collect(),
        })))
    }

    /// Writes the object, whether it is there or not.
    async fn apply(&self, object: String) -> Result<Answer, ApiError> {
        let path = format!("{}?fieldManager={MANAGER}&force=true", self.path());
        let written: Object = self.request(Method::PATCH, &path, METADATA, APPLY, object).await?;
        Ok(Answer::Applied {
            generation: written.metadata.generation,
        })
    }

    /// Makes an Event, or changes one that was made.
    async fn send_event(&self, place: &Place, body: String, is_new: bool) -> Result<Answer, ApiError> {
        let Place { namespace, name } = place;
        let folder = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events");
        let _taken: Object = if is_new {
            let path = format!("{folder}?fieldManager={MANAGER}");
            self.request(Method::POST, &path, METADATA, JSON, body).await?
        } else {
            let path = format!("{folder}/{name}?fieldManager={MANAGER}");
            let kind = "application/merge-patch+json";
            self.request(Method::PATCH, &path, METADATA, kind, body).await?
        };
        Ok(Answer::Sent)
    }

    fn path(&self) -> String {
        format!("/apis/{API_VERSION}/nodenetworkdevices/{}", self.node)
    }

    async fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        kind: &str,
        body: String,
    ) -> Result<T, ApiError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, accept)
            .header(CONTENT_TYPE, kind)
            .body(Body::from(body.into_bytes()))
            .map_err(|error| ApiError::Refused {
                code: 0,
                message: error.to_string(),
            })?;
        let asked = async {
            let answer = self.client.send(request).await.map_err(unreached)?;
            read(answer).await
        };
        let answer = timeout(ANSWERED, asked).await;
        answer.unwrap_or_else(|_elapsed| Err(ApiError::away(format!("no answer within {ANSWERED:?}"))))
    }
}

fn claim_path(Place { namespace, name }: &Place) -> String {
    format!("{RESOURCE}/namespaces/{namespace}/resourceclaims/{name}")
}

/// One that never heard of a kind says so in other words, and with no JSON.
fn is_of_an_object(message: &str) -> bool {
    message.contains("not found") && message.contains('"')
}

async fn read<T: DeserializeOwned>(answer: Response<Body>) -> Result<T, ApiError> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST).collect().await;
    let body = body
        .map_err(|error| ApiError::away(short(&causes(&*error))))?
        .to_bytes();
    if parts.status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| ApiError::away(format!("its answer is not understood: {error}")));
    }
    Err(refused(parts.status.as_u16(), &parts.headers, &body))
}

fn unreached(error: kube::Error) -> ApiError {
    let text = match error {
        kube::Error::Service(error) => causes(&*error),
        error => causes(&error),
    };
    ApiError::away(short(&text))
}

/// What it says, as far as a person reads it.
fn refused(code: u16, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let said = serde_json::from_slice(body).unwrap_or_else(|_no_status| Refusal {
        message: String::from_utf8_lossy(body).trim().to_owned(),
        details: None,
    });
    let message = short(&said.message);
    match code {
        // RBAC's words. A policy, a quota and a namespace that ends answer with the same code, and say nothing of rights.
        403 if message.contains("cannot ") && message.contains(" resource ") => ApiError::Forbidden(message),
        404 => ApiError::Absent(message),
        // So it calls fields that its definition does not have.
        500 if message.contains("not declared in schema") => ApiError::Refused { code: 500, message },
        408 | 429 | 500.. => {
            // Of the header's two forms the API server uses the one with seconds.
            let header = headers
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.trim().parse().ok());
            ApiError::Away {
                message: format!("{code}: {message}"),
                retry_after: header.or_else(|| said.details?.retry_after_seconds),
            }
        }
        code => ApiError::Refused { code, message },
    }
}

fn short(text: &str) -> String {
    cut(text, LONGEST_TEXT).into_owned()
}

// === impl Since ===

impl Since {
    fn shortened(&self) -> Self {
        let short = |text: &str| cut(text, 64).into_owned();
        Self {
            kind: short(&self.kind),
            status: short(&self.status),
            at: short(&self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, message: &str) -> ApiError {
        let status = serde_json::json!({"kind": "Status", "code": code, "message": message});
        refused(code, &HeaderMap::new(), status.to_string().as_bytes())
    }

    #[test]
    fn what_an_answer_means_is_known_by_its_code() {
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
            assert!(matches!(error(code, "no"), ApiError::Away { .. }), "{code}");
        }
        for code in [302, 400, 409, 422] {
            assert!(matches!(error(code, "no"), ApiError::Refused { .. }), "{code}");
        }
        // As Kubernetes 1.36 says it of a daemon that is newer than the definition.
        let newer = error(
            500,
            "failed to create typed patch object: .status.x: field not declared in schema",
        );
        assert!(matches!(newer, ApiError::Refused { .. }), "{newer}");
    }

    #[test]
    fn when_it_may_be_asked_again_is_read_of_the_header_and_of_the_body() {
        let mut headers = HeaderMap::new();
        let after = |headers: &HeaderMap, body: &str| match refused(429, headers, body.as_bytes()) {
            ApiError::Away { retry_after, .. } => retry_after,
            other => panic!("{other}"),
        };
        assert_eq!(after(&headers, "Too many requests, please try again later."), None);
        assert_eq!(
            after(&headers, r#"{"message": "x", "details": {"retryAfterSeconds": 7}}"#),
            Some(7)
        );
        headers.insert(RETRY_AFTER, "30".parse().unwrap());
        assert_eq!(after(&headers, "Too many requests"), Some(30));
        headers.insert(RETRY_AFTER, "Wed, 21 Oct 2026 07:28:00 GMT".parse().unwrap());
        assert_eq!(after(&headers, "Too many requests"), None);
    }

    #[test]
    fn of_what_it_says_so_much_is_kept() {
        let ApiError::Refused { message, .. } = error(422, &"x".repeat(1 << 20)) else {
            panic!("it is refused");
        };
        assert_eq!(message.chars().count(), LONGEST_TEXT);
    }
}
