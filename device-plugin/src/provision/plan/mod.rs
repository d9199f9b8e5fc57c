//! What is to be done about a PF, as a function of what is, what is wanted, and who has which VF.
//!
//! - here: the plan, and what stands in its way; `limits`: what cannot be had at all; `pf`: the steps of the PF, in their order;
//!   `vf`: those of one VF.

mod limits;
mod pf;
mod vf;

use std::fmt;

use hardwire_pci::DeviceId;

use super::holders::Holders;
use super::now::{PfNow, Summary};
use super::record::Record;
use super::step::Step;
use super::traits::Traits;
use super::wanted::{self, Wanted};
use crate::config::pfs::PfSettings;

/// Around a PF: who has what, and who else makes VFs.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Who has which VF.
    pub holders: &'a Holders,
    /// What is ours on the PF.
    pub record: Option<&'a Record>,
    /// Which boot this is.
    pub boot: &'a str,
    /// Who says in files of their own that they make this PF's VFs.
    pub owner: Option<&'a str>,
    /// The operator named this PF with `--force`.
    pub forced: bool,
    /// Whether a driver is there to bind to.
    pub has_driver: &'a dyn Fn(&str) -> bool,
}

impl fmt::Debug for Around<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around")
            .field("holders", self.holders)
            .field("record", &self.record)
            .field("owner", &self.owner)
            .field("forced", &self.forced)
            .finish_non_exhaustive()
    }
}

/// The plan of a PF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PfPlan {
    /// The PF as it is.
    pub pf: PfNow,
    /// Which entry says what is wanted.
    pub said_by: String,
    /// What it says, without what cannot be put back.
    pub settings: PfSettings,
    /// Everything that is not as wanted.
    pub differences: Vec<Difference>,
    /// What is to be done, in order.
    pub steps: Vec<Planned>,
    /// Why none of it is done.
    pub refused: Vec<String>,
    /// What is left out of it, and why: VFs in use, and what somebody else makes.
    pub waiting: Vec<String>,
}

/// Something that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of which VF; of the PF itself where of none.
    pub vf: Option<u32>,
    /// What it is and what is wanted.
    pub text: String,
}

/// A step, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The step.
    pub step: Step,
    /// Whom it disturbs.
    pub interrupts: Option<String>,
    /// Milliseconds that it is expected to take.
    pub takes: u32,
}

/// What comes of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outlook {
    /// Everything is as wanted.
    Nothing,
    /// Something is to be done.
    Changes,
    /// Something is wanted and not done.
    Refused,
}

// === impl Outlook ===

impl Outlook {
    /// As an exit status.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Changes => 1,
            Self::Refused => 2,
        }
    }
}

// === impl PfPlan ===

impl PfPlan {
    /// What comes of it.
    pub fn outlook(&self) -> Outlook {
        if !self.refused.is_empty() || !self.waiting.is_empty() {
            Outlook::Refused
        } else if self.steps.is_empty() {
            Outlook::Nothing
        } else {
            Outlook::Changes
        }
    }

    /// Whether there is something to be done, and nothing in the way.
    pub fn is_to_be_done(&self) -> bool {
        self.refused.is_empty() && !self.steps.is_empty()
    }

    /// The PF in short.
    pub fn now(&self) -> Summary {
        self.pf.summary()
    }

    /// How long it is expected to take, in seconds.
    pub fn seconds(&self) -> u32 {
        let milliseconds: u32 = self.steps.iter().map(|planned| planned.takes).sum();
        milliseconds.div_ceil(1_000)
    }

    fn differs(&mut self, vf: Option<u32>, text: String) {
        self.differences.push(Difference { vf, text });
    }
}

/// Plans for a PF.
pub fn plan(pf: &PfNow, wanted: &Wanted, around: &Around<'_>) -> PfPlan {
    let settings = match wanted {
        Wanted::Entry(entry) => entry.settings.clone(),
        Wanted::Several(_) => PfSettings::default(),
        Wanted::Undo(record) => wanted::before(record, pf),
    };
    let mut plan = PfPlan {
        pf: pf.clone(),
        said_by: wanted.said_by(),
        settings,
        differences: Vec::new(),
        steps: Vec::new(),
        refused: Vec::new(),
        waiting: Vec::new(),
    };
    if let Wanted::Several(entries) = wanted {
        let why = format!("expected one entry for it, and {} select it", entries.join(" and "));
        plan.refused.push(why);
        return plan;
    }
    let traits = Traits::of(pf.identity.driver.as_deref().unwrap_or_default());
    limits::check(&mut plan, traits, around);
    if !plan.refused.is_empty() {
        return plan;
    }
    let mut steps = pf::steps(&mut plan, traits, around);
    if matches!(wanted, Wanted::Undo(_)) {
        steps.push(Step::Forget);
    }
    plan.steps = steps.into_iter().map(|step| meaning(step, pf, traits)).collect();
    in_the_way(&mut plan, traits, around);
    plan
}

/// What stands in the way of the steps.
fn in_the_way(plan: &mut PfPlan, traits: &Traits, around: &Around<'_>) {
    let pf = plan.pf.clone();
    if plan.steps.iter().all(|planned| planned.step == Step::Forget) {
        return;
    }
    let changed = around
        .record
        .and_then(|record| record.count_changed_by_others(&pf, around.boot));
    let owner = around.owner.map(str::to_owned);
    if let Some(owner) = owner.or(changed).filter(|_| !around.forced) {
        let name = pf.name();
        plan.refused
            .push(format!("{owner}: it is only compared (--force {name} takes it over)"));
    }
    let disturbing = |planned: &&Planned| needs_all_free(&planned.step, &pf, traits);
    if let Some(first) = plan.steps.iter().find(disturbing) {
        let step = first.step.to_string();
        plan.refused.extend(around.holders.why_not_free(&pf, &step));
    }
    let cuts = |planned: &&Planned| cuts_link(&planned.step, traits);
    if let (Some(used), Some(first)) = (&pf.used_by_node, plan.steps.iter().find(cuts))
        && !around.forced
    {
        let (name, step) = (pf.name(), &first.step);
        plan.refused.push(format!(
            "the node itself uses {name} ({used}), and this interrupts its link: {step} (--force {name} does it all the same)"
        ));
    }
}

/// Whether a step concerns every VF that there is.
fn needs_all_free(step: &Step, pf: &PfNow, traits: &Traits) -> bool {
    match step {
        Step::RemoveVfs { .. } | Step::UnbindAll | Step::Mode(_) | Step::Link { up: false } => true,
        // Interfaces of VFs in pods would be left with a larger one than their PF's.
        Step::PfMtu(mtu) => traits.mtu_resets_pf || pf.mtu.is_none_or(|now| *mtu < now),
        Step::Link { up: true }
        | Step::Autoprobe(_)
        | Step::MakeVfs(_)
        | Step::ProbeAll
        | Step::Vf { .. }
        | Step::Forget => false,
    }
}

/// Whether a step takes the PF's own link away for a moment.
fn cuts_link(step: &Step, traits: &Traits) -> bool {
    match step {
        Step::RemoveVfs { .. } | Step::MakeVfs(_) => traits.resets_pf,
        Step::PfMtu(_) => traits.mtu_resets_pf,
        Step::Mode(_) | Step::Link { up: false } => true,
        Step::Link { up: true }
        | Step::UnbindAll
        | Step::Autoprobe(_)
        | Step::ProbeAll
        | Step::Vf { .. }
        | Step::Forget => false,
    }
}

fn meaning(step: Step, pf: &PfNow, traits: &Traits) -> Planned {
    let name = pf.name();
    let link = || format!("the link of {name}, for a moment");
    let interrupts = match &step {
        Step::RemoveVfs { from } => {
            let link = if traits.resets_pf {
                format!(", and {}", link())
            } else {
                String::new()
            };
            Some(format!("whoever uses one of the {from} VFs{link}"))
        }
        Step::Mode(_) => Some(format!(
            "whoever uses {name} or a VF: {name} may be made anew, under another name"
        )),
        Step::UnbindAll => Some("whoever uses a VF".to_owned()),
        Step::Link { up: false } => Some(format!("whoever uses {name} or a VF")),
        step if cuts_link(step, traits) => Some(link()),
        _ => None,
    };
    let takes = match &step {
        Step::MakeVfs(count) => traits.seconds(*count) * 1_000,
        Step::RemoveVfs { from } => traits.seconds(*from) * 500,
        Step::Mode(_) => 2_000,
        Step::UnbindAll | Step::ProbeAll => traits.takes.1.saturating_mul(pf.num_vfs),
        Step::Vf { .. } => 20,
        Step::Link { .. } | Step::PfMtu(_) | Step::Autoprobe(_) | Step::Forget => 10,
    };
    Planned {
        step,
        interrupts,
        takes,
    }
}

/// The device of a VF in a message.
fn vf_name(index: u32, id: Option<&DeviceId>) -> String {
    id.map_or_else(|| format!("VF {index}"), |id| format!("VF {index} ({id})"))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
