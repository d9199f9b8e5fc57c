//! The command `run`: from configuration and hardware to pools that the kubelet knows, until told to stop.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::{Context, ipam};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::ask::control::{self, Answers};
use crate::ask::in_force::{InForce, Running, in_force};
use crate::commands::args::RunArgs;
use crate::ledger::podresources::PodResources;
use crate::ledger::repair::Repair;
use crate::ledger::{Attachments, leases};
use crate::manager::{Manager, Setup, StartError};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::http::{Endpoints, MetricsBind, MetricsBindError};
use crate::telemetry::metrics::watchdog::watchdog;
use crate::telemetry::reports::Reports;

/// Sockets are closed well before a pod's shortest sensible grace period.
const DRAIN_BOUND: Duration = Duration::from_secs(4);
/// Name of the lock in the state directory.
const LOCK: &str = "daemon.lock";

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another one runs.
    #[error("{}: locked: is a second hardwired running?", .0.display())]
    Second(PathBuf),
    /// The state directory cannot be used.
    #[error("{}: {source}", path.display())]
    State {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is nothing to begin with.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The address of the metrics cannot be had.
    #[error(transparent)]
    Metrics(#[from] MetricsBindError),
    /// The socket of the plugin's reports cannot be made.
    #[error("the plugin's reports: {0}")]
    Reports(io::Error),
    /// The system does not let us wait for signals.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// Something stopped by itself, which it never should.
    #[error("a task failed: {0}")]
    Task(tokio::task::JoinError),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(args: &RunArgs) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let metrics = Metrics::default();
    let endpoints = match args.metrics_bind {
        MetricsBind::None => None,
        MetricsBind::At(address) => Some(Endpoints::bind(address).await?),
    };
    let context = Context {
        sysfs: args.node.sysfs(),
        ..Context::read(|name| std::env::var_os(name))
    };
    let _lock = lock(&context.state)?;
    let in_state = |source| RunError::State {
        path: context.state.clone(),
        source,
    };
    let listener = control::listen(&context.state).map_err(in_state)?;
    let (ask, requests) = mpsc::channel(1);
    let (attachments, attachment_changes) = watch::channel(Attachments::default());
    let (reload, returned) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (watchdog, pulse) = watchdog();
    let (in_force, in_force_changes) = in_force(metrics.clone());
    let answers = Answers {
        adopt: ask,
        running: Running {
            kubelet_dir: args.node.kubelet_dir.clone(),
            sysfs_root: args.node.sysfs_root.clone(),
            defaults: args.node.defaults(),
            in_force: InForce::default(),
        },
        in_force: in_force_changes,
    };
    let manager = Manager::start(Setup {
        pulse,
        context: context.clone(),
        config: args.config.clone(),
        defaults: args.node.defaults(),
        host_paths: args.container.host_paths(args.node.sysfs(), &context.state),
        kubelet_dir: args.node.kubelet_dir.clone(),
        grace: Duration::from_secs(args.removal_grace),
        attachments: attachment_changes,
        requests,
        in_force,
        reload: Arc::clone(&reload),
        returned: Arc::clone(&returned),
        metrics: metrics.clone(),
    });
    let manager = manager.await?;
    // With it the plugin goes by baselines: what an earlier daemon left of them is invalidated by now.
    let reports = Reports::bind(&context.state).map_err(RunError::Reports)?;

    let stop = CancellationToken::new();
    let mut tasks = JoinSet::new();
    metrics.started();
    if let Some(endpoints) = endpoints {
        tasks.spawn(endpoints.run(metrics.clone(), watchdog, stop.clone()));
    }
    tasks.spawn(reports.run(metrics.clone(), stop.clone()));
    tasks.spawn(manager.run(stop.clone()));
    tasks.spawn(control::serve(listener, answers, stop.clone()));
    tasks.spawn(leases::run(
        context.clone(),
        args.ipam_by_container_id.clone(),
        stop.clone(),
    ));
    let repair = Repair {
        context,
        grace: Duration::from_secs(args.repair_grace),
        podresources: PodResources::at(&args.node.kubelet_dir),
        attachments,
        returned,
        metrics,
    };
    tasks.spawn(repair.run(stop.clone()));
    let ended = loop {
        tokio::select! {
            _ = signals.terminate.recv() => {
                info!("SIGTERM: stopping");
                break Ok(());
            }
            _ = signals.interrupt.recv() => {
                info!("SIGINT: stopping");
                break Ok(());
            }
            _ = signals.hangup.recv() => reload.notify_one(),
            Some(Err(error)) = tasks.join_next() => break Err(RunError::Task(error)),
        }
    };
    stop.cancel();
    // IPAM plugins of repairs, which may take minutes: who waits for them is on a thread that nothing else ends. What they
    // were to release is on record, and the next daemon releases it.
    ipam::end_all();
    drain(tasks).await;
    ended
}

/// One daemon per state directory: the lock is the process's, whatever ends it.
fn lock(state: &Path) -> Result<File, RunError> {
    let path = state.join(LOCK);
    let failed = |source| RunError::State {
        path: path.clone(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(failed)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Second(path)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

async fn drain(mut tasks: JoinSet<()>) {
    let all = async { while tasks.join_next().await.is_some() {} };
    if timeout(DRAIN_BOUND, all).await.is_err() {
        error!("not everything ended in time");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

// === impl Signals ===

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}
