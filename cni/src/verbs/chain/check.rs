//! CHECK of a list: each attachment on record is still what ADD printed.

use crate::Context;
use crate::config::{Base, PodConf};
use crate::ipam::Delegate;
use crate::journal::{Ipam, Record};
use crate::protocol::{CniError, Command, Environment, SpecVersion, Success, code};
use crate::verbs::check::{check_pod, check_vf, our_interface};
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
    if let Some(Ipam {
        plugin,
        config,
        args,
        path,
    }) = &record.ipam
    {
        let delegate = Delegate {
            plugin,
            path,
            config: config.as_bytes(),
            variables: vec![
                ("CNI_ARGS", args.clone()),
                ("CNI_IFNAME", record.owner.ifname.to_string()),
                ("CNI_PATH", path.clone()),
            ],
        };
        delegate.run(Command::Check)?;
    }
    let interface = our_interface(environment, &record.owner.ifname, result)?;
    if record.link.is_some() {
        check_pod(environment, result, interface.0, &interface.1)?;
    }
    check_vf(context, record)
}
