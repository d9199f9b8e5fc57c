//! Many attachments at once, as on a node that starts its pods.

use std::thread;
use std::time::Duration;

use super::contestant::{Contestant, Programs, Verb};
use super::gate::race;
use super::measured::{Effort, Measured};
use super::scene::Scene;
use super::sequential::{conf, floor, host_device};
use super::stats::{median, ratio, turn};

/// How many at once.
pub const PARALLEL: [usize; 3] = [8, 30, 200];

/// For each device, after each race: what the kernel does after the last process has ended.
const SETTLE: Duration = Duration::from_millis(5);

struct Rounds {
    add: Vec<Duration>,
    del: Vec<Duration>,
    middle: Vec<Duration>,
}

/// All of [`PARALLEL`], on the scene's first devices.
pub fn parallel(programs: &Programs, scene: &Scene, effort: Effort, measured: &mut Measured) {
    let ours = Contestant::plugin("hardwire", programs, "hardwire", conf);
    let contestants: Vec<Contestant> = [floor(programs), ours]
        .into_iter()
        .chain(host_device(programs))
        .collect();
    for count in PARALLEL {
        let all = measure(&contestants, scene, count, effort.rounds);
        for (contestant, rounds) in contestants.iter().zip(&all) {
            let name = contestant.name();
            let middle = median(&rounds.middle);
            measured.time(format!("{name}_parallel{count}_total"), median(&rounds.add));
            measured.time(format!("{name}_parallel{count}_del_total"), median(&rounds.del));
            measured.time(format!("{name}_parallel{count}_p50"), middle);
            measured.point(name, count, middle);
        }
        let [floor, ours, peers @ ..] = &all[..] else { return };
        let over_floor = ratio(median(&ours.add), median(&floor.add));
        measured.figure(format!("parallel{count}_total_over_floor"), over_floor);
        for peer in peers {
            let over_ours = |of: fn(&Rounds) -> &[Duration]| ratio(median(of(peer)), median(of(ours)));
            let name = format!("host_device_parallel{count}");
            measured.figure(format!("{name}_total_over_ours"), over_ours(|rounds| &rounds.add));
            measured.figure(format!("{name}_p50_over_ours"), over_ours(|rounds| &rounds.middle));
        }
    }
}

fn measure(contestants: &[Contestant], scene: &Scene, count: usize, rounds: usize) -> Vec<Rounds> {
    let slots = &scene.slots()[..count];
    let calls = contestants.iter().map(|contestant| {
        let calls = |verb| contestant.processes(verb, slots, scene.directory());
        (calls(Verb::Add), calls(Verb::Del))
    });
    let calls: Vec<_> = calls.collect();
    let none = || Rounds {
        add: Vec::new(),
        del: Vec::new(),
        middle: Vec::new(),
    };
    let mut all: Vec<Rounds> = contestants.iter().map(|_| none()).collect();
    for round in 0..rounds {
        for n in turn(contestants.len(), round) {
            let (adds, dels) = &calls[n];
            let added = race(adds);
            settle(count);
            let deleted = race(dels);
            settle(count);
            all[n].add.push(added.total);
            all[n].middle.push(median(&added.each));
            all[n].del.push(deleted.total);
        }
    }
    all
}

fn settle(count: usize) {
    thread::sleep(SETTLE * u32::try_from(count).unwrap_or(u32::MAX));
}
