//! A storm: a thousand attachments and releases over a hundred devices, fifty processes at a time, and what it leaves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::contestant::{Contestant, Programs, Verb};
use super::measured::{Effort, Measured};
use super::process::wait;
use super::scene::{Scene, Slot, ip_batch};
use super::sequential::{conf, floor};
use super::stats::{median, ratio};
use crate::node::run;

const DEVICES: usize = 100;
const AT_A_TIME: usize = 50;
const STATE: &str = "/run/hardwire";

/// Storms of floor and hardwire in turn, then one of hardwire with host-local; each leaves what it found.
pub fn storm(programs: &Programs, directory: &Path, effort: Effort, measured: &mut Measured) {
    let scene = Scene::new(DEVICES, directory);
    mark(scene.slots());
    let ours = Contestant::plugin("hardwire", programs, "hardwire", conf);
    let (floor, before) = (floor(programs), Seen::now());
    let (mut of_floor, mut of_ours) = (Vec::new(), Vec::new());
    for _round in 0..effort.storms {
        of_floor.push(blow(&floor, &scene, effort.storm));
        of_ours.push(blow(&ours, &scene, effort.storm));
        assert_eq!(Seen::now(), before, "the storm left something behind");
    }
    let (of_floor, of_ours) = (median(&of_floor), median(&of_ours));
    measured.time("floor_storm", of_floor);
    measured.time("hardwire_storm", of_ours);
    measured.figure("storm_total_over_floor", ratio(of_ours, of_floor));

    let mut with = "without IPAM";
    if programs.find("host-local").is_some() {
        with = "with host-local too";
        let store = directory.join("ipam-storm");
        let conf = {
            let store = store.clone();
            move |slot: &Slot| {
                let mut conf = conf(slot);
                conf["ipam"] =
                    json!({"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.97.0.0/16"}]]});
                conf
            }
        };
        let delegating = Contestant::plugin("hardwire-ipam", programs, "hardwire", conf);
        measured.time("hardwire_storm_ipam", blow(&delegating, &scene, effort.storm));
        assert_eq!(Seen::now(), before, "the storm with IPAM left something behind");
        assert_eq!(reservations(&store), Vec::<String>::new(), "addresses that nobody has");
    }
    let slots = scene.slots().to_vec();
    drop(scene);
    await_the_end_of_namespaces(&slots);
    measured.note(format!(
        "storm: {0} ADDs and {0} DELs, {AT_A_TIME} at a time on {DEVICES} devices, {with}: none failed; links, namespaces, \
         records, locks, addresses and descriptors as before",
        effort.storm
    ));
}

/// Each device goes in and back again and again; the end of one process is the beginning of another's, of the device that
/// has waited longest. Returns the total.
fn blow(contestant: &Contestant, scene: &Scene, adds: usize) -> Duration {
    let calls = |verb| contestant.processes(verb, scene.slots(), scene.directory());
    let calls = [calls(Verb::Add), calls(Verb::Del)];
    let steps = adds / DEVICES * calls.len();
    let mut waiting: VecDeque<(usize, usize)> = (0..DEVICES).map(|device| (device, 0)).collect();
    let mut running = BTreeMap::new();
    let begun = Instant::now();
    loop {
        while running.len() < AT_A_TIME
            && let Some((device, step)) = waiting.pop_front()
        {
            running.insert(calls[step % 2][device].start(), (device, step));
        }
        if running.is_empty() {
            return begun.elapsed();
        }
        let ended = wait(-1);
        let (device, step) = running.remove(&ended.pid).expect("one of these");
        calls[step % 2][device].check(&ended);
        if step + 1 < steps {
            waiting.push_back((device, step + 1));
        }
    }
}

/// What a storm must not change.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    links: String,
    namespaces: BTreeSet<String>,
    state: BTreeSet<String>,
    descriptors: usize,
    processes: usize,
}

impl Seen {
    fn now() -> Self {
        Self {
            links: links(),
            namespaces: names("/run/netns"),
            state: ["attachments", "locks"]
                .iter()
                .flat_map(|room| names(&format!("{STATE}/{room}")))
                .collect(),
            descriptors: names("/proc/self/fd").len(),
            processes: names("/proc").iter().filter(|name| name.parse::<u32>().is_ok()).count(),
        }
    }
}

/// Links of the host without what traffic and time change: one line each.
fn links() -> String {
    let text = run(&["ip", "-brief", "link", "show"]);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// Addresses that host-local holds reserved.
fn reservations(store: &Path) -> Vec<String> {
    let files = names(&store.join("bench").display().to_string()).into_iter();
    files
        .filter(|name| name != "lock" && !name.starts_with("last_reserved_ip"))
        .collect()
}

/// Ties something on the host to each pod that only the true end of its namespace removes.
fn mark(slots: &[Slot]) {
    let marks = slots
        .iter()
        .map(|slot| format!("link add m{} type veth peer name m netns {}\n", slot.number, slot.pod));
    ip_batch(&marks.collect::<String>());
}

/// A namespace whose name is removed lives on while anything holds it, a leaked descriptor or a process.
fn await_the_end_of_namespaces(slots: &[Slot]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let lives = |slot: &&Slot| Path::new(&format!("/sys/class/net/m{}", slot.number)).exists();
    while let Some(slot) = slots.iter().find(lives) {
        assert!(
            Instant::now() < deadline,
            "the namespace of {} is still held by something",
            slot.pod
        );
        thread::sleep(Duration::from_millis(50));
    }
}
