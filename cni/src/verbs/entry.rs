//! Whose configuration it is: a network's, for one device, or our entry in the default network's list, for all of a pod's.

use std::io;

use serde_json::Value;

use super::{add as one, chain, check as one_check, status as one_status};
use crate::Context;
use crate::config::{Base, PodConf};
use crate::protocol::{CniError, Environment};
use crate::report::Phases;

/// ADD: attaches what the configuration is about and hands the result to `print`.
pub fn add(
    context: &Context,
    environment: &Environment,
    stdin: &[u8],
    print: impl FnOnce(&Value) -> io::Result<()>,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    if PodConf::is_meant(&base) {
        chain::add(context, environment, base, print, phases)
    } else {
        one::attach(context, environment, base, stdin, print, phases)
    }
}

/// CHECK: is what was attached still what ADD printed?
pub fn check(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    if PodConf::is_meant(&base) {
        chain::check(context, environment, base)
    } else {
        one_check::check(context, environment, base, stdin)
    }
}

/// STATUS: could an ADD work now?
pub fn status(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse(stdin)?;
    if PodConf::is_meant(&base) {
        chain::status(context, base)
    } else {
        one_status::status(context, environment, base, stdin)
    }
}
