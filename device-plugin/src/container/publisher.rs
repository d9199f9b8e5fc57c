//! Documents come with an offer and go with the pool, not with the process: containers that run while we restart, or that
//! are started again by then, need them.
//!
//! The folders are shared with other programs, and file names do not tell whose they are. So a mark in our own state
//! directory, which lives as long as the boot as the folders do, names each resource that has documents.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::{Document, cdi, device_info, document};
use crate::config::ResourceName;

/// Where documents go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// CDI is on.
    pub use_cdi: bool,
    /// Folder of CDI specs.
    pub cdi: PathBuf,
    /// Folder of device-info files.
    pub device_info: PathBuf,
    /// Folder of our marks.
    pub published: PathBuf,
}

/// What comes with documents.
pub trait Published {
    /// Every document that belongs to it.
    fn documents(&self) -> impl Iterator<Item = &Document>;

    /// Whether a CDI spec is among them.
    fn has_cdi(&self) -> bool;
}

// === impl Publisher ===

impl Publisher {
    /// Writes an offer's documents, and removes those of devices that are not in it any more. With the offer before it at
    /// hand, only what differs is looked at. Errors are logged: Allocate sees to what it needs once more.
    ///
    /// Calls for one resource must follow each other.
    pub async fn publish<P: Published>(&self, resource: &ResourceName, previous: Option<&P>, offer: &P) {
        let mark = self.mark(resource);
        if previous.is_none()
            && let Err(error) = fs::create_dir_all(&self.published).and_then(|()| fs::write(&mark, ""))
        {
            warn!(%resource, "{}: {error}", mark.display());
        }
        if previous.is_none() && self.use_cdi && !offer.has_cdi() {
            warn!(%resource, "no CDI: its prefix does not begin with a letter, as the name of a CDI vendor does");
        }
        let wanted: HashSet<&Path> = offer.documents().map(|document| document.path.as_path()).collect();
        for path in self.found(resource, previous, offer) {
            if !wanted.contains(path.as_path()) {
                document::remove(&path);
            }
        }
        let known: HashMap<&Path, &Document> = previous
            .into_iter()
            .flat_map(Published::documents)
            .map(|document| (document.path.as_path(), document))
            .collect();
        let differs = |document: &&Document| known.get(document.path.as_path()) != Some(document);
        let new: Vec<Document> = offer.documents().filter(differs).cloned().collect();
        if new.is_empty() {
            return;
        }
        // A thousand files take longer than the kubelet should wait for anything.
        let resource = resource.clone();
        let written = tokio::task::spawn_blocking(move || ensure(&resource, &new));
        if let Err(error) = written.await {
            warn!("documents: {error}");
        }
    }

    /// Removes the documents of a resource that is gone for good.
    pub fn withdraw(&self, resource: &ResourceName) {
        for class in cdi::CLASSES {
            document::remove(&cdi::path(&self.cdi, resource, class));
        }
        for path in self.device_infos(resource) {
            document::remove(&path);
        }
        document::remove(&self.mark(resource));
        info!(%resource, "its CDI spec and device-info files are removed");
    }

    /// Removes what an earlier process left: documents of resources other than these, and documents that it did not finish.
    pub fn sweep<'a>(&self, resources: impl IntoIterator<Item = &'a ResourceName>) {
        let kept: Vec<&ResourceName> = resources.into_iter().collect();
        for mark in names(&self.published) {
            let resource = mark.split_once('_');
            let resource = resource.and_then(|(prefix, name)| ResourceName::new(prefix, name).ok());
            if let Some(gone) = resource.filter(|resource| !kept.contains(&resource)) {
                self.withdraw(&gone);
            }
        }
        for folder in [&self.cdi, &self.device_info] {
            for name in names(folder) {
                if name.starts_with(document::UNFINISHED) {
                    document::remove(&folder.join(name));
                }
            }
        }
    }

    /// What may be there of the resource.
    fn found<P: Published>(&self, resource: &ResourceName, previous: Option<&P>, offer: &P) -> Vec<PathBuf> {
        if let Some(previous) = previous {
            return previous.documents().map(|document| document.path.clone()).collect();
        }
        let mut found = self.device_infos(resource);
        if offer.has_cdi() {
            for class in cdi::CLASSES {
                found.push(cdi::path(&self.cdi, resource, class));
                found.push(cdi::upstream_path(&self.cdi, resource, class));
            }
        }
        found
    }

    fn device_infos(&self, resource: &ResourceName) -> Vec<PathBuf> {
        let names = names(&self.device_info).into_iter();
        let ours = names.filter(|name| device_info::is_of(resource, name));
        ours.map(|name| self.device_info.join(name)).collect()
    }

    fn mark(&self, resource: &ResourceName) -> PathBuf {
        self.published
            .join(format!("{}_{}", resource.prefix(), resource.name()))
    }
}

fn ensure(resource: &ResourceName, documents: &[Document]) {
    for document in documents {
        if let Err(error) = document.ensure() {
            warn!(%resource, "{}: {error}", document.path.display());
        }
    }
}

/// The names in a folder; none if there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!("{}: {error}", folder.display());
            }
            return Vec::new();
        }
    };
    let entries = entries.filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
