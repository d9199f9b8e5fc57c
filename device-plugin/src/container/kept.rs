//! Documents of devices that their pool has no more, kept for as long as somebody has the device.
//!
//! A container that is started again in its pod is not allocated anew: the kubelet hands the runtime the CDI names of the
//! first Allocate from its checkpoint (`GetDeviceRunContainerOptions`, pkg/kubelet/cm/devicemanager/manager.go), and a pod's
//! new sandbox is attached by the device-info file of its resource. So what leaves a pool, and what a pool leaves, is put here
//! first, and goes when nobody has the device.
//!
//! A CDI name is of a kind, not of a resource, and a device that two specs describe cannot be used. So each kind has one spec
//! of kept devices, and one that a pool describes is in it no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tracing::{info, warn};

use super::spec_file::{self, Described};
use super::{cdi, document};

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    state: Mutex<State>,
    added: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Device-info files.
    files: BTreeMap<PathBuf, KeptFile>,
    /// Names in kept specs, by kind.
    names: BTreeMap<String, BTreeSet<String>>,
}

/// A device-info file.
#[derive(Debug, Clone)]
struct KeptFile {
    /// Whose.
    device: String,
    /// The mark of its resource, if that is gone too.
    mark: Option<PathBuf>,
}

// === impl Kept ===

impl Kept {
    /// Whether there is anything.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.files.is_empty() && state.names.is_empty()
    }

    /// Returns after something was added, or at once if it was since the last time.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// The devices that are kept.
    pub(super) fn devices(&self) -> BTreeSet<String> {
        let state = self.state();
        let of_files = state.files.values().map(|file| file.device.clone());
        of_files
            .chain(state.names.values().flatten().map(|name| cdi::id(name)))
            .collect()
    }

    /// Keeps a device-info file; `mark` where its resource is gone.
    pub(super) fn file(&self, path: PathBuf, device: String, mark: Option<&Path>) {
        let mark = mark.map(Path::to_owned);
        self.state().files.insert(path, KeptFile { device, mark });
        self.added.notify_one();
    }

    /// Those of these files that are kept so far, and are no more: they belong to a pool again.
    pub(super) fn take_back<'a>(&self, files: impl Iterator<Item = &'a Path>) {
        let mut state = self.state();
        if !state.files.is_empty() {
            for path in files {
                state.files.remove(path);
            }
        }
    }

    /// Keeps devices of a kind, but for those that another spec of ours describes.
    pub(super) fn devices_of(&self, folder: &Path, kind: &cdi::Kind, mut lost: Described, except: &Path) {
        if lost.is_empty() {
            return;
        }
        for path in kind.specs(folder).filter(|path| path != except) {
            for name in spec_file::described(&path, &kind.to_string()).into_keys() {
                lost.remove(&name);
            }
        }
        if lost.is_empty() {
            return;
        }
        let Some(mut devices) = kept(folder, kind) else { return };
        devices.extend(lost);
        self.write(folder, kind, &devices);
        self.added.notify_one();
    }

    /// Takes devices of a kind out, which a pool describes.
    pub(super) fn described(&self, folder: &Path, kind: &cdi::Kind, by_pool: &Described) {
        let names = self.state().names.get(&kind.to_string()).cloned().unwrap_or_default();
        if names.iter().any(|name| by_pool.contains_key(name)) {
            self.retain(folder, kind, |name| !by_pool.contains_key(name));
        }
    }

    /// Removes what is kept of these devices.
    pub(super) fn forget(&self, folder: &Path, gone: &BTreeSet<String>) {
        let (mut files, mut marks) = (Vec::new(), BTreeSet::new());
        self.state().files.retain(|path, file| {
            let goes = gone.contains(&file.device);
            if goes {
                files.push(path.clone());
                marks.extend(file.mark.clone());
            }
            !goes
        });
        for path in &files {
            document::remove(path);
        }
        let needed: BTreeSet<PathBuf> = self
            .state()
            .files
            .values()
            .filter_map(|file| file.mark.clone())
            .collect();
        for mark in marks.difference(&needed) {
            document::remove(mark);
        }
        for kind in cdi::Kind::kept_in(folder) {
            self.retain(folder, &kind, |name| !gone.contains(&cdi::id(name)));
        }
        info!(devices = ?gone, "nobody has them: what was kept of them is removed");
    }

    /// Takes over what an earlier process kept of CDI devices.
    pub(super) fn restore(&self, folder: &Path) {
        for kind in cdi::Kind::kept_in(folder) {
            self.retain(folder, &kind, |_| true);
        }
        self.added.notify_one();
    }

    fn retain(&self, folder: &Path, kind: &cdi::Kind, keep: impl Fn(&str) -> bool) {
        let Some(mut devices) = kept(folder, kind) else { return };
        devices.retain(|name, _| keep(name));
        self.write(folder, kind, &devices);
    }

    fn write(&self, folder: &Path, kind: &cdi::Kind, devices: &Described) {
        let path = kind.kept(folder);
        match spec_file::document(&path, &kind.to_string(), devices) {
            None => document::remove(&path),
            Some(spec) => {
                if let Err(error) = spec.ensure() {
                    warn!("{}: {error}", path.display());
                }
            }
        }
        let names: BTreeSet<String> = devices.keys().cloned().collect();
        if names.is_empty() {
            self.state().names.remove(&kind.to_string());
        } else {
            self.state().names.insert(kind.to_string(), names);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is one step.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kept devices of a kind; `None` where they cannot be read, so that nothing is written over what a pod needs.
fn kept(folder: &Path, kind: &cdi::Kind) -> Option<Described> {
    let path = kind.kept(folder);
    spec_file::read(&path, &kind.to_string())
        .inspect_err(|error| warn!("{}: left as it is: {error}", path.display()))
        .ok()
}
