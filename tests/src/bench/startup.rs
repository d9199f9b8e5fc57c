//! What a start costs before anything is attached, and how big the program is.

use std::fs;
use std::time::Duration;

use serde_json::json;

use super::contestant::{Contestant, Programs, Verb};
use super::measured::{Effort, Measured};
use super::peak::vm_hwm_kib;
use super::process::Process;
use super::scene::{Scene, Slot};
use super::sequential::conf;
use super::stats::{median, ratio};

const MIB: f64 = 1024.0 * 1024.0;

/// VERSION against an empty program: these calls are short, so many more of them.
pub fn version(programs: &Programs, scene: &Scene, effort: Effort, measured: &mut Measured) {
    let environment = [("CNI_COMMAND", "VERSION".to_owned())];
    let stdin = br#"{"cniVersion":"1.0.0"}"#;
    let process = |name: &str| {
        Process::new(
            &programs.get(name),
            &[],
            &environment,
            stdin,
            &scene.directory().join(name),
        )
    };
    let (ours, empty) = (process("hardwire"), process("empty"));
    let (mut of_ours, mut of_empty) = (Vec::new(), Vec::new());
    for _round in 0..effort.samples * 10 {
        of_ours.push(ours.time());
        of_empty.push(empty.time());
    }
    let (of_ours, of_empty): (Duration, Duration) = (median(&of_ours), median(&of_empty));
    measured.time("version", of_ours);
    measured.time("empty", of_empty);
    measured.figure("version_over_empty", ratio(of_ours, of_empty));
}

/// Size of the file, and the most memory of ADDs with and without IPAM.
pub fn size(programs: &Programs, scene: &Scene, measured: &mut Measured) {
    let bytes = fs::metadata(programs.get("hardwire")).expect("the plugin").len();
    measured.figure(
        "binary_mib",
        f64::from(u32::try_from(bytes).expect("a file of less than 4 GiB")) / MIB,
    );

    let store = scene.directory().join("ipam-peak");
    let with_ipam = move |slot: &Slot| {
        let mut conf = conf(slot);
        conf["ipam"] = json!({"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.98.0.0/16"}]]});
        conf
    };
    let bare = Contestant::plugin("hardwire", programs, "hardwire", conf);
    let delegating = programs
        .find("host-local")
        .map(|_there| Contestant::plugin("hardwire-ipam", programs, "hardwire", with_ipam));
    let mut peaks = Vec::new();
    for contestant in [bare].into_iter().chain(delegating) {
        let call = |verb| contestant.process(verb, &scene.slots()[0], scene.directory());
        let (add, del) = (call(Verb::Add), call(Verb::Del));
        for _round in 0..10 {
            peaks.push(vm_hwm_kib(&add));
            del.time();
        }
    }
    let peak = peaks.into_iter().max().and_then(|kib| u32::try_from(kib).ok());
    measured.figure("add_peak_rss_mib", f64::from(peak.expect("a peak")) / 1024.0);
}
