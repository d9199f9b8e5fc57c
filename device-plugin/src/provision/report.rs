//! Plans and what became of them, for people and for programs.

use std::fmt::Write as _;

use hardwire_cni::printable::printable;
use serde::Serialize;

use super::node::Survey;
use super::now::Summary;
use super::plan::{Outlook, PfPlan};
use super::side_by_side::Outcome;
use super::step::{self, Step};
use super::wanted;

/// A survey, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `nothing`, `changes` or `refused`.
    pub outlook: &'static str,
    /// Each PF of which something is wanted.
    pub pfs: Vec<PfReport>,
    /// What selects no PF.
    pub notes: Vec<String>,
}

/// A PF's plan, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PfReport {
    /// Its bus address.
    pub device: String,
    /// Its interface.
    pub interface: Option<String>,
    /// Which entry says what is wanted.
    pub said_by: String,
    /// As it is.
    pub now: Summary,
    /// `nothing`, `changes` or `refused`.
    pub outlook: &'static str,
    /// What is not as wanted.
    pub differences: Vec<String>,
    /// What is done, in order.
    pub steps: Vec<StepReport>,
    /// Seconds that it is expected to take.
    pub seconds: u32,
    /// Why none of it is done.
    pub refused: Vec<String>,
    /// What is left out, and why.
    pub waiting: Vec<String>,
}

/// A step, as programs read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    /// In words.
    pub step: String,
    /// Whom it disturbs.
    pub interrupts: Option<String>,
}

// === impl Report ===

impl Report {
    /// Of a survey.
    pub fn of(survey: &Survey) -> Self {
        Self {
            outlook: word(survey.outlook()),
            pfs: survey.plans.iter().map(PfReport::of).collect(),
            notes: survey.notes.clone(),
        }
    }
}

impl PfReport {
    fn of(plan: &PfPlan) -> Self {
        let step = |planned: &super::plan::Planned| StepReport {
            step: planned.step.to_string(),
            interrupts: planned.interrupts.clone(),
        };
        Self {
            device: plan.pf.id.to_string(),
            interface: plan.pf.identity.name.clone(),
            said_by: plan.said_by.clone(),
            now: plan.now(),
            outlook: word(plan.outlook()),
            differences: plan.differences.iter().map(ToString::to_string).collect(),
            steps: plan.steps.iter().map(step).collect(),
            seconds: plan.seconds(),
            refused: plan.refused.clone(),
            waiting: plan.waiting.clone(),
        }
    }
}

fn word(outlook: Outlook) -> &'static str {
    match outlook {
        Outlook::Nothing => "nothing",
        Outlook::Changes => "changes",
        Outlook::Refused => "refused",
    }
}

/// A survey for a terminal.
pub fn text(survey: &Survey) -> String {
    let mut text = String::new();
    for plan in &survey.plans {
        of_plan(&mut text, plan);
    }
    for note in &survey.notes {
        let _ = writeln!(text, "{}", printable(note));
    }
    if survey.plans.is_empty() && survey.notes.is_empty() {
        text.push_str("no PF is configured (pfs), and none was changed by hardwired\n");
    }
    text
}

fn of_plan(text: &mut String, plan: &PfPlan) {
    let driver = plan.pf.identity.driver.as_deref().unwrap_or("no driver");
    let (name, said_by) = (plan.pf.full_name(), printable(&plan.said_by));
    let _ = writeln!(text, "{name}, {driver}, by {said_by}");
    let _ = writeln!(text, "  now      {}", plan.now());
    let wanted = wanted::in_words(&plan.settings);
    if !wanted.is_empty() {
        let _ = writeln!(text, "  wanted   {wanted}");
    }
    let lines = plan.refused.iter().map(|line| ("refused", line));
    for (label, line) in lines.chain(plan.waiting.iter().map(|line| ("left", line))) {
        let _ = writeln!(text, "  {label:<8} {}", printable(line));
    }
    let steps: Vec<Step> = plan.steps.iter().map(|planned| planned.step.clone()).collect();
    let mut at = 0;
    for (number, (count, words)) in step::in_words(&steps).into_iter().enumerate() {
        let label = if plan.refused.is_empty() { "step" } else { "not done" };
        let label = if number == 0 { label } else { "" };
        let _ = writeln!(text, "  {label:<8} {}. {words}", number + 1);
        if let Some(interrupts) = plan.steps.get(at).and_then(|planned| planned.interrupts.as_ref()) {
            let _ = writeln!(text, "  {:<8}    interrupts {interrupts}", "");
        }
        at += count;
    }
    match plan.outlook() {
        Outlook::Nothing => text.push_str("  nothing to do\n"),
        Outlook::Changes => {
            let _ = writeln!(text, "  expected about {} s", plan.seconds());
        }
        Outlook::Refused => {}
    }
}

/// What became of each plan, for a terminal.
pub fn outcomes(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let (name, all) = (outcome.plan.pf.full_name(), outcome.plan.steps.len());
        let _ = match &outcome.failed {
            None => writeln!(text, "{name}: done, {all} steps"),
            Some(why) => writeln!(
                text,
                "{name}: failed after {} of {all} steps: {}",
                outcome.done,
                printable(why)
            ),
        };
    }
    text
}
