//! In the emulated node: a virtual function of an igb, with a VLAN. Its driver and the PF's mailbox have their part here.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::contestant::{Contestant, Programs};
use super::measured::{Effort, Measured};
use super::scene::{Slot, index};
use super::sequential::{Times, alternate};
use super::stats::{median, ratio};
use crate::node::{Igb, run};

const VF: u32 = 0;
const VLAN: u32 = 100;
const MAC: &str = "02:00:00:00:0b:01";

/// All figures that need the node.
pub fn node(programs: &Programs, directory: &Path, effort: Effort, measured: &mut Measured) {
    let igb = Igb::get();
    igb.up();
    run(&["ip", "netns", "add", "pod0"]);
    let device = igb.vf_netdev(VF).expect("the VF has an interface");
    let slot = Slot {
        number: 0,
        index: index(&device),
        device,
        pod: "pod0".to_owned(),
        netns: "/run/netns/pod0".to_owned(),
    };
    let course = Course {
        programs,
        place: (&slot, directory),
        igb: &igb,
        effort,
    };
    course.bare(measured);
    if programs.find("sriov").is_none() {
        return measured.note("left out: sriov_cni_*, for no --peers folder has `sriov`");
    }
    course.ipam(measured);
    course.mac(measured);
}

struct Course<'a> {
    programs: &'a Programs,
    place: (&'a Slot, &'a Path),
    igb: &'a Igb,
    effort: Effort,
}

impl Course<'_> {
    fn conf(&self, kind: &'static str, more: &Value) -> impl Fn(&Slot) -> Value + 'static {
        let address = self.igb.vf_address(VF);
        let mut conf = json!({"cniVersion": "1.0.0", "name": kind, "type": kind, "deviceID": address, "vlan": VLAN});
        let more = more.as_object().expect("an object").clone();
        conf.as_object_mut().expect("an object").extend(more);
        move |_slot| conf.clone()
    }

    /// hardwire, and sriov-cni where it is there, with the same configuration.
    fn plugins(&self, more: &Value) -> Vec<Contestant> {
        let programs = self.programs;
        let ours = Contestant::plugin("hardwire", programs, "hardwire", self.conf("hardwire", more));
        let peer = programs.find("sriov").map(|_there| {
            let conf = self.conf("sriov", more);
            Contestant::plugin("sriov-cni", programs, "sriov", conf)
        });
        [ours].into_iter().chain(peer).collect()
    }

    /// With more options on the way in.
    fn floor(&self, more: &[String]) -> Contestant {
        let pf = format!("pf={}", index(&self.igb.name));
        let options = |vlan: u32| [pf.clone(), format!("vf={VF}"), format!("vlan={vlan}")];
        let add = [&options(VLAN), more].concat();
        Contestant::floor(self.programs, &add, &options(0))
    }

    /// Everybody finds the VF on the host, under its index, down.
    fn ready(&self) {
        let (slot, _) = self.place;
        let flags = fs::read_to_string(format!("/sys/class/net/{}/flags", slot.device));
        let flags = flags.unwrap_or_else(|error| panic!("{} is not on the host: {error}", slot.device));
        assert_eq!(index(&slot.device), slot.index, "the VF has another index");
        let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).expect("flags");
        if flags & 1 == 1 {
            run(&["ip", "link", "set", &slot.device, "down"]);
        }
    }

    fn alternate(&self, contestants: &[Contestant], rounds: usize, ready: impl FnMut()) -> (Vec<Times>, usize) {
        alternate(contestants, self.place, rounds, ready)
    }

    fn bare(&self, measured: &mut Measured) {
        let contestants: Vec<Contestant> = [self.floor(&[])].into_iter().chain(self.plugins(&json!({}))).collect();
        let (times, _failed) = self.alternate(&contestants, self.effort.samples / 2, || self.ready());
        for (contestant, times) in contestants.iter().zip(&times) {
            let (add, del) = times.medians();
            measured.time(format!("vf_{}_add", contestant.name()), add);
            measured.time(format!("vf_{}_del", contestant.name()), del);
        }
        let [floor, ours, peers @ ..] = &times[..] else { return };
        let ((floor_add, floor_del), (add, del)) = (floor.medians(), ours.medians());
        measured.figure("vf_add_over_floor", ratio(add, floor_add));
        measured.figure("vf_del_over_floor", ratio(del, floor_del));
        for (peer_add, peer_del) in peers.iter().map(Times::medians) {
            measured.figure("sriov_cni_add_over_ours", ratio(peer_add, add));
            measured.figure("sriov_cni_del_over_ours", ratio(peer_del, del));
        }
    }

    fn ipam(&self, measured: &mut Measured) {
        if self.programs.find("host-local").is_none() {
            return measured.note("left out: sriov_cni_*_ipam_over_ours, for host-local is missing");
        }
        let store = self.place.1.join("ipam-node");
        self.programs.allow_stores_below(self.place.1);
        // sriov-cni does not look at the last word.
        let ipam = json!({"type": "host-local", "dataDir": store, "ranges": [[{"subnet": "10.96.0.0/16"}]], "inProcess": true});
        let contestants = self.plugins(&json!({"ipam": ipam}));
        let (times, _failed) = self.alternate(&contestants, self.effort.samples / 2, || self.ready());
        let [ours, peer] = &times[..] else { return };
        let ((add, del), (peer_add, peer_del)) = (ours.medians(), peer.medians());
        for (name, time) in [
            ("hardwire_add", add),
            ("hardwire_del", del),
            ("sriov-cni_add", peer_add),
            ("sriov-cni_del", peer_del),
        ] {
            measured.time(format!("vf_{name}_ipam"), time);
        }
        measured.figure("sriov_cni_add_ipam_over_ours", ratio(peer_add, add));
        measured.figure("sriov_cni_del_ipam_over_ours", ratio(peer_del, del));
    }

    /// With `mac`, on a VF that is up on the host and has no admin MAC. igb lets a VF that is down, or was given one before,
    /// take no other MAC until it resets, which sriov-cni waits for in vain.
    fn mac(&self, measured: &mut Measured) {
        // The VF takes the address that its PF has for it when it goes up.
        let floor = self.floor(&[format!("vf-mac={MAC}")]);
        let plugins = self.plugins(&json!({"mac": MAC, "runtimeConfig": {"mac": MAC}}));
        let contestants: Vec<Contestant> = [floor].into_iter().chain(plugins).collect();
        let reset = || {
            self.ready();
            let vf = VF.to_string();
            run(&[
                "ip",
                "link",
                "set",
                &self.igb.name,
                "vf",
                &vf,
                "mac",
                "00:00:00:00:00:00",
            ]);
            self.igb.vf_up(VF);
        };
        let (times, failed) = self.alternate(&contestants, self.effort.samples / 2, reset);
        if failed > 0 {
            measured.note(format!(
                "sriov_cni_add_mac_over_ours: {failed} calls failed; their rounds do not count"
            ));
        }
        let adds: Vec<Duration> = times.iter().map(|times| median(&times.add)).collect();
        let [floor, ours, peer] = adds[..] else { return };
        measured.time("vf_floor_add_mac", floor);
        measured.time("vf_hardwire_add_mac", ours);
        measured.time("vf_sriov-cni_add_mac", peer);
        measured.against("sriov_cni_add_mac_over_ours", peer, ours, floor);
    }
}
