//! An ADD that waits for a holder on its way out, killed at any instant: its holder ends all the same, and its DEL leaves
//! nothing.

use std::fs;
use std::thread;
use std::time::Duration;

use hardwire_tests::matrix::{Report, Subject, View};
use hardwire_tests::node::{Pod, isolated};
use hardwire_tests::plugin::{Call, Outcome};
use hardwire_tests::trace::{Disturbance, Moment, Traced, trace};

use crate::nic::Nic;

/// A holder whose device was given away, and the pod that it was given to.
struct Handover {
    nic: Nic,
    holder: Pod,
    next: Pod,
}

impl Handover {
    fn new() -> Self {
        Self {
            nic: Nic::new(),
            holder: Pod::new("holder"),
            next: Pod::new("next"),
        }
    }

    fn call(&self, command: &str, pod: &Pod) -> Call {
        self.nic.plugin().request(command, pod, &self.nic.conf())
    }

    fn look(&self) -> View {
        let mut view = View::default();
        view.add_host();
        view.add_netns("holder", self.holder.name());
        view.add_netns("next", self.next.name());
        view.add_files("state", &self.nic.plugin().state());
        view.add_files("ipam", &self.nic.plugin().directory().join("ipam"));
        view
    }

    /// The next pod's ADD, whose holder's DEL comes once it waits, or once it was killed before that.
    fn handed_over(&self, disturbance: Disturbance) -> Result<Traced, String> {
        for files in [self.nic.plugin().state(), self.nic.plugin().directory().join("ipam")] {
            drop(fs::remove_dir_all(files));
        }
        succeeded("the holder's ADD", &self.call("ADD", &self.holder).run())?;
        let record = self.nic.plugin().state().join("attachments/net_hwkill.json");
        let mut given: serde_json::Value = serde_json::from_slice(&fs::read(&record).expect("a record")).expect("JSON");
        given["ending"] = "given-away".into();
        fs::write(&record, given.to_string()).expect("a record");
        let waiting = self.nic.plugin().state().join("waiting");
        let waits = || fs::read_dir(&waiting).is_ok_and(|entries| entries.count() > 0);
        thread::scope(|scope| {
            let add = scope.spawn(|| trace(&self.call("ADD", &self.next), disturbance, false));
            while !add.is_finished() && !waits() {
                thread::sleep(Duration::from_millis(1));
            }
            let deleted = self.call("DEL", &self.holder).run();
            let traced = add.join().map_err(|_panic| "the tracer failed".to_owned())?;
            succeeded("the holder's DEL", &deleted)?;
            Ok(traced)
        })
    }

    /// What a runtime does after an ADD that it lost.
    fn end(&self, before: &View) -> Result<(), String> {
        for _ in 0..2 {
            succeeded("its DEL", &self.call("DEL", &self.next).run())?;
        }
        let changes = self.look().without_leftovers().changes_since(before);
        if !changes.is_empty() {
            return Err(changes.join("; "));
        }
        succeeded("its next ADD", &self.call("ADD", &self.next).run())?;
        succeeded("its next DEL", &self.call("DEL", &self.next).run())
    }
}

fn succeeded(what: &str, outcome: &Outcome) -> Result<(), String> {
    let done = outcome.status == 0;
    done.then_some(()).ok_or_else(|| format!("{what} failed: {outcome:?}"))
}

#[test]
fn an_add_that_waits_for_its_holder_may_be_killed_at_any_instant() {
    isolated(|| {
        let handover = Handover::new();
        let before = handover.look();
        let whole = handover.handed_over(Disturbance::None).expect("undisturbed");
        succeeded("ADD", &whole.outcome).expect("undisturbed");
        handover.end(&before).expect("undisturbed");
        let is_waiting = |what: &str| what.contains("waiting/");
        let last = whole.points.iter().rposition(|point| is_waiting(&point.what));
        let last = last.expect("it waited");
        let mut report = Report::new("waiting ADD killed");
        // What comes after its claim is the ADD's own, which is killed elsewhere.
        for (at, point) in whole.points.iter().enumerate().take(last + 2) {
            let mut outcomes = Vec::new();
            for (moment, word) in [(Moment::Before, "before"), (Moment::After, "after")] {
                let killed = handover.handed_over(Disturbance::Kill { at, moment });
                let outcome = killed.and_then(|traced| {
                    if traced.outcome.status != -1 {
                        return Err("it was not killed".to_owned());
                    }
                    handover.end(&before)
                });
                outcomes.push((word.to_owned(), outcome));
            }
            report.line(&format!("ADD {at}"), point, &outcomes);
        }
        report.finish();
    });
}
