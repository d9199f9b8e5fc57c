//! Running the built `hardwired`.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binaries::hardwired;

/// Directories for one daemon, removed when dropped.
#[derive(Debug)]
pub struct Site {
    directory: tempfile::TempDir,
}

/// A running daemon, killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
}

// === impl Site ===

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Empty directories.
    pub fn new() -> Self {
        // Short: paths of sockets have at most 107 bytes.
        let directory = tempfile::Builder::new().prefix("hw-").tempdir();
        Self {
            directory: directory.expect("a directory"),
        }
    }

    /// Empty directories in memory, as the node's /run is.
    pub fn in_memory() -> Self {
        let directory = tempfile::Builder::new().prefix("hw-").tempdir_in("/dev/shm");
        Self {
            directory: directory.expect("a directory"),
        }
    }

    /// What stands for /var/lib/kubelet.
    pub fn kubelet_dir(&self) -> PathBuf {
        self.directory.path().join("kubelet")
    }

    /// The directory of the sockets.
    pub fn plugin_dir(&self) -> PathBuf {
        self.kubelet_dir().join("device-plugins")
    }

    /// What stands for /run/hardwire.
    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// A directory for whatever else a test needs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the configuration and returns its path.
    pub fn config(&self, content: &Value) -> PathBuf {
        let path = self.directory.path().join("config.json");
        fs::write(&path, content.to_string()).expect("a file");
        path
    }

    /// Runs a command of `hardwired` to its end.
    pub fn output(&self, arguments: &[&str], sysfs: &Path) -> Output {
        let mut command = self.command(arguments, sysfs);
        command.output().expect("hardwired runs")
    }

    /// Starts `hardwired run` with a configuration and a tree.
    pub fn start(&self, config: &Value, sysfs: &Path) -> Daemon {
        self.start_with(config, sysfs, &[])
    }

    /// Starts it with more arguments, which say what it logs.
    pub fn start_logging(&self, arguments: &[&str], config: &Value, sysfs: &Path) -> Daemon {
        let mut command = self.run(&self.config(config), sysfs);
        Daemon::spawn(command.args(arguments).env_remove("RUST_LOG"))
    }

    /// Runs a command to its end, which logs what its arguments say.
    pub fn output_logging(&self, arguments: &[&str], sysfs: &Path) -> Output {
        let mut command = self.command(arguments, sysfs);
        command.env_remove("RUST_LOG").output().expect("hardwired runs")
    }

    /// Starts it with a state directory of its own: it meets others at the kubelet only.
    pub fn start_elsewhere(&self, config: &Value, sysfs: &Path) -> Daemon {
        let mut command = self.run(&self.config(config), sysfs);
        Daemon::spawn(command.env("HARDWIRE_STATE_DIR", self.directory.path().join("elsewhere")))
    }

    /// Starts `hardwired run` with more arguments.
    pub fn start_with(&self, config: &Value, sysfs: &Path, arguments: &[&str]) -> Daemon {
        let config = self.config(config);
        let mut command = self.run(&config, sysfs);
        Daemon::spawn(command.args(arguments))
    }

    /// Starts `hardwired run` with more arguments and with variables.
    pub fn start_with_variables(
        &self,
        config: &Value,
        sysfs: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Daemon {
        let mut command = self.run(&self.config(config), sysfs);
        Daemon::spawn(command.args(arguments).envs(variables.iter().copied()))
    }

    /// Starts another copy of the program with more arguments and with variables.
    pub fn start_program(
        &self,
        program: &Path,
        config: &Value,
        sysfs: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Daemon {
        let inner = self.run(&self.config(config), sysfs);
        let mut command = Command::new(program);
        let own = inner.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.args(inner.get_args()).envs(own).args(arguments);
        Daemon::spawn(command.envs(variables.iter().copied()))
    }

    /// Starts `hardwired run` with a directory of programs before those of the system.
    pub fn start_with_programs(&self, programs: &Path, config: &Value, sysfs: &Path) -> Daemon {
        let mut command = self.run(&self.config(config), sysfs);
        Daemon::spawn(command.env("PATH", with_system(programs)))
    }

    /// Starts it with more arguments, and as in a container: no variable says where its state is.
    pub fn start_unnamed(&self, config: &Value, sysfs: &Path, arguments: &[&str]) -> Daemon {
        let mut command = self.run(&self.config(config), sysfs);
        Daemon::spawn(command.args(arguments).env_remove("HARDWIRE_STATE_DIR"))
    }

    /// Runs a command to its end, and as in a container: no variable says where the state is.
    pub fn output_unnamed(&self, arguments: &[&str], sysfs: &Path) -> Output {
        let mut command = self.command(arguments, sysfs);
        command
            .env_remove("HARDWIRE_STATE_DIR")
            .output()
            .expect("hardwired runs")
    }

    /// Starts `hardwired run` with a configuration that is there.
    pub fn start_from(&self, config: &Path, sysfs: &Path) -> Daemon {
        Daemon::spawn(&mut self.run(config, sysfs))
    }

    /// Starts `hardwired run` on this node, with the state directory of a plugin where one is given, and a grace of one
    /// second for whatever there is one for.
    pub fn start_live(&self, config: &Value, state: Option<&Path>) -> Daemon {
        Daemon::spawn(&mut self.live(config, state))
    }

    /// The same, where the runtime reads its networks in this directory.
    pub fn start_live_beside(&self, config: &Value, state: &Path, cni_config: &Path) -> Daemon {
        let mut command = self.live(config, Some(state));
        Daemon::spawn(command.arg("--cni-config-dir").arg(cni_config))
    }

    fn live(&self, config: &Value, state: Option<&Path>) -> Command {
        let mut command = self.run(&self.config(config), Path::new("/sys"));
        if let Some(state) = state {
            command.env("HARDWIRE_STATE_DIR", state);
        }
        command.args(["--repair-grace", "1"]);
        command
    }

    /// With a grace of one second for devices that are gone.
    fn run(&self, config: &Path, sysfs: &Path) -> Command {
        let config = config.to_str().expect("UTF-8");
        self.command(&["run", "--removal-grace", "1", "--config", config], sysfs)
    }

    /// What stands for /var/run/cdi.
    pub fn cdi_dir(&self) -> PathBuf {
        self.directory.path().join("cdi")
    }

    /// What stands for the folder of device-info files.
    pub fn device_info_dir(&self) -> PathBuf {
        self.directory.path().join("devinfo")
    }

    /// What stands for /dev.
    pub fn dev_root(&self) -> PathBuf {
        self.directory.path().join("dev")
    }

    /// Starts `hardwired run` without pools, with the state directory of a plugin and a grace of one second.
    pub fn start_repairing(&self, state: &Path) -> Daemon {
        self.start_repairing_with(&[], state)
    }

    /// Starts it with more arguments.
    pub fn start_repairing_with(&self, arguments: &[&str], state: &Path) -> Daemon {
        let config = self.config(&serde_json::json!({"resourceList": null}));
        let config = config.to_str().expect("UTF-8");
        let run = ["run", "--repair-grace", "1", "--config", config];
        let mut command = self.command(&[&run, arguments].concat(), Path::new("/sys"));
        Daemon::spawn(command.env("HARDWIRE_STATE_DIR", state))
    }

    /// Starts it with more arguments and with variables.
    pub fn start_repairing_in(&self, state: &Path, arguments: &[&str], variables: &[(&str, &Path)]) -> Daemon {
        let config = self.config(&serde_json::json!({"resourceList": null}));
        let config = config.to_str().expect("UTF-8");
        let run = ["run", "--repair-grace", "1", "--config", config];
        let mut command = self.command(&[&run, arguments].concat(), Path::new("/sys"));
        command.env("HARDWIRE_STATE_DIR", state).envs(variables.iter().copied());
        Daemon::spawn(&mut command)
    }

    /// Starts it in a mount namespace of its own, in which no mounts of the host arrive from now on.
    pub fn start_repairing_apart(&self, state: &Path) -> Daemon {
        let config = self.config(&serde_json::json!({"resourceList": null}));
        let config = config.to_str().expect("UTF-8");
        let run = ["run", "--repair-grace", "1", "--config", config];
        let inner = self.command(&run, Path::new("/sys"));
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "--"]);
        command.arg(inner.get_program()).args(inner.get_args());
        let variables = inner.get_envs().filter_map(|(name, value)| Some((name, value?)));
        Daemon::spawn(command.envs(variables).env("HARDWIRE_STATE_DIR", state))
    }

    /// Runs `hardwired install-cni` with this site's state.
    pub fn install_cni(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(hardwired());
        let command = command.arg("install-cni").args(arguments);
        let command = command
            .env("HARDWIRE_STATE_DIR", self.state_dir())
            .env_remove("RUST_LOG");
        command.output().expect("hardwired runs")
    }

    /// Runs `hardwired adopt` for the daemon with this state directory.
    pub fn adopt(&self, device: &str, state: &Path) -> Output {
        let mut command = Command::new(hardwired());
        let command = command.args(["adopt", device]).env("HARDWIRE_STATE_DIR", state);
        command.output().expect("hardwired runs")
    }

    /// Starts `hardwired` with arguments of another program: nothing is before them.
    pub fn start_as(&self, arguments: &[&str], sysfs: &Path) -> Daemon {
        Daemon::spawn(&mut self.command(arguments, sysfs))
    }

    /// A command of `hardwired`, not run yet.
    pub fn prepared(&self, arguments: &[&str], sysfs: &Path) -> Command {
        self.command(arguments, sysfs)
    }

    /// Runs a command of `hardwired` to its end, with a directory of programs before those of the system.
    pub fn output_with_programs(&self, programs: &Path, arguments: &[&str], sysfs: &Path) -> Output {
        let mut command = self.command(arguments, sysfs);
        let command = command.env("PATH", with_system(programs));
        command.output().expect("hardwired runs")
    }

    fn command(&self, arguments: &[&str], sysfs: &Path) -> Command {
        let mut command = Command::new(hardwired());
        command.args(arguments);
        if !matches!(arguments.first(), Some(&("devices" | "check" | "doctor"))) {
            for (flag, path) in [
                ("--cdi-dir", self.cdi_dir()),
                ("--device-info-dir", self.device_info_dir()),
                ("--dev-root", self.dev_root()),
            ] {
                command.arg(flag).arg(path);
            }
        }
        command
            .arg("--kubelet-dir")
            .arg(self.kubelet_dir())
            .arg("--sysfs-root")
            .arg(sysfs)
            .env("HARDWIRE_STATE_DIR", self.state_dir())
            .env("RUST_LOG", "debug,h2=info,hyper=info,tower=info");
        command
    }
}

fn with_system(programs: &Path) -> OsString {
    let mut path = programs.as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    path
}

// === impl Daemon ===

impl Daemon {
    fn spawn(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::inherit())
            .stderr(Stdio::piped());
        let mut child = child.spawn().expect("hardwired starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            log: Vec::new(),
        }
    }

    /// Waits for a line of the log that contains a text, among those not waited for before.
    #[track_caller]
    pub fn wait_for_log(&mut self, text: &str, bound: Duration) -> String {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.log.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("no line with {text:?} in the log:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// Everything logged until now.
    pub fn log(&mut self) -> String {
        self.log.extend(self.lines.try_iter());
        self.log.join("\n")
    }

    /// Everything logged by a daemon that has ended.
    #[track_caller]
    pub fn wait_for_end_of_log(&mut self, bound: Duration) -> String {
        let deadline = Instant::now() + bound;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(line),
                Err(RecvTimeoutError::Disconnected) => return self.log.join("\n"),
                Err(RecvTimeoutError::Timeout) => panic!("the log does not end:\n{}", self.log.join("\n")),
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // It may have ended by itself; its exit status tells.
        let _ = kill_process(pid, signal);
    }

    /// Waits for the end.
    #[track_caller]
    pub fn wait(&mut self, bound: Duration) -> ExitStatus {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What a failed test shows.
            let log = self.log();
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("hardwired's log:\n{log}\n").as_bytes());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
