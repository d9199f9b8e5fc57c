//! Devices that the host does not show, because they are in pods: what the journal, and the device manager, know of them.

use std::fs;

use hardwire_pci::{DeviceId, PciAddress};
use serde_json::Value;

use crate::Context;
use crate::config::LookupBy;
use crate::journal::Record;
use crate::protocol::{CniError, code};
use crate::report::daemon_listens;

/// The device manager's list of the devices that it offers, below the state directory.
const OFFERED: &str = "devices.json";

/// The attached device that a configuration names in this way.
pub(super) fn find(way: &LookupBy<'_>, context: &Context) -> Result<Option<DeviceId>, CniError> {
    let io = |error| CniError::new(code::IO, error);
    if let LookupBy::Id(_, id) = way {
        let first = |function: &PciAddress| DeviceId::Pci(*function);
        let id = match id {
            DeviceId::PciPort { function, port: 0 } => first(function),
            id => (*id).clone(),
        };
        return Ok(context.journal.get(&id).map_err(io)?.map(|record| record.device));
    }
    let records = context.journal.all().map_err(io)?.0;
    Ok(records
        .into_iter()
        .find(|record| is_named(record, way))
        .map(|record| record.device))
}

fn is_named(record: &Record, way: &LookupBy<'_>) -> bool {
    let Some(link) = &record.link else { return false };
    match way {
        LookupBy::Id(_, id) => record.device == **id,
        LookupBy::Interface(name) => link.name.as_str() == *name || link.altnames.iter().any(|altname| altname == name),
        LookupBy::Hardware(mac) => link.mac == Some(*mac) || link.hardware.permanent == Some(*mac),
        LookupBy::Path(path) => {
            path.id() == Some(&record.device)
                || link
                    .hardware
                    .parent
                    .as_ref()
                    .is_some_and(|parent| parent.name == path.name())
        }
    }
}

/// Which port of a function an attachment has that goes by the function's address; `None` if there is none, or if it knows
/// of no other port.
pub(super) fn first_port(function: PciAddress, context: &Context) -> Option<u32> {
    let record = context.journal.get(&DeviceId::Pci(function)).ok()??;
    record.link?.hardware.port
}

/// Whether the device manager offers the first port of a function, by the function's address: who has that allocated means
/// this port.
pub(super) fn is_offered(function: PciAddress, context: &Context) -> bool {
    let list = || -> Option<Value> { serde_json::from_slice(&fs::read(context.state.join(OFFERED)).ok()?).ok() };
    let is_listed = |list: Value| list.get("devices")?.get(function.to_string()).map(|_seen| ());
    daemon_listens(&context.state) && list().and_then(is_listed).is_some()
}
