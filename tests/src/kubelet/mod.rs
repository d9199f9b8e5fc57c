//! A stand-in for the kubelet: its device manager and its podresources service, without the rest of it.
//!
//! It does what pkg/kubelet/cm/devicemanager of Kubernetes 1.36 does, the awkward parts included: it removes every socket of
//! its directory when it starts, connects to the plugin inside Register, never reconnects, and throws out a plugin's new
//! registration when it sees the old stream end. Names, checks and error texts are the kubelet's.
//!
//! [`Kubelet`] has a runtime of its own and calls that block, so that tests are plain functions and a kill takes with it
//! whatever a killed process would lose. Not to be called from within another runtime.

mod admission;
mod checkpoint;
mod claims;
mod client;
mod directory;
mod plugins;
mod podresources;
mod registration;
mod resource_name;
mod state;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardwire_proto::deviceplugin as api;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

pub use admission::AdmissionError;
pub use checkpoint::uid_of;
pub use claims::{DriverClient, claim};
pub use client::{ListStream, PluginClient};
pub use state::{Allocation, ClaimHeld, Resource, State};

/// How the kubelet ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As SIGTERM: its socket is removed.
    Clean,
    /// As SIGKILL: its socket stays, and refuses.
    Killed,
}

/// What goes wrong, for tests of what a plugin does about it.
#[derive(Debug, Clone, Default)]
pub struct Behaviour {
    /// How long Register takes before anything else happens in it.
    pub register_delay: Duration,
    /// How many calls of Register fail, from now on.
    pub refuse_registrations: usize,
    /// Whether `ListAndWatch` is never called.
    pub no_stream: bool,
}

/// Something did not happen in time.
#[derive(Debug, thiserror::Error)]
#[error("not within {bound:?}; this is what there is: {state:#?}")]
pub struct TooLate {
    /// How long was waited.
    pub bound: Duration,
    /// What is there instead.
    pub state: Box<State>,
}

/// A running kubelet.
#[derive(Debug)]
pub struct Kubelet {
    shared: Shared,
    /// `None` after its end.
    runtime: Option<Runtime>,
}

type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What all parts of it know.
#[derive(Clone)]
struct Shared {
    directory: PathBuf,
    state: watch::Sender<State>,
    behaviour: Arc<Mutex<Behaviour>>,
    tell: Tell,
}

// === impl Shared ===

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("directory", &self.directory)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn plugin_directory(&self) -> PathBuf {
        self.directory.join(api::DIRECTORY)
    }

    fn behaviour<T>(&self, use_it: impl FnOnce(&mut Behaviour) -> T) -> T {
        use_it(&mut self.behaviour.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, event: &str) {
        (self.tell)(event);
    }
}

// === impl Kubelet ===

impl Kubelet {
    /// Starts in `directory`, which stands for /var/lib/kubelet.
    pub fn start(directory: &Path) -> io::Result<Self> {
        Self::start_telling(directory, |_event| ())
    }

    /// Starts, and says what happens, one line for each event.
    pub fn start_telling(directory: &Path, tell: impl Fn(&str) + Send + Sync + 'static) -> io::Result<Self> {
        let mut kubelet = Self {
            shared: Shared {
                directory: directory.to_owned(),
                state: watch::Sender::new(State::default()),
                behaviour: Arc::default(),
                tell: Arc::new(tell),
            },
            runtime: None,
        };
        kubelet.begin()?;
        Ok(kubelet)
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build()?;
        let served = {
            let _entered = runtime.enter();
            directory::serve(&self.shared)
        };
        self.runtime = Some(runtime);
        served
    }

    /// Ends. Registered plugins lose their connections.
    pub fn end(&mut self, how: End) {
        let Some(runtime) = self.runtime.take() else { return };
        if how == End::Clean {
            directory::remove_own_sockets(&self.shared.directory);
        }
        runtime.shutdown_timeout(Duration::from_secs(5));
        self.shared.state.send_modify(State::forget_plugins);
        self.shared.tell("kubelet ended");
    }

    /// Ends and starts again. What pods hold is remembered, as the real one's checkpoint does.
    pub fn restart(&mut self, how: End) -> io::Result<()> {
        self.end(how);
        self.begin()
    }

    /// Changes what goes wrong.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        self.shared.behaviour(change);
    }

    /// What there is now.
    pub fn state(&self) -> State {
        self.shared.state.borrow().clone()
    }

    /// Waits for a state and returns it.
    pub fn wait_for(&self, is_right: impl FnMut(&State) -> bool, bound: Duration) -> Result<State, TooLate> {
        let mut states = self.shared.state.subscribe();
        let right = self.block_on(async {
            let right = timeout(bound, states.wait_for(is_right)).await;
            right.ok()?.ok().map(|state| state.clone())
        });
        right.ok_or_else(|| TooLate {
            bound,
            state: Box::new(self.state()),
        })
    }

    /// Waits until a resource is connected and its latest list is right, and returns that.
    pub fn wait_for_devices(
        &self,
        resource: &str,
        mut is_right: impl FnMut(&[api::Device]) -> bool,
        bound: Duration,
    ) -> Result<Vec<api::Device>, TooLate> {
        let resource_is_right = |state: &State| {
            let resource = state.resources.get(resource).filter(|resource| resource.connected);
            resource.is_some_and(|resource| resource.lists > 0 && is_right(&resource.devices))
        };
        let mut state = self.wait_for(resource_is_right, bound)?;
        Ok(state.resources.remove(resource).unwrap_or_default().devices)
    }

    /// Waits until Register was called so many times in all.
    pub fn wait_for_registrations(&self, count: usize, bound: Duration) -> Result<Vec<api::RegisterRequest>, TooLate> {
        let state = self.wait_for(|state| state.registrations.len() >= count, bound)?;
        Ok(state.registrations)
    }

    /// Calls Allocate with these devices, whoever may hold them, and remembers nothing.
    pub fn allocate(&self, resource: &str, containers: &[&[&str]]) -> Result<api::AllocateResponse, Status> {
        self.block_on(admission::allocate(&self.shared, resource, containers))
    }

    /// Admits a container: chooses free, healthy devices, calls Allocate, and remembers who holds them.
    pub fn admit(
        &self,
        pod: &str,
        container: &str,
        resource: &str,
        count: usize,
    ) -> Result<Allocation, AdmissionError> {
        let admitted = admission::admit(&self.shared, pod, container, resource, count);
        self.block_on(admitted)
    }

    /// Remembers that a container holds devices, as a kubelet does from its checkpoint when no plugin has registered.
    pub fn remember(&self, pod: &str, container: &str, resource: &str, devices: &[&str]) {
        let allocation = Allocation {
            pod: pod.to_owned(),
            container: container.to_owned(),
            resource: resource.to_owned(),
            devices: devices.iter().map(|&device| device.to_owned()).collect(),
            response: api::ContainerAllocateResponse::default(),
        };
        self.shared
            .state
            .send_modify(|state| state.allocations.push(allocation));
        checkpoint::write(&self.shared);
    }

    /// Remembers that a pod has devices by a claim, as the DRA manager does when it has prepared it.
    pub fn remember_claim(&self, pod: &str, claim: &str, driver: &str, devices: &[&str]) {
        let held = devices.iter().map(|device| ClaimHeld {
            pod: pod.to_owned(),
            claim: claim.to_owned(),
            driver: driver.to_owned(),
            device: (*device).to_owned(),
        });
        self.shared.state.send_modify(|state| state.claims.extend(held));
    }

    /// A client of a driver, which the plugin watcher finds and introduces itself to.
    ///
    /// # Panics
    /// Without a driver in time.
    pub fn driver(&self, driver: &str, bound: Duration) -> DriverClient<'_> {
        DriverClient::find(self, &self.shared.directory, driver, bound)
    }

    /// A pod is gone; returns what it held.
    pub fn free(&self, pod: &str) -> Vec<Allocation> {
        admission::free(&self.shared, pod)
    }

    /// Calls `GetPreferredAllocation`.
    pub fn preferred(
        &self,
        resource: &str,
        available: &[&str],
        must_include: &[&str],
        size: i32,
    ) -> Result<api::PreferredAllocationResponse, Status> {
        let preferred = admission::preferred(&self.shared, resource, available, must_include, size);
        self.block_on(preferred)
    }

    /// What podresources' List answers, asked over its socket.
    pub fn pod_resources(&self) -> Result<Vec<hardwire_proto::podresources::PodResources>, Status> {
        self.block_on(podresources::ask(&self.shared.directory))
    }

    /// A client of a plugin's socket, connected as the kubelet connects.
    pub fn client(&self, endpoint: &str) -> Result<PluginClient<'_>, Status> {
        let client = self.block_on(plugins::connect(&self.shared, endpoint))?;
        Ok(PluginClient::new(self, client))
    }

    /// Ends the stream of a resource from the kubelet's side.
    pub fn cancel_stream(&self, resource: &str) {
        plugins::disconnect(&self.shared, resource);
    }

    /// Runs something in the kubelet's runtime.
    ///
    /// # Panics
    /// After its end.
    #[track_caller]
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => panic!("the kubelet has ended"),
        }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.end(End::Clean);
    }
}
