//! What comes after a call that was killed.

use std::time::{Duration, Instant};

use super::{FIRST, Scene, Subject, View};
use crate::plugin::{Call, Outcome};
use crate::trace::Helper;

/// Who finds what a killed call left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// The runtime: DEL twice, then another container's ADD.
    Runtime,
    /// Nobody calls DEL and the namespace ends: the release that the daemon would run, here run by another container's ADD.
    Repair,
}

/// How long a call that is not waiting for the IPAM process may take.
const PATIENCE: Duration = Duration::from_secs(1);

impl<S: Subject> Scene<'_, S> {
    /// Does what comes next and says what is not as it was.
    pub(super) fn recover(&mut self, how: Recovery, before: &View, mut ipam: Option<Helper>) -> Result<(), String> {
        match how {
            Recovery::Runtime => {
                for time in ["first", "second"] {
                    let call = self.call_first("DEL");
                    succeeded(&format!("the {time} DEL"), &run_beside(&call, ipam.as_mut()))?;
                }
                finish(ipam);
                same("after DEL", before, &self.look().without_leftovers())?;
                self.attach_second(None)?;
                self.detach_second()?;
                same("after another container's ADD and DEL", before, &self.look())
            }
            Recovery::Repair => {
                self.end_first();
                let before = before.clone().without_netns(FIRST);
                self.attach_second(ipam.as_mut())?;
                finish(ipam);
                self.detach_second()?;
                same(
                    "after the netns, another container's ADD and DEL",
                    &before,
                    &self.look(),
                )
            }
        }
    }

    fn attach_second(&self, ipam: Option<&mut Helper>) -> Result<(), String> {
        let outcome = run_beside(&self.call_second("ADD"), ipam);
        succeeded("another container's ADD", &outcome)?;
        let there = self.second.link("net1").is_some();
        there
            .then_some(())
            .ok_or_else(|| "ADD succeeded and there is no net1".to_owned())
    }

    fn detach_second(&self) -> Result<(), String> {
        succeeded("its DEL", &self.call_second("DEL").run())
    }
}

/// Makes a call; if it waits for the IPAM process that is held, the process is let go.
fn run_beside(call: &Call, ipam: Option<&mut Helper>) -> Outcome {
    let Some(ipam) = ipam.filter(|ipam| ipam.is_held()) else {
        return call.run();
    };
    let mut child = call.start();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("the plugin").is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
    }
    if child.try_wait().expect("the plugin").is_none() {
        ipam.release();
    }
    Outcome::of(child)
}

fn finish(ipam: Option<Helper>) {
    if let Some(mut ipam) = ipam {
        ipam.finish();
    }
}

pub(super) fn succeeded(what: &str, outcome: &Outcome) -> Result<(), String> {
    let Outcome { status, stdout, stderr } = outcome;
    (*status == 0)
        .then_some(())
        .ok_or_else(|| format!("{what} failed: {stdout}{stderr}"))
}

pub(super) fn same(when: &str, before: &View, now: &View) -> Result<(), String> {
    let changes = now.changes_since(before);
    if changes.is_empty() {
        Ok(())
    } else {
        Err(format!("{when}: {}", changes.join("; ")))
    }
}
