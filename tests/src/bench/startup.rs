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
use super::stats::{median, ms, ratio};
use crate::plugin::FakeDaemon;

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

/// What every pod of the cluster pays for our entry in the default network's list: one question, beyond the start.
pub fn chain(programs: &Programs, scene: &Scene, effort: Effort, measured: &mut Measured) {
    let state = scene.directory().join("chain-state");
    // A thread of this process: it works while the plugin waits.
    let daemon = FakeDaemon::start(&state, &[]);
    let slot = &scene.slots()[0];
    let previous = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": slot.netns}],
                          "ips": [{"interface": 0, "address": "10.0.0.2/24"}]});
    let conf =
        json!({"cniVersion": "1.0.0", "name": "cluster", "type": "hardwire", "attach": "pod", "prevResult": previous});
    let process = |command: &str, stdin: &[u8]| {
        let environment = [
            ("CNI_COMMAND", command.to_owned()),
            ("CNI_CONTAINERID", slot.pod.clone()),
            ("CNI_NETNS", slot.netns.clone()),
            ("CNI_IFNAME", "eth0".to_owned()),
            ("CNI_PATH", "/opt/cni/bin".to_owned()),
            (
                "CNI_ARGS",
                "K8S_POD_NAMESPACE=red;K8S_POD_NAME=a;K8S_POD_UID=u".to_owned(),
            ),
            ("HARDWIRE_STATE_DIR", state.display().to_string()),
        ];
        let files = scene.directory().join(format!("chain-{command}"));
        Process::new(&programs.get("hardwire"), &[], &environment, stdin, &files)
    };
    let (add, version) = (
        process("ADD", conf.to_string().as_bytes()),
        process("VERSION", br#"{"cniVersion":"1.0.0"}"#),
    );
    let (mut of_add, mut of_version) = (Vec::new(), Vec::new());
    for _round in 0..effort.samples * 5 {
        of_add.push(add.time());
        of_version.push(version.time());
    }
    drop(daemon);
    let (of_add, of_version): (Duration, Duration) = (median(&of_add), median(&of_version));
    measured.time("chain_add_without_devices", of_add);
    measured.figure("chain_add_without_devices_ms", ms(of_add.saturating_sub(of_version)));
    measured.figure("chain_add_without_devices_over_version", ratio(of_add, of_version));
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
