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
use crate::config::{Config, ConfigError, Needs, Pool};
use crate::directory::Directory;
use crate::kubelet::lifecycle::Plugin;
use crate::kubelet::socket::BindError;
use crate::metrics::Metrics;
use crate::metrics::http::{Endpoints, MetricsBind, MetricsBindError};
use crate::metrics::watchdog::watchdog;
use crate::offer::{Member, Offer};
use crate::pools::{Assignment, Hardware, Place, assign};
use crate::repair;
use crate::reports::Reports;

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
    /// The address of the metrics cannot be had.
    #[error(transparent)]
    Metrics(#[from] MetricsBindError),
    /// The socket of the plugin's reports cannot be made.
    #[error("the plugin's reports: {0}")]
    Reports(io::Error),
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
    let metrics = Metrics::default();
    let endpoints = match args.metrics_bind {
        MetricsBind::None => None,
        MetricsBind::At(address) => Some(Endpoints::bind(address).await?),
    };
    let context = Context {
        sysfs: args.node.sysfs(),
        ..Context::read(|name| std::env::var_os(name))
    };
    let reports = Reports::bind(&context.state).map_err(RunError::Reports)?;
    let hardware = Hardware::read(&args.node.sysfs());
    let assignment = assign(&hardware, &config.pools);
    log_assignment(&hardware, &assignment, &config.pools);

    let path = defaults.plugin_directory;
    let directory = Directory::watch(&path, Some("sock")).map_err(|source| RunError::Directory { path, source })?;
    let mut plugins = Vec::new();
    for (index, pool) in config.pools.iter().enumerate() {
        let devices = assignment.devices(index).filter_map(|id| hardware.inventory.get(id));
        let member = |device| Member {
            device,
            pf: hardware.inventory.pf_of(device),
            needs: Needs::default(),
            healthy: true,
        };
        let offer = Offer::new(pool, devices.map(member));
        plugins.push(Plugin::start(pool.resource.clone(), offer, &directory, &metrics).await?);
    }
    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    for plugin in plugins {
        tasks.spawn(plugin.run(stop.clone()));
    }
    metrics.started();
    let (watchdog, mut pulse) = watchdog();
    if let Some(endpoints) = endpoints {
        tasks.spawn(endpoints.run(metrics.clone(), watchdog, stop.clone()));
    }
    tasks.spawn(reports.run(metrics.clone(), stop.clone()));
    let grace = Duration::from_secs(args.repair_grace);
    tasks.spawn(repair::run(context, grace, metrics, stop.clone()));
    let ended = loop {
        tokio::select! {
            name = signals.next() => {
                info!("{name}: stopping");
                break Ok(());
            }
            Some(ended) = tasks.join_next() => break ended.map_err(RunError::Task),
            () = pulse.beat() => {}
        }
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
