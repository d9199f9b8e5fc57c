//! The note that our entry is to be in the default network's list: beside what pools say, where it outlives a boot.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use hardwire_cni::Context;
use hardwire_cni::state_file::replace_on_disk;

use super::place::ChainError;

const FILE: &str = "chained";

/// The note.
#[derive(Debug, Clone)]
pub(super) struct Wanted(PathBuf);

// === impl Wanted ===

impl Wanted {
    /// Of this node.
    pub(super) fn at(context: &Context) -> Self {
        Self(context.policies.with_file_name(FILE))
    }

    /// What our program is called in the entry; none where there is to be none.
    pub(super) fn program(&self) -> Option<String> {
        let text = fs::read_to_string(&self.0).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// There is to be one.
    pub(super) fn note(&self, program: &str) -> Result<(), ChainError> {
        replace_on_disk(&self.0, program.as_bytes()).map_err(|source| ChainError::Io {
            step: "write",
            path: self.0.clone(),
            source,
        })
    }

    /// There is to be none.
    pub(super) fn forget(&self) -> Result<(), ChainError> {
        match fs::remove_file(&self.0) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(ChainError::Io {
                step: "remove",
                path: self.0.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}
