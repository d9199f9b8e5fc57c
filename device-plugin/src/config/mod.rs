//! The configuration: a `resourceList` in the format of sriov-network-device-plugin, so that its files can stay.
//!
//! A pool that makes no sense is refused and the others run. The file as a whole is refused only if it cannot be read, or if it
//! holds pools and none of them is good; an empty list is a node without pools, which is nothing wrong.

mod additional_info;
mod attachment;
mod candidate;
mod document;
pub mod dra;
mod error;
mod field_names;
pub mod manifest;
mod object;
mod pattern;
mod pf_selector;
pub mod pfs;
mod policy;
mod pool;
mod ranges;
mod repeated_keys;
mod resource_name;
mod selector;
mod selector_fields;
mod speeds;
mod unknown_keys;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use additional_info::AdditionalInfo;
pub use attachment::Attachment;
pub use candidate::{Asked, Candidate, DdpProfile, Detail, Details};
pub use document::BadDocument;
pub use dra::{DriverName, Via};
pub use error::{ConfigError, Refused};
pub use object::BadField;
pub(crate) use pattern::Pattern;
pub use pfs::{Pfs, ProvisionMode};
pub use policy::{DeviceType, Needs, OnCarrierLoss, OnChange, Placement};
pub use pool::{NodeDevice, Pool};
pub use ranges::Ranges;
pub use resource_name::{BadResourceName, ResourceName};
pub use selector::{Selector, is_vfio};

use document::Document;
use field_names::LIST;
use manifest::Manifest;
use object::Object;
use repeated_keys::RepeatedKey;

const TWICE: &str = "the field is there more than once, and only one of them can count";

/// Keys that a JSON text has more than once in one object, by their paths; none where it is no JSON.
pub fn repeated_keys_of(json: &str) -> Vec<String> {
    let mut repeated = Vec::new();
    let is_json = repeated_keys::read(json, &mut repeated).is_ok();
    repeated.retain(|_key| is_json);
    repeated.into_iter().map(|key| key.path).collect()
}

/// What a configuration does not say itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defaults {
    /// Prefix of resources that have none of their own.
    pub resource_prefix: String,
    /// Where the pools' sockets will be.
    pub plugin_directory: PathBuf,
}

/// A configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// What it was read from.
    pub text: String,
    /// The good pools, in the order of the file.
    pub pools: Vec<Pool>,
    /// The others.
    pub refused: Vec<Refused>,
    /// What is probably not meant.
    pub warnings: Vec<String>,
    /// What PFs and their VFs should be like.
    pub pfs: Pfs,
    /// `dra`: as which driver devices are given to claims.
    pub dra: Option<DriverName>,
}

// === impl Config ===

impl Config {
    /// Reads a file.
    pub fn read(path: &Path, defaults: &Defaults) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_text(&path.display().to_string(), text, defaults)
    }

    /// Reads a text that comes from `origin`, as messages call it.
    pub fn from_text(origin: &str, text: String, defaults: &Defaults) -> Result<Self, ConfigError> {
        let origin = || origin.to_owned();
        if let Some(manifest) = Manifest::find(&text) {
            return Err(ConfigError::Manifest {
                origin: origin(),
                objects: manifest.to_string(),
            });
        }
        let document = document::read(&text).map_err(|source| ConfigError::Text {
            origin: origin(),
            source,
        })?;
        let config = Self::from_document(document, defaults).map_err(|field| ConfigError::Document {
            origin: origin(),
            field,
        })?;
        if config.pools.is_empty() && !config.refused.is_empty() {
            return Err(ConfigError::NoGoodPool {
                origin: origin(),
                refused: config.refused,
            });
        }
        Ok(Self { text, ..config })
    }

    /// Reads a document.
    pub fn from_json(value: Value, defaults: &Defaults) -> Result<Self, BadField> {
        let repeated = Vec::new();
        Self::from_document(Document { value, repeated }, defaults)
    }

    /// As which driver devices are given to claims; none where no pool's are, and nobody names one.
    pub fn driver(&self) -> Option<DriverName> {
        let of_pools = || self.pools.iter().find_map(|pool| pool.driver.clone());
        self.dra.clone().or_else(of_pools)
    }

    fn from_document(document: Document, defaults: &Defaults) -> Result<Self, BadField> {
        let Document { value, repeated } = document;
        let mut document = Object::new("", value)?;
        let keys = document.keys();
        let list_key = keys.iter().find(|key| key.eq_ignore_ascii_case(LIST)).cloned();
        let list = match document.value(LIST)? {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(BadField::new(LIST, &other, "expected a list of pools")),
        };
        let mut config = Self {
            dra: DriverName::parse(&mut document)?,
            ..Self::default()
        };
        config.pfs = Pfs::take(&mut document, &repeated, &mut config.warnings)?;
        unknown_keys::in_document(document.unknown(), &mut config.warnings);
        let Some(list_key) = list_key else {
            // Without any key at all, it is the file of a node without pools.
            if let Some(expected) = no_list(&keys).filter(|_| !has_pfs(&keys)) {
                return Err(BadField::new(LIST, &Value::Null, expected));
            }
            return Ok(config);
        };
        if let Some(twice) = repeated.iter().find(|key| key.path == list_key) {
            return Err(BadField::new(LIST, &twice.value, TWICE));
        }
        let mut taken = HashSet::new();
        for (index, value) in list.into_iter().enumerate() {
            let place = format!("{list_key}[{index}].");
            let mut within = Vec::new();
            for key in &repeated {
                if let Some(path) = key.path.strip_prefix(&place) {
                    let (path, value) = (path.to_owned(), key.value.clone());
                    within.push(RepeatedKey { path, value });
                }
            }
            config.add(index, value, &within, defaults, &mut taken);
        }
        config.name_variables();
        let driver = config.dra.clone().unwrap_or_default();
        for pool in config.pools.iter_mut().filter(|pool| pool.via.is_dra()) {
            pool.driver = Some(driver.clone());
        }
        Ok(config)
    }

    /// Gives each pool its second variable, unless that is the name of another one's. Names that differ in case or
    /// between `.` and `_` only have the same first variable, as upstream; the kubelet then takes either.
    fn name_variables(&mut self) {
        let mut taken = HashSet::new();
        for pool in &self.pools {
            let variable = pool.resource.variable();
            if !taken.insert(variable.clone()) {
                let warning = format!(
                    "{}: its variable {variable} is that of another pool as well",
                    pool.resource
                );
                self.warnings.push(warning);
            }
        }
        for pool in &mut self.pools {
            let alias = pool.resource.variable_alias();
            pool.variables.extend(alias.filter(|alias| taken.insert(alias.clone())));
        }
    }

    fn add(
        &mut self,
        index: usize,
        value: Value,
        repeated: &[RepeatedKey],
        defaults: &Defaults,
        taken: &mut HashSet<ResourceName>,
    ) {
        let label = label(index, &value);
        let mut warnings = Vec::new();
        let pool = refuse_repeated(repeated).and_then(|()| Pool::parse(value, defaults, &mut warnings));
        let pool = pool.and_then(|pool| {
            if taken.insert(pool.resource.clone()) {
                return Ok(pool);
            }
            let name = Value::from(pool.resource.to_string());
            Err(BadField::new("its resource", &name, "a pool before it has the same"))
        });
        let warnings = warnings.into_iter().map(|warning| format!("{label}: {warning}"));
        self.warnings.extend(warnings);
        match pool {
            Ok(pool) => self.pools.push(pool),
            Err(field) => self.refused.push(Refused { pool: label, field }),
        }
    }
}

/// Why a document without a list of pools is no configuration; `None` where there is nothing else in it either.
fn no_list(keys: &[String]) -> Option<String> {
    let others: Vec<&str> = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !unknown_keys::is_note(key))
        .collect();
    let found = others.join(", ");
    (!others.is_empty()).then(|| format!("expected a list of pools, or null for none, and found only {found}"))
}

/// A node may have VFs made, and none of them offered.
fn has_pfs(keys: &[String]) -> bool {
    keys.iter().any(|key| key.eq_ignore_ascii_case(pfs::LIST))
}

/// Refuses a pool with a key that is there more than once, which loses a value; notes lose nothing.
fn refuse_repeated(repeated: &[RepeatedKey]) -> Result<(), BadField> {
    let key = |path: &str| path.rsplit('.').next().is_some_and(unknown_keys::is_note);
    match repeated.iter().find(|repeated| !key(&repeated.path)) {
        None => Ok(()),
        Some(RepeatedKey { path, value }) => Err(BadField::new(path, value, TWICE)),
    }
}

/// How a message calls a pool, whatever state it is in.
fn label(index: usize, value: &Value) -> String {
    let names = value.as_object().into_iter().flatten();
    let name = names
        .filter(|(key, _)| key.eq_ignore_ascii_case("resourceName"))
        .find_map(|(_, name)| name.as_str());
    name.map_or_else(
        || format!("resourceList[{index}]"),
        |name| format!("resourceList[{index}] ({name})"),
    )
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
