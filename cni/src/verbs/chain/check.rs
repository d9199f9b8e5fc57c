//! CHECK of a list: each attachment on record is still what its ADD made.
//!
//! prevResult says what later plugins of the list may have changed (an interface's MAC), and may leave our addresses out
//! (`reportIps`). The record has what the attachment itself was answered with: its addresses and routes are compared with that,
//! and IPAM's CHECK gets it as its prevResult, as that of a NAD would.

use serde_json::{Map, Value};

use crate::Context;
use crate::config::{Base, PodConf};
use crate::ipam::Delegate;
use crate::journal::Record;
use crate::protocol::{CniError, Command, Environment, SpecVersion, Success, code};
use crate::verbs::check::{check_pod, check_routes, check_vf, our_interface};
use crate::verbs::previous::previous_as_it_stands;

/// Compares what the records say with the pod, the PFs and prevResult.
pub(in crate::verbs) fn check(context: &Context, environment: &Environment, base: Base) -> Result<(), CniError> {
    let version = base.version_since(SpecVersion::V0_4_0, "CHECK")?;
    let mut conf = PodConf::parse(base, version)?;
    let result = previous_as_it_stands(&mut conf.base, version)?;
    let (_, result) = result.ok_or_else(|| CniError::config("prevResult: CHECK needs the result of the ADD"))?;
    let (container_id, ifname) = (environment.container_id()?, environment.ifname()?);
    let found = context.journal.of(container_id, ifname, None);
    let (records, unreadable) = found.map_err(|error| CniError::new(code::IO, error))?;
    for record in unreadable {
        tracing::warn!("{record}");
    }
    records
        .iter()
        .try_for_each(|record| check_one(context, environment, &result, record))
}

fn check_one(context: &Context, environment: &Environment, result: &Success, record: &Record) -> Result<(), CniError> {
    let device = &record.device;
    let failed = |why: &dyn std::fmt::Display| CniError::new(code::INTERNAL, format!("CHECK: {device}: {why}"));
    let own = record
        .result
        .as_ref()
        .ok_or_else(|| failed(&"its ADD did not come to an end"))?;
    if let Some(ipam) = &record.ipam {
        let config = with_previous(&ipam.config, own).map_err(|error| failed(&error))?;
        Delegate::on_record(context, ipam, &record.owner, &config).run(Command::Check)?;
    }
    let (index, interface) = our_interface(environment, &record.owner.ifname, result)?;
    if record.link.is_some() {
        check_pod(environment, result, index, &interface)?;
        let own = Success::from_json(own, SpecVersion::V1_0_0).map_err(|error| failed(&error))?;
        // It has one interface, and its addresses are on that.
        check_pod(environment, &own, 0, &interface)?;
        check_routes(environment, &own)?;
    }
    check_vf(context, record)
}

/// What IPAM was given on ADD, with what the ADD came to.
fn with_previous(config: &str, own: &Value) -> serde_json::Result<Vec<u8>> {
    let mut config: Map<String, Value> = serde_json::from_str(config)?;
    config.insert("prevResult".to_owned(), own.clone());
    serde_json::to_vec(&config)
}
