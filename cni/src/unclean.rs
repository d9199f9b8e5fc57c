//! Devices on whose interface something of a pod stays that could not be taken away.
//!
//! A new interface has nothing of the old one, and binding the driver anew makes a new one: a note counts only for the
//! interface that it was written of. `STATE/unclean/DEVICE.json`; the plugin gives no such device to a pod, and the daemon
//! says so to the kubelet.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardwire_pci::DeviceId;
use serde::{Deserialize, Serialize};

use crate::state_file::replace;

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Index of the interface.
    index: u32,
    /// What stays on it, and why.
    what: String,
}

/// What stays on the interface with this index.
pub fn leftovers(state: &Path, device: &DeviceId, index: u32) -> Option<String> {
    let text = match fs::read(path(state, device)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(format!("whether anything is not known: {error}")),
    };
    match serde_json::from_slice::<Note>(&text) {
        Ok(note) => Some(note.what).filter(|_| note.index == index),
        Err(error) => Some(format!("whether anything is not known: {error}")),
    }
}

/// Notes it.
pub(crate) fn note(state: &Path, device: &DeviceId, index: u32, what: &str) -> io::Result<()> {
    let note = Note {
        index,
        what: what.to_owned(),
    };
    replace(&path(state, device), &serde_json::to_vec(&note)?)
}

/// Nothing stays, or not any more.
pub fn forget(state: &Path, device: &DeviceId) -> io::Result<()> {
    match fs::remove_file(path(state, device)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn path(state: &Path, device: &DeviceId) -> PathBuf {
    state.join("unclean").join(format!("{}.json", device.file_stem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_for_the_interface_that_it_was_written_of() {
        let directory = tempfile::tempdir().unwrap();
        let (state, device) = (directory.path(), "0000:01:10.0".parse().unwrap());
        assert_eq!(leftovers(state, &device, 7), None);
        note(state, &device, 7, "a program").unwrap();
        assert_eq!(leftovers(state, &device, 7).unwrap(), "a program");
        assert_eq!(leftovers(state, &device, 8), None, "another interface");
        forget(state, &device).unwrap();
        forget(state, &device).unwrap();
        assert_eq!(leftovers(state, &device, 7), None);
    }

    #[test]
    fn a_note_that_is_not_understood_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let device = "0000:01:10.0".parse().unwrap();
        fs::create_dir(directory.path().join("unclean")).unwrap();
        fs::write(path(directory.path(), &device), "{").unwrap();
        assert!(leftovers(directory.path(), &device, 7).is_some());
    }
}
