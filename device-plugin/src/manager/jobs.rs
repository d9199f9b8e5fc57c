//! What is done beside the loop, because it blocks or waits. Each job ends as an input, a panic too.

use std::collections::BTreeSet;
use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use hardwire_cni::Context;
use hardwire_pci::{DeviceId, PciAddress, exhaustions, is_exhaustion};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::messages::{Input, Job, Wishes};
use crate::ask::in_force::InForceSender;
use crate::config::{Config, ConfigError, Defaults, Pool};
use crate::health::inspection::{Task, inspect};
use crate::ledger::podresources::PodResources;
use crate::pools::{Hardware, Stale, ddp, find_uppers};
use crate::provision::node::{Heard, Node, Survey};
use crate::telemetry::metrics::Metrics;

/// Why a job came to nothing that did not panic.
const RAN_OUT: &str = "descriptors or memory ran out";

/// The jobs, and what they need.
#[derive(Debug)]
pub(super) struct Jobs {
    running: JoinSet<Input>,
    pub(super) context: Context,
    pub(super) podresources: PodResources,
    pub(super) config: ConfigFile,
    pub(super) metrics: Metrics,
    pub(super) node: Node,
}

/// The configuration's file.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) defaults: Defaults,
    /// Its text as it was read last; none if it is to be taken over whatever it says.
    pub(super) text: Arc<Mutex<Option<String>>>,
    /// Told what comes of it.
    pub(super) in_force: InForceSender,
}

// === impl Jobs ===

impl Jobs {
    pub(super) fn new(node: Node, podresources: PodResources, config: ConfigFile, metrics: Metrics) -> Self {
        Self {
            running: JoinSet::new(),
            context: node.context.clone(),
            podresources,
            config,
            metrics,
            node,
        }
    }

    /// The next result; `None` while nothing is being done.
    pub(super) async fn next(&mut self) -> Option<Input> {
        match self.running.join_next().await? {
            Ok(input) => Some(input),
            Err(error) => {
                // What could panic is a task within.
                error!("a job was lost: {error}");
                None
            }
        }
    }

    fn start(&mut self, job: Job, work: impl Future<Output = Input> + Send + 'static) {
        self.running.spawn(async move {
            let done = tokio::spawn(work).await;
            done.unwrap_or_else(|error| Input::JobLost(job, error.to_string()))
        });
    }

    fn start_blocking(&mut self, job: Job, work: impl FnOnce() -> Input + Send + 'static) {
        self.running.spawn(async move {
            let done = spawn_blocking(work).await;
            done.unwrap_or_else(|error| Input::JobLost(job, error.to_string()))
        });
    }

    /// Reads the configuration; tells of it even if its text is the same with `anyway`.
    pub(super) fn read_config(&mut self, anyway: bool) {
        let (config, metrics) = (self.config.clone(), self.metrics.clone());
        self.start_blocking(Job::ReadConfig, move || config.read(anyway, &metrics));
    }

    /// Reads again what is stale, and what the selectors of these pools ask for.
    pub(super) fn scan(&mut self, stale: Stale, hardware: &Arc<Hardware>, pools: Vec<Pool>) {
        debug!(?stale, "scanning");
        let (sysfs, hardware) = (self.context.sysfs.clone(), Arc::clone(hardware));
        self.start_blocking(Job::Scan, move || {
            let mut hardware = Hardware::clone(&hardware);
            let before = exhaustions();
            hardware.reread(&sysfs, &stale);
            hardware.read_details(&sysfs, &pools);
            // What could not be opened is not gone.
            if exhaustions() != before {
                return Input::JobLost(Job::Scan, RAN_OUT.to_owned());
            }
            Input::Scanned(Arc::new(hardware))
        });
    }

    /// Looks for what is on devices from other namespaces.
    pub(super) fn search(&mut self) {
        let sysfs = self.context.sysfs.clone();
        self.start_blocking(Job::Search, move || {
            let begin = Instant::now();
            let before = exhaustions();
            let found = find_uppers(&sysfs).map_err(|error| error.to_string());
            let found = found.and_then(|found| {
                if exhaustions() == before {
                    Ok(found)
                } else {
                    Err(RAN_OUT.to_owned())
                }
            });
            Input::Searched(found, begin.elapsed())
        });
    }

    /// Asks adapters for their DDP profiles, each by one of its functions.
    pub(super) fn ask_profiles(&mut self, functions: Vec<PciAddress>) {
        for function in functions {
            self.start(Job::AskProfile, async move {
                Input::Profile(function, ddp::ask(function).await)
            });
        }
    }

    /// Asks the kubelet who holds what.
    pub(super) fn ask_kubelet(&mut self) {
        let podresources = self.podresources.clone();
        self.start(Job::Ask, async move { Input::PodResources(podresources.held().await) });
    }

    /// Compares PFs with their configuration.
    pub(super) fn survey(&mut self, wishes: Wishes) {
        let (node, podresources) = (self.node.clone(), self.podresources.clone());
        self.start(Job::Provision, async move {
            let heard = podresources.held().await;
            let survey = spawn_blocking(move || survey(&node, &wishes, &heard)).await;
            survey.map_or_else(
                |error| Input::JobLost(Job::Provision, error.to_string()),
                Input::Surveyed,
            )
        });
    }

    /// Makes these PFs as configured: by a new look, since who has what may have changed.
    pub(super) fn carry(&mut self, wishes: Wishes, pfs: BTreeSet<DeviceId>) {
        let (node, podresources) = (self.node.clone(), self.podresources.clone());
        self.start(Job::Provision, async move {
            let heard = podresources.held().await;
            let carried = spawn_blocking(move || {
                let mut survey = survey(&node, &wishes, &heard);
                survey.plans.retain(|plan| pfs.contains(&plan.pf.id));
                let outcomes = node.apply(&survey, &wishes.entries);
                (survey, outcomes)
            });
            match carried.await {
                Ok((survey, outcomes)) => Input::Carried(survey, outcomes),
                Err(error) => Input::JobLost(Job::Provision, error.to_string()),
            }
        });
    }

    /// Looks at VFs. Without any, the result is there at once.
    pub(super) fn inspect(&mut self, tasks: Vec<(Task, u64)>, hardware: &Arc<Hardware>, boot: &str) -> Option<Input> {
        if tasks.is_empty() {
            return Some(Input::Inspected(Vec::new()));
        }
        let (context, hardware, boot) = (self.context.clone(), Arc::clone(hardware), boot.to_owned());
        self.start_blocking(Job::Inspect, move || {
            let before = exhaustions();
            let look = |(task, events): (Task, u64)| (inspect(&context, &boot, &hardware, &task), events);
            let inspected = tasks.into_iter().map(look).collect();
            if exhaustions() != before {
                return Input::JobLost(Job::Inspect, RAN_OUT.to_owned());
            }
            Input::Inspected(inspected)
        });
        None
    }
}

fn survey(node: &Node, wishes: &Wishes, heard: &Heard) -> Survey {
    node.survey(&wishes.entries, heard, &wishes.held, &wishes.forced)
}

// === impl ConfigFile ===

impl ConfigFile {
    /// What the file says, if that is another thing than before, and good.
    fn read(&self, anyway: bool, metrics: &Metrics) -> Input {
        let text = match fs::read_to_string(&self.path) {
            Err(error) if is_exhaustion(&error) => return Input::JobLost(Job::ReadConfig, RAN_OUT.to_owned()),
            text => text.map_err(|source| ConfigError::Read {
                path: self.path.clone(),
                source,
            }),
        };
        Input::ConfigRead(self.read_text(text, anyway, metrics))
    }

    fn read_text(&self, text: Result<String, ConfigError>, anyway: bool, metrics: &Metrics) -> Option<Box<Config>> {
        let mut before = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let now = text.as_ref().map(String::clone).unwrap_or_default();
        if !anyway && before.as_ref() == Some(&now) {
            return None;
        }
        // Told once, also if the file is touched again. What is compared is what is read: it may be another file by now.
        *before = Some(now);
        let origin = self.path.display().to_string();
        let config = text.and_then(|text| Config::from_text(&origin, text, &self.defaults));
        metrics.reloaded(config.is_ok());
        match config {
            Ok(config) => {
                self.log(&config);
                self.in_force.configured(&self.path, &config);
                info!("{}: in force", self.path.display());
                Some(Box::new(config))
            }
            Err(error) => {
                self.in_force.not_configured(&error);
                error!("{error}; the configuration before stays in force");
                None
            }
        }
    }

    /// Says what is not as it may have been meant.
    pub(super) fn log(&self, config: &Config) {
        let file = self.path.display();
        for refused in &config.refused {
            error!("{file}: pool refused: {refused}");
        }
        for warning in &config.warnings {
            warn!("{file}: {warning}");
        }
        if config.pools.is_empty() && config.pfs.entries.is_empty() {
            warn!("{file}: no pools; nothing to do");
        }
    }
}
