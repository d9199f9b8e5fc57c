//! The command `run`: from configuration and hardware to pools that the kubelet knows, until told to stop.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hardwire_cni::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::args::RunArgs;
use crate::config::{Config, ConfigError, Pool};
use crate::directory::Directory;
use crate::kubelet::lifecycle::Plugin;
use crate::kubelet::socket::BindError;
use crate::offer::{Member, Offer};
use crate::pools::{Assignment, Hardware, Place, assign};
use crate::repair;

/// Sockets are closed well before a pod's shortest sensible grace period.
const DRAIN_BOUND: Duration = Duration::from_secs(4);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The kubelet's directory cannot be watched.
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
    /// The system does not let us wait for signals.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// A pool stopped by itself, which it never should.
    #[error("a pool's task failed: {0}")]
    Task(tokio::task::JoinError),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: &RunArgs) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let defaults = args.node.defaults();
    let config = Config::read(&args.config, &defaults)?;
    log_config(args, &config);
    let mut hardware = Hardware::read(&args.node.sysfs());
    hardware.read_details(&args.node.sysfs(), &config.pools);
    let assignment = assign(&hardware, &config.pools);
    log_assignment(&hardware, &assignment, &config.pools);

    let context = Context {
        sysfs: args.node.sysfs(),
        ..Context::read(|name| std::env::var_os(name))
    };
    let surroundings = args.container.surroundings(args.node.sysfs(), &context.state);
    let publisher = surroundings.publisher.clone();
    let path = defaults.plugin_directory;
    let directory = Directory::watch(&path, Some("sock")).map_err(|source| RunError::Directory { path, source })?;
    let mut plugins = Vec::new();
    let mut offers = Vec::new();
    for (index, pool) in config.pools.iter().enumerate() {
        let devices = assignment.devices(index).filter_map(|id| hardware.inventory.get(id));
        let members = devices.map(|device| Member {
            device,
            pf: hardware.inventory.pf_of(device),
            needs: assignment.needs(&device.id),
            healthy: true,
        });
        let offer = Offer::new(pool, members, &surroundings);
        offers.push((pool.resource.clone(), offer.clone()));
        plugins.push(Plugin::start(pool.resource.clone(), offer, &directory).await?);
    }
    // Another instance would have refused us by now.
    publisher.sweep(config.pools.iter().map(|pool| &pool.resource));
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for plugin in plugins {
        tasks.spawn(plugin.run(stop.clone()));
    }
    // Beside the first lists: an Allocate does not wait for it, and sees to its own documents.
    let first = stop.clone();
    tasks.spawn(async move {
        for (resource, offer) in offers {
            publisher.publish(&resource, None, &offer).await;
        }
        first.cancelled().await;
    });
    tasks.spawn(repair::run(
        context,
        Duration::from_secs(args.repair_grace),
        stop.clone(),
    ));
    let ended = tokio::select! {
        name = signals.next() => {
            info!("{name}: stopping");
            Ok(())
        }
        Some(ended) = tasks.join_next() => ended.map_err(RunError::Task),
    };
    stop.cancel();
    drain(tasks).await;
    ended
}

async fn drain(mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(DRAIN_BOUND, all).await.is_err() {
        error!("not everything ended in time");
    }
}

fn log_config(args: &RunArgs, config: &Config) {
    let file = args.config.display();
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

fn log_assignment(hardware: &Hardware, assignment: &Assignment, pools: &[Pool]) {
    for skipped in &hardware.inventory.skipped {
        warn!(device = skipped.name, "skipped: {}", skipped.reason);
    }
    for (index, pool) in pools.iter().enumerate() {
        let devices: Vec<String> = assignment.devices(index).map(ToString::to_string).collect();
        info!(resource = %pool.resource, "{} devices: {}", devices.len(), devices.join(" "));
    }
    for (device, place) in &assignment.places {
        if let Place::Nowhere(reason) = place {
            info!(%device, "in no pool: {reason}");
        }
    }
    for contest in &assignment.contests {
        warn!(device = %contest.device, "{} selects it too, but {} has it", contest.loser, contest.winner);
    }
    for taken in &assignment.overrides {
        warn!(device = %taken.device, "in {} by allowNodeDevices, although {}", taken.pool, taken.claim);
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

// === impl Signals ===

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
