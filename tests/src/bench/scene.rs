//! Devices and pods to measure on: veth pairs, the neighbours up on the host, and network namespaces.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A device and the pod that it goes to.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its number.
    pub number: usize,
    /// The interface on the host.
    pub device: String,
    /// Its index there.
    pub index: u32,
    /// Container id of the pod, and the name of its namespace.
    pub pod: String,
    /// Path of the namespace.
    pub netns: String,
}

/// Devices and pods, removed when dropped.
#[derive(Debug)]
pub struct Scene {
    slots: Vec<Slot>,
    directory: PathBuf,
}

impl Scene {
    /// So many veth devices and pods. `directory` is for files; it is on a tmpfs.
    pub fn new(count: usize, directory: &Path) -> Self {
        let numbers = 0..count;
        let made = numbers
            .clone()
            .map(|n| format!("link add b{n} type veth peer name b{n}p\nlink set b{n}p up\nnetns add pod{n}\n"));
        ip_batch(&made.collect::<String>());
        let slots = numbers.map(|n| Slot {
            number: n,
            device: format!("b{n}"),
            index: index(&format!("b{n}")),
            pod: format!("pod{n}"),
            netns: format!("/run/netns/pod{n}"),
        });
        Self {
            slots: slots.collect(),
            directory: directory.to_owned(),
        }
    }

    /// Device and pod, number by number.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// For files.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let gone = self
            .slots
            .iter()
            .map(|slot| format!("link del {}p\nnetns del {}\n", slot.device, slot.pod));
        ip_batch(&gone.collect::<String>());
    }
}

/// Index of a link of the host.
#[track_caller]
pub fn index(name: &str) -> u32 {
    let text = fs::read_to_string(format!("/sys/class/net/{name}/ifindex"));
    let index = text.ok().and_then(|text| text.trim().parse().ok());
    index.unwrap_or_else(|| panic!("{name} is not on the host"))
}

/// Many commands in one process of iproute2.
#[track_caller]
pub fn ip_batch(commands: &str) {
    let mut ip = Command::new("ip");
    let mut ip = ip
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("iproute2");
    let mut stdin = ip.stdin.take().expect("stdin");
    stdin.write_all(commands.as_bytes()).expect("ip reads its commands");
    drop(stdin);
    assert!(ip.wait().expect("ip").success(), "ip -batch failed");
}
