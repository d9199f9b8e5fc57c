//! The command `run`: from configuration and hardware to pools that the kubelet knows, until told to stop.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::{Context, ipam};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::chain;
use super::tasks::{Ended, Tasks, Until};
use crate::ask::announcements;
use crate::ask::control::{self, Answers};
use crate::ask::in_force::{InForce, Running, in_force};
use crate::ask::own_pod::OwnPod;
use crate::ask::pods::{self, PodAnswers};
use crate::ask::rights::Rights;
use crate::cluster::access::node_name;
use crate::cluster::{Claimed, KubeAccess, Snapshot, Sources, Telling};
use crate::commands::args::RunArgs;
use crate::commands::mending::Workshop;
use crate::config::ConfigError;
use crate::dra::driver::Driver;
use crate::dra::specs::Specs;
use crate::dra::{AboutClaim, Claimable, Claims};
use crate::ledger::claims::Prepared;
use crate::ledger::podresources::PodResources;
use crate::ledger::repair::Repair;
use crate::ledger::state_directory::{StateDirectory, StateDirectoryError};
use crate::ledger::told::Teller;
use crate::ledger::{Attachments, leases};
use crate::manager::{Manager, Setup, StartError};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::metrics::http::{self, MetricsBind};
use crate::telemetry::metrics::watchdog::{Watchdog, watchdog};
use crate::telemetry::reports;

/// Sockets are closed well before a pod's shortest sensible grace period.
const DRAIN_BOUND: Duration = Duration::from_secs(4);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The state directory is another daemon's, or of no use.
    #[error(transparent)]
    State(#[from] StateDirectoryError),
    /// There is nothing to begin with.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system does not let us wait for signals.
    #[error("signals: {0}")]
    Signals(io::Error),
    /// Something stopped by itself, which it never should.
    #[error(transparent)]
    Task(#[from] Ended),
}

/// Runs until SIGTERM or SIGINT.
#[allow(
    clippy::too_many_lines,
    reason = "what belongs together from the lock to the drain, in its order"
)]
pub async fn run(args: &RunArgs) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let metrics = Metrics::default();
    let context = Context {
        sysfs: args.node.sysfs(),
        ..Context::read(|name| std::env::var_os(name))
    };
    is_there(&args.config)?;
    let (state, _lock) = StateDirectory::claim(&context.state, is_state_named())?;
    let pod_resources_dir = args.node.pod_resources_dir();
    let (ask, requests) = mpsc::channel(1);
    let (ask_apply, apply) = mpsc::channel(1);
    let (attachments, attachment_changes) = watch::channel(Attachments::unheard("the journal was not read yet"));
    let (reload, returned) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (watchdog, pulse) = watchdog();
    let (in_force, in_force_changes) = in_force(metrics.clone());
    let answers = Answers {
        adopt: ask,
        apply: ask_apply,
        running: running(args),
        in_force: in_force_changes,
        metrics: metrics.clone(),
        mender: workshop(args, &context, &state).mender(),
    };
    let (claims, claimed) = OfClaims::new(&context);
    let cluster = cluster(args, state.path(), &metrics, claimed);
    let teller = cluster.as_ref().map(|cluster| cluster.teller.clone());
    let (pod_answers, pod_questions, policies) = PodAnswers::new(&args.cni_config_dir, claims.prepared.subscribe());
    let driver = claims.driver(args, &context, &state, cluster.is_some(), &metrics);
    let (tell_chained, chained) = watch::channel(chain::missing(&args.cni_config_dir));
    let manager = Manager::start(Setup {
        pulse,
        context: context.clone(),
        state: state.clone(),
        config: args.config.clone(),
        defaults: args.node.defaults(),
        host_paths: args.container.host_paths(args.node.sysfs(), state.path()),
        pod_resources_dir: pod_resources_dir.clone(),
        grace: Duration::from_secs(args.removal_grace),
        attachments: attachment_changes,
        requests,
        apply,
        write_bound: Duration::from_secs(args.write_bound),
        root: args.root.clone(),
        pod_questions,
        chained,
        prepared: claims.prepared.subscribe(),
        claimable: claims.claimable,
        cni_config: args.cni_config_dir.clone(),
        policies,
        in_force,
        reload: Arc::clone(&reload),
        returned: Arc::clone(&returned),
        cluster: cluster.as_ref().map(|cluster| cluster.snapshots.clone()),
        metrics: metrics.clone(),
    });
    let manager = tokio::select! {
        manager = manager => manager?,
        () = stopped(&mut signals.terminate, &mut signals.interrupt) => return Ok(()),
    };

    let stop = CancellationToken::new();
    let mut tasks = Tasks::new(metrics.clone());
    metrics.started();
    if let Some(state) = state.path() {
        listening(&mut tasks, state, answers, pod_answers, &metrics);
    } else {
        warn!("no reports, no requests, and no view of the devices: there is no state directory");
    }
    beside_the_loop(&mut tasks, args.metrics_bind, watchdog, cluster, &metrics);
    tasks.needed("loop", manager.run(stop.clone()));
    match state.unknown() {
        None => {
            let stopped = stop.clone();
            tasks.kept("claims", Until::Stopped, move || driver.clone().run(stopped.clone()));
            keep_chained(&mut tasks, &context, &args.cni_config_dir, &metrics, tell_chained);
            let (owing, vouched, stopped) = (context.clone(), args.ipam_by_container_id.clone(), stop.clone());
            tasks.kept("leases", Until::Done, move || {
                leases::run(owing.clone(), vouched.clone(), stopped.clone())
            });
            let (grace, stopped) = (Duration::from_secs(args.repair_grace), stop.clone());
            tasks.kept("repair", Until::Stopped, move || {
                let repair = Repair {
                    context: context.clone(),
                    grace,
                    podresources: PodResources::in_directory(&pod_resources_dir),
                    attachments: attachments.clone(),
                    returned: Arc::clone(&returned),
                    metrics: metrics.clone(),
                    teller: teller.clone(),
                };
                repair.run(stopped.clone())
            });
        }
        Some(why) => warn!("{why}"),
    }
    let ended = loop {
        tokio::select! {
            () = stopped(&mut signals.terminate, &mut signals.interrupt) => break Ok(()),
            _ = signals.hangup.recv() => reload.notify_one(),
            ended = tasks.ended() => break Err(ended.into()),
        }
    };
    stop.cancel();
    // IPAM plugins of repairs, which may take minutes: who waits for them is on a thread that nothing else ends. What they
    // were to release is on record, and the next daemon releases it.
    ipam::end_all();
    tasks.end(DRAIN_BOUND).await;
    ended
}

/// Where our entry is to be in the default network's list, it is kept there.
fn keep_chained(
    tasks: &mut Tasks,
    context: &Context,
    directory: &Path,
    metrics: &Metrics,
    tell: watch::Sender<Option<String>>,
) {
    let tell = Arc::new(tell);
    let (context, directory, metrics) = (context.clone(), directory.to_owned(), metrics.clone());
    tasks.kept("chain", Until::Dropped, move || {
        chain::keep::keep(context.clone(), directory.clone(), metrics.clone(), Arc::clone(&tell))
    });
}

/// Of a mistyped name nothing is left behind: not even a lock.
fn is_there(config: &Path) -> Result<(), StartError> {
    let opened = std::fs::File::open(config);
    opened.map(drop).map_err(|source| {
        let path = config.to_owned();
        StartError::from(ConfigError::Read { path, source })
    })
}

/// What is told of this process, but for what changes.
fn running(args: &RunArgs) -> Running {
    Running {
        kubelet_dir: args.node.kubelet_dir.clone(),
        pod_resources_dir: args.node.pod_resources_dir(),
        sysfs_root: args.node.sysfs_root.clone(),
        defaults: args.node.defaults(),
        cni_bin_dir: args.cni_bin_dir.clone(),
        cni_program: args.cni_program.clone(),
        in_force: InForce::default(),
        unregistered: Vec::new(),
        provisioning: Vec::new(),
        rights: Rights::default(),
        pod: OwnPod::of_this_process(),
    }
}

/// What `doctor --fix` may have the daemon do.
fn workshop(args: &RunArgs, context: &Context, state: &StateDirectory) -> Workshop {
    Workshop {
        context: context.clone(),
        unknown: state.unknown().map(str::to_owned),
        podresources: PodResources::in_directory(&args.node.pod_resources_dir()),
        plugin_directory: args.node.device_plugin_dir(),
        cni_program: args.cni_program.clone(),
        cni_bin_dir: args.cni_bin_dir.clone(),
    }
}

/// What tells the cluster, and what that hears of.
struct Cluster {
    snapshots: watch::Sender<Option<Snapshot>>,
    teller: Teller,
    telling: Telling,
}

/// None where the cluster is told nothing. Nothing is asked of it yet.
fn cluster(args: &RunArgs, state: Option<&Path>, metrics: &Metrics, claimed: Claimed) -> Option<Cluster> {
    if !args.kube.is_on() {
        if args.kube == KubeAccess::Auto {
            info!("no service account's token here: the cluster is not told of this node's devices");
        }
        return None;
    }
    let (snapshots, teller) = (watch::Sender::new(None), Teller::default());
    let telling = Telling {
        access: args.kube.clone(),
        sources: Sources {
            snapshots: snapshots.subscribe(),
            told: teller.listen(),
            metrics: metrics.clone(),
        },
        state: state.map(Path::to_owned),
        checkpoint: args.node.device_plugin_dir(),
        claimed,
    };
    Some(Cluster {
        snapshots,
        teller,
        telling,
    })
}

/// What the parts that are about claims tell each other.
struct OfClaims {
    prepared: watch::Sender<Arc<Prepared>>,
    claimable: watch::Sender<Arc<Claimable>>,
    taken: watch::Sender<u64>,
    about: mpsc::Sender<AboutClaim>,
}

// === impl OfClaims ===

impl OfClaims {
    /// With the claims that an earlier daemon prepared; and what tells the cluster hears of.
    fn new(context: &Context) -> (Self, Claimed) {
        let (about, questions) = mpsc::channel(1);
        let of_claims = Self {
            prepared: watch::Sender::new(Arc::new(Prepared::read(&context.claims))),
            claimable: watch::Sender::default(),
            taken: watch::Sender::new(0),
            about,
        };
        let claimed = Claimed {
            claimable: of_claims.claimable.subscribe(),
            taken: of_claims.taken.subscribe(),
            prepared: of_claims.prepared.subscribe(),
            sysfs: context.sysfs.clone(),
            questions: Arc::new(Mutex::new(questions)),
        };
        (of_claims, claimed)
    }

    /// What the kubelet has claims prepared by; without an API, it says so.
    fn driver(
        &self,
        args: &RunArgs,
        context: &Context,
        state: &StateDirectory,
        has_api: bool,
        metrics: &Metrics,
    ) -> Driver {
        let host_paths = args.container.host_paths(args.node.sysfs(), state.path());
        let claims = Claims::new(
            context.claims.clone(),
            Specs::new(host_paths),
            self.prepared.clone(),
            self.claimable.subscribe(),
            has_api.then(|| self.about.clone()),
        );
        Driver {
            claims,
            prepared: self.prepared.subscribe(),
            kubelet_dir: args.node.kubelet_dir.clone(),
            node: node_name().ok(),
            taken: self.taken.clone(),
            metrics: metrics.clone(),
        }
    }
}

/// What nobody waits for.
fn beside_the_loop(
    tasks: &mut Tasks,
    bind: MetricsBind,
    watchdog: Watchdog,
    cluster: Option<Cluster>,
    metrics: &Metrics,
) {
    if let MetricsBind::At(address) = bind {
        let metrics = metrics.clone();
        tasks.kept("metrics", Until::Dropped, move || {
            http::serve(address, metrics.clone(), watchdog.clone())
        });
    }
    if let Some(Cluster { telling, .. }) = cluster {
        tasks.kept("cluster", Until::Dropped, move || telling.clone().run());
    }
}

/// What listens in the state directory. Its sockets are bound before the manager's first idle record: with that of the reports
/// the plugin goes by idle records, and what an earlier daemon left of them is invalidated by now.
fn listening(tasks: &mut Tasks, state: &Path, answers: Answers, pod_answers: PodAnswers, metrics: &Metrics) {
    let (path, counted) = (state.to_owned(), metrics.clone());
    tasks.kept("reports", Until::Dropped, move || {
        let (path, counted) = (path.clone(), counted.clone());
        async move { reports::run(&path, &counted).await }
    });
    let path = state.to_owned();
    tasks.kept("requests", Until::Dropped, move || {
        let (path, answers) = (path.clone(), answers.clone());
        async move { control::serve(&path, answers).await }
    });
    let path = state.to_owned();
    tasks.kept("questions", Until::Dropped, move || {
        let (path, answers) = (path.clone(), pod_answers.clone());
        async move { pods::serve(&path, answers).await }
    });
    let path = state.to_owned();
    tasks.kept("announcements", Until::Dropped, move || {
        let path = path.clone();
        async move { announcements::run(&path).await }
    });
}

/// Waits until we are told to stop.
async fn stopped(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM: stopping"),
        _ = interrupt.recv() => info!("SIGINT: stopping"),
    }
}

/// Whether the operator says where the state is.
pub(super) fn is_state_named() -> bool {
    std::env::var_os("HARDWIRE_STATE_DIR").is_some_and(|named| !named.is_empty())
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
