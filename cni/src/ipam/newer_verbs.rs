//! GC and STATUS, which came with CNI 1.1, asked of a plugin that may be older.
//!
//! Contract: CNI spec 1.1.0, "GC" and "STATUS". A Go plugin of before (`skel.pluginMain`, pkg/skel of libcni 1.1) looks for a
//! container on every verb it does not know, and answers code 3, which to a runtime says something else; a later one, and
//! many a script, says that it does not know the `CNI_COMMAND`. What tells whether such a plugin is of any use with this
//! configuration is which versions it speaks (VERSION).

use serde_json::Value;

use super::Delegate;
use super::Located;
use crate::protocol::{AnyCase, CniError, Command, SpecVersion, code};

/// "Container unknown" (CNI spec 1.1.0, "Error"): the runtime need not clean up. Nothing that GC or STATUS could mean.
const UNKNOWN_CONTAINER: u32 = 3;

impl Delegate<'_> {
    /// Whether an ADD with addresses of this plugin could work, as far as it can tell.
    pub fn status(&self, version: SpecVersion) -> Result<(), CniError> {
        let unavailable = |why: String| CniError::new(code::UNAVAILABLE, why);
        let located = self.locate().map_err(|error| unavailable(error.to_string()))?;
        let Err(error) = located.run(Command::Status) else {
            return Ok(());
        };
        match Answer::of(&located, &error, version) {
            Answer::Error => Err(error),
            Answer::NoSuchVerb => {
                tracing::info!("IPAM plugin {} knows no STATUS: it is taken to be well", self.plugin);
                Ok(())
            }
            Answer::TooOld(spoken) => Err(unavailable(format!(
                "IPAM plugin {} does not speak cniVersion {version}, only {spoken}: give one of these, or a newer plugin",
                self.plugin
            ))),
            Answer::Unclear => Err(unavailable(self.named(&error)).with_details(error.details)),
        }
    }

    /// Lets the plugin collect what is not listed. One that knows no GC has nothing to do.
    pub fn collect(&self, version: SpecVersion) -> Result<(), CniError> {
        let located = self.locate().map_err(|error| CniError::new(code::INTERNAL, error))?;
        let Err(error) = located.run(Command::Gc) else {
            return Ok(());
        };
        match Answer::of(&located, &error, version) {
            Answer::Error => Err(error),
            Answer::NoSuchVerb | Answer::TooOld(_) => {
                tracing::warn!("IPAM plugin {} knows no GC: it collects nothing", self.plugin);
                Ok(())
            }
            Answer::Unclear => Err(CniError::new(code::INTERNAL, self.named(&error)).with_details(error.details)),
        }
    }

    fn named(&self, error: &CniError) -> String {
        format!("IPAM plugin {}: {}", self.plugin, error.msg)
    }
}

/// What an error on one of these verbs says.
enum Answer {
    /// What it says.
    Error,
    /// Not known to this plugin, which speaks the configuration's version all the same.
    NoSuchVerb,
    /// The plugin does not speak that version, and answers no ADD with it.
    TooOld(String),
    /// One of the two.
    Unclear,
}

impl Answer {
    fn of(located: &Located<'_>, error: &CniError, version: SpecVersion) -> Self {
        let is_unknown = error.code == UNKNOWN_CONTAINER
            || error.code == code::ENVIRONMENT && format!("{} {}", error.msg, error.details).contains("CNI_COMMAND");
        if !is_unknown && error.code != code::INCOMPATIBLE_VERSION {
            return Self::Error;
        }
        match spoken(located) {
            Some(spoken) if spoken.iter().any(|spoken| spoken == version.as_str()) => {
                if is_unknown {
                    Self::NoSuchVerb
                } else {
                    Self::Error
                }
            }
            Some(spoken) => Self::TooOld(spoken.join(", ")),
            None if is_unknown => Self::Unclear,
            None => Self::Error,
        }
    }
}

/// The versions that a plugin says it speaks.
fn spoken(located: &Located<'_>) -> Option<Vec<String>> {
    let answer: Value = serde_json::from_slice(&located.version()?).ok()?;
    let list = AnyCase::new(answer.as_object()?).get("supportedVersions")?.as_array()?;
    let versions = list.iter().filter_map(Value::as_str);
    Some(versions.map(str::to_owned).collect())
}
