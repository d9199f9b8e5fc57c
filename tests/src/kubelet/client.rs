//! A client of a plugin, connected as the kubelet connects, for tests of what one call does.

use std::time::Duration;

use hardwire_proto::deviceplugin as api;
use tokio::time::timeout;
use tonic::Status;

use super::Kubelet;
use super::plugins::Client;

/// A connection to a plugin beside the registered one.
#[derive(Debug)]
pub struct PluginClient<'a> {
    kubelet: &'a Kubelet,
    client: Client,
}

// === impl PluginClient ===

impl<'a> PluginClient<'a> {
    pub(super) fn new(kubelet: &'a Kubelet, client: Client) -> Self {
        Self { kubelet, client }
    }

    /// Opens a `ListAndWatch` stream.
    pub fn list_and_watch(&mut self) -> Result<ListStream<'_>, Status> {
        let lists = self.kubelet.block_on(self.client.list_and_watch(api::Empty {}))?;
        Ok(ListStream {
            kubelet: self.kubelet,
            lists: lists.into_inner(),
        })
    }

    /// Asks for the plugin's options.
    pub fn options(&mut self) -> Result<api::DevicePluginOptions, Status> {
        let options = self.client.get_device_plugin_options(api::Empty {});
        self.kubelet.block_on(options).map(tonic::Response::into_inner)
    }

    /// Calls `PreStartContainer`.
    pub fn pre_start(&mut self, ids: &[&str]) -> Result<api::PreStartContainerResponse, Status> {
        let devices_ids = ids.iter().map(|&id| id.to_owned()).collect();
        let request = api::PreStartContainerRequest { devices_ids };
        let answer = self.kubelet.block_on(self.client.pre_start_container(request));
        answer.map(tonic::Response::into_inner)
    }
}

/// A stream of lists.
#[derive(Debug)]
pub struct ListStream<'a> {
    kubelet: &'a Kubelet,
    lists: tonic::Streaming<api::ListAndWatchResponse>,
}

// === impl ListStream ===

impl ListStream<'_> {
    /// The next list; `None` at the end of the stream. The outer error is the bound.
    pub fn next(&mut self, bound: Duration) -> Result<Option<Vec<api::Device>>, tokio::time::error::Elapsed> {
        let message = self
            .kubelet
            .block_on(async { timeout(bound, self.lists.message()).await })?;
        Ok(message.ok().flatten().map(|list| list.devices))
    }
}
