//! The kubelet's device checkpoint, read once for all who ask: a node that boots starts its pods at once, and each asks.
//!
//! The kubelet replaces the file as a whole, so another one has another inode or time: what was read of the same file is what
//! it says still.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardwire_cni::entitlement::Checkpoint;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// What the checkpoint says; none where there is no file, and an error where it says nothing.
pub(super) type Checkpointed = Result<Option<Arc<Checkpoint>>, String>;

/// What was read last, and of which file. One reads at a time; who asked meanwhile waits for it.
#[derive(Debug, Default)]
pub(super) struct ReadCheckpoint(Mutex<Option<(PathBuf, Stamp, Arc<Checkpoint>)>>);

/// Inode, size and times of a file.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

// === impl ReadCheckpoint ===

impl ReadCheckpoint {
    /// What the file at `path` says now.
    pub(super) async fn read(&self, path: PathBuf) -> Checkpointed {
        let mut last = self.0.lock().await;
        let before = last.take();
        let read = spawn_blocking(move || read(path, before)).await;
        let (kept, answer) = read.unwrap_or_else(|lost| (None, Err(lost.to_string())));
        *last = kept;
        answer
    }
}

type Kept = Option<(PathBuf, Stamp, Arc<Checkpoint>)>;

fn read(path: PathBuf, before: Kept) -> (Kept, Checkpointed) {
    // Taken before the file is opened: one that is replaced meanwhile is read again the next time.
    let stamp = stamp(&path);
    if let (Some((known, of, checkpoint)), Some(stamp)) = (before, stamp)
        && (&known, of) == (&path, stamp)
    {
        return (Some((known, of, Arc::clone(&checkpoint))), Ok(Some(checkpoint)));
    }
    match Checkpoint::read(&path) {
        Err(error) => (None, Err(error.to_string())),
        Ok(None) => (None, Ok(None)),
        Ok(Some(checkpoint)) => {
            let checkpoint = Arc::new(checkpoint);
            let kept = stamp.map(|stamp| (path, stamp, Arc::clone(&checkpoint)));
            (kept, Ok(Some(checkpoint)))
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::symlink_metadata(path).ok()?;
    let (modified, changed) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
    Some((file.dev(), file.ino(), file.size(), modified, changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, uid: &str) {
        let text =
            format!(r#"{{"Data":{{"PodDeviceEntries":[{{"PodUID":"{uid}","ResourceName":"r","DeviceIDs":["d"]}}]}}}}"#);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    #[tokio::test]
    async fn a_checkpoint_is_read_once_until_it_is_another_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c");
        let checkpoint = ReadCheckpoint::default();
        assert_eq!(checkpoint.read(path.clone()).await, Ok(None));
        write(&path, "u1");
        let first = checkpoint.read(path.clone()).await.unwrap().unwrap();
        assert!(first.gave("u1", "d"));
        let again = checkpoint.read(path.clone()).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again), "it was read again");
        write(&path, "u2");
        let second = checkpoint.read(path.clone()).await.unwrap().unwrap();
        assert!(second.gave("u2", "d") && !second.gave("u1", "d"));
        fs::write(&path, "{").unwrap();
        assert!(checkpoint.read(path.clone()).await.is_err());
        fs::remove_file(&path).unwrap();
        assert_eq!(checkpoint.read(path).await, Ok(None));
    }
}
