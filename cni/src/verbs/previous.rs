//! `prevResult`: what the plugins before us, or our own ADD, printed.

use crate::config::NetConf;
use crate::protocol::{CniError, Success, code};

/// Takes prevResult out of the configuration and reads it; `None` where there is none. It must be of the configuration's version (CNI spec 1.1.0, section 3).
pub(super) fn previous(conf: &mut NetConf) -> Result<Option<Success>, CniError> {
    let Some(previous) = conf.base.take("prevResult") else {
        return Ok(None);
    };
    let version = previous
        .get("cniVersion")
        .and_then(|version| version.as_str())
        .unwrap_or_default();
    if !version.is_empty() && version != conf.version.as_str() {
        let msg = format!(
            "prevResult: its cniVersion is {version}, the configuration's is {}",
            conf.version
        );
        return Err(CniError::config(msg));
    }
    let parsed = Success::from_json(&previous, conf.version);
    parsed
        .map(Some)
        .map_err(|error| CniError::new(code::DECODE, format!("could not parse prevResult: {error}")))
}
