//! What is wrong with a configuration, or with one of its pools.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::document::BadDocument;
use super::object::BadField;

/// A pool that is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pool}: {field}")]
pub struct Refused {
    /// Which.
    pub pool: String,
    /// Why.
    pub field: BadField,
}

/// A configuration that is of no use. `origin` is where it comes from: a file, or a part of one.
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
    #[error("{origin}: {source}")]
    Text {
        /// From where.
        origin: String,
        /// Where and why.
        source: BadDocument,
    },
    /// The document around the pools is wrong.
    #[error("{origin}: {field}")]
    Document {
        /// From where.
        origin: String,
        /// What is wrong.
        field: BadField,
    },
    /// There are pools, all of them bad.
    #[error("{origin}: no good pool: {}", Joined(refused))]
    NoGoodPool {
        /// From where.
        origin: String,
        /// What is wrong with each.
        refused: Vec<Refused>,
    },
    /// It is an object of Kubernetes', which at best holds a configuration.
    #[error(
        "{origin}: it holds {objects}: expected the configuration itself, which in a ConfigMap is the text of one key \
         (config.json); `hardwired check` reads whole manifests"
    )]
    Manifest {
        /// From where.
        origin: String,
        /// Kinds and names.
        objects: String,
    },
    /// It holds no object of the kind that is looked for.
    #[error("{origin}: found {found}: expected a {kind}")]
    NoObject {
        /// From where.
        origin: String,
        /// What there is.
        found: String,
        /// Of which kind.
        kind: &'static str,
    },
    /// It is a manifest, and holds none.
    #[error("{origin}: no configuration in it: found {found}: expected a ConfigMap with the text of a resourceList")]
    NoConfiguration {
        /// From where.
        origin: String,
        /// What there is.
        found: String,
    },
}

struct Joined<'a>(&'a [Refused]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Refused::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}
