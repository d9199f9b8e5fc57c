//! Documents come with an offer and go with the pool, not with the process: containers that run while we restart, or that
//! are started again by then, need them. What somebody has is kept longer than its pool ([`Publisher::release`]).
//!
//! The folders are shared with other programs, and file names do not tell whose they are. So a mark in our own state
//! directory, which lives as long as the boot as the folders do, names each resource that has documents.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::kept::Kept;
use super::spec_file::{self, Described};
use super::{CdiPool, Document, cdi, device_info, document};
use crate::config::ResourceName;

/// Where documents go.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// CDI is on.
    pub use_cdi: bool,
    /// Folder of CDI specs.
    pub cdi: PathBuf,
    /// Folder of device-info files.
    pub device_info: PathBuf,
    /// Folder of our marks; without one, documents of resources that an earlier process had are not known.
    pub published: Option<PathBuf>,
    kept: Arc<Kept>,
    /// One change of the folders at a time: a device goes from one document into another.
    changing: Arc<Mutex<()>>,
}

/// What comes with documents.
pub trait Published {
    /// Its device-info files.
    fn device_infos(&self) -> impl Iterator<Item = &Document>;

    /// Its CDI spec.
    fn cdi(&self) -> Option<&CdiPool>;
}

/// What is to be done for an offer.
#[derive(Debug, Default)]
struct Changes<'a> {
    /// Documents to be written.
    new: Vec<&'a Document>,
    /// Device-info files that the offer has not.
    lost: Vec<PathBuf>,
    /// CDI specs that describe what the offer may not.
    specs: Vec<(cdi::Kind, PathBuf)>,
    /// The offer's spec.
    cdi: Option<&'a CdiPool>,
}

// === impl Publisher ===

impl Publisher {
    /// What goes into these folders; CDI only if it is on.
    pub fn new(use_cdi: bool, cdi: PathBuf, device_info: PathBuf, published: impl Into<Option<PathBuf>>) -> Self {
        Self {
            use_cdi,
            cdi,
            device_info,
            published: published.into(),
            kept: Arc::default(),
            changing: Arc::default(),
        }
    }

    /// Writes an offer's documents, and puts those of devices that are not in it any more aside. With the offer before it at
    /// hand, only what differs is looked at. Returns whether all of them are there; why not is logged, and Allocate sees to what
    /// it needs once more. A thousand files take longer than the kubelet should wait for anything: not for the loop's thread.
    ///
    /// Calls for one resource must follow each other.
    pub fn publish<P: Published>(&self, resource: &ResourceName, previous: Option<&P>, offer: &P) -> bool {
        if previous.is_none()
            && let Some(mark) = self.mark(resource)
            && let Err(error) = write_mark(&mark)
        {
            warn!(%resource, "{}: {error}", mark.display());
        }
        if previous.is_none() && self.use_cdi && !cdi::is_vendor(resource.prefix()) {
            warn!(%resource, "no CDI: its prefix is no name of a CDI vendor, which begins with a letter and has two at least");
        }
        let changes = self.changes(resource, previous, offer);
        if changes.new.is_empty() && changes.lost.is_empty() && changes.specs.is_empty() {
            return true;
        }
        self.change(resource, &changes)
    }

    /// Sees to it that all documents of an offer are there, after some of them could not be written. Returns whether they are.
    pub fn retry<P: Published>(&self, resource: &ResourceName, offer: &P) -> bool {
        let _changing = self.changing();
        let specs = offer.cdi().map(|cdi| &cdi.spec);
        ensure(resource, offer.device_infos().chain(specs))
    }

    /// Removes the documents of a resource that is gone for good, and keeps those of devices that somebody may have.
    pub fn withdraw(&self, resource: &ResourceName) {
        let _changing = self.changing();
        let mark = self.mark(resource);
        for kind in cdi::Kind::all_of(resource) {
            let path = kind.spec(&self.cdi, resource);
            let described = spec_file::described(&path, &kind.to_string());
            self.kept.devices_of(&self.cdi, &kind, described, &path);
            document::remove(&path);
        }
        let mut files = self.device_info_files(resource).peekable();
        if files.peek().is_none()
            && let Some(mark) = &mark
        {
            document::remove(mark);
        }
        for (path, device) in files {
            self.kept.file(path, device, mark.as_deref());
        }
        info!(%resource, "its CDI spec and device-info files are removed, but for those of devices that somebody has");
    }

    /// Puts aside what an earlier process left: documents of resources other than these, and removes documents that it did
    /// not finish.
    pub fn sweep<'a>(&self, resources: impl IntoIterator<Item = &'a ResourceName>) {
        let current: Vec<&ResourceName> = resources.into_iter().collect();
        self.kept.restore(&self.cdi);
        for mark in self.published.as_deref().map(document::names).unwrap_or_default() {
            let resource = mark.split_once('_');
            let resource = resource.and_then(|(prefix, name)| ResourceName::new(prefix, name).ok());
            if let Some(gone) = resource.filter(|resource| !current.contains(&resource)) {
                self.withdraw(&gone);
            }
        }
        for folder in [&self.cdi, &self.device_info] {
            for name in document::names(folder) {
                if name.starts_with(document::UNFINISHED) {
                    document::remove(&folder.join(name));
                }
            }
        }
    }

    /// The devices of which documents are kept that their pools have no more.
    pub fn kept_devices(&self) -> BTreeSet<String> {
        self.kept.devices()
    }

    /// Returns when there are documents to [`Self::release`] that were not there before.
    pub async fn kept(&self) {
        self.kept.added().await;
    }

    /// Removes what is kept of devices that nobody has. `held` tells whether somebody has a device, or may have it. The
    /// files go beside the caller; the task ends when they have.
    pub fn release(&self, held: impl Fn(&str) -> bool) -> Option<JoinHandle<()>> {
        if self.kept.is_empty() {
            return None;
        }
        let mut gone = self.kept.devices();
        gone.retain(|device| !held(device));
        if gone.is_empty() {
            return None;
        }
        let publisher = self.clone();
        Some(tokio::task::spawn_blocking(move || publisher.forget(&gone)))
    }

    fn forget(&self, gone: &BTreeSet<String>) {
        let _changing = self.changing();
        self.kept.forget(&self.cdi, gone);
    }

    fn changes<'a, P: Published>(&self, resource: &ResourceName, previous: Option<&'a P>, offer: &'a P) -> Changes<'a> {
        let known: HashMap<&Path, &Document> = previous
            .into_iter()
            .flat_map(Published::device_infos)
            .map(|document| (document.path.as_path(), document))
            .collect();
        let differs = |document: &&Document| known.get(document.path.as_path()) != Some(document);
        let mut new: Vec<&Document> = offer.device_infos().filter(differs).collect();
        let wanted: HashSet<&Path> = offer.device_infos().map(|document| document.path.as_path()).collect();
        let lost = match previous {
            Some(_) => known.keys().map(|path| path.to_path_buf()).collect(),
            None => self
                .device_info_files(resource)
                .map(|(path, _)| path)
                .collect::<Vec<_>>(),
        };
        let lost = lost
            .into_iter()
            .filter(|path| !wanted.contains(path.as_path()))
            .collect();
        let (before, now) = (previous.and_then(Published::cdi), offer.cdi());
        let mut specs = Vec::new();
        if previous.is_none() {
            for kind in cdi::Kind::all_of(resource) {
                specs.push((kind.clone(), kind.spec(&self.cdi, resource)));
                if now.is_some() {
                    specs.push((kind.clone(), kind.upstream_spec(&self.cdi, resource)));
                }
            }
            specs.retain(|(_, path)| path.exists());
        } else if let Some(before) = before.filter(|before| now != Some(before)) {
            specs.push((before.kind().clone(), before.spec.path.clone()));
        }
        let cdi = now.filter(|now| before != Some(now));
        new.extend(cdi.map(|cdi| &cdi.spec));
        Changes { new, lost, specs, cdi }
    }

    fn change(&self, resource: &ResourceName, changes: &Changes<'_>) -> bool {
        let _changing = self.changing();
        let Changes { new, lost, specs, cdi } = changes;
        let described = cdi.as_ref().map_or_else(Described::new, |cdi| {
            spec_file::in_text(&cdi.spec.content, &cdi.kind().to_string())
        });
        for (kind, path) in specs {
            let mut before = spec_file::described(path, &kind.to_string());
            let is_own = cdi.as_ref().is_some_and(|cdi| cdi.kind() == kind);
            before.retain(|name, _| !(is_own && described.contains_key(name)));
            // Kept before it is lost: whenever we end, it is described.
            self.kept.devices_of(&self.cdi, kind, before, path);
            if cdi.as_ref().is_none_or(|cdi| cdi.spec.path != *path) {
                document::remove(path);
            }
        }
        for path in lost {
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some(device) = name.and_then(|name| device_info::device(resource, name)) {
                self.kept.file(path.clone(), device, None);
            }
        }
        self.kept.take_back(new.iter().map(|document| document.path.as_path()));
        let is_whole = ensure(resource, new.iter().copied());
        if let Some(cdi) = cdi {
            self.kept.described(&self.cdi, cdi.kind(), &described);
        }
        is_whole
    }

    /// The device-info files that are there of a resource, and of which device each is.
    fn device_info_files(&self, resource: &ResourceName) -> impl Iterator<Item = (PathBuf, String)> {
        let names = document::names(&self.device_info).into_iter();
        names.filter_map(|name| Some((self.device_info.join(&name), device_info::device(resource, &name)?)))
    }

    fn mark(&self, resource: &ResourceName) -> Option<PathBuf> {
        let published = self.published.as_ref()?;
        Some(published.join(format!("{}_{}", resource.prefix(), resource.name())))
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        // What a change left undone the next one finds in the folders.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_mark(mark: &Path) -> io::Result<()> {
    if let Some(folder) = mark.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(mark, "")
}

/// Whether all are there. What keeps one from it keeps most: one line says it for all.
fn ensure<'a>(resource: &ResourceName, documents: impl IntoIterator<Item = &'a Document>) -> bool {
    let mut missing = documents
        .into_iter()
        .filter_map(|document| Some((document, document.ensure().err()?)));
    let Some((document, error)) = missing.next() else {
        return true;
    };
    let path = document.path.display();
    let others = missing.count();
    warn!(%resource, "{path}: {error}; {others} others are not written either; trying again later");
    false
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
