//! The configuration: a `resourceList` in the format of sriov-network-device-plugin, so that its files can stay.
//!
//! A pool that makes no sense is refused and the others run. The file as a whole is refused only if it cannot be read, or if it
//! holds pools and none of them is good; an empty list is a node without pools, which is nothing wrong.

mod candidate;
mod document;
mod object;
mod of_pf;
mod pattern;
mod policy;
mod pool;
mod ranges;
mod resource_name;
mod selector;
mod selector_fields;
mod speeds;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use candidate::{Asked, Candidate, DdpProfile, Detail, Details};
pub use document::BadDocument;
pub use object::BadField;
pub use policy::{DeviceType, Needs, OnCarrierLoss, OnChange, Placement};
pub use pool::{AdditionalInfo, NodeDevice, Pool};
pub use resource_name::{BadResourceName, ResourceName};
pub use selector::Selector;

use object::Object;

/// What a configuration does not say itself.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// Prefix of resources that have none of their own.
    pub resource_prefix: String,
    /// Where the pools' sockets will be.
    pub plugin_directory: PathBuf,
}

/// A configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The good pools, in the order of the file.
    pub pools: Vec<Pool>,
    /// The others.
    pub refused: Vec<Refused>,
    /// What is probably not meant.
    pub warnings: Vec<String>,
}

/// A pool that is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pool}: {field}")]
pub struct Refused {
    /// Which.
    pub pool: String,
    /// Why.
    pub field: BadField,
}

/// A configuration that is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file, or it may not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is neither JSON nor YAML.
    #[error("{}: {source}", path.display())]
    Text {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        source: BadDocument,
    },
    /// The document around the pools is wrong.
    #[error("{}: {field}", path.display())]
    Document {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        field: BadField,
    },
    /// There are pools, all of them bad.
    #[error("{}: no good pool: {}", path.display(), Lines(refused))]
    NoGoodPool {
        /// Which file.
        path: PathBuf,
        /// What is wrong with each.
        refused: Vec<Refused>,
    },
}

struct Lines<'a>(&'a [Refused]);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Refused::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}

// === impl Config ===

impl Config {
    /// Reads a file.
    pub fn read(path: &Path, defaults: &Defaults) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let document = document::read(&text).map_err(|source| ConfigError::Text {
            path: path.to_owned(),
            source,
        })?;
        let config = Self::from_json(document, defaults).map_err(|field| ConfigError::Document {
            path: path.to_owned(),
            field,
        })?;
        if config.pools.is_empty() && !config.refused.is_empty() {
            return Err(ConfigError::NoGoodPool {
                path: path.to_owned(),
                refused: config.refused,
            });
        }
        Ok(config)
    }

    /// Reads a document.
    pub fn from_json(document: Value, defaults: &Defaults) -> Result<Self, BadField> {
        let mut document = Object::new("", document)?;
        let mut config = Self::default();
        let list = match document.value("resourceList")? {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(BadField::new("resourceList", &other, "expected a list of pools")),
        };
        let unknown = document.unknown().into_iter();
        config
            .warnings
            .extend(unknown.map(|field| format!("{field} is no field of a configuration and does nothing")));
        let mut taken = HashSet::new();
        for (index, value) in list.into_iter().enumerate() {
            config.add(index, value, defaults, &mut taken);
        }
        config.name_variables();
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

    fn add(&mut self, index: usize, value: Value, defaults: &Defaults, taken: &mut HashSet<ResourceName>) {
        let label = label(index, &value);
        let mut warnings = Vec::new();
        let pool = Pool::parse(value, defaults, &mut warnings).and_then(|pool| {
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
