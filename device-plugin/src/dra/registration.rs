//! Who we are, as the kubelet asks it on our socket in `plugins_registry`.

use std::path::PathBuf;

use hardwire_proto::pluginregistration as api;
use hardwire_proto::pluginregistration::registration_server::Registration;
use hardwire_proto::{dra, drahealth};
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tracing::{info, warn};

use crate::config::DriverName;
use crate::telemetry::metrics::Metrics;

/// The service.
#[derive(Debug)]
pub(super) struct Introduction {
    /// Our name.
    pub(super) driver: DriverName,
    /// Where our services are.
    pub(super) endpoint: PathBuf,
    /// Counts how often the kubelet took us.
    pub(super) taken: watch::Sender<u64>,
    /// Whether it did.
    pub(super) metrics: Metrics,
}

#[tonic::async_trait]
impl Registration for Introduction {
    async fn get_info(&self, _request: Request<api::InfoRequest>) -> Result<Response<api::PluginInfo>, Status> {
        // The kubelet takes the first that it knows; the health of devices is looked for by name.
        let versions = dra::VERSIONS.into_iter().chain([drahealth::VERSION]);
        Ok(Response::new(api::PluginInfo {
            r#type: api::DRA_PLUGIN.to_owned(),
            name: self.driver.to_string(),
            endpoint: self.endpoint.display().to_string(),
            supported_versions: versions.map(str::to_owned).collect(),
        }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<api::RegistrationStatus>,
    ) -> Result<Response<api::RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        let driver = &self.driver;
        if status.plugin_registered {
            info!(%driver, "registered with the kubelet");
            self.metrics.driver(None);
            self.taken.send_modify(|taken| *taken += 1);
        } else {
            let error = hardwire_cni::printable::printable(&status.error).into_owned();
            warn!(%driver, "the kubelet refuses it: {error}");
            self.metrics
                .driver(Some(format!("driver {driver}: the kubelet refuses it: {error}")));
        }
        Ok(Response::new(api::RegistrationStatusResponse {}))
    }
}
