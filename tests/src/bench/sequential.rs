//! One attachment at a time: ADD and DEL of each contestant in turn, on the same device.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::contestant::{Contestant, Programs, Verb};
use super::measured::{Effort, Measured};
use super::process::Process;
use super::scene::{Scene, Slot, index};
use super::stats::{median, ratio, turn};

/// After each call, for what the kernel does after a process has ended: a namespace that a contestant threw away is
/// destroyed in the background, which would hold up the next.
pub const SETTLE: Duration = Duration::from_millis(100);

/// The times of one contestant.
#[derive(Debug, Default, Clone)]
pub struct Times {
    /// Of ADD.
    pub add: Vec<Duration>,
    /// Of DEL.
    pub del: Vec<Duration>,
}

impl Times {
    /// Medians of both.
    pub fn medians(&self) -> (Duration, Duration) {
        (median(&self.add), median(&self.del))
    }
}

/// ADD and DEL of each contestant in each round; `ready` is called before each ADD. A round counts if all of it succeeded;
/// returns how many did not.
pub fn alternate(
    contestants: &[Contestant],
    (slot, directory): (&Slot, &Path),
    rounds: usize,
    mut ready: impl FnMut(),
) -> (Vec<Times>, usize) {
    let calls: Vec<(Process, Process)> = contestants
        .iter()
        .map(|contestant| {
            let call = |verb| contestant.process(verb, slot, directory);
            (call(Verb::Add), call(Verb::Del))
        })
        .collect();
    let mut times = vec![Times::default(); contestants.len()];
    let mut failed = 0;
    let mut counted = 0;
    // The first round is for warming up.
    for round in 0.. {
        let mut these = vec![None; contestants.len()];
        for n in turn(contestants.len(), round) {
            ready();
            let (add, del) = &calls[n];
            let timed = |call: &Process| {
                let timed = call.try_time();
                thread::sleep(SETTLE);
                timed
            };
            let pair = (timed(add), timed(del));
            if pair.0.is_none() || pair.1.is_none() {
                failed += 1;
                assert!(
                    failed < rounds,
                    "{:?} fails:\n{}{}",
                    contestants[n],
                    add.output(),
                    del.output()
                );
            }
            these[n] = pair.0.zip(pair.1);
        }
        let Some(these) = these.into_iter().collect::<Option<Vec<_>>>() else {
            continue;
        };
        if round == 0 {
            continue;
        }
        for (times, (add, del)) in times.iter_mut().zip(these) {
            times.add.push(add);
            times.del.push(del);
        }
        counted += 1;
        if counted == rounds {
            break;
        }
    }
    (times, failed)
}

/// The configuration of `hardwire` for a veth; with the MTU that the floor sets too.
pub fn conf(slot: &Slot) -> Value {
    json!({"cniVersion": "1.0.0", "name": "bench", "type": "hardwire", "device": slot.device, "mtu": 1400})
}

/// The floor on a veth.
pub fn floor(programs: &Programs) -> Contestant {
    Contestant::floor(programs, &["mtu=1400".to_owned()], &["mtu=1500".to_owned()])
}

/// The reference plugin.
pub fn host_device(programs: &Programs) -> Option<Contestant> {
    programs.find("host-device")?;
    let conf =
        |slot: &Slot| json!({"cniVersion": "1.0.0", "name": "bench", "type": "host-device", "device": slot.device});
    Some(Contestant::plugin("host-device", programs, "host-device", conf))
}

/// Without IPAM.
pub fn bare(programs: &Programs, scene: &Scene, effort: Effort, measured: &mut Measured) {
    let ours = Contestant::plugin("hardwire", programs, "hardwire", conf);
    let contestants: Vec<Contestant> = [floor(programs), ours]
        .into_iter()
        .chain(host_device(programs))
        .collect();
    let slot = &scene.slots()[0];
    let on_host = || assert_eq!(index(&slot.device), slot.index, "the device is not as it was");
    let (times, _failed) = alternate(&contestants, (slot, scene.directory()), effort.samples, on_host);
    for (contestant, times) in contestants.iter().zip(&times) {
        let (add, del) = times.medians();
        measured.time(format!("{}_add", contestant.name()), add);
        measured.time(format!("{}_del", contestant.name()), del);
        measured.point(contestant.name(), 1, add);
    }
    let [floor, ours, peers @ ..] = &times[..] else { return };
    let ((floor_add, floor_del), (add, del)) = (floor.medians(), ours.medians());
    measured.figure("add_over_floor", ratio(add, floor_add));
    measured.figure("del_over_floor", ratio(del, floor_del));
    for (peer_add, peer_del) in peers.iter().map(Times::medians) {
        measured.against("host_device_add_over_ours", peer_add, add, floor_add);
        measured.against("host_device_del_over_ours", peer_del, del, floor_del);
    }
}

/// With host-local, as a program and in process: against the floor with an address, and host-local alone.
pub fn ipam(programs: &Programs, scene: &Scene, effort: Effort, measured: &mut Measured) {
    if programs.find("host-local").is_none() {
        return measured.note("left out: ipam_*, for host-local is missing");
    }
    programs.allow_stores_below(scene.directory());
    let options = ["mtu=1400", "address=10.99.0.2/16"].map(str::to_owned);
    let directory = scene.directory().to_owned();
    let with_ipam = move |store: &'static str, in_process: bool| {
        let store = directory.join(store);
        move |slot: &Slot| {
            let mut conf = conf(slot);
            let ranges = [[json!({"subnet": "10.99.0.0/16"})]];
            conf["ipam"] = json!({"type": "host-local", "dataDir": store, "ranges": ranges, "inProcess": in_process});
            conf
        }
    };
    let contestants = [
        Contestant::floor(programs, &options, &["mtu=1500".to_owned()]),
        Contestant::plugin("hardwire", programs, "hardwire", with_ipam("ipam-ours", false)),
        Contestant::plugin("host-local", programs, "host-local", with_ipam("ipam-alone", false)),
        Contestant::plugin("hardwire-alone", programs, "hardwire", with_ipam("ipam-inside", true)),
    ];
    let slot = &scene.slots()[0];
    let on_host = || assert_eq!(index(&slot.device), slot.index, "the device is not as it was");
    let (times, _failed) = alternate(&contestants, (slot, scene.directory()), effort.samples, on_host);
    let adds: Vec<Duration> = times.iter().map(|times| times.medians().0).collect();
    let [floor, ours, alone, inside] = adds[..] else { return };
    measured.time("floor_add_address", floor);
    measured.time("hardwire_add_ipam", ours);
    measured.time("host_local_add", alone);
    measured.time("hardwire_add_ipam_in_process", inside);
    measured.figure("ipam_over_floor_plus_exec", ratio(ours, floor + alone));
    measured.figure("ipam_in_process_over_floor", ratio(inside, floor));
}
