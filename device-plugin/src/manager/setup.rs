//! How the daemon begins.
//!
//! The first list comes first: whatever can wait (baselines, podresources, documents) is done once the kubelet has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardwire_cni::Context;
use hardwire_cni::boot_id;
use hardwire_cni::node::Policies;
use hardwire_pci::DeviceId;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tracing::{error, warn};

use super::core::Core;
use super::hidden::with_hidden;
use super::jobs::{ConfigFile, Jobs};
use super::messages::{Effect, Input};
use super::scanner::Scanner;
use super::served_pool::{ServedPool, ServedWith};
use super::verdicts::has_kernel_driver;
use super::{Inputs, Manager, findings, policies, view};
use crate::ask::control::{Adopt, Apply};
use crate::ask::in_force::InForceSender;
use crate::ask::pods::AboutPod;
use crate::ask::view::View;
use crate::cluster::Snapshot;
use crate::config::{Config, ConfigError, Defaults, Pfs, ProvisionMode};
use crate::container::HostPaths;
use crate::dra::Claimable;
use crate::events::Events;
use crate::events::directory::Directory;
use crate::events::socket::BindError;
use crate::kubelet::service::Witnesses;
use crate::ledger::Attachments;
use crate::ledger::claims::Prepared;
use crate::ledger::podresources::{Held, PodResources};
use crate::ledger::state_directory::StateDirectory;
use crate::pools::{Hardware, find_uppers};
use crate::provision::node::{Node, Survey};
use crate::provision::record::Records;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::watchdog::Pulse;

/// What a manager is made of.
#[derive(Debug)]
pub struct Setup {
    /// Asked whether we still answer.
    pub pulse: Pulse,
    /// The node and our own state.
    pub context: Context,
    /// The configuration file.
    pub config: PathBuf,
    /// What it is read with.
    pub defaults: Defaults,
    /// What offers are made with.
    pub host_paths: HostPaths,
    /// Where the kubelet's podresources socket is.
    pub pod_resources_dir: PathBuf,
    /// Whether the state directory is the one that the CNI plugin on the node uses.
    pub state: StateDirectory,
    /// How long a device that nothing keeps in a list stays there.
    pub grace: Duration,
    /// Attachments, as repair tells of them.
    pub attachments: watch::Receiver<Attachments>,
    /// What operators ask for.
    pub requests: mpsc::Receiver<Adopt>,
    /// PFs that operators want made as configured.
    pub apply: mpsc::Receiver<Apply>,
    /// How long one write to a PF may take.
    pub write_bound: Duration,
    /// Below it are the files of others who make VFs.
    pub root: PathBuf,
    /// What the plugin asks about pods.
    pub pod_questions: mpsc::Receiver<AboutPod>,
    /// Whether our entry is in the default network's list, or why it is not.
    pub chained: watch::Receiver<Option<String>>,
    /// Which devices claims have.
    pub prepared: watch::Receiver<Arc<Prepared>>,
    /// Takes which devices claims may have.
    pub claimable: watch::Sender<Arc<Claimable>>,
    /// Where the runtime reads its networks.
    pub cni_config: PathBuf,
    /// Told what the pools say.
    pub policies: watch::Sender<Arc<Policies>>,
    /// Told which configuration is in force.
    pub in_force: InForceSender,
    /// Takes what the cluster is told of, where it is told anything.
    pub cluster: Option<watch::Sender<Option<Snapshot>>>,
    /// The numbers.
    pub metrics: Metrics,
    /// Told when configuration and hardware are to be read again.
    pub reload: Arc<Notify>,
    /// Told when a device that was attached is back on the host.
    pub returned: Arc<Notify>,
}

/// Why the daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A directory cannot be watched.
    #[error("{}: {source}", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A pool's socket cannot be made.
    #[error(transparent)]
    Bind(#[from] BindError),
}

// === impl Manager ===

impl Manager {
    /// Reads configuration and hardware, and serves the pools.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let (context, metrics) = (setup.context, setup.metrics);
        // Before anything is read, so that no change falls between.
        let inputs = Inputs {
            pulse: setup.pulse,
            events: listen(&context, &metrics),
            config: watch_config(&setup.config)?,
            kubelet_socket: watch_podresources(&setup.pod_resources_dir),
            attachments: setup.attachments,
            requests: setup.requests,
            apply: setup.apply,
            pod_questions: setup.pod_questions,
            chained: setup.chained,
            prepared: setup.prepared,
            reload: setup.reload,
        };
        let config = Config::read(&setup.config, &setup.defaults)?;
        let file = ConfigFile {
            text: Arc::new(Mutex::new(Some(config.text.clone()))),
            path: setup.config,
            defaults: setup.defaults,
            in_force: setup.in_force,
        };
        file.log(&config);
        file.in_force.configured(&file.path, &config);
        let mut hardware = Hardware::read(&context.sysfs);
        hardware.read_details(&context.sysfs, &config.pools);
        for skipped in &hardware.inventory.skipped {
            warn!(device = skipped.name, "skipped: {}", skipped.reason);
        }
        let path = file.defaults.plugin_directory.clone();
        let directory = Directory::watch(&path, Some("sock")).map_err(|source| StartError::Directory {
            path: path.clone(),
            source,
        })?;
        let podresources = PodResources::in_directory(&setup.pod_resources_dir);
        let attachments = match setup.state.unknown() {
            None => Attachments::read(&context.journal),
            Some(why) => Attachments::unheard(why),
        };
        metrics.journal(&context.state, attachments.unheard.as_deref());
        let driver = config.driver();
        let mut core = Core::new(Scanner::new(Arc::new(hardware)), config.pools, attachments, setup.grace);
        core.begin_claimed(driver, &inputs.prepared.borrow());
        restore(&mut core, &context);
        let node = Node {
            context: context.clone(),
            checkpoint: path.clone(),
            root: setup.root,
            bound: setup.write_bound,
        };
        begin_provisioning(&mut core, config.pfs, &node);
        core.begin_chained(inputs.chained.borrow().clone());
        let served_with = ServedWith {
            host_paths: setup.host_paths,
            directory,
            witnesses: Witnesses {
                allocations: Arc::clone(core.ledger.allocations()),
                podresources: podresources.clone(),
            },
            metrics: metrics.clone(),
        };
        let is_the_nodes = setup.state.unknown().is_none();
        let policies = context.policies.clone();
        let left = is_the_nodes.then_some(policies.as_path());
        let mut manager = Self {
            core,
            inputs,
            jobs: Jobs::new(node, podresources, file, metrics.clone()),
            boot: boot_id().unwrap_or_else(|error| {
                warn!("which boot this is, is not known: {error}");
                String::new()
            }),
            context,
            state: setup.state,
            returned: setup.returned,
            served_with,
            served: Vec::new(),
            ending: BTreeMap::new(),
            after_first_lists: Vec::new(),
            findings: findings::WrittenFindings::default(),
            policies: policies::WrittenPolicies::new(setup.policies, &path, &setup.cni_config, left),
            view: view::Written::default(),
            cluster: setup.cluster,
            claimable: setup.claimable,
            metrics,
        };
        manager.first_lists().await?;
        Ok(manager)
    }

    /// Before anything is offered, other namespaces are searched; by the kernel's own tree only.
    async fn first_lists(&mut self) -> Result<(), StartError> {
        let begin = Instant::now();
        let found = find_uppers(&self.context.sysfs).map_err(|error| error.to_string());
        let effects = self.core.on(Input::Searched(found, begin.elapsed()), Instant::now());
        let (later, now) = effects.into_iter().partition(Effect::can_wait);
        self.after_first_lists = later;
        self.perform_all(now).await;
        for list in self.core.lists.pools.iter().filter(|list| list.is_served()) {
            // Who is told to stop meanwhile stops here.
            tokio::task::yield_now().await;
            let pool = ServedPool::serve(list, self.core.scanner.seen(), &self.served_with)?;
            self.served.push(pool);
        }
        // Another instance would have refused us by now.
        let served = self.core.lists.pools.iter().filter(|list| list.is_served());
        let resources = served.map(|list| &list.pool.resource);
        self.served_with.host_paths.publisher.sweep(resources);
        self.core.forget_unlisted();
        Ok(())
    }
}

/// With `apply`, what is not as configured is not offered, from the first list on: how it is, is looked at before. Who has what
/// matters not yet, since nothing is done.
fn begin_provisioning(core: &mut Core, pfs: Pfs, node: &Node) {
    let is_gated = pfs.mode == ProvisionMode::Apply;
    let entries = pfs.entries.clone();
    core.provisioning.configure(pfs, Instant::now());
    let has_records = Records::of(&node.context).has_any();
    let survey = if is_gated {
        node.survey(&entries, &Ok(Held::default()), &BTreeMap::new(), &BTreeSet::new())
    } else {
        Survey::default()
    };
    core.provisioning.begin(&survey, has_records);
    core.provisioning.want(Instant::now());
}

/// Devices that were in a list before our own restart, and that somebody has now, so that no selector may see of them what it
/// saw then.
fn restore(core: &mut Core, context: &Context) {
    let listed = View::left(&context.state).unwrap_or_default().devices;
    let ids: Vec<DeviceId> = listed.keys().cloned().collect();
    let seen = with_hidden(
        &context.sysfs,
        core.scanner.hardware(),
        ids.iter().chain(core.ledger.attached()),
    );
    core.scanner.show(Arc::clone(&seen));
    for (id, row) in listed {
        let is_away = match seen.inventory.get(&id) {
            Some(device) => device.netdevs.is_empty() && has_kernel_driver(device),
            None => core.ledger.is_attached(&id),
        };
        let ownership = core.ledger.owner(&id, is_away && row.had_netdev);
        let held_as = row.held_as.as_ref().unwrap_or(&row.pool);
        core.ledger.remember(&id, &ownership, Some(held_as));
        let mut lists = core.lists.pools.iter_mut();
        let list = lists.find(|list| list.pool.resource.to_string() == row.pool);
        if let (true, Some(list)) = (is_away && row.had_netdev, list) {
            list.entries.entry(id).or_default().had_netdev = true;
        }
    }
}

fn listen(context: &Context, metrics: &Metrics) -> Events {
    // Another tree has no events of its own, and the kernel's are not about it.
    if context.sysfs.path("") != Path::new("/sys") {
        return Events::none();
    }
    Events::listen().unwrap_or_else(|error| {
        error!("changes of the hardware are noticed on SIGHUP only: {error}");
        metrics.not_alive(format!("no event is heard: {error}"));
        Events::none()
    })
}

/// The directory, since editors replace files, and mounted `ConfigMap`s swap a link beside them.
fn watch_config(file: &Path) -> Result<watch::Receiver<()>, StartError> {
    let path = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let watched = Directory::watch_existing(&path, None);
    let watched = watched.map_err(|source| ConfigError::Read {
        path: file.to_owned(),
        source,
    })?;
    Ok(watched.changes())
}

fn watch_podresources(directory: &Path) -> Option<watch::Receiver<()>> {
    match Directory::watch(directory, Some("sock")) {
        Ok(directory) => Some(directory.changes()),
        Err(error) => {
            warn!("{}: not watched: {error}", directory.display());
            None
        }
    }
}
