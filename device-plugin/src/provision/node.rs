//! This node's PFs: what is, what is wanted, and what is to be done, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardwire_cni::{Context, boot_id};
use hardwire_pci::DeviceId;

use super::carry_out::Patience;
use super::holders::Holders;
use super::look;
use super::machine::{Kernel, Machine};
use super::owners::Owners;
use super::plan::{Around, Difference, Outlook, PfPlan, plan};
use super::record::{Record, Records};
use super::side_by_side::{Outcome, Workshop, side_by_side};
use super::wanted::Wanted;
use crate::config::pfs::PfEntry;
use crate::ledger::podresources::{Held, PodResourcesError};

/// Where things are, and how long a write may take.
#[derive(Debug, Clone)]
pub struct Node {
    /// sysfs, and our own state.
    pub context: Context,
    /// Where the kubelet writes down what it gave out.
    pub checkpoint: PathBuf,
    /// Below it are the files of others who make VFs.
    pub root: PathBuf,
    /// How long one write may take: what hangs longer is given up.
    pub bound: Duration,
}

/// What the kubelet said.
pub type Heard = Result<Held, PodResourcesError>;

/// The plans of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// One for each PF of which something is wanted.
    pub plans: Vec<PfPlan>,
    /// What selects no PF: entries, and names that were forced.
    pub notes: Vec<String>,
}

// === impl Survey ===

impl Survey {
    /// The worst of all.
    pub fn outlook(&self) -> Outlook {
        self.plans.iter().map(PfPlan::outlook).max().unwrap_or(Outlook::Nothing)
    }

    /// What is to be done, and can be.
    pub fn to_be_done(&self) -> Vec<PfPlan> {
        self.plans.iter().filter(|plan| plan.is_to_be_done()).cloned().collect()
    }
}

// === impl Node ===

impl Node {
    /// Looks at everything, and plans. `heard` is the kubelet's answer; `also` are holders that only the caller knows; `forced` are
    /// PFs that an operator named.
    pub fn survey(
        &self,
        entries: &[PfEntry],
        heard: &Heard,
        also: &BTreeMap<DeviceId, String>,
        forced: &BTreeSet<String>,
    ) -> Survey {
        let mut holders = Holders::ask(&self.context, heard.as_ref(), &self.checkpoint);
        for (id, by) in also {
            holders.note(id.to_string(), by.clone());
        }
        let pfs = look::pfs(&self.context.sysfs);
        let mut survey = Survey {
            plans: self.plans(&pfs, entries, &holders, forced),
            notes: Vec::new(),
        };
        for entry in entries {
            if !pfs.iter().any(|pf| entry.selection.matches(&pf.identity)) {
                survey.notes.push(format!("{}: no PF here is selected by it", entry.at));
            }
        }
        for name in forced {
            if !survey.plans.iter().any(|plan| plan.pf.is_called(name)) {
                survey
                    .notes
                    .push(format!("--force {name}: no PF of the plan is called so"));
            }
        }
        survey
    }

    fn plans(
        &self,
        pfs: &[super::now::PfNow],
        entries: &[PfEntry],
        holders: &Holders,
        forced: &BTreeSet<String>,
    ) -> Vec<PfPlan> {
        let records = Records::of(&self.context);
        let owners = Owners::read(&self.root);
        let boot = boot_id().unwrap_or_default();
        let drivers = self.context.sysfs.path("bus/pci/drivers");
        let has_driver = |name: &str| drivers.join(name).exists();
        let mut plans = Vec::new();
        for pf in pfs {
            let (record, unreadable) = match records.get(&pf.id) {
                Ok(record) => (record, None),
                Err(error) => (None, Some(error.to_string())),
            };
            let Some(wanted) = Wanted::of(pf, entries, record.as_ref()) else {
                continue;
            };
            let around = Around {
                holders,
                record: record.as_ref(),
                boot: &boot,
                owner: owners.of(&pf.identity),
                forced: forced.iter().any(|name| pf.is_called(name)),
                has_driver: &has_driver,
            };
            let mut plan = plan(pf, &wanted, &around);
            if let Some(why) = unreadable.filter(|_| !plan.steps.is_empty()) {
                plan.refused
                    .push(format!("what hardwired set before is not known: {why}"));
            }
            plans.push(plan);
        }
        plans
    }

    /// Does what is to be done of a survey, and returns when each PF is done, has failed or hangs. A PF that is as wanted, and
    /// was left in the middle once, is ours for good.
    pub fn apply(&self, survey: &Survey, entries: &[PfEntry]) -> Vec<Outcome> {
        let records = Records::of(&self.context);
        for plan in survey.plans.iter().filter(|plan| plan.outlook() == Outlook::Nothing) {
            if let Ok(Some(record)) = records.get(&plan.pf.id)
                && record.pending
            {
                let settled = Record {
                    pending: false,
                    instance: plan.pf.instance,
                    ..record
                };
                if let Err(error) = records.put(&settled) {
                    tracing::warn!(pf = %plan.pf.id, "that it is as configured is not on record: {error}");
                }
            }
        }
        side_by_side(survey.to_be_done(), &Arc::new(self.workshop(records, entries)))
    }

    fn workshop(&self, records: Records, entries: &[PfEntry]) -> Workshop {
        let (node, entries) = (self.clone(), entries.to_vec());
        Workshop {
            sysfs: self.context.sysfs.clone(),
            records,
            baselines: self.context.baselines.clone(),
            boot: boot_id().unwrap_or_default(),
            patience: Patience::default(),
            bound: self.bound,
            machine: Box::new(|| Box::new(Kernel::default()) as Box<dyn Machine>),
            remaining: Box::new(move |pf| node.remaining(pf, &entries)),
        }
    }

    /// What still differs on a PF. Who has which VF matters not: it was free, and is now as it was made.
    fn remaining(&self, pf: &DeviceId, entries: &[PfEntry]) -> Vec<String> {
        let pfs = look::pf_alone(&self.context.sysfs, pf);
        let plans = self.plans(&pfs, entries, &Holders::default(), &BTreeSet::new());
        let differences = plans.into_iter().flat_map(|plan| plan.differences);
        differences.map(|difference| difference.to_string()).collect()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.vf {
            Some(vf) => write!(f, "VF {vf}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
