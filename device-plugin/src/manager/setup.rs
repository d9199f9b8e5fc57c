//! How the daemon begins, and how it takes over another configuration.
//!
//! The first list comes first: whatever can wait (idle records, podresources) is done once the pools are served.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::Context;
use hardwire_cni::idle::boot_id;
use hardwire_pci::DeviceId;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::served_pool::ServedPool;
use super::verdicts::has_kernel_driver;
use super::{Manager, findings, jobs, view};
use crate::ask::control::Adopt;
use crate::ask::view::View;
use crate::config::{Config, ConfigError, Defaults};
use crate::container::HostPaths;
use crate::events::Events;
use crate::events::debounce::Debounce;
use crate::events::directory::Directory;
use crate::events::socket::BindError;
use crate::health::baselines::Baselines;
use crate::ledger::podresources::PodResources;
use crate::ledger::repair::Attachments;
use crate::pools::{Assignment, Hardware, PoolMatch, Stale, find_uppers};
use crate::telemetry::metrics::watchdog::Pulse;
use crate::telemetry::metrics::{Metrics, Source};

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
    /// The kubelet's directory.
    pub kubelet_dir: PathBuf,
    /// How long a device that nothing keeps in a list stays there.
    pub grace: Duration,
    /// Attachments, as repair tells of them.
    pub attachments: watch::Receiver<Attachments>,
    /// What operators ask for.
    pub requests: mpsc::Receiver<Adopt>,
    /// The numbers.
    pub metrics: Metrics,
    /// Told when configuration and hardware are to be read again.
    pub reload: Arc<Notify>,
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
        // Before anything is read, so that no change flaps between.
        let events = listen(&setup.context);
        let config_changes = watch_config(&setup.config)?;
        let config = Config::read(&setup.config, &setup.defaults)?;
        let text = fs::read_to_string(&setup.config).unwrap_or_default();
        log_config(&setup.config, &config);
        let mut hardware = Hardware::read(&setup.context.sysfs);
        hardware.read_details(&setup.context.sysfs, &config.pools);
        let hardware = Arc::new(hardware);
        for skipped in &hardware.inventory.skipped {
            warn!(device = skipped.name, "skipped: {}", skipped.reason);
        }
        let path = setup.defaults.plugin_directory.clone();
        let directory =
            Directory::watch(&path, Some("sock")).map_err(|source| StartError::Directory { path, source })?;
        let mut manager = Self {
            pulse: setup.pulse,
            boot: boot_id().unwrap_or_else(|error| {
                warn!("which boot this is, is not known: {error}");
                String::new()
            }),
            config: setup.config,
            text,
            defaults: setup.defaults,
            host_paths: setup.host_paths,
            grace: setup.grace,
            directory,
            events,
            config_changes,
            kubelet_changes: watch_podresources(&setup.kubelet_dir),
            attachment_changes: setup.attachments,
            requests: setup.requests,
            reload: setup.reload,
            pools: config.pools.into_iter().map(ServedPool::new).collect(),
            unserved: false,
            search: findings::Search::default(),
            baselines: Baselines::new(setup.context.idle.clone(), jobs::pfs(&hardware)),
            seen: Arc::clone(&hardware),
            hardware,
            assignment: Assignment::default(),
            attachments: attachments(&setup.context),
            held: None,
            podresources: PodResources::at(&setup.kubelet_dir),
            allocations: Arc::default(),
            stale: Stale::default(),
            debounce: Debounce::default(),
            config_debounce: Debounce::default(),
            jobs: JoinSet::new(),
            is_scanning: false,
            is_inspecting: false,
            scans: 0,
            inspects_after: None,
            next: None,
            slow: None,
            view: view::Written::default(),
            metrics: setup.metrics,
            context: setup.context,
        };
        manager.restore();
        // Before anything is offered; by the kernel's own tree only.
        let (begin, found) = (Instant::now(), find_uppers(&manager.context.sysfs));
        let found = found.map_err(|error| error.to_string());
        manager.search.found(found, begin.elapsed(), Instant::now());
        manager.refresh();
        let (seen, allocations) = (Arc::clone(&manager.seen), Arc::clone(&manager.allocations));
        for pool in &mut manager.pools {
            pool.serve(
                &seen,
                &manager.host_paths,
                &allocations,
                &manager.directory,
                &manager.metrics,
            )
            .await?;
        }
        // Another instance would have refused us by now.
        let resources = manager.pools.iter().map(|pool| &pool.pool.resource);
        manager.host_paths.publisher.sweep(resources);
        manager.forget_unlisted();
        manager.outstanding();
        Ok(manager)
    }

    /// Devices that were in a list before our own restart, and that somebody has now, so that no selector may see of them
    /// what it saw then.
    fn restore(&mut self) {
        let listed = View::left(&self.context.state).unwrap_or_default().devices;
        let ids: Vec<DeviceId> = listed.keys().cloned().collect();
        let seen = jobs::with_hidden(
            &self.context.sysfs,
            &self.hardware,
            ids.iter().chain(self.attachments.keys()),
        );
        for (id, row) in listed {
            let is_away = match seen.inventory.get(&id) {
                Some(device) => device.netdevs.is_empty() && has_kernel_driver(device),
                None => self.attachments.contains_key(&id),
            };
            let pool = self
                .pools
                .iter_mut()
                .find(|pool| pool.pool.resource.to_string() == row.pool);
            if let (true, Some(pool)) = (is_away && row.had_netdev, pool) {
                pool.entries.entry(id).or_default().had_netdev = true;
            }
        }
    }

    /// The idle records of devices that no pool has any more say nothing of what this node offers.
    fn forget_unlisted(&self) {
        let listed = self.pools.iter().flat_map(|pool| pool.entries.keys());
        let known: HashSet<&DeviceId> = listed.chain(self.attachments.keys()).collect();
        self.baselines.forget_all_but(&known);
    }

    /// Takes over the configuration if it is another one, and good.
    pub(super) async fn reread_config(&mut self) {
        let text = fs::read_to_string(&self.config).unwrap_or_default();
        if text == self.text && !self.unserved {
            return;
        }
        self.metrics.event(Source::Configuration);
        let file = self.config.display().to_string();
        let config = match Config::read(&self.config, &self.defaults) {
            Ok(config) => config,
            Err(error) => {
                self.metrics.reloaded(false);
                // Told once, also if the file is touched again.
                self.text = text;
                return error!("{error}; the configuration before stays in force");
            }
        };
        self.text = text;
        log_config(&self.config, &config);
        let mut before: Vec<ServedPool> = std::mem::take(&mut self.pools);
        let mut anew = Vec::new();
        for pool in config.pools {
            let same = before.iter().position(|old| old.pool.resource == pool.resource);
            let mut running = same.map_or_else(|| ServedPool::new(pool.clone()), |at| before.remove(at));
            anew.push(running.pool != pool || !running.is_served());
            running.pool = pool;
            self.pools.push(running);
        }
        for removed in before {
            info!(resource = %removed.pool.resource, "no longer configured");
            // Its socket's name may be wanted again.
            let resource = removed.pool.resource.clone();
            removed.end().await;
            self.host_paths.publisher.withdraw(&resource);
        }
        self.metrics.reloaded(true);
        info!("{file}: in force");
        let pools: Vec<_> = self.pools.iter().map(|pool| pool.pool.clone()).collect();
        Arc::make_mut(&mut self.hardware).read_details(&self.context.sysfs, &pools);
        self.assignment = Assignment::default();
        self.baselines.want_all();
        self.refresh();
        self.forget_unlisted();
        let (seen, allocations) = (Arc::clone(&self.seen), Arc::clone(&self.allocations));
        self.unserved = false;
        for (pool, is_anew) in self.pools.iter_mut().zip(anew) {
            if pool.is_served() {
                pool.publish(&seen, &self.host_paths, &BTreeSet::new(), is_anew);
            } else if let Err(error) = pool
                .serve(&seen, &self.host_paths, &allocations, &self.directory, &self.metrics)
                .await
            {
                error!(resource = %pool.pool.resource, "not served: {error}");
                self.unserved = true;
            }
        }
        self.outstanding();
    }
}

fn listen(context: &Context) -> Events {
    // Another tree has no events of its own, and the kernel's are not about it.
    if context.sysfs.path("") != Path::new("/sys") {
        return Events::none();
    }
    Events::listen().unwrap_or_else(|error| {
        error!("changes of the hardware are noticed on SIGHUP only: {error}");
        Events::none()
    })
}

/// The directory, since editors replace files, and mounted `ConfigMap`s swap a link beside them.
fn watch_config(file: &Path) -> Result<watch::Receiver<()>, StartError> {
    let path = match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let watched = Directory::watch(&path, None);
    let watched = watched.map_err(|source| StartError::Directory { path, source })?;
    Ok(watched.changes())
}

fn watch_podresources(kubelet_dir: &Path) -> Option<watch::Receiver<()>> {
    let socket = kubelet_dir.join(hardwire_proto::podresources::SOCKET);
    match Directory::watch(socket.parent()?, Some("sock")) {
        Ok(directory) => Some(directory.changes()),
        Err(error) => {
            warn!("{}: not watched: {error}", socket.display());
            None
        }
    }
}

/// The attachments as the journal has them. Whether they have lost their owners takes longer, and repair tells.
fn attachments(context: &Context) -> Attachments {
    match context.journal.all() {
        Ok((records, _unreadable)) => records.into_iter().map(|record| (record.device, false)).collect(),
        Err(error) => {
            warn!("{error}");
            Attachments::new()
        }
    }
}

fn log_config(file: &Path, config: &Config) {
    let file = file.display();
    for refused in &config.refused {
        error!("{file}: pool refused: {refused}");
    }
    for warning in &config.warnings {
        warn!("{file}: {warning}");
    }
    if config.pools.is_empty() {
        warn!("{file}: no pools; nothing to do");
    }
}

impl Manager {
    /// Says what changed in the assignment.
    pub(super) fn log_assignment(&self, before: &Assignment, now: &Assignment) {
        for (index, pool) in self.pools.iter().enumerate() {
            let devices: Vec<&DeviceId> = now.devices(index).collect();
            if before.matches.is_empty() || before.devices(index).ne(devices.iter().copied()) {
                let ids: Vec<String> = devices.iter().map(ToString::to_string).collect();
                info!(resource = %pool.pool.resource, "{} devices: {}", ids.len(), ids.join(" "));
            }
        }
        for (device, place) in &now.matches {
            if let PoolMatch::Unmatched(reason) = place
                && before.matches.get(device) != Some(place)
            {
                info!(%device, "in no pool: {reason}");
            }
        }
        for contest in now.contests.iter().filter(|contest| !before.contests.contains(contest)) {
            warn!(device = %contest.device, "{} selects it too, but {} has it", contest.loser, contest.winner);
        }
        for taken in now.overrides.iter().filter(|taken| !before.overrides.contains(taken)) {
            warn!(device = %taken.device, "in {} by allowNodeDevices, although {}", taken.pool, taken.host_use);
        }
    }
}
