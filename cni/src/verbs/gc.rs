//! GC: what is ours, of this network, and not listed is released.
//!
//! Contract: CNI spec 1.1.0 "GC"; libcni writes the list under two keys since a slip in an early text of it (#1101).

use std::collections::HashSet;

use hardwire_pci::IfName;
use hardwire_pci::netlink::Socket;
use serde_json::{Map, Value};

use crate::Context;
use crate::config::{Base, Bounds};
use crate::ipam::{Delegate, ReleasedBy};
use crate::journal::{Owner, Record};
use crate::node::NodeConfig;
use crate::protocol::{AnyCase, ChainCall, CniError, ContainerId, Environment, SpecVersion, code};
use crate::release::{reclaim, release_stale_leases};

const LISTS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// Releases the stale attachments of the network, goes on past errors, and reports them together.
pub fn gc(context: &Context, environment: &Environment, stdin: &[u8]) -> Result<(), CniError> {
    let base = Base::parse_within(stdin, Bounds::GC)?;
    let version = base.version_since(SpecVersion::WITH_GC_AND_STATUS, "GC")?;
    let Some(valid) = valid_attachments(base.json())? else {
        tracing::info!(network = %base.name, "GC without a list of valid attachments: nothing is released");
        return Ok(());
    };
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let (records, unreadable) = context.journal.all().map_err(|error| CniError::new(code::IO, error))?;
    for record in unreadable {
        tracing::warn!("{record}");
    }
    let is_stale = |owner: &Owner, chain: Option<&ChainCall>| {
        let (network, ifname) = owner.called(chain);
        *network == base.name && !valid.contains(&(owner.container_id.clone(), ifname.clone()))
    };
    let by = ReleasedBy::Another(environment);
    let stale = records
        .into_iter()
        .filter(|record| is_stale(&record.owner, record.chain.as_ref()));
    let mut errors: Vec<CniError> = stale
        .filter_map(|record| collect(context, &record, by, &mut host).err())
        .collect();
    // Of before a boot, and what IPAM would not release at the time.
    let operator = NodeConfig::read(&context.plugin_config).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    });
    let vouched = operator.as_ref().map_or(&[][..], NodeConfig::ipam_by_container_id);
    errors.extend(release_stale_leases(
        context,
        vouched,
        |lease| is_stale(&lease.owner, lease.chain.as_ref()),
        by,
    ));
    if let Some(plugin) = &base.ipam {
        errors.extend(
            Delegate::of_call(context, plugin, environment, stdin)
                .collect(version)
                .err(),
        );
    }
    joined(errors)
}

/// `None` if neither list is there, which is a caller that knows nothing; an empty list means that nothing is valid.
fn valid_attachments(json: &Map<String, Value>) -> Result<Option<HashSet<(ContainerId, IfName)>>, CniError> {
    let Some((key, list)) = LISTS.iter().find_map(|key| json.get(*key).map(|list| (key, list))) else {
        return Ok(None);
    };
    if list.is_null() {
        return Ok(Some(HashSet::new()));
    }
    let wrong = |value: &Value| {
        CniError::config(format!(
            "{key}: {value} is not valid: it must be a list of {{containerID, ifname}}"
        ))
    };
    let items = list.as_array().ok_or_else(|| wrong(list))?;
    let attachment = |item: &Value| {
        let fields = AnyCase::new(item.as_object()?);
        let text = |key| fields.get(key).and_then(Value::as_str);
        Some((text("containerID")?.parse().ok()?, text("ifname")?.parse().ok()?))
    };
    // One entry that cannot be read may be a pod that runs: nothing is released rather than too much.
    items
        .iter()
        .map(|item| attachment(item).ok_or_else(|| wrong(item)))
        .collect::<Result<_, _>>()
        .map(Some)
}

fn collect(context: &Context, stale: &Record, by: ReleasedBy<'_>, host: &mut Socket) -> Result<(), CniError> {
    let owner = &stale.owner;
    tracing::info!(device = %stale.device, container = %owner.container_id, ifname = %owner.ifname, "GC releases");
    joined(reclaim(context, stale, |_| true, by, host)).map_err(|error| CniError {
        msg: format!(
            "container {}, interface {}: {}",
            owner.container_id, owner.ifname, error.msg
        ),
        ..error
    })
}

fn joined(errors: Vec<CniError>) -> Result<(), CniError> {
    let mut errors = errors.into_iter();
    let Some(mut first) = errors.next() else { return Ok(()) };
    for error in errors {
        first.msg = format!("{}; {error}", first.msg);
    }
    Err(first)
}
