//! A container of deploy/base/daemonset.yaml, started with `runc` as containerd and CRI-O do.

use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

/// What the runtimes' default profiles forbid to a container with our capabilities, and a program here might come to use.
const FORBIDDEN: [&str; 17] = [
    "acct",
    "add_key",
    "clock_settime",
    "delete_module",
    "finit_module",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "kexec_load",
    "keyctl",
    "open_by_handle_at",
    "reboot",
    "request_key",
    "swapon",
    "syslog",
    "userfaultfd",
];

/// A container and its root file system, ended and removed when dropped.
pub(crate) struct Container {
    child: Child,
    place: tempfile::TempDir,
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn mount(entry: &Value, source: &Path) -> Value {
    let mut options = vec!["rbind"];
    options.push(if entry["readOnly"] == true { "ro" } else { "rw" });
    options.push(if entry["mountPropagation"] == "HostToContainer" {
        "rslave"
    } else {
        "rprivate"
    });
    json!({"destination": entry["mountPath"], "type": "bind", "source": source, "options": options})
}

/// The runtime's configuration. There is no network namespace in it: that of the caller stands for the node's.
fn specification(container: &Value, source: impl Fn(&str) -> PathBuf) -> Value {
    let context = &container["securityContext"];
    let added = list(&context["capabilities"]["add"])
        .iter()
        .map(|name| format!("CAP_{}", name.as_str().unwrap()));
    let capabilities: Vec<String> = added.collect();
    let arguments: Vec<&Value> = list(&container["command"])
        .iter()
        .chain(list(&container["args"]))
        .collect();
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]}),
    ];
    let asked = list(&container["volumeMounts"]).iter();
    mounts.extend(asked.map(|entry| mount(entry, &source(entry["name"].as_str().unwrap()))));
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": "root", "readonly": context["readOnlyRootFilesystem"]},
        "process": {
            "args": arguments, "cwd": "/", "env": LAYOUT.config()["config"]["Env"], "user": {"uid": 0, "gid": 0},
            "noNewPrivileges": context["allowPrivilegeEscalation"] == false,
            "capabilities": {"bounding": capabilities, "effective": capabilities, "permitted": capabilities},
        },
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "ipc"}, {"type": "uts"}],
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": FORBIDDEN, "action": "SCMP_ACT_ERRNO"}],
            },
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

// === impl Container ===

impl Container {
    /// Starts a container of the pod; `source` is what the node has for a volume.
    pub(crate) fn start(container: &Value, source: impl Fn(&str) -> PathBuf) -> Self {
        let place = tempfile::Builder::new().prefix("hardwire-runc-").tempdir().unwrap();
        fs::rename(LAYOUT.root().keep(), place.path().join("root")).unwrap();
        let specification = specification(container, source).to_string();
        fs::write(place.path().join("config.json"), specification).unwrap();
        let mut command = runc(place.path());
        command
            .args(["run", "--bundle"])
            .arg(place.path())
            .arg(name(place.path()));
        let output = fs::File::create(place.path().join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone().unwrap())
            .stdout(output);
        Self {
            child: command.spawn().unwrap(),
            place,
        }
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.path().join("log")).unwrap()
    }

    /// A line of its first process' status.
    pub(crate) fn status(&self, key: &str) -> String {
        let told = runc(self.place.path())
            .arg("state")
            .arg(name(self.place.path()))
            .output()
            .unwrap();
        let state: Value = serde_json::from_slice(&told.stdout).unwrap();
        let status = fs::read_to_string(format!("/proc/{}/status", state["pid"])).unwrap();
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(":\t"));
        value.unwrap().to_owned()
    }

    /// Asks it to end, as the kubelet does.
    pub(crate) fn terminate(&self) {
        let told = runc(self.place.path())
            .arg("kill")
            .arg(name(self.place.path()))
            .arg("TERM")
            .status()
            .unwrap();
        assert!(told.success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self, bound: Duration) -> ExitStatus {
        let deadline = Instant::now() + bound;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it runs on: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let ended = runc(self.place.path())
            .args(["delete", "--force"])
            .arg(name(self.place.path()))
            .output();
        drop(ended);
        drop(self.child.wait());
    }
}

/// With a state directory of its own, so that it meets no container of this machine.
fn runc(place: &Path) -> Command {
    let mut command = Command::new("runc");
    command.arg("--root").arg(place.join("state"));
    command
}

fn name(place: &Path) -> String {
    place.file_name().unwrap().to_str().unwrap().to_owned()
}
