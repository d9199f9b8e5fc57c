//! STATUS of a list: what every ADD needs, and, standing alone in it, the daemon.
//!
//! Behind another plugin the node stays ready without the daemon: pods without a device start. Alone, none does. Which it is, only
//! the list tells, and a runtime does not say that: it is looked up where runtimes read it.

use super::standing::entries;
use crate::Context;
use crate::ask::{Question, ask};
use crate::config::{Base, PodConf};
use crate::protocol::{CniError, SpecVersion, code};

/// Checks the state directory, and the daemon where nobody else gives pods an interface.
pub(in crate::verbs) fn status(context: &Context, base: Base) -> Result<(), CniError> {
    let version = base.version_since(SpecVersion::WITH_GC_AND_STATUS, "STATUS")?;
    let conf = PodConf::parse(base, version)?;
    let unavailable = |why: &dyn std::fmt::Display| CniError::new(code::UNAVAILABLE, why);
    context.journal.probe().map_err(|error| unavailable(&error))?;
    let entries = entries(context, conf.base.name.as_str());
    if !entries.iter().any(|entry| entry.stands_alone) {
        return Ok(());
    }
    match ask(&context.state, Question::Here) {
        Ok(_answer) => Ok(()),
        Err(error) => Err(unavailable(&format!("no pod can be attached: {error}"))),
    }
}
