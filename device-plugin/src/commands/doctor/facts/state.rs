//! The witness state directory: the daemon's sockets and view, the journal, and what IPAM may still hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hardwire_cni::boot_id;
use hardwire_cni::journal::{Journal, Record, Unreadable};
use hardwire_cni::leases::Lease;
use hardwire_cni::netns;
use hardwire_cni::release::is_abandoned;
use hardwire_pci::DeviceId;
use rustix::fs::statfs;

use super::places::Places;
use super::unseen::Unseen;
use crate::ask::view::View;
use crate::commands::mending::stale_sockets;
use crate::commands::run::is_state_named;
use crate::ledger::state_directory::StateDirectory;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` (include/uapi/linux/magic.h): what does not outlive a boot.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What our state says.
#[derive(Debug, Default)]
pub struct StateFacts {
    /// The directory.
    pub directory: PathBuf,
    /// Why it is not the one that the plugin on the node writes.
    pub unknown: Option<String>,
    /// Its file system, where that outlives a boot.
    pub on_disk: Option<u64>,
    /// What the daemon thinks of each device; that of one that has ended only shows since when.
    pub view: View,
    /// When the view was last written.
    pub view_written: Option<SystemTime>,
    /// Attachments.
    pub attachments: BTreeMap<DeviceId, Attached>,
    /// The journal cannot be read.
    pub is_unread: bool,
    /// Records that make no sense.
    pub unreadable: Vec<Unreadable>,
    /// What IPAM may still hold, of any boot.
    pub leases: Vec<(Lease, Option<SystemTime>)>,
    /// This boot; none where the kernel does not say.
    pub boot: Option<String>,
    /// Sockets of ours that nobody serves.
    pub stale_sockets: Vec<(PathBuf, Option<SystemTime>)>,
}

/// An attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The journal's record.
    pub record: Record,
    /// When it was last written.
    pub since: Option<SystemTime>,
    /// Its namespace is gone, or its DEL came.
    pub is_abandoned: bool,
    /// Whether its namespace lives cannot be seen from here.
    pub is_hidden: bool,
    /// How many processes are in its namespace; none where processes of the node cannot be seen.
    pub processes: Option<usize>,
}

// === impl StateFacts ===

impl StateFacts {
    /// Reads it. `endpoints` are the sockets of the configured pools.
    pub fn read(places: &Places, endpoints: &[String], unseen: &mut Vec<Unseen>) -> Self {
        let directory = &places.state;
        let journal = Journal::at(directory);
        let mut is_unread = false;
        let (records, unreadable) = journal.all().unwrap_or_else(|error| {
            is_unread = true;
            unseen.push(Unseen::new(
                "which devices are attached",
                error.to_string(),
                "run doctor as root on the node, or in the daemon's pod",
            ));
            (Vec::new(), Vec::new())
        });
        let inside = (places.shows_processes() && !records.is_empty()).then(|| processes_by_namespace(&places.proc));
        let attachments: BTreeMap<DeviceId, Attached> = records
            .into_iter()
            .map(|record| (record.device.clone(), Attached::of(record, directory, inside.as_ref())))
            .collect();
        for attached in attachments.values().filter(|attached| attached.is_hidden) {
            unseen.push(Unseen::new(
                format!("whether the namespace of {} lives", attached.record.device),
                format!("{} is out of sight here", attached.record.owner.netns_path),
                format!("on the node: ls -l {}", attached.record.owner.netns_path),
            ));
        }
        let stale = stale_sockets(directory, &places.device_plugins, endpoints);
        Self {
            unknown: StateDirectory::unknown_at(directory, is_state_named()),
            on_disk: on_disk(directory),
            view: View::left(directory).unwrap_or_default(),
            view_written: modified(&directory.join("devices.json")),
            attachments,
            is_unread,
            unreadable,
            leases: leases(&places.leases),
            boot: boot_id().ok(),
            stale_sockets: stale.into_iter().map(|path| (path.clone(), modified(&path))).collect(),
            directory: directory.clone(),
        }
    }

    /// Configurations that attachments were made with, and of which device.
    pub fn configurations(&self) -> impl Iterator<Item = (&DeviceId, &str)> {
        let attached = self.attachments.values();
        let of_records = attached.filter_map(|attached| {
            let ipam = attached.record.ipam.as_ref()?;
            Some((&attached.record.device, ipam.config.as_str()))
        });
        let of_leases = self
            .leases
            .iter()
            .map(|(lease, _)| (&lease.device, lease.ipam.config.as_str()));
        of_records.chain(of_leases)
    }

    /// Whether our journal or a lease of ours names a container. `None` where that is not known.
    pub fn knows(&self, container: &str) -> Option<bool> {
        if self.unknown.is_some() || self.is_unread || !self.unreadable.is_empty() {
            return None;
        }
        let attached = self
            .attachments
            .values()
            .map(|attached| &attached.record.owner.container_id);
        let mut ours = attached.chain(self.leases.iter().map(|(lease, _)| &lease.owner.container_id));
        Some(ours.any(|id| id.as_str() == container))
    }
}

// === impl Attached ===

impl Attached {
    fn of(record: Record, state: &Path, inside: Option<&BTreeMap<u64, usize>>) -> Self {
        let file = state
            .join("attachments")
            .join(format!("{}.json", record.device.file_stem()));
        Self {
            since: modified(&file),
            is_abandoned: is_abandoned(&record),
            is_hidden: netns::is_hidden(&record.owner.netns_path),
            processes: inside.map(|inside| inside.get(&record.owner.netns.inode).copied().unwrap_or_default()),
            record,
        }
    }

    /// The pod, else the container.
    pub fn owner(&self) -> String {
        match &self.record.pod {
            Some(pod) => format!("{}/{}", pod.namespace, pod.name),
            None => format!("container {}", self.record.owner.container_id),
        }
    }
}

/// How many processes are in each network namespace, by its inode.
fn processes_by_namespace(proc: &Path) -> BTreeMap<u64, usize> {
    let mut inside = BTreeMap::new();
    for entry in fs::read_dir(proc).into_iter().flatten().filter_map(Result::ok) {
        let link = fs::read_link(entry.path().join("ns/net")).ok();
        let inode = link.and_then(|link| link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok());
        if let Some(inode) = inode {
            *inside.entry(inode).or_default() += 1;
        }
    }
    inside
}

fn modified(path: &Path) -> Option<SystemTime> {
    let metadata = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
    metadata.ok()
}

fn on_disk(directory: &Path) -> Option<u64> {
    let kind = statfs(directory).ok()?.f_type;
    let kind = u64::try_from(kind).ok()?;
    (!IN_MEMORY.contains(&kind)).then_some(kind)
}

/// Read here and not by [`hardwire_cni::leases`], which puts aside what is torn: doctor changes nothing.
fn leases(directory: &Path) -> Vec<(Lease, Option<SystemTime>)> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let paths = entries.map(|entry| entry.path());
    let leases = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    leases
        .filter_map(|path| Some((serde_json::from_slice(&fs::read(&path).ok()?).ok()?, modified(&path))))
        .collect()
}
