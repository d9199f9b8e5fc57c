//! The Registration service: everything that happens inside Register happens before it answers.

use hardwire_proto::deviceplugin as api;
use tonic::{Request, Response, Status};

use super::resource_name::is_extended;
use super::{Shared, plugins};

#[derive(Debug)]
pub(super) struct Registration(pub(super) Shared);

#[tonic::async_trait]
impl api::registration_server::Registration for Registration {
    async fn register(&self, request: Request<api::RegisterRequest>) -> Result<Response<api::Empty>, Status> {
        let request = request.into_inner();
        let shared = &self.0;
        shared.tell(&format!(
            "{} wants to register ({})",
            request.resource_name, request.endpoint
        ));
        shared
            .state
            .send_modify(|state| state.registrations.push(request.clone()));
        let (delay, refused) = shared.behaviour(|behaviour| {
            let refused = behaviour.refuse_registrations > 0;
            behaviour.refuse_registrations = behaviour.refuse_registrations.saturating_sub(1);
            (behaviour.register_delay, refused)
        });
        tokio::time::sleep(delay).await;
        if refused {
            return Err(Status::unknown("refused for a test"));
        }
        validate(&request)?;
        plugins::register(shared, &request).await?;
        Ok(Response::new(api::Empty {}))
    }
}

fn validate(request: &api::RegisterRequest) -> Result<(), Status> {
    if request.version != api::VERSION {
        return Err(Status::unknown(format!(
            "requested API version {:?} is not supported by kubelet. Supported version is [{:?}]",
            request.version,
            api::VERSION
        )));
    }
    if !is_extended(&request.resource_name) {
        let name = &request.resource_name;
        return Err(Status::unknown(format!("the ResourceName {name:?} is invalid")));
    }
    Ok(())
}
