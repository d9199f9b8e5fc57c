//! One call of a plugin, to be varied before it is made.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Outcome, Plugin};
use crate::binaries::hardwire;
use crate::node::Pod;

/// Program, environment and stdin of a call.
#[derive(Debug, Clone)]
pub struct Call {
    program: PathBuf,
    variables: Vec<(String, OsString)>,
    stdin: Vec<u8>,
}

impl Plugin {
    /// A call that is as it should be, for `pod`, with `CNI_IFNAME` net1.
    pub fn request(&self, command: &str, pod: &Pod, conf: &Value) -> Call {
        self.bare_request()
            .set("CNI_COMMAND", command)
            .set("CNI_CONTAINERID", pod.name())
            .set("CNI_NETNS", pod.path())
            .set("CNI_IFNAME", "net1")
            .set("CNI_PATH", &self.path)
            .stdin(conf.to_string())
    }

    /// A call without any `CNI_` variable and with an empty stdin.
    pub fn bare_request(&self) -> Call {
        let call = Call {
            program: hardwire(),
            variables: Vec::new(),
            stdin: Vec::new(),
        };
        call.set("PATH", std::env::var_os("PATH").unwrap_or_default())
            .set("HARDWIRE_STATE_DIR", self.state())
            .set("HARDWIRE_PLUGIN_CONFIG", self.operator_file())
            .set("HARDWIRE_LOG_DIR", self.directory())
            .set("HARDWIRE_DEVICE_INFO_DIR", self.device_info())
            .set("HARDWIRE_CNI_CONFIG_DIR", self.cni_config())
    }
}

impl Call {
    /// With a variable set.
    #[must_use]
    pub fn set(self, name: &str, value: impl Into<OsString>) -> Self {
        let mut call = self.unset(name);
        call.variables.push((name.to_owned(), value.into()));
        call
    }

    /// Without a variable.
    #[must_use]
    pub fn unset(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// With this on stdin.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// To another plugin.
    #[must_use]
    pub fn by(mut self, program: &Path) -> Self {
        program.clone_into(&mut self.program);
        self
    }

    /// What is on stdin.
    pub fn input(&self) -> &[u8] {
        &self.stdin
    }

    /// A variable's value, as text; empty where it is not set.
    pub fn variable(&self, name: &str) -> String {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.map_or_else(String::new, |(_, value)| value.to_string_lossy().into_owned())
    }

    /// The process that would make the call, its stdin, stdout and stderr still to be set.
    pub fn process(&self) -> Command {
        let mut process = Command::new(&self.program);
        process.env_clear();
        process.envs(self.variables.iter().map(|(name, value)| (name, value)));
        process
    }

    /// Starts it and gives it its stdin.
    pub fn start(&self) -> Child {
        self.start_with_stdout(Stdio::piped())
    }

    /// The same, with another stdout.
    pub fn start_with_stdout(&self, stdout: impl Into<Stdio>) -> Child {
        let mut process = self.process();
        process.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = process.spawn().expect("the plugin");
        // VERSION reads no stdin and may be gone.
        drop(child.stdin.take().expect("stdin").write_all(&self.stdin));
        child
    }

    /// Makes it and waits for its end.
    pub fn run(&self) -> Outcome {
        Outcome::of(self.start())
    }
}

impl Outcome {
    /// Waits for the end of a call. Status -1 is a signal.
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("the plugin");
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
