//! `prevResult`: what the plugins before us, or our own ADD, printed.

use serde_json::Value;

use crate::config::{Base, NetConf};
use crate::protocol::{CniError, SpecVersion, Success, code};

/// Takes prevResult out of the configuration and reads it; `None` where there is none. It must be of the configuration's version (CNI spec 1.1.0, section 3).
pub(super) fn previous(conf: &mut NetConf) -> Result<Option<Success>, CniError> {
    let found = previous_as_it_stands(&mut conf.base, conf.version)?;
    Ok(found.map(|(_, previous)| previous))
}

/// The same, with what is not known of it.
pub(super) fn previous_as_it_stands(
    base: &mut Base,
    version: SpecVersion,
) -> Result<Option<(Value, Success)>, CniError> {
    base.take("prevResult")
        .map(|previous| as_it_stands(previous, version))
        .transpose()
}

/// Reads a result, which goes on as it stands.
pub(super) fn as_it_stands(previous: Value, version: SpecVersion) -> Result<(Value, Success), CniError> {
    let its_version = previous
        .get("cniVersion")
        .and_then(|version| version.as_str())
        .unwrap_or_default();
    if !its_version.is_empty() && its_version != version.as_str() {
        let msg = format!("prevResult: its cniVersion is {its_version}, the configuration's is {version}");
        return Err(CniError::config(msg));
    }
    let parsed = Success::from_json(&previous, version);
    parsed
        .map(|parsed| (previous, parsed))
        .map_err(|error| CniError::new(code::DECODE, format!("could not parse prevResult: {error}")))
}
