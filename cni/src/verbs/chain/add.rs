//! ADD of a list: each attachment of the pod, all or nothing.

use std::io;

use hardwire_pci::IfName;
use serde_json::Value;

use super::pods::attachments;
use super::standing::refuse_unless_listed;
use super::stdin::stdin;
use crate::Context;
use crate::ask::PodAttachment;
use crate::config::{Base, PodConf};
use crate::journal::{JournalError, Record, Waiting};
use crate::protocol::{CallingPod, ChainCall, CniError, Environment, SpecVersion, Success, code};
use crate::report::Phases;
use crate::verbs::add::attach;
use crate::verbs::del::detach;
use crate::verbs::previous::as_it_stands;

/// Makes the attachments of the pod, and hands on what was there before with our interfaces added.
pub(in crate::verbs) fn add(
    context: &Context,
    environment: &Environment,
    base: Base,
    print: impl FnOnce(&Value) -> io::Result<()>,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let version = base.required_version()?;
    let mut conf = PodConf::parse(base, version)?;
    let previous = conf.base.take("prevResult");
    let pod = CallingPod::of(environment);
    let wanted = pod
        .as_ref()
        .map_or_else(|| Ok(Vec::new()), |pod| attachments(context, pod))?;
    let printed = |error| CniError::new(code::IO, format!("printing the result: {error}"));
    let previous = match previous {
        Some(previous) if wanted.is_empty() => return print(&previous).map_err(printed),
        None if wanted.is_empty() => return Err(nothing_for(pod.as_ref())),
        previous => previous.map(|previous| as_it_stands(previous, version)).transpose()?,
    };
    refuse_unless_listed(context, &conf, previous.is_none())?;
    if version < SpecVersion::V0_3_0 {
        let msg =
            format!("cniVersion: {version} cannot express the pod's interfaces: the list must give 0.3.1 or later");
        return Err(CniError::config(msg));
    }
    // Noted before the first record is written, and withdrawn by a DEL before it reads any.
    let noted = context
        .journal
        .note_waiting(environment.container_id()?, environment.ifname()?, None);
    let noted = noted.map_err(|error| journal(&error))?;
    let mut made = Made {
        context,
        environment,
        conf: &conf,
        records: Vec::new(),
        results: Vec::new(),
    };
    let all = made.each(&wanted, previous.is_none(), &noted, phases);
    let result = all.and_then(|()| made.result(previous));
    let result = result.and_then(|result| if noted.end() { Ok(result) } else { Err(ended()) });
    match result.and_then(|result| print(&result).map_err(printed)) {
        Ok(()) => Ok(()),
        Err(error) => Err(made.undo(error, phases)),
    }
}

fn journal(error: &JournalError) -> CniError {
    CniError::new(code::IO, error)
}

fn ended() -> CniError {
    let msg = "a DEL of this pod came while its devices were attached";
    CniError::new(code::TRY_AGAIN, msg)
}

/// A pod whose only plugin we are, and that has no device.
fn nothing_for(pod: Option<&CallingPod>) -> CniError {
    let details = "the pod needs resources: {limits: {RESOURCE: 1}}, where RESOURCE is a pool with attach: chain; or another \
                   plugin has to stand before hardwire in the network's list";
    let why = match pod {
        Some(pod) => format!("{pod} was given no device, and this network has no other interface for it"),
        None => "the call names no pod, and this network has no other interface than a pod's device".to_owned(),
    };
    CniError::new(code::NOT_GIVEN, why).with_details(details)
}

/// What was made until now.
struct Made<'a> {
    context: &'a Context,
    environment: &'a Environment,
    conf: &'a PodConf,
    /// As they were when each attachment was complete.
    records: Vec<Record>,
    results: Vec<Success>,
}

impl Made<'_> {
    /// Makes each; `alone`, the first has the name that the runtime asks for.
    fn each(
        &mut self,
        wanted: &[PodAttachment],
        alone: bool,
        noted: &Waiting,
        phases: &mut Phases,
    ) -> Result<(), CniError> {
        let first = self.environment.ifname()?.clone();
        for (index, attachment) in wanted.iter().enumerate() {
            let is_first = alone && index == 0;
            let name = if is_first { &first } else { &attachment.interface };
            self.one(attachment, name, phases).map_err(|error| CniError {
                msg: format!(
                    "{} ({} of {}): {}",
                    name, attachment.device, attachment.resource, error.msg
                ),
                ..error
            })?;
            if !noted.is_wanted() {
                return Err(ended());
            }
        }
        Ok(())
    }

    fn one(&mut self, attachment: &PodAttachment, name: &IfName, phases: &mut Phases) -> Result<(), CniError> {
        let chain = ChainCall {
            network: self.conf.base.name.clone(),
            ifname: self.environment.ifname()?.clone(),
        };
        let environment = self.environment.for_attachment(name.clone(), chain);
        let program = self.conf.base.fields().get("type").and_then(Value::as_str);
        let stdin = stdin(attachment, self.conf.version, program.unwrap_or("hardwire"));
        let stdin = serde_json::to_vec(&stdin).map_err(|error| CniError::new(code::INTERNAL, error))?;
        let base = Base::parse(&stdin)?;
        let mut printed = None;
        let mut made = None;
        // The device's lock is held: no DEL is between, and what is not on record is undone there and then.
        let keep = |result: &Value| {
            let found = self.context.journal.get(&attachment.device).map_err(io::Error::other)?;
            made = Some(found.ok_or_else(|| io::Error::other("its record is gone"))?);
            printed = Some(result.clone());
            Ok(())
        };
        attach(self.context, &environment, base, &stdin, keep, phases)?;
        self.records.extend(made);
        let result = Success::from_json(&printed.unwrap_or_default(), self.conf.version);
        self.results
            .push(result.map_err(|error| CniError::new(code::INTERNAL, error))?);
        Ok(())
    }

    fn result(&self, previous: Option<(Value, Success)>) -> Result<Value, CniError> {
        let failed = |error: &dyn std::fmt::Display| CniError::new(code::INTERNAL, error);
        let alone = previous.is_none();
        let before = previous.as_ref().map_or(0, |(_, previous)| previous.interfaces.len());
        let mut ours = Success::default();
        for (index, made) in self.results.iter().enumerate() {
            let is_first = alone && index == 0;
            let position = i64::try_from(before + ours.interfaces.len()).unwrap_or_default();
            ours.interfaces.extend(made.interfaces.iter().cloned());
            if is_first || self.conf.report_ips {
                ours.ips.extend(made.ips.iter().cloned().map(|mut ip| {
                    ip.interface = Some(position);
                    ip
                }));
            }
            if is_first {
                ours.routes.clone_from(&made.routes);
                ours.dns.clone_from(&made.dns);
            }
        }
        let ours = ours.to_json(self.conf.version).map_err(|error| failed(&error))?;
        Ok(previous.map_or_else(|| ours.clone(), |(previous, _)| joined(previous, &ours)))
    }

    /// Takes back what was made, the last first. The first error is the one that is reported.
    fn undo(self, mut error: CniError, phases: &mut Phases) -> CniError {
        for record in self.records.iter().rev() {
            let recorded = self.context.journal.get(&record.device);
            let undone = match recorded.map_err(|error| journal(&error)) {
                Ok(Some(found)) if found.attempt == record.attempt => {
                    detach(self.context, self.environment, &found, phases)
                }
                Ok(_) => Ok(()),
                Err(unread) => Err(unread),
            };
            if let Err(failed) = undone {
                error = error.and_then_failed(&format!("undoing {}", record.device), &failed);
            }
        }
        error
    }
}

/// What was there before, with our interfaces and addresses behind its own.
fn joined(mut previous: Value, ours: &Value) -> Value {
    let Some(fields) = previous.as_object_mut() else {
        return ours.clone();
    };
    for key in ["interfaces", "ips"] {
        let Some(more) = ours.get(key).and_then(Value::as_array).filter(|more| !more.is_empty()) else {
            continue;
        };
        let spelt = fields.keys().find(|name| name.eq_ignore_ascii_case(key)).cloned();
        let list = fields
            .entry(spelt.unwrap_or_else(|| key.to_owned()))
            .or_insert_with(|| Value::Array(Vec::new()));
        match list {
            Value::Array(list) => list.extend(more.iter().cloned()),
            other => *other = Value::Array(more.clone()),
        }
    }
    previous
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_there_before_is_passed_on_as_it_stands() {
        let previous = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}], "ips": [{"address": "10.0.0.2/24"}],
                              "vendor.example/x": {"y": 1}});
        let ours = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "net1"}]});
        let expected = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}, {"name": "net1"}],
                              "ips": [{"address": "10.0.0.2/24"}], "vendor.example/x": {"y": 1}});
        assert_eq!(joined(previous, &ours), expected);
        let bare = json!({"cniVersion": "1.0.0", "interfaces": null});
        assert_eq!(joined(bare, &ours)["interfaces"], json!([{"name": "net1"}]));
    }
}
