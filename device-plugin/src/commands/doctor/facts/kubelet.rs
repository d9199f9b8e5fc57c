//! The witness kubelet: its sockets, its device checkpoint, its podresources API, and its process.
//!
//! Contract: the checkpoint is `kubelet_internal_checkpoint` in its device-plugin directory (`{"Data": {"PodDeviceEntries": [...],
//! "RegisteredDevices": {RESOURCE: [ID]}}}`, pkg/kubelet/cm/devicemanager/checkpoint); it is the kubelet's own and read
//! leniently.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hardwire_proto::deviceplugin::KUBELET_SOCKET;
use hardwire_proto::podresources;
use serde::Deserialize;

use super::places::Places;
use super::unseen::Unseen;
use crate::events::socket::{Behind, behind};
use crate::ledger::checkpoint::FILE as CHECKPOINT;
use crate::ledger::podresources::{Held, PodResources};

/// What a kubelet takes without `--root-dir`.
const ROOT: &str = "/var/lib/kubelet";
/// Where systemd finds its unit (systemd.unit(5)), where it has one: k3s and rke2 run the kubelet in services of their own.
const UNITS: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const SERVICE: &str = "kubelet.service";
/// A checkpoint of thousands of allocations is far below.
const LARGEST: u64 = 64 << 20;

/// What the kubelet says, and what it shows.
#[derive(Debug)]
pub struct KubeletFacts {
    /// Whether it listens for device plugins.
    pub registration: Option<Behind>,
    /// Whether its device-plugin directory is there.
    pub has_directory: bool,
    /// What it last wrote down.
    pub checkpoint: Option<Checkpoint>,
    /// Which pod holds what; why not, where it cannot be heard.
    pub held: Result<Held, String>,
    /// Since when it has its podresources socket: since it started.
    pub listening_since: Option<SystemTime>,
    /// Whether systemd has a kubelet.service here; none in a container, which shows its own files.
    pub has_service: Option<bool>,
    /// Kubelets that run; none where processes of the node cannot be seen.
    pub processes: Option<Vec<KubeletProcess>>,
    /// Sockets of device plugins, ours among them.
    pub plugins: Vec<PluginSocket>,
    /// Whether sriov-network-device-plugin runs; none where processes cannot be seen.
    pub has_upstream: Option<bool>,
}

/// The kubelet's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Healthy devices of each resource, as the kubelet knew them when it wrote.
    pub registered: BTreeMap<String, Vec<String>>,
    /// When.
    pub written: Option<SystemTime>,
}

/// A running kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeletProcess {
    /// Its process id.
    pub pid: u32,
    /// Its `--root-dir`, or what it takes without.
    pub root: PathBuf,
}

/// The socket of a device plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSocket {
    /// Name in the directory.
    pub name: String,
    /// Whether its plugin lives.
    pub behind: Behind,
    /// When it was made.
    pub made: Option<SystemTime>,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "Data")]
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "RegisteredDevices", default)]
    registered: Option<BTreeMap<String, Option<Vec<String>>>>,
}

// === impl KubeletFacts ===

impl KubeletFacts {
    /// Asks it.
    pub fn read(places: &Places, unseen: &mut Vec<Unseen>) -> Self {
        let directory = &places.device_plugins;
        let registration = behind(&directory.join(KUBELET_SOCKET));
        if let Err(error) = &registration {
            unseen.push(Unseen::new(
                "whether the kubelet listens for device plugins",
                format!("{}: {error}", directory.join(KUBELET_SOCKET).display()),
                "run doctor as root on the node, or in the daemon's pod",
            ));
        }
        let checkpoint = checkpoint(&directory.join(CHECKPOINT)).unwrap_or_else(|error| {
            unseen.push(Unseen::new(
                "what the kubelet has registered",
                error,
                "run doctor as root on the node, or in the daemon's pod",
            ));
            None
        });
        let processes = places.shows_processes().then(|| processes(&places.proc));
        if processes.is_none() {
            unseen.push(Unseen::new(
                "which kubelet runs, and with which --root-dir",
                "a container shows its own processes only",
                "on the node: ps -o args= -C kubelet",
            ));
        }
        Self {
            registration: registration.ok(),
            has_directory: directory.is_dir(),
            has_service: (!places.in_pod).then(|| UNITS.iter().any(|units| Path::new(units).join(SERVICE).exists())),
            checkpoint,
            held: held(&places.pod_resources),
            listening_since: fs::symlink_metadata(places.pod_resources.join(podresources::KUBELET_SOCKET))
                .and_then(|metadata| metadata.modified())
                .ok(),
            has_upstream: processes
                .as_ref()
                .map(|all| all.iter().any(|process| process.name == "sriovdp")),
            processes: processes.map(|all| all.into_iter().filter_map(Process::kubelet).collect()),
            plugins: sockets(directory),
        }
    }
}

fn held(pod_resources: &Path) -> Result<Held, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let held = runtime.block_on(PodResources::in_directory(pod_resources).held());
    held.map_err(|error| error.to_string())
}

fn checkpoint(path: &Path) -> Result<Option<Checkpoint>, String> {
    use std::io::Read;

    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| failed(&error))?,
    };
    let written = file.metadata().and_then(|metadata| metadata.modified()).ok();
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    let content: Written = serde_json::from_str(&text).map_err(|error| failed(&error))?;
    let registered = content.data.registered.unwrap_or_default().into_iter();
    Ok(Some(Checkpoint {
        registered: registered
            .map(|(resource, ids)| (resource, ids.unwrap_or_default()))
            .collect(),
        written,
    }))
}

fn sockets(directory: &Path) -> Vec<PluginSocket> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut sockets: Vec<PluginSocket> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_plugins = name != KUBELET_SOCKET && Path::new(&name).extension().is_some_and(|end| end == "sock");
            let behind = behind(&entry.path()).ok().filter(|_| is_plugins)?;
            let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            Some(PluginSocket { name, behind, made })
        })
        .collect();
    sockets.sort_by(|a, b| a.name.cmp(&b.name));
    sockets
}

struct Process {
    pid: u32,
    name: String,
    arguments: Vec<String>,
}

impl Process {
    fn kubelet(self) -> Option<KubeletProcess> {
        if self.name != "kubelet" {
            return None;
        }
        let mut arguments = self.arguments.iter();
        let root = arguments.find_map(|argument| argument.trim_start_matches('-').strip_prefix("root-dir"));
        let root = root.and_then(|rest| rest.strip_prefix('=').or_else(|| arguments.next().map(String::as_str)));
        Some(KubeletProcess {
            pid: self.pid,
            root: PathBuf::from(root.unwrap_or(ROOT)),
        })
    }
}

/// The processes that matter here.
fn processes(proc: &Path) -> Vec<Process> {
    let entries = fs::read_dir(proc).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read(entry.path().join("cmdline")).ok()?;
        let text = String::from_utf8_lossy(&text);
        let mut arguments = text.split('\0').map(str::to_owned);
        let program = arguments.next()?;
        let name = Path::new(&program).file_name()?.to_str()?.to_owned();
        matches!(name.as_str(), "kubelet" | "sriovdp").then(|| Process {
            pid,
            name,
            arguments: arguments.collect(),
        })
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_is_known_by_its_program_and_its_root_by_either_spelling() {
        let proc = tempfile::tempdir().unwrap();
        let process = |pid: &str, arguments: &[&str]| {
            fs::create_dir(proc.path().join(pid)).unwrap();
            fs::write(proc.path().join(pid).join("cmdline"), arguments.join("\0")).unwrap();
        };
        process("7", &["/usr/bin/kubelet", "--v=2", "--root-dir=/data/kubelet", ""]);
        process("8", &["kubelet", "--root-dir", "/data/other"]);
        process("9", &["kubelet-helper", "--root-dir=/x"]);
        process("10", &["kubelet", "--v=2"]);
        process("self", &["kubelet"]);
        let mut found: Vec<KubeletProcess> = processes(proc.path())
            .into_iter()
            .filter_map(Process::kubelet)
            .collect();
        found.sort_by_key(|process| process.pid);
        let roots: Vec<_> = found.iter().map(|process| process.root.to_str().unwrap()).collect();
        assert_eq!(roots, ["/data/kubelet", "/data/other", ROOT]);
    }

    #[test]
    fn a_checkpoint_is_read_leniently() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CHECKPOINT);
        assert_eq!(checkpoint(&path), Ok(None));
        fs::write(
            &path,
            r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{"a.com/b":["x"],"c.d/e":null}},"Checksum":1}"#,
        )
        .unwrap();
        let read = checkpoint(&path).unwrap().unwrap();
        assert_eq!(read.registered["a.com/b"], ["x"]);
        assert!(read.registered["c.d/e"].is_empty() && read.written.is_some());
        fs::write(&path, "{").unwrap();
        assert!(checkpoint(&path).unwrap_err().contains(CHECKPOINT));
    }
}
