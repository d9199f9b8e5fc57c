//! The kill matrix: a call is disturbed at one system call, what a runtime or the daemon would do next is done, and then
//! everything must be as it was.
//!
//! One test of this kind is a [`Subject`] (a device with its configuration) and a list of runs; each run is one
//! [`crate::trace`] of an ADD or a DEL. The subject is made anew after a run that failed, so that the others say what they
//! would have said.

mod recovery;
mod report;
mod runs;
mod view;

use serde_json::Value;

use crate::node::Pod;
use crate::plugin::{Call, Plugin};

pub use recovery::Recovery;
use recovery::succeeded;
pub use report::Report;
pub use runs::Matrix;
pub use view::View;

const FIRST: &str = "first pod";

/// A device to attach, and what is to be seen of it.
pub trait Subject {
    /// The plugin, with its journal and its IPAM store in one directory.
    fn plugin(&self) -> &Plugin;

    /// The configuration, of ADD and DEL.
    fn conf(&self) -> Value;

    /// `CNI_ARGS`.
    fn args(&self) -> &'static str {
        ""
    }

    /// What there has to be when the state directory was made anew.
    fn begin(&self) {}

    /// What can be seen beside links, addresses, routes and files.
    fn look(&self, _view: &mut View) {}

    /// What the first pod does with the device while it has it.
    fn leave(&self, _pod: &Pod) {}

    /// Makes the device again where it ended with the namespace that it was in, or waits until it is back from there.
    fn renew(&self);
}

/// The call that is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// ADD.
    Add,
    /// DEL of what an ADD attached.
    Del,
    /// The same, after the end of the pod's namespace.
    LateDel,
}

impl Verb {
    fn command(self) -> &'static str {
        if self == Self::Add { "ADD" } else { "DEL" }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::LateDel => "late DEL",
        }
    }
}

/// A subject with two pods that want its device.
struct Scene<'a, S> {
    subject: &'a S,
    /// None from the end of its namespace on.
    first: Option<Pod>,
    /// Container id of the first pod, and the path of its namespace.
    first_names: [String; 2],
    second: Pod,
}

impl<'a, S: Subject> Scene<'a, S> {
    /// With the pods of an earlier run that left them as they were.
    fn new(subject: &'a S, pods: (Option<Pod>, Option<Pod>)) -> Self {
        // As after a boot: every run makes the same directories, and counts the same calls.
        for files in [subject.plugin().state(), subject.plugin().directory().join("ipam")] {
            drop(std::fs::remove_dir_all(files));
        }
        subject.begin();
        let first = pods.0.unwrap_or_else(|| Pod::new("first"));
        Self {
            subject,
            first_names: [first.name().to_owned(), first.path()],
            first: Some(first),
            second: pods.1.unwrap_or_else(|| Pod::new("second")),
        }
    }

    fn call_first(&self, command: &str) -> Call {
        let [id, path] = &self.first_names;
        self.call_second(command)
            .set("CNI_CONTAINERID", id)
            .set("CNI_NETNS", path)
    }

    fn call_second(&self, command: &str) -> Call {
        self.subject
            .plugin()
            .request(command, &self.second, &self.subject.conf())
            .set("CNI_ARGS", self.subject.args())
    }

    /// What comes before the call that is disturbed. Returns what must be seen in the end.
    fn prepare(&mut self, verb: Verb) -> Result<View, String> {
        let before = self.look();
        if verb != Verb::Add {
            succeeded("ADD", &self.call_first("ADD").run())?;
            if let Some(first) = &self.first {
                self.subject.leave(first);
            }
        }
        if verb == Verb::LateDel {
            self.end_first();
            return Ok(before.without_netns(FIRST));
        }
        Ok(before)
    }

    /// Ends the first pod's namespace.
    fn end_first(&mut self) {
        if self.first.take().is_some() {
            self.subject.renew();
        }
    }

    fn look(&self) -> View {
        let mut view = View::default();
        view.add_host();
        if let Some(first) = &self.first {
            view.add_netns(FIRST, first.name());
        }
        view.add_netns("second pod", self.second.name());
        self.subject.look(&mut view);
        let directory = self.subject.plugin().directory();
        view.add_files("state", &self.subject.plugin().state());
        view.add_files("ipam", &directory.join("ipam"));
        view
    }
}
