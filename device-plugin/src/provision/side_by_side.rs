//! The plans of all PFs at once, each on a thread of its own and each step within a bound: one that hangs keeps nobody else.
//!
//! What hangs cannot be ended. Its thread keeps the PF's lock, so that nobody else begins there, and takes no further step when the
//! write returns after all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use hardwire_cni::baseline::BaselineStore;
use hardwire_pci::{DeviceId, Sysfs};
use tracing::{debug, error, info, warn};

use super::carry_out::{Patience, Site};
use super::machine::Machine;
use super::plan::PfPlan;
use super::record::{Record, Records};
use super::step::{Step, VfChange};

/// What threads share.
pub struct Workshop {
    /// The tree.
    pub sysfs: Sysfs,
    /// What is ours.
    pub records: Records,
    /// What free VFs are like, which is another thing afterwards.
    pub baselines: BaselineStore,
    /// Which boot this is.
    pub boot: String,
    /// How long is waited for what the kernel makes.
    pub patience: Patience,
    /// How long one write may take.
    pub bound: Duration,
    /// Makes what writes.
    pub machine: Box<dyn Fn() -> Box<dyn Machine> + Send + Sync>,
    /// What still differs on a PF afterwards.
    pub remaining: Box<Remaining>,
}

/// Tells what still differs on a PF, a line each.
pub type Remaining = dyn Fn(&DeviceId) -> Vec<String> + Send + Sync;

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The plan.
    pub plan: PfPlan,
    /// How many of its steps were taken.
    pub done: usize,
    /// Why not all, or what is not as wanted all the same.
    pub failed: Option<String>,
}

/// What a thread tells.
enum Progress {
    /// A step begins, which is expected to end within this.
    Begun(usize, Duration),
    /// It is over.
    Ended(Result<(), String>),
}

impl fmt::Debug for Workshop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workshop")
            .field("sysfs", &self.sysfs)
            .finish_non_exhaustive()
    }
}

/// Carries out the plans, and returns when each is done, has failed, or hangs.
pub fn side_by_side(plans: Vec<PfPlan>, workshop: &Arc<Workshop>) -> Vec<Outcome> {
    let (tell, progress) = channel();
    let mut outcomes: Vec<Outcome> = plans.into_iter().map(Outcome::of).collect();
    let mut running = BTreeMap::new();
    for (number, outcome) in outcomes.iter_mut().enumerate() {
        let is_given_up = Arc::new(AtomicBool::new(false));
        let (plan, workshop) = (outcome.plan.clone(), Arc::clone(workshop));
        let (tell, seen) = (tell.clone(), Arc::clone(&is_given_up));
        let deadline = Instant::now() + workshop.bound;
        let work = move || {
            let ended = carry_out(&plan, &workshop, &seen, |step, bound| {
                let _ = tell.send((number, Progress::Begun(step, bound)));
            });
            // Who waited may have given up.
            let _ = tell.send((number, Progress::Ended(ended)));
        };
        match thread::Builder::new().name("provision".to_owned()).spawn(work) {
            Ok(_detached) => {
                running.insert(number, (deadline, is_given_up));
            }
            Err(error) => outcome.failed = Some(format!("no thread: {error}")),
        }
    }
    drop::<Sender<_>>(tell);
    follow(&mut outcomes, running, &progress);
    outcomes
}

fn follow(
    outcomes: &mut [Outcome],
    mut running: BTreeMap<usize, (Instant, Arc<AtomicBool>)>,
    progress: &Receiver<(usize, Progress)>,
) {
    while let Some(next) = running.values().map(|(deadline, _)| *deadline).min() {
        match progress.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok((number, Progress::Begun(step, bound))) => {
                if let (Some(outcome), Some((deadline, _))) = (outcomes.get_mut(number), running.get_mut(&number)) {
                    outcome.done = step;
                    *deadline = Instant::now() + bound;
                }
            }
            Ok((number, Progress::Ended(ended))) => {
                if let (Some(outcome), Some(_)) = (outcomes.get_mut(number), running.remove(&number)) {
                    outcome.end(ended);
                }
            }
            // A thread that panicked, which tells nothing.
            Err(RecvTimeoutError::Disconnected) => {
                for number in std::mem::take(&mut running).into_keys() {
                    if let Some(outcome) = outcomes.get_mut(number) {
                        outcome.end(Err("its thread is lost".to_owned()));
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = Instant::now();
                let late: Vec<usize> = running
                    .iter()
                    .filter(|(_, (deadline, _))| *deadline <= now)
                    .map(|(number, _)| *number)
                    .collect();
                for number in late {
                    if let (Some((_, is_given_up)), Some(outcome)) = (running.remove(&number), outcomes.get_mut(number))
                    {
                        is_given_up.store(true, Ordering::Relaxed);
                        outcome.hangs();
                    }
                }
            }
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn of(plan: PfPlan) -> Self {
        Self {
            plan,
            done: 0,
            failed: None,
        }
    }

    fn step(&self) -> String {
        let step = self.plan.steps.get(self.done);
        step.map(|planned| planned.step.to_string()).unwrap_or_default()
    }

    fn end(&mut self, ended: Result<(), String>) {
        let pf = self.plan.pf.full_name();
        match ended {
            Ok(()) => {
                self.done = self.plan.steps.len();
                info!(%pf, "its VFs are as configured");
            }
            Err(why) => {
                error!(%pf, "not as configured: {why}");
                self.failed = Some(why);
            }
        }
    }

    fn hangs(&mut self) {
        let why = format!(
            "{}: it hangs; no further step is taken when it ends, and nobody else changes this PF until then",
            self.step()
        );
        error!(pf = %self.plan.pf.full_name(), "{why}");
        self.failed = Some(why);
    }
}

/// The steps of one PF, under its lock, with what is about to be set on record.
fn carry_out(
    plan: &PfPlan,
    workshop: &Workshop,
    is_given_up: &AtomicBool,
    begin: impl Fn(usize, Duration),
) -> Result<(), String> {
    let id = &plan.pf.id;
    let failed = |error: std::io::Error| format!("what is ours is not on record: {error}");
    let lock = workshop.records.lock(id).map_err(failed)?;
    let Some(lock) = lock else {
        return Err("somebody else is changing it at this moment".to_owned());
    };
    let earlier = workshop.records.get(id).map_err(failed)?;
    let is_undo = plan.steps.iter().any(|planned| planned.step == Step::Forget);
    let mut record = match earlier {
        // What we set decides what is ours to undo, to the end.
        Some(earlier) if is_undo => Record {
            pending: true,
            ..earlier
        },
        earlier => Record::begun(earlier, &plan.pf, &plan.settings, &workshop.boot),
    };
    workshop.records.put(&record).map_err(failed)?;
    if let Err(error) = workshop.baselines.withdraw(id) {
        warn!(pf = %id, "the idle records of its VFs are not taken back: {error}");
    }
    let mut machine = (workshop.machine)();
    let mut site = Site {
        sysfs: &workshop.sysfs,
        machine: machine.as_mut(),
        pf: id,
        patience: workshop.patience,
    };
    for (number, planned) in plan.steps.iter().enumerate() {
        if is_given_up.load(Ordering::Relaxed) {
            return Err("given up".to_owned());
        }
        let step = &planned.step;
        begin(number, bound(step, workshop));
        let pf = plan.pf.full_name();
        // There may be a thousand of these.
        if matches!(step, Step::Vf { .. }) {
            debug!(%pf, "{step}");
        } else {
            info!(%pf, "{step}");
        }
        site.take(step).map_err(|why| format!("{step}: {why}"))?;
    }
    begin(plan.steps.len(), workshop.bound);
    if is_undo {
        workshop.records.remove(id).map_err(failed)?;
    } else {
        let remaining = (workshop.remaining)(id);
        if !remaining.is_empty() {
            return Err(format!(
                "done, and not as wanted all the same: {}",
                remaining.join("; ")
            ));
        }
        record.pending = false;
        record.instance = super::look::instance_of(&workshop.sysfs, id);
        workshop.records.put(&record).map_err(failed)?;
    }
    drop(lock);
    Ok(())
}

/// How long a step may take: its writes, and what it waits for.
fn bound(step: &Step, workshop: &Workshop) -> Duration {
    let Patience { few, many, carrier } = workshop.patience;
    let waits = match step {
        Step::Link { up: true } => carrier,
        Step::MakeVfs(count) if *count > 16 => many,
        Step::MakeVfs(_)
        | Step::Vf {
            change: VfChange::Driver(_) | VfChange::Mtu(_),
            ..
        } => few,
        _ => Duration::ZERO,
    };
    workshop.bound + waits
}

#[cfg(test)]
#[path = "side_by_side_tests.rs"]
mod tests;
