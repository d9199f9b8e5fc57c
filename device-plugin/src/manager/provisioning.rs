//! PFs as configured: when they are looked at, when something is done, and what is told of them meanwhile.
//!
//! First a look, which changes nothing. Only if it finds something to do, and the configuration or an operator wants it done, the
//! devices of these PFs are given to nobody any more, and then it is done. What comes to nothing is not tried for ever: three times
//! within ten minutes, and then when the configuration changes or an operator asks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hardwire_pci::DeviceId;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::ask::control::{Applied, Apply};
use crate::config::pfs::PfEntry;
use crate::config::{Pfs, ProvisionMode};
use crate::provision::node::Survey;
use crate::provision::plan::{Outlook, PfPlan};
use crate::provision::report;
use crate::provision::side_by_side::Outcome;

/// What is made or bound comes in many events.
const SETTLE: Duration = Duration::from_millis(500);
/// Before a look that was lost is taken again.
const AGAIN: Duration = Duration::from_secs(60);
/// So often within so long something is done about a PF: whoever undoes it each time is not fought.
const ATTEMPTS: usize = 3;
const WITHIN: Duration = Duration::from_secs(600);

/// What is to be done beside the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Look, and plan.
    Survey,
    /// Look once more, and do it on these PFs.
    Carry(BTreeSet<DeviceId>),
}

/// How a PF is, compared with its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Standing {
    name: String,
    /// What differs on the PF itself, or what failed.
    pf: Vec<String>,
    /// What differs on VFs.
    vfs: BTreeMap<u32, String>,
    /// Why it is left so.
    because: Vec<String>,
}

/// The state of it all.
#[derive(Debug, Default)]
pub(super) struct Provisioning {
    mode: ProvisionMode,
    entries: Vec<PfEntry>,
    refused: Vec<String>,
    notes: Vec<String>,
    /// Something may be ours of which no entry speaks.
    has_records: bool,
    standings: BTreeMap<DeviceId, Standing>,
    /// Those that are changed at this moment.
    working: BTreeSet<DeviceId>,
    due: Option<Instant>,
    next: Option<Task>,
    is_running: bool,
    requests: VecDeque<Apply>,
    /// The one that is being fulfilled.
    current: Option<Apply>,
    attempts: BTreeMap<DeviceId, Vec<Instant>>,
}

// === impl Standing ===

impl Standing {
    fn of(plan: &PfPlan) -> Self {
        let mut standing = Self {
            name: plan.pf.full_name(),
            because: plan.refused.iter().chain(&plan.waiting).cloned().collect(),
            ..Self::default()
        };
        for difference in &plan.differences {
            match difference.vf {
                None => standing.pf.push(difference.text.clone()),
                Some(vf) => {
                    let before = standing
                        .vfs
                        .remove(&vf)
                        .map(|text| format!("{text}; "))
                        .unwrap_or_default();
                    standing.vfs.insert(vf, before + &difference.text);
                }
            }
        }
        standing
    }

    fn is_as_wanted(&self) -> bool {
        self.pf.is_empty() && self.vfs.is_empty() && self.because.is_empty()
    }

    /// One line for each thing that differs.
    fn lines(&self) -> Vec<String> {
        let name = &self.name;
        let pf = self.pf.iter().map(|text| format!("PF {name}: {text}"));
        let vfs = self.vfs.iter().map(|(vf, text)| format!("PF {name}: VF {vf}: {text}"));
        let because = self.because.iter().map(|text| format!("PF {name}: {text}"));
        pf.chain(vfs).chain(because).collect()
    }
}

// === impl Provisioning ===

impl Provisioning {
    /// Another configuration is in force.
    pub(super) fn configure(&mut self, pfs: Pfs, now: Instant) {
        self.mode = pfs.mode;
        self.entries = pfs.entries;
        self.refused = pfs.refused.iter().map(ToString::to_string).collect();
        for refused in &self.refused {
            warn!("PFs refused: {refused}");
        }
        self.attempts.clear();
        if self.mode == ProvisionMode::Off {
            self.standings.clear();
            self.notes.clear();
        }
        self.want(now);
    }

    /// How it is at the beginning, by a look that was taken before anything is offered.
    pub(super) fn begin(&mut self, survey: &Survey, has_records: bool) {
        self.has_records = has_records;
        self.stand(survey);
    }

    /// The entries in force.
    pub(super) fn entries(&self) -> &[PfEntry] {
        &self.entries
    }

    /// PFs that the operator who asks wants changed whatever it interrupts.
    pub(super) fn forced(&self) -> BTreeSet<String> {
        self.current
            .as_ref()
            .map(|request| request.forced.clone())
            .unwrap_or_default()
    }

    /// Something happened that may make a difference.
    pub(super) fn want(&mut self, now: Instant) {
        let is_of_interest = !self.entries.is_empty() || self.has_records;
        if self.mode != ProvisionMode::Off && is_of_interest && self.due.is_none() {
            self.due = Some(now + SETTLE);
        }
    }

    /// The same, where somebody was in the way before.
    pub(super) fn want_if_blocked(&mut self, now: Instant) {
        if self.standings.values().any(|standing| !standing.because.is_empty()) {
            self.want(now);
        }
    }

    /// An operator asks.
    pub(super) fn ask(&mut self, request: Apply) {
        self.requests.push_back(request);
    }

    /// When something is due by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_running)
    }

    /// What is to be done now; whoever takes it tells how it ended.
    pub(super) fn take(&mut self, now: Instant) -> Option<Task> {
        if self.is_running {
            return None;
        }
        if self.next.is_none() {
            if self.current.is_none() {
                self.current = self.requests.pop_front();
            }
            let is_due = self.due.is_some_and(|due| due <= now);
            if self.current.is_none() && !is_due {
                return None;
            }
            self.due = None;
        }
        let task = self.next.take().unwrap_or(Task::Survey);
        self.is_running = true;
        Some(task)
    }

    /// A look has ended.
    pub(super) fn surveyed(&mut self, survey: &Survey, now: Instant) {
        self.is_running = false;
        self.stand(survey);
        let is_asked = self.current.is_some();
        if self.mode == ProvisionMode::Apply || is_asked {
            let to_be_done = survey.to_be_done().into_iter().map(|plan| plan.pf.id);
            let pfs: BTreeSet<DeviceId> = to_be_done.filter(|pf| is_asked || self.may_try(pf, now)).collect();
            if !pfs.is_empty() {
                for pf in &pfs {
                    self.attempts.entry(pf.clone()).or_default().push(now);
                }
                self.working.clone_from(&pfs);
                self.has_records = true;
                self.next = Some(Task::Carry(pfs));
                return;
            }
        }
        self.answer(report::text(survey), survey.outlook(), false);
    }

    /// It was done, or not.
    pub(super) fn carried(&mut self, survey: &Survey, outcomes: &[Outcome], now: Instant) {
        self.is_running = false;
        self.working.clear();
        self.stand(survey);
        for outcome in outcomes {
            let standing = self.standings.entry(outcome.plan.pf.id.clone()).or_default();
            *standing = Standing {
                name: outcome.plan.pf.full_name(),
                pf: outcome.failed.iter().cloned().collect(),
                ..Standing::default()
            };
        }
        let text = report::text(survey) + &report::outcomes(outcomes);
        let has_failed = outcomes.iter().any(|outcome| outcome.failed.is_some());
        self.answer(text, survey.outlook(), has_failed);
        // What was made may be seen otherwise by now.
        self.want(now);
    }

    /// It was lost.
    pub(super) fn lost(&mut self, why: &str, now: Instant) {
        self.is_running = false;
        self.working.clear();
        self.next = None;
        if let Some(request) = self.current.take() {
            let _ = request.reply.send(Err(why.to_owned()));
        }
        self.due = Some(now + AGAIN);
    }

    /// Why a device is not given out: its PF is being changed, or it or its PF is not as configured, and is to be made so.
    pub(super) fn reason(&self, pf: &DeviceId, vf: Option<u32>) -> Option<String> {
        if self.is_working(pf) {
            return Some("its PF is being changed, as configured (pfs)".to_owned());
        }
        let standing = self.standings.get(pf).filter(|_| self.mode == ProvisionMode::Apply)?;
        if let Some(differs) = standing.pf.first() {
            return Some(format!("its PF is not as configured: {differs}"));
        }
        let differs = vf.and_then(|vf| standing.vfs.get(&vf))?;
        Some(format!("not as configured: {differs}"))
    }

    /// Whether a PF is being changed at this moment.
    pub(super) fn is_working(&self, pf: &DeviceId) -> bool {
        self.working.contains(pf)
    }

    /// What is not as configured, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|refused| format!("PFs refused: {refused}"));
        let standings = self.standings.values().flat_map(Standing::lines);
        refused.chain(self.notes.iter().cloned()).chain(standings).collect()
    }

    /// How many PFs are not as configured.
    pub(super) fn differing(&self) -> usize {
        let standings = self.standings.values();
        standings.filter(|standing| !standing.is_as_wanted()).count()
    }

    fn stand(&mut self, survey: &Survey) {
        if self.mode == ProvisionMode::Off {
            return;
        }
        let before = std::mem::take(&mut self.standings);
        self.notes.clone_from(&survey.notes);
        for plan in &survey.plans {
            let standing = Standing::of(plan);
            if before.get(&plan.pf.id) != Some(&standing) {
                for line in standing.lines() {
                    info!("not as configured: {line}");
                }
            }
            self.standings.insert(plan.pf.id.clone(), standing);
        }
    }

    fn may_try(&mut self, pf: &DeviceId, now: Instant) -> bool {
        let Some(attempts) = self.attempts.get_mut(pf) else {
            return true;
        };
        attempts.retain(|at| now.saturating_duration_since(*at) < WITHIN);
        if attempts.len() < ATTEMPTS {
            return true;
        }
        warn!(%pf, "tried {ATTEMPTS} times of late, and left as it is: `hardwired apply` tries again");
        false
    }

    fn answer(&mut self, text: String, outlook: Outlook, has_failed: bool) {
        let status = match outlook {
            _ if has_failed => 1,
            Outlook::Refused => 2,
            Outlook::Nothing | Outlook::Changes => 0,
        };
        if let Some(request) = self.current.take() {
            // Who asked may have gone.
            let _ = request.reply.send(Ok(Applied { text, status }));
        }
    }
}

#[cfg(test)]
#[path = "provisioning_tests.rs"]
mod tests;
