//! A device manager under measurement: ours, or the one that it replaces.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::api_server::NODE;

/// Where the peer looks for its kubelet, which nothing can change.
pub(super) const KUBELET: &str = "/var/lib/kubelet";

/// A running manager. Killed when dropped.
#[derive(Debug)]
pub(super) struct Manager {
    child: Child,
    log: PathBuf,
}

/// What a process has cost since it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) cpu: Duration,
    pub(super) switches: u64,
}

impl Manager {
    /// Starts `hardwired run`.
    pub(super) fn ours(program: &Path, directory: &Path, config: &Path, kubelet_dir: &Path) -> Self {
        let command = Self::command(program, directory, config, kubelet_dir);
        Self::start(command, &directory.join("hardwired.log"))
    }

    /// Starts it to tell a cluster what it has.
    pub(super) fn telling(
        program: &Path,
        directory: &Path,
        config: &Path,
        kubelet_dir: &Path,
        kubeconfig: &Path,
    ) -> Self {
        let mut command = Self::command(program, directory, config, kubelet_dir);
        command.arg("--kube").arg(kubeconfig).env("NODE_NAME", NODE);
        Self::start(command, &directory.join("hardwired.log"))
    }

    fn command(program: &Path, directory: &Path, config: &Path, kubelet_dir: &Path) -> Command {
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(config);
        command.arg("--kubelet-dir").arg(kubelet_dir);
        command.arg("--sysfs-root").arg(directory.join("sys"));
        for (flag, folder) in [("--cdi-dir", "cdi"), ("--device-info-dir", "devinfo")] {
            command.arg(flag).arg(directory.join(folder));
        }
        command.env("HARDWIRE_STATE_DIR", directory.join("state"));
        command
    }

    /// Starts `hardwired run` on the real hardware.
    pub(super) fn live(program: &Path, directory: &Path, config: &Path, kubelet_dir: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(["run", "--config"]).arg(config);
        command.arg("--kubelet-dir").arg(kubelet_dir);
        command.env("HARDWIRE_STATE_DIR", directory.join("state"));
        Self::start(command, &directory.join("hardwired.log"))
    }

    /// Starts sriov-network-device-plugin with the tree in the place of /sys, in a mount namespace of its own.
    pub(super) fn upstream(program: &Path, directory: &Path, config: &Path) -> Self {
        // It refuses to start without a list of names, and needs none of them.
        let names = directory.join("pci.ids");
        fs::write(&names, "8086  Intel Corporation\n\t10ca  82576 Virtual Function\n").expect("a file");
        let script = "mount --bind \"$1\" /sys && exec \"$2\" -config-file \"$3\" -logtostderr";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", script, "sh"]);
        command.arg(directory.join("sys")).arg(program).arg(config);
        command.env("PCIDB_PATH", names);
        Self::start(command, &directory.join("sriovdp.log"))
    }

    fn start(mut command: Command, log: &Path) -> Self {
        let output = File::create(log).expect("a log");
        let stdout = output.try_clone().expect("a descriptor");
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(output).spawn();
        Self {
            child: child.expect("the manager starts"),
            log: log.to_owned(),
        }
    }

    /// What it said.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `VmRSS`.
    pub(super) fn resident_kib(&self) -> u32 {
        let kib = field(&self.child.id().to_string(), "VmRSS").and_then(|kib| kib.parse().ok());
        kib.expect("VmRSS of a running process")
    }

    /// `VmRSS` of the programs that it started and that run, by name.
    pub(super) fn started(&self) -> Vec<(String, u32)> {
        let own = self.child.id().to_string();
        let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let started = pids.filter(|pid| field(pid, "PPid").as_ref() == Some(&own));
        started
            .filter_map(|pid| Some((field(&pid, "Name")?, field(&pid, "VmRSS")?.parse().ok()?)))
            .collect()
    }

    /// Processor time and context switches of all its threads.
    pub(super) fn spent(&self) -> Spent {
        let mut spent = Spent {
            cpu: Duration::ZERO,
            switches: 0,
        };
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a running process");
        for task in tasks.filter_map(Result::ok) {
            let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
            // Nanoseconds on a processor (Documentation/scheduler/sched-stats.rst).
            let run: Option<u64> = read("schedstat")
                .split_whitespace()
                .next()
                .and_then(|ns| ns.parse().ok());
            spent.cpu += Duration::from_nanos(run.unwrap_or_default());
            let status = read("status");
            let counts = status.lines().filter(|line| line.contains("ctxt_switches:"));
            spent.switches += counts
                .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .sum::<u64>();
        }
        spent
    }

    /// Ends it as a node would.
    pub(super) fn end(mut self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// The first word of a line of /proc/PID/status.
fn field(pid: &str, name: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Some(line?.split_whitespace().next()?.to_owned())
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
