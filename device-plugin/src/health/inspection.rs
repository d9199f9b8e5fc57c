//! Baselines: taken of free VFs once their events have settled, compared afterwards, restored where an attachment of ours
//! left something behind.
//!
//! One question per PF answers for all of its VFs. Blocking: a PF's driver may ask its firmware about each VF.

use std::sync::Arc;

use hardwire_cni::Context;
use hardwire_cni::baseline::{Baseline, BaselineVf};
use hardwire_cni::journal::{InterfaceSettings, OriginalLink};
use hardwire_cni::release::{end_children_anywhere, return_to_baseline};
use hardwire_cni::unclean;
use hardwire_pci::netlink::{Link, NetlinkError, Socket, VfState};
use hardwire_pci::{Device, DeviceId, instance};
use tracing::{info, warn};

use super::admin_mac::{admin_mac, sight};
use super::difference::difference;
use crate::pools::Hardware;

/// The VFs of one PF that are to be looked at.
#[derive(Debug, Clone)]
pub struct Task {
    /// The PF.
    pub pf: DeviceId,
    /// The generation that its VFs' records get.
    pub generation: u64,
    /// Whether nothing has happened for so long that what is seen is what stays.
    pub settled: bool,
    /// Whether nothing has happened to the PF itself since the look before: what did happened to VFs.
    pub only_vfs: bool,
    /// Its VFs.
    pub vfs: Vec<VfToInspect>,
}

/// A VF to look at.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "facts of a VF that go together in any way")]
pub struct VfToInspect {
    /// Which.
    pub id: DeviceId,
    /// It is free. Of others only so much is of interest: whether their records are still true.
    pub is_free: bool,
    /// Whatever it is like now is its idle state.
    pub adopt: bool,
    /// An attachment of ours ended: what differs is what that left.
    pub ours: bool,
    /// A driver was bound since its record was taken: its interface is another.
    pub rebound: bool,
    /// It was not looked at while somebody had it.
    pub unwatched: bool,
}

/// What became of a VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As its record says.
    Clean,
    /// It has no record yet; its events have not settled.
    Unsettled,
    /// It differed, and that is its idle state now.
    Adopted(String),
    /// It differs.
    Differs(String),
    /// It is in use, and its record counts no more until it is free and clean again.
    Distrusted,
    /// It could not be looked at, or is in use.
    Unknown,
}

/// What became of the VFs of one PF.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The PF.
    pub pf: DeviceId,
    /// Each VF.
    pub verdicts: Vec<(DeviceId, Verdict)>,
    /// Whether a change of a VF's attributes would be told: the kernel is silent about a PF that is down
    /// (`netdev_state_change`, net/core/dev.c).
    pub is_told: bool,
}

/// The PF as it answered.
struct Pf<'a> {
    id: &'a DeviceId,
    index: u32,
    is_up: bool,
    /// None where the kernel cannot tell them: then nothing is known of them, and nobody can go by it.
    vfs: Option<Vec<(u32, VfState)>>,
}

/// Looks at the VFs of one PF.
pub fn inspect(context: &Context, boot: &str, hardware: &Arc<Hardware>, task: &Task) -> Inspected {
    let mut inspector = match Inspector::new(context, boot, hardware, task) {
        Ok(inspector) => inspector,
        Err(error) => {
            warn!(pf = %task.pf, "its VFs cannot be looked at: {error}");
            let unknown = |vf: &VfToInspect| (vf.id.clone(), Verdict::Unknown);
            return Inspected {
                pf: task.pf.clone(),
                verdicts: task.vfs.iter().map(unknown).collect(),
                is_told: false,
            };
        }
    };
    let looked = |vf: &VfToInspect| (vf.id.clone(), inspector.look(vf));
    Inspected {
        pf: task.pf.clone(),
        verdicts: task.vfs.iter().map(looked).collect(),
        is_told: inspector.pf.is_some_and(|pf| pf.is_up && pf.vfs.is_some()),
    }
}

struct Inspector<'a> {
    context: &'a Context,
    boot: &'a str,
    hardware: &'a Hardware,
    task: &'a Task,
    socket: Socket,
    pf: Option<Pf<'a>>,
}

// === impl Inspector ===

impl<'a> Inspector<'a> {
    fn new(context: &'a Context, boot: &'a str, hardware: &'a Hardware, task: &'a Task) -> Result<Self, NetlinkError> {
        let mut socket = Socket::open()?;
        let netdev = hardware.inventory.get(&task.pf).and_then(Device::netdev);
        let pf = match netdev {
            None => None,
            Some(netdev) => socket.link_by_index(netdev.index)?.map(|link| (netdev.index, link)),
        };
        let pf = pf.map(|(index, link)| {
            Ok::<_, NetlinkError>(Pf {
                id: &task.pf,
                index,
                is_up: link.flags.is_up(),
                vfs: vfs(&mut socket, &task.pf, index)?,
            })
        });
        Ok(Self {
            context,
            boot,
            hardware,
            task,
            pf: pf.transpose()?,
            socket,
        })
    }

    fn look(&mut self, vf: &VfToInspect) -> Verdict {
        let verdict = self.compare(vf);
        if vf.ours && !matches!(verdict, Verdict::Unknown | Verdict::Distrusted) {
            self.end_children(&vf.id);
        }
        if !matches!(verdict, Verdict::Clean | Verdict::Adopted(_) | Verdict::Unsettled) {
            return verdict;
        }
        match self.what_stays(&vf.id) {
            Some(what) => Verdict::Differs(what),
            None => verdict,
        }
    }

    fn compare(&mut self, vf: &VfToInspect) -> Verdict {
        let before = self.context.baselines.get(&vf.id);
        let before = before.filter(|record| record.boot == self.boot && self.is_same_device(record));
        let only_vf = self.task.only_vfs && !vf.unwatched;
        let seen = self.seen(&vf.id, before.as_ref(), only_vf, vf.is_free);
        // Asked after the look: an attachment that began since leaves its record before it changes anything.
        let is_attached = !self.context.journal.get(&vf.id).is_ok_and(|record| record.is_none());
        if is_attached || !vf.is_free {
            return self.in_use(before, seen.filter(|_| !is_attached));
        }
        let Some(now) = seen else {
            return Verdict::Unknown;
        };
        let Some(before) = before else {
            return self.take(&now);
        };
        let rebound = vf.rebound || before.driver != now.driver;
        match difference(&before, &now, rebound) {
            None if rebound => self.take(&now),
            None => self.keep(&before, &now),
            Some(text) if vf.adopt => self.put(&now, Verdict::Adopted(text)),
            Some(text) if vf.ours => self.restore(&before, &now, &text),
            Some(text) => self.distrust(before, Some(&now), text),
        }
    }

    /// Whether a record is of the device that is there now. VFs that were made anew while no daemon ran have the same ids.
    fn is_same_device(&self, record: &Baseline) -> bool {
        let netdev = self.hardware.inventory.get(&record.device).and_then(Device::netdev);
        let now = instance(
            &self.context.sysfs,
            &record.device,
            netdev.map(|netdev| netdev.name.as_str()),
        );
        record.instance.is_none() || now.is_none() || record.instance == now
    }

    /// A device that somebody has. Its record stays as long as it is seen to be true.
    fn in_use(&self, before: Option<Baseline>, now: Option<Baseline>) -> Verdict {
        match (before, now) {
            (None, _) => Verdict::Unknown,
            (Some(before), Some(now)) if before.driver == now.driver && difference(&before, &now, false).is_none() => {
                self.keep(&before, &now);
                Verdict::Unknown
            }
            (Some(before), _) => {
                self.distrust(before, None, String::new());
                Verdict::Distrusted
            }
        }
    }

    /// What stays of a pod on the interface that a device has now.
    fn what_stays(&self, id: &DeviceId) -> Option<String> {
        let index = self.hardware.inventory.get(id)?.netdev()?.index;
        let what = unclean::leftovers(&self.context.state, id, index)?;
        Some(format!(
            "a pod left on its interface what cannot be taken away, until its driver is bound anew: {what}"
        ))
    }

    /// Links that a pod made on the device and put into other namespaces, where neither it nor its DEL sees them.
    fn end_children(&self, device: &DeviceId) {
        let netdev = self.hardware.inventory.get(device).and_then(Device::netdev);
        match netdev
            .map(|netdev| netdev.index)
            .map(|index| end_children_anywhere(self.context, device, index))
        {
            None | Some(Ok(0)) => {}
            Some(Ok(count)) => info!(%device, "ended {count} links in other namespaces that a pod had made on it"),
            Some(Err(error)) => {
                warn!(%device, "whether a pod left links on it in other namespaces is not known: {error}");
            }
        }
    }

    /// The device as it is. Of one that somebody has, only what is told without a further question.
    fn seen(&mut self, id: &DeviceId, before: Option<&Baseline>, only_vf: bool, whole: bool) -> Option<Baseline> {
        let device = self.hardware.inventory.get(id)?;
        let link = match device.netdev() {
            None => None,
            Some(netdev) => {
                let mut link = as_original(self.socket.link_by_index(netdev.index).ok()??)?;
                if whole {
                    let is_vf = device.vf_index().is_some();
                    link.settings.complete(link.index, link.name.as_str(), is_vf);
                }
                Some(link)
            }
        };
        let vf = self.pf.as_ref().and_then(|pf| {
            let index = device.vf_index()?;
            let (_, state) = pf.vfs.iter().flatten().find(|(vf, _)| *vf == index)?;
            Some(BaselineVf {
                pf: pf.id.clone(),
                pf_index: pf.index,
                generation: self.task.generation,
                index,
                state: *state,
                admin_mac: admin_mac(&self.context.sysfs, state, link.as_ref(), before, only_vf),
                admin_mac_at: None,
            })
        });
        Some(Baseline {
            version: Baseline::VERSION,
            device: id.clone(),
            instance: instance(&self.context.sysfs, id, link.as_ref().map(|link| link.name.as_str())),
            boot: self.boot.to_owned(),
            driver: device.driver.clone(),
            link,
            vf,
        })
    }

    fn take(&self, now: &Baseline) -> Verdict {
        if !self.task.settled {
            return Verdict::Unsettled;
        }
        self.put(now, Verdict::Clean)
    }

    /// The record of a clean device, renewed where it is of an earlier generation or of an interface with another index.
    fn keep(&self, before: &Baseline, now: &Baseline) -> Verdict {
        let now = &with_known(before, now);
        let says_less = before.vf.is_some() && now.vf.is_none() || before.link.is_some() && now.link.is_none();
        if says_less || before == now {
            return Verdict::Clean;
        }
        self.put(now, Verdict::Clean)
    }

    /// Nobody is to go by a record that is not true; it stays, to be compared with. What was seen of the admin MAC of a free
    /// device is noted beside it.
    fn distrust(&self, mut before: Baseline, now: Option<&Baseline>, text: String) -> Verdict {
        let verdict = Verdict::Differs(text);
        let Some(vf) = before.vf.as_mut() else {
            return verdict;
        };
        let was = vf.clone();
        vf.generation = 0;
        if let Some((now, link)) = now.and_then(|now| Some((now.vf.as_ref()?, now.link.as_ref()))) {
            vf.admin_mac = now.admin_mac;
            vf.admin_mac_at = Some(sight(now, link));
        }
        if *vf == was {
            return verdict;
        }
        self.put(&before, verdict)
    }

    fn restore(&mut self, before: &Baseline, now: &Baseline, text: &str) -> Verdict {
        let device = &before.device;
        info!(%device, "an attachment left it changed, bringing it back to its idle state: {text}");
        let state = now.vf.as_ref().map(|vf| vf.state);
        let interface = now.link.as_ref().map(|link| link.index);
        let restored = return_to_baseline(self.context, before, state.as_ref(), interface, &mut self.socket);
        if let Err(error) = restored {
            warn!(%device, "not in its idle state: {error}");
        }
        if let Some(pf) = &mut self.pf {
            match vfs(&mut self.socket, pf.id, pf.index) {
                Ok(vfs) => pf.vfs = vfs,
                Err(error) => warn!(%device, "whether it is in its idle state is not known: {error}"),
            }
        }
        let Some(after) = self.seen(device, Some(before), false, true) else {
            return Verdict::Unknown;
        };
        match difference(before, &after, false) {
            None => self.keep(before, &after),
            Some(text) => self.distrust(before.clone(), Some(&after), text),
        }
    }

    fn put(&self, record: &Baseline, verdict: Verdict) -> Verdict {
        if let Err(error) = self.context.baselines.put(record) {
            warn!(device = %record.device, "its idle record is not written: {error}");
        }
        verdict
    }
}

/// The VFs of a PF; `None` where the kernel cannot tell them.
fn vfs(socket: &mut Socket, pf: &DeviceId, index: u32) -> Result<Option<Vec<(u32, VfState)>>, NetlinkError> {
    match socket.vfs(index) {
        Err(error) if error.is_too_long() => {
            warn!(%pf, "the attributes of its VFs are not known, for they do not fit into a message of the kernel: {error}");
            Ok(None)
        }
        vfs => vfs.map(Some),
    }
}

/// What is, and where that is not known, what was.
fn with_known(before: &Baseline, now: &Baseline) -> Baseline {
    let mut now = now.clone();
    if let (Some(before), Some(now)) = (&before.link, &mut now.link) {
        let (before, now) = (&before.settings, &mut now.settings);
        now.tcx = now.tcx.take().or_else(|| before.tcx.clone());
        now.ethtool = now.ethtool.take().or_else(|| before.ethtool.clone());
    }
    now
}

fn as_original(link: Link) -> Option<OriginalLink> {
    Some(OriginalLink {
        settings: InterfaceSettings::from(&link),
        name: link.name.parse().ok()?,
        index: link.index,
        mac: link.mac(),
        mtu: link.mtu,
        flags: link.flags.0,
        hardware: hardwire_cni::journal::Hardware::default(),
        alias: link.alias,
        altnames: link.altnames,
    })
}
