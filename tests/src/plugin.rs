//! Calling the built `hardwire` as a runtime does.

mod call;
mod fake_daemon;
mod fake_ipam;
mod scene;

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::binaries::hardwire;
use crate::node::Pod;

pub use call::Call;
pub use fake_daemon::FakeDaemon;
pub use fake_ipam::FakeIpam;
pub use scene::{Scene, Seen};

/// Where Debian's and Ubuntu's `containernetworking-plugins` are.
pub const REFERENCE_PLUGINS: &str = "/usr/lib/cni";

/// The plugin with a state directory of its own.
#[derive(Debug)]
pub struct Plugin {
    directory: tempfile::TempDir,
    /// `CNI_PATH`.
    pub path: String,
}

/// How a call ended.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status.
    pub status: i32,
    /// stdout, undecoded.
    pub stdout: String,
    /// stderr.
    pub stderr: String,
}

impl Default for Plugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin {
    /// With an empty journal.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("hardwire-test-")
            .tempdir()
            .expect("a directory");
        Self {
            directory,
            path: REFERENCE_PLUGINS.to_owned(),
        }
    }

    /// A directory for whatever the test needs on disk.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// An `ipam` section for host-local with its store in the test's directory.
    pub fn host_local(&self, subnet: &str) -> Value {
        let store = self.directory.path().join("ipam");
        json!({"type": "host-local", "dataDir": store, "ranges": [[{"subnet": subnet}]]})
    }

    /// The same with the first address as gateway, and a default route.
    pub fn host_local_with_gateway(&self, subnet: &str) -> Value {
        let mut ipam = self.host_local(subnet);
        ipam["routes"] = json!([{"dst": "0.0.0.0/0"}]);
        ipam
    }

    /// Puts an executable script where the plugin looks for IPAM plugins, before all others.
    pub fn install(&mut self, name: &str, script: &str) {
        let folder = self.directory.path().join("plugins");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), script).expect("a script");
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(0o755)).expect("a mode");
        let folder = folder.to_str().expect("UTF-8");
        if !self.path.starts_with(folder) {
            self.path = format!("{folder}:{}", self.path);
        }
    }

    /// The addresses that host-local holds reserved for a network.
    pub fn reservations(&self, network: &str) -> Vec<String> {
        let store = self.directory.path().join("ipam").join(network);
        let entries = std::fs::read_dir(store).into_iter().flatten().filter_map(Result::ok);
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter(|name| name != "lock" && !name.starts_with("last_reserved_ip"))
            .collect()
    }

    /// Every file of the journal.
    pub fn state_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for room in ["attachments", "locks", "queue"] {
            let entries = std::fs::read_dir(self.state().join(room))
                .into_iter()
                .flatten()
                .filter_map(Result::ok);
            // Where the queue ends is written down there for good.
            let paths = entries.map(|entry| entry.path());
            files.extend(paths.filter(|path| !path.ends_with("queue/tail")));
        }
        files
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// What stands for /etc/hardwire/plugin.json.
    pub fn operator_file(&self) -> PathBuf {
        self.directory.path().join("plugin.json")
    }

    /// Lets the node's operator allow what a NAD may ask for.
    pub fn operator_says(&self, config: &Value) {
        let file = self.operator_file();
        std::fs::write(&file, config.to_string()).expect("a file");
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("a mode");
    }

    /// Where the runtime reads its networks.
    pub fn cni_config(&self) -> PathBuf {
        self.directory.path().join("net.d")
    }

    /// Lets the runtime have a list with our entry, alone or behind another plugin.
    pub fn list_has_us(&self, network: &str, is_alone: bool, report_ips: bool) {
        let mut plugins = vec![json!({"type": "hardwire", "attach": "pod", "reportIps": report_ips})];
        if !is_alone {
            plugins.insert(0, json!({"type": "bridge"}));
        }
        let list = json!({"cniVersion": "1.1.0", "name": network, "plugins": plugins});
        std::fs::create_dir_all(self.cni_config()).expect("a directory");
        std::fs::write(self.cni_config().join("10-list.conflist"), list.to_string()).expect("a file");
    }

    /// The directory of device-info files.
    pub fn device_info(&self) -> PathBuf {
        self.directory.path().join("devinfo/cni")
    }

    /// Calls the plugin for `pod` with `CNI_IFNAME` net1.
    pub fn call(&self, command: &str, pod: &Pod, conf: &Value) -> Outcome {
        let variables = [
            ("CNI_CONTAINERID", pod.name().to_owned()),
            ("CNI_NETNS", pod.path()),
            ("CNI_IFNAME", "net1".to_owned()),
            ("CNI_PATH", self.path.clone()),
        ];
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.call_with(command, &variables, conf.to_string().as_bytes())
    }

    /// Calls the plugin with exactly these variables and this stdin.
    pub fn call_with(&self, command: &str, variables: &[(&str, &str)], stdin: &[u8]) -> Outcome {
        let mut process = Command::new(hardwire());
        process
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        process.env("HARDWIRE_STATE_DIR", self.state());
        process.env("HARDWIRE_PLUGIN_CONFIG", self.operator_file());
        process.env("HARDWIRE_LOG_DIR", self.directory());
        process.env("HARDWIRE_DEVICE_INFO_DIR", self.device_info());
        process.env("HARDWIRE_CNI_CONFIG_DIR", self.cni_config());
        if !command.is_empty() {
            process.env("CNI_COMMAND", command);
        }
        process.envs(variables.iter().copied());
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = process.spawn().expect("hardwire");
        // VERSION reads no stdin and may be gone.
        drop(child.stdin.take().expect("stdin").write_all(stdin));
        let output = child.wait_with_output().expect("hardwire");
        Outcome {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// ADD that succeeds.
    #[track_caller]
    pub fn add(&self, pod: &Pod, conf: &Value) -> Value {
        self.call("ADD", pod, conf).success()
    }

    /// DEL that succeeds, and prints nothing.
    #[track_caller]
    pub fn del(&self, pod: &Pod, conf: &Value) {
        let outcome = self.call("DEL", pod, conf);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (0, ""), "{}", outcome.stderr);
    }
}

impl Outcome {
    /// The result of a call that succeeded.
    #[track_caller]
    pub fn success(&self) -> Value {
        assert_eq!(self.status, 0, "{}{}", self.stdout, self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Asserts that the call succeeded and printed nothing, as every verb but ADD and VERSION does.
    #[track_caller]
    pub fn silence(&self) {
        let Self { status, stdout, stderr } = self;
        assert_eq!((*status, stdout.as_str()), (0, ""), "{stderr}");
    }

    /// The error object of a call that failed: the only thing on stdout, with a code that says no more than it may.
    #[track_caller]
    pub fn error(&self) -> Value {
        assert_eq!(
            self.status, 1,
            "exit status; stdout {:?}, stderr {}",
            self.stdout, self.stderr
        );
        let error: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}: {:?}", self.stdout));
        let code = error["code"].as_u64().unwrap_or_else(|| panic!("no code: {error}"));
        // 3 tells the runtime that no DEL is needed.
        assert!(code != 0 && code != 3, "{error}");
        assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{error}");
        assert!(error["cniVersion"].is_string(), "{error}");
        error
    }

    /// The same, with parts that its message or details must have.
    #[track_caller]
    pub fn error_naming(&self, parts: &[&str]) -> Value {
        let error = self.error();
        let text = format!("{} {}", error["msg"], error["details"]);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        error
    }

    /// The error object of a call that failed, which must have this code.
    #[track_caller]
    pub fn failure(&self, code: u32) -> Value {
        assert_ne!(self.status, 0, "it succeeded: {}", self.stdout);
        let error: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}: {:?}", self.stdout));
        assert_eq!(error["code"], code, "{error}");
        assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{error}");
        error
    }

    /// The same, with parts that its message must have.
    #[track_caller]
    pub fn failure_naming(&self, code: u32, parts: &[&str]) -> Value {
        let error = self.failure(code);
        let text = format!("{} {}", error["msg"], error["details"]);
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        error
    }
}
