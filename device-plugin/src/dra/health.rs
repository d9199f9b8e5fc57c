//! How the driver's devices are, for the status of the pods that have them.
//!
//! Contract: dra-health v1alpha1 (Kubernetes 1.34 and later; v1, of 1.37, is served beside it there for three releases). Each
//! message is the whole list, and a device that is not told of again within its bound becomes unknown. While the kubelet listens,
//! the list is told when it changes, and again before that.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{Stream, unfold};
use hardwire_proto::drahealth as api;
use hardwire_proto::drahealth::HealthStatus;
use hardwire_proto::drahealth::dra_resource_health_server::DraResourceHealth;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::claimable::Claimable;
use super::names::device_name;

/// Told again after so long.
const AGAIN: Duration = Duration::from_secs(30);
/// Without another message for so long, nobody knows.
const BOUND_SECONDS: i64 = 90;
/// Characters of a message.
const LONGEST: usize = 1024;

/// The service.
#[derive(Debug)]
pub(super) struct Health {
    /// How the devices are.
    pub(super) claimable: watch::Receiver<Arc<Claimable>>,
    /// The driver's pool: the node.
    pub(super) node: String,
    /// Ends the streams.
    pub(super) stop: CancellationToken,
}

/// How all devices are, of a driver whose pool is `node`, at `now`, in seconds since the epoch.
fn list(claimable: &Claimable, node: &str, now: i64) -> api::NodeWatchResourcesResponse {
    let each = claimable.pools.iter().flat_map(|pool| &pool.devices);
    let devices = each.map(|(id, device)| {
        let status = if device.unhealthy.is_none() {
            HealthStatus::Healthy
        } else {
            HealthStatus::Unhealthy
        };
        api::DeviceHealth {
            device: Some(api::DeviceIdentifier {
                pool_name: node.to_owned(),
                device_name: device_name(id),
            }),
            health: status.into(),
            last_updated_time: now,
            health_check_timeout_seconds: BOUND_SECONDS,
            message: device
                .unhealthy
                .iter()
                .flat_map(|why| why.chars())
                .take(LONGEST)
                .collect(),
        }
    });
    api::NodeWatchResourcesResponse {
        devices: devices.collect(),
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[tonic::async_trait]
impl DraResourceHealth for Health {
    type NodeWatchResourcesStream = Pin<Box<dyn Stream<Item = Result<api::NodeWatchResourcesResponse, Status>> + Send>>;

    async fn node_watch_resources(
        &self,
        _request: Request<api::NodeWatchResourcesRequest>,
    ) -> Result<Response<Self::NodeWatchResourcesStream>, Status> {
        let (mut claimable, node, stop) = (self.claimable.clone(), self.node.clone(), self.stop.clone());
        claimable.mark_changed();
        let lists = unfold((claimable, node, stop), |(mut claimable, node, stop)| async move {
            let changed = stop.run_until_cancelled(timeout(AGAIN, claimable.changed())).await?;
            if matches!(changed, Ok(Err(_))) {
                return None;
            }
            let told = list(&claimable.borrow_and_update(), &node, now());
            Some((Ok(told), (claimable, node, stop)))
        });
        Ok(Response::new(Box::pin(lists)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dra::claimable::fixture::claimable;

    #[test]
    fn each_device_is_told_of_with_what_is_wrong_with_it() {
        let mut claimable = claimable(2);
        let id: hardwire_pci::DeviceId = "0000:3b:02.1".parse().unwrap();
        claimable.pools[0].devices.get_mut(&id).unwrap().unhealthy = Some("no driver is bound to it".to_owned());
        let told = list(&claimable, "node1", 7).devices;
        assert_eq!(told.len(), 2);
        let of = |device: &api::DeviceHealth| device.device.clone().unwrap();
        assert_eq!(
            (of(&told[0]).pool_name.as_str(), of(&told[0]).device_name.as_str()),
            ("node1", "0000-3b-02-0")
        );
        assert_eq!(
            (told[0].health(), told[0].message.as_str()),
            (HealthStatus::Healthy, "")
        );
        assert_eq!(told[1].health(), HealthStatus::Unhealthy);
        assert_eq!(told[1].message, "no driver is bound to it");
        assert_eq!(
            (told[1].last_updated_time, told[1].health_check_timeout_seconds),
            (7, 90)
        );
    }
}
