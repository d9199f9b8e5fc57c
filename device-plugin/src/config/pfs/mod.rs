//! What PFs and their VFs should be like: the list `pfs` beside `resourceList`, and `provision`, which says what is done about it.
//!
//! Everything unknown or contradicting refuses its entry: what is written here changes hardware.
//!
//! - here: the list, and the mode;
//! - [`entry`]: one entry; [`vf_group`]: what it says of VFs; `selection`: of which PFs.

pub mod entry;
mod selection;
pub mod vf_group;

use serde_json::Value;

use super::error::Refused;
use super::object::{BadField, Object};
use super::repeated_keys::RepeatedKey;

pub use entry::{EswitchMode, PfEntry, PfSettings};
pub use selection::{PfIdentity, PfSelection};
pub use vf_group::{VfGroup, VfVlan, VfWanted, WantedDriver};

/// The field with the PFs.
pub(super) const LIST: &str = "pfs";
/// The field with the mode.
pub(super) const MODE: &str = "provision";

/// What `hardwired run` does about PFs that are not as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProvisionMode {
    /// `off`: nothing, and they are not looked at.
    Off,
    /// `verify`: it tells how they differ.
    #[default]
    Verify,
    /// `apply`: it makes them so, where that is safe.
    Apply,
}

/// What is configured of PFs.
#[derive(Debug, Clone, Default)]
pub struct Pfs {
    /// What the daemon does about it.
    pub mode: ProvisionMode,
    /// The good entries, in the order of the file.
    pub entries: Vec<PfEntry>,
    /// The others.
    pub refused: Vec<Refused>,
}

// === impl ProvisionMode ===

impl ProvisionMode {
    const WORDS: [(&str, Self); 3] = [("off", Self::Off), ("verify", Self::Verify), ("apply", Self::Apply)];

    /// How a configuration calls it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Verify => "verify",
            Self::Apply => "apply",
        }
    }
}

// === impl Pfs ===

impl Pfs {
    /// Takes both fields out of a document. What is wrong with one entry refuses that one.
    pub(super) fn take(
        document: &mut Object,
        repeated: &[RepeatedKey],
        warnings: &mut Vec<String>,
    ) -> Result<Self, BadField> {
        // YAML 1.1 takes `off` for a boolean, and so do many who write it.
        let mode = match document.value(MODE)? {
            None => ProvisionMode::default(),
            Some(Value::Bool(false)) => ProvisionMode::Off,
            Some(word) => {
                let known = ProvisionMode::WORDS.iter().find(|(name, _)| word == **name);
                let (_, mode) = known.ok_or_else(|| BadField::new(MODE, &word, "expected off, verify or apply"))?;
                *mode
            }
        };
        let list = match document.value(LIST)? {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(BadField::new(LIST, &other, "expected a list of PFs")),
        };
        let mut pfs = Self {
            mode,
            ..Self::default()
        };
        for (index, value) in list.into_iter().enumerate() {
            let label = entry::label(index, &value);
            let place = format!("{LIST}[{index}].");
            let twice = repeated
                .iter()
                .find(|key| key.path.to_ascii_lowercase().starts_with(&place));
            let parsed = match twice {
                Some(key) => Err(BadField::new(key.path.clone(), &key.value, super::TWICE)),
                None => PfEntry::parse(&label, value, warnings),
            };
            match parsed {
                Ok(entry) => pfs.entries.push(entry),
                Err(field) => pfs.refused.push(Refused { pool: label, field }),
            }
        }
        Ok(pfs)
    }
}

#[cfg(test)]
#[path = "pfs_tests.rs"]
mod tests;
