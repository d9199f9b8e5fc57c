//! ADD: all of it or nothing. What happens, in this order:
//!
//!  1. The configuration becomes types, and what it asks for is checked; what an ADD of before left (prevResult) is read.
//!  2. The pod's namespace is entered, for a socket in it; the interface's name is free there.
//!  3. The device is found, is the pod's ([`entitlement`]), and its lock taken. A stale attachment of it is released; for one that is ending this waits, and
//!     begins again at 2.
//!  4. The device may be given away: no other plugin has it, its PF is not in use, it is not the node's own, it is clean.
//!  5. An ADD that has waited writes its record now, and ends if its DEL came meanwhile. Nothing is changed until here.
//!  6. What the device is goes on record, which is written: the device is ours from here on ([`MoveToPod`], as are 7 and 8).
//!  7. One message sets the VF's attributes on its PF; then come the VLANs of its trunk.
//!  8. One message moves the interface, with name, MAC and MTU, and up where no addresses follow.
//!  9. The record says so, a lease is kept on disk, and IPAM is asked, without the device's lock. If its DEL came meanwhile it
//!     ends here.
//! 10. Addresses, up, announcement and routes in the pod ([`PodInterface`]).
//! 11. The device-info file is written, and the record says that the attachment is complete.
//! 12. The result is printed, and the lock goes. Whatever fails from 6 on, printing too, is undone: device info, IPAM DEL, the
//!     device.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use hardwire_pci::netlink::{Link, Socket, VfLinkState};
use serde_json::Value;

use super::ownership::{NotFree, ours, refuse_own_netns, refuse_pf_in_use, refuse_unclean, release_stale_owner};
use super::previous::previous;
use super::wait::HolderWait;
use crate::Context;
use crate::attach::{CarrierBound, DeviceInfoFile, MoveToPod, PodInterface, WrittenDeviceInfo};
use crate::config::{Base, NetConf};
use crate::device::{Candidate, candidate, identify};
use crate::entitlement;
use crate::ipam::Delegate;
use crate::journal::{DeviceLock, Ending, Ipam, JournalError, Owner, PodName, Record, Step, Target};
use crate::migration;
use crate::netns::{Entered, Netns};
use crate::node::NodeConfig;
use crate::protocol::{CniError, Command, Dns, Environment, Interface, Success, code};
use crate::release::{Outcome, release};
use crate::report::{Phase, Phases};

/// Attaches the device that the configuration names and hands the result to `print`: an attachment whose result nobody
/// gets is none. The device is a NAD's, or one of those that the pod was given.
pub(super) fn attach(
    context: &Context,
    environment: &Environment,
    base: Base,
    stdin: &[u8],
    print: impl FnOnce(&Value) -> io::Result<()>,
    phases: &mut Phases,
) -> Result<(), CniError> {
    let version = base.required_version()?;
    let mut conf = NetConf::parse(base, version, &environment.args)?;
    let operator = NodeConfig::read(&context.plugin_config);
    if let Err(error) = &operator {
        tracing::warn!("{error}");
    }
    let previous = previous(&mut conf)?.unwrap_or_default();
    let device_info = device_info_file(&conf, context)?;
    let mut host = Socket::open().map_err(|error| CniError::new(code::INTERNAL, error))?;
    let mut holder_wait = HolderWait::begin(context, environment);
    let (id, pod, lock, candidate) = loop {
        let mut pod = enter(environment)?;
        holder_wait.same_netns(&pod.identity)?;
        refuse_taken_name(environment, &mut pod)?;
        let id = identify(&conf.device, context, &mut host)?;
        phases.device(&id);
        // What the node itself wants attached is the operator's, and the pod's by the node's own word.
        if environment.chain.is_none() {
            entitlement::check(context, environment, &conf, &id)?;
        }
        let lock = phases.time(Phase::Lock, || holder_wait.lock(&id))?;
        let begun = release_stale_owner(context, environment, &id, &mut host).and_then(|()| {
            migration::check_free(context, &id)?;
            refuse_pf_in_use(context, &id, &mut host)?;
            let candidate = candidate(&conf, context, &operator, &mut host)?.must_be(&id)?;
            Ok(refuse_unclean(context, candidate)?)
        });
        match begun {
            Ok(candidate) => break (id, pod, lock, candidate),
            Err(NotFree::Refused(error)) => return Err(unlocked(context, &id, lock, error)),
            Err(NotFree::Ending(holder)) => {
                drop(pod);
                phases.time(Phase::Lock, || holder_wait.wait_for(&holder, &id, lock))?;
            }
        }
    };
    let owner = Owner {
        network: conf.base.name.clone(),
        container_id: environment.container_id()?.clone(),
        ifname: environment.ifname()?.clone(),
        netns_path: environment.netns()?.to_owned(),
        netns: pod.identity,
    };
    let record = Record {
        target: Target {
            mac: conf.vf.mac,
            mtu: conf.mtu,
            index: None,
        },
        ipam: conf.base.ipam.clone().map(|plugin| Ipam {
            plugin,
            config: String::from_utf8_lossy(stdin).into_owned(),
            args: environment.raw_args.clone(),
            path: environment.path.clone(),
        }),
        pod: PodName::of(&environment.args),
        chain: environment.chain.clone(),
        ..Record::new(candidate.device.id.clone(), attempt(), owner, Step::Begun)
    };
    if let Err(error) = holder_wait.claim(&record) {
        return Err(unlocked(context, &id, lock, error));
    }
    drop(holder_wait);
    let call = Call {
        context,
        environment,
        stdin,
        conf: &conf,
        candidate: &candidate,
        device_info: device_info.as_ref(),
    };
    Attempt {
        call,
        record,
        host,
        pod,
        lock: Some(lock),
        ipam_asked: false,
        device_info_written: None,
        phases,
    }
    .run(previous, print)
}

fn device_info_file<'a>(conf: &'a NetConf, context: &'a Context) -> Result<Option<DeviceInfoFile<'a>>, CniError> {
    let path = conf.device_info_file.as_deref();
    path.map(|path| DeviceInfoFile::named(path, &context.device_info))
        .transpose()
}

fn enter(environment: &Environment) -> Result<Entered, CniError> {
    let bad = |error| CniError::new(code::ENVIRONMENT, format!("CNI_NETNS: {error}"));
    let pod = Netns::open(environment.netns()?).map_err(bad)?;
    refuse_own_netns(&pod, environment)?;
    pod.enter().map_err(bad)
}

fn refuse_taken_name(environment: &Environment, pod: &mut Entered) -> Result<(), CniError> {
    let ifname = environment.ifname()?;
    let link = pod.socket.link_by_name(ifname.as_str());
    let failed = |error| CniError::new(code::INTERNAL, format!("looking up {ifname} in the pod: {error}"));
    if link.map_err(failed)?.is_none() {
        return Ok(());
    }
    let msg = format!("interface {ifname} exists in the pod ({})", environment.netns()?);
    Err(CniError::new(code::NAME_TAKEN, msg))
}

fn journal(error: &JournalError) -> CniError {
    CniError::new(code::IO, error)
}

fn unlocked(context: &Context, id: &hardwire_pci::DeviceId, lock: DeviceLock, error: CniError) -> CniError {
    match context.journal.unlock(id, lock) {
        Ok(()) => error,
        Err(left) => error.and_then_failed("removing the lock", &left),
    }
}

/// What is known of the carrier that an interface will have.
fn carrier_bound(conf: &NetConf, candidate: &Candidate, host: &mut Socket) -> CarrierBound {
    match (conf.vf.link_state, &candidate.pf) {
        (Some(VfLinkState::Disable), _) => CarrierBound::Never,
        (Some(VfLinkState::Enable), Some(_)) => CarrierBound::Expected,
        (_, Some(pf)) => match host.link_by_index(pf.index).ok().flatten() {
            Some(link) if link.flags.is_running() => CarrierBound::Expected,
            Some(link) if link.flags.is_up() => CarrierBound::Absent,
            Some(_) => CarrierBound::Never,
            None => CarrierBound::Unknown,
        },
        (_, None) => CarrierBound::Unknown,
    }
}

/// Tells this attempt from every other of this boot.
fn attempt() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}", std::process::id(), since.as_nanos())
}

struct Call<'a> {
    context: &'a Context,
    environment: &'a Environment,
    stdin: &'a [u8],
    conf: &'a NetConf,
    candidate: &'a Candidate,
    device_info: Option<&'a DeviceInfoFile<'a>>,
}

/// An ADD from the first write of its record on.
struct Attempt<'a> {
    call: Call<'a>,
    record: Record,
    host: Socket,
    pod: Entered,
    lock: Option<DeviceLock>,
    ipam_asked: bool,
    device_info_written: Option<WrittenDeviceInfo>,
    phases: &'a mut Phases,
}

impl Attempt<'_> {
    fn run(mut self, previous: Success, print: impl FnOnce(&Value) -> io::Result<()>) -> Result<(), CniError> {
        let version = self.call.conf.version;
        let made = self.make(previous);
        let result = made.and_then(|made| {
            made.to_json(version)
                .map_err(|error| CniError::new(code::INTERNAL, error))
        });
        let printed = result.and_then(|result| {
            print(&result).map_err(|error| CniError::new(code::IO, format!("printing the result: {error}")))
        });
        printed.map_err(|error| self.undo(error))
    }

    fn make(&mut self, mut result: Success) -> Result<Success, CniError> {
        let Call {
            context,
            environment,
            conf,
            candidate,
            device_info,
            ..
        } = self.call;
        let to_pod = MoveToPod {
            context,
            conf,
            candidate,
            record: &mut self.record,
            host: &mut self.host,
            pod: &mut self.pod,
        };
        let moved = to_pod.run(self.phases)?;
        let before = self.record.vf.as_ref().and_then(|vf| vf.requested.mac);
        let mac = moved.as_ref().map_or(before, Link::mac);
        self.record.in_pod.mac = mac;
        let mtu = moved.as_ref().map_or(0, |link| link.mtu);
        result.interfaces.push(Interface::in_pod(
            environment.ifname()?.as_str(),
            mac,
            mtu,
            environment.netns()?,
            candidate.device.id.pci(),
        ));
        if let Some(plugin) = &conf.base.ipam {
            let given = self.ask_ipam(plugin, result.interfaces.len() - 1)?;
            if let Some(link) = &moved {
                let mut interface = PodInterface {
                    netns: &self.pod.netns,
                    identity: self.pod.identity,
                    state: &context.state,
                    socket: &mut self.pod.socket,
                    ifname: &self.record.owner.ifname,
                    index: link.index,
                    carrier: carrier_bound(conf, candidate, &mut self.host),
                };
                interface.configure(&given, self.phases)?;
            }
            self.record.in_pod.addresses = given.ips.iter().map(|ip| ip.address.to_string()).collect();
            result.ips.extend(given.ips);
            result.routes.extend(given.routes);
            if given.dns != Dns::default() {
                result.dns = given.dns;
            }
        }
        if conf.dns != Dns::default() {
            result.dns = conf.dns.clone();
        }
        if let Some(file) = device_info {
            self.device_info_written = file.write(candidate, &context.sysfs)?;
        }
        if environment.chain.is_some() {
            let json = result.to_json(conf.version);
            self.record.result = Some(json.map_err(|error| CniError::new(code::INTERNAL, error))?);
        }
        self.record.step = Step::Attached;
        let put = self.phases.time(Phase::Journal, || context.journal.put(&self.record));
        put.map_err(|error| journal(&error))?;
        Ok(result)
    }

    /// Runs IPAM without the lock, for it may take minutes: the record guards the device meanwhile.
    fn ask_ipam(&mut self, plugin: &str, interface: usize) -> Result<Success, CniError> {
        let Call {
            context,
            environment,
            stdin,
            conf,
            ..
        } = self.call;
        let delegate = Delegate::of_call(context, plugin, environment, stdin);
        let located = delegate
            .locate()
            .map_err(|error| CniError::new(code::INTERNAL, error))?;
        self.record.step = Step::Moved;
        let put = self.phases.time(Phase::Journal, || context.journal.put(&self.record));
        put.map_err(|error| journal(&error))?;
        let kept = self.phases.time(Phase::Journal, || context.leases.keep(&self.record));
        kept.map_err(|error| CniError::new(code::IO, error))?;
        let asking = context.journal.lock_ipam(&self.record.device);
        let asking = asking.map_err(|error| journal(&error))?;
        drop(self.lock.take());
        self.ipam_asked = true;
        let given = self.phases.time(Phase::Ipam, || located.add(conf.version));
        let ended = context.journal.unlock_ipam(asking);
        let mut given = given?;
        ended.map_err(|error| journal(&error))?;
        let lock = self
            .phases
            .time(Phase::Lock, || context.journal.lock(&self.record.device));
        self.lock = Some(lock.map_err(|error| journal(&error))?);
        let found = ours(&context.journal, &self.record).filter(|found| found.ending != Some(Ending::Del));
        let Some(found) = found else {
            let msg = format!("{}: a DEL came while IPAM was running", self.record.device);
            return Err(CniError::new(code::TRY_AGAIN, msg));
        };
        self.record.ending = found.ending;
        for ip in &mut given.ips {
            ip.interface = i64::try_from(interface).ok();
        }
        Ok(given)
    }

    /// Undoes all of it. The first error is the one that is reported; what fails on the way back stands in its details.
    fn undo(self, mut error: CniError) -> CniError {
        let Call {
            context,
            environment,
            stdin,
            conf,
            ..
        } = self.call;
        let mut host = self.host;
        if let Some(written) = self.device_info_written {
            written.remove();
        }
        let asked = conf.base.ipam.as_ref().filter(|_| self.ipam_asked);
        let released = asked.map_or(Ok(()), |plugin| {
            Delegate::of_call(context, plugin, environment, stdin).run(Command::Del)
        });
        if let Err(failed) = released {
            error = error.and_then_failed("IPAM DEL", &failed);
        } else if self.record.may_hold_addresses()
            && let Err(failed) = context.leases.forget(&self.record.attempt)
        {
            error = error.and_then_failed("undoing", &failed);
        }
        let device = &self.record.device;
        let lock = match self.lock.map_or_else(|| context.journal.lock(device), Ok) {
            Ok(lock) => lock,
            Err(failed) => return error.and_then_failed("undoing", &failed),
        };
        if ours(&context.journal, &self.record).is_some() {
            match release(context, &self.record, &mut host, self.phases) {
                Ok(Outcome::Done) => {}
                Ok(Outcome::Unreachable) => {
                    error = error.and_then_failed("undoing", &"the device or its PF cannot be reached");
                }
                Err(failed) => error = error.and_then_failed("undoing", &failed),
            }
        }
        unlocked(context, device, lock, error)
    }
}
