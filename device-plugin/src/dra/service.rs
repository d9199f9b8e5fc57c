//! The services of the driver: each claim is answered, whatever becomes of it.

use futures_util::future::join_all;
use hardwire_cni::claims::ClaimRecord;
use hardwire_proto::dra::{v1, v1beta1};
use tonic::{Request, Response, Status};
use tracing::warn;

use super::claims::Claims;
use super::decision::ClaimName;
use crate::config::DriverName;

/// Claims that one call may be about: a pod has 32 at most, and nobody asks for more.
const MOST: usize = 256;

/// Both versions of the service.
#[derive(Debug, Clone)]
pub(super) struct Service {
    /// Our name.
    pub(super) driver: DriverName,
    /// What the verbs are done to.
    pub(super) claims: Claims,
}

// === impl Service ===

impl Service {
    async fn prepare(
        &self,
        request: v1::NodePrepareResourcesRequest,
    ) -> Result<v1::NodePrepareResourcesResponse, Status> {
        refuse_many(&request.claims)?;
        let each = request.claims.into_iter().map(|claim| async {
            let claim = name(claim);
            let prepared = self.claims.prepare(self.driver.as_str(), &claim).await;
            let answer = match prepared {
                Ok(record) => v1::NodePrepareResourceResponse {
                    devices: devices(&record),
                    error: String::new(),
                },
                Err(error) => {
                    let error = printed(&error);
                    warn!(claim = %named(&claim), "not prepared: {error}");
                    v1::NodePrepareResourceResponse {
                        devices: Vec::new(),
                        error,
                    }
                }
            };
            (claim.uid, answer)
        });
        Ok(v1::NodePrepareResourcesResponse {
            claims: join_all(each).await.into_iter().collect(),
        })
    }

    async fn unprepare(
        &self,
        request: v1::NodeUnprepareResourcesRequest,
    ) -> Result<v1::NodeUnprepareResourcesResponse, Status> {
        refuse_many(&request.claims)?;
        let mut claims = std::collections::BTreeMap::new();
        for claim in request.claims.into_iter().map(name) {
            let error = self.claims.unprepare(&claim.uid).await.err();
            let error = error.as_deref().map(printed).unwrap_or_default();
            if !error.is_empty() {
                warn!(claim = %named(&claim), "not unprepared: {error}");
            }
            claims.insert(claim.uid, v1::NodeUnprepareResourceResponse { error });
        }
        Ok(v1::NodeUnprepareResourcesResponse { claims })
    }
}

fn refuse_many(claims: &[v1::Claim]) -> Result<(), Status> {
    if claims.len() <= MOST {
        return Ok(());
    }
    let message = format!("{} claims in one call: at most {MOST}", claims.len());
    Err(Status::invalid_argument(message))
}

fn name(claim: v1::Claim) -> ClaimName {
    ClaimName {
        namespace: claim.namespace,
        name: claim.name,
        uid: claim.uid,
    }
}

fn named(claim: &ClaimName) -> String {
    printed(&format!("{}/{}", claim.namespace, claim.name))
}

/// It reaches logs and the status of pods.
fn printed(text: &str) -> String {
    hardwire_cni::printable::printable(text).into_owned()
}

fn devices(record: &ClaimRecord) -> Vec<v1::Device> {
    let device = |held: &hardwire_cni::claims::ClaimedDevice| v1::Device {
        request_names: vec![held.main_request().to_owned()],
        pool_name: held.pool.clone(),
        device_name: held.name.clone(),
        cdi_device_ids: held.cdi.clone(),
        share_id: None,
    };
    record.devices.iter().map(device).collect()
}

#[tonic::async_trait]
impl v1::dra_plugin_server::DraPlugin for Service {
    async fn node_prepare_resources(
        &self,
        request: Request<v1::NodePrepareResourcesRequest>,
    ) -> Result<Response<v1::NodePrepareResourcesResponse>, Status> {
        self.prepare(request.into_inner()).await.map(Response::new)
    }

    async fn node_unprepare_resources(
        &self,
        request: Request<v1::NodeUnprepareResourcesRequest>,
    ) -> Result<Response<v1::NodeUnprepareResourcesResponse>, Status> {
        self.unprepare(request.into_inner()).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl v1beta1::dra_plugin_server::DraPlugin for Service {
    async fn node_prepare_resources(
        &self,
        request: Request<v1::NodePrepareResourcesRequest>,
    ) -> Result<Response<v1::NodePrepareResourcesResponse>, Status> {
        self.prepare(request.into_inner()).await.map(Response::new)
    }

    async fn node_unprepare_resources(
        &self,
        request: Request<v1::NodeUnprepareResourcesRequest>,
    ) -> Result<Response<v1::NodeUnprepareResourcesResponse>, Status> {
        self.unprepare(request.into_inner()).await.map(Response::new)
    }
}
