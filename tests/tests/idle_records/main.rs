//! The idle records: what an ADD asks a PF, and what it sets, when the daemon knows how its free VFs are.
//!
//! The test plays the daemon: it writes the records, and listens. On the emulated igb, with each call under a trace that
//! counts its questions.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::expect_used, reason = "what a test stands on fails the test where it fails")]

mod admin_mac;
mod changed;
mod elsewhere;
mod left;
mod questions;

use std::fs;
use std::os::unix::net::UnixDatagram;

use hardwire_cni::baseline::{Baseline, BaselineStore, BaselineVf};
use hardwire_cni::boot_id;
use hardwire_cni::journal::InterfaceSettings;
use hardwire_cni::journal::OriginalLink;
use hardwire_cni::pf::AdminMac;
use hardwire_cni::report::SOCKET;
use hardwire_pci::DeviceId;
use hardwire_pci::netlink::Socket;
use hardwire_tests::node::{Igb, Pod, host_links, run};
use hardwire_tests::plugin::{Outcome, Plugin};
use hardwire_tests::trace::{Disturbance, Point, trace};
use serde_json::{Value, json};

const VF: u32 = 2;
const GENERATION: u64 = 5;

/// Fresh VFs, and a daemon that knows one of them.
struct Known {
    igb: Igb,
    plugin: Plugin,
    pod: Pod,
    records: BaselineStore,
    record: Baseline,
    /// The daemon's ear.
    socket: Option<UnixDatagram>,
    before: Seen,
}

/// What must be the same before and after.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    vf: Value,
    links: Vec<Value>,
}

/// A call, and what it asked and changed.
struct Watched {
    outcome: Outcome,
    points: Vec<Point>,
}

impl Known {
    fn new(name: &str) -> Self {
        let (igb, plugin) = (Igb::get(), Plugin::new());
        igb.tidy(VF);
        fs::create_dir_all(plugin.state()).expect("the state directory");
        let socket = UnixDatagram::bind(plugin.state().join(SOCKET)).expect("a socket");
        let (records, record) = (BaselineStore::at(&plugin.state()), record(&igb));
        records.put(&record).expect("a record");
        let known = Self {
            pod: Pod::new(name),
            before: seen(&igb),
            socket: Some(socket),
            igb,
            plugin,
            records,
            record,
        };
        known.in_force();
        known
    }

    fn pf(&self) -> DeviceId {
        self.igb.address.parse().expect("a PCI address")
    }

    fn in_force(&self) {
        self.records
            .set_generation(&self.pf(), GENERATION)
            .expect("a generation");
    }

    fn withdraw(&self) {
        self.records.withdraw(&self.pf()).expect("no generation");
    }

    /// Puts another record in the place of the true one.
    fn records(&self, change: impl FnOnce(&mut Baseline)) {
        let mut record = self.record.clone();
        change(&mut record);
        self.records.put(&record).expect("a record");
    }

    fn conf(&self, extra: &Value) -> Value {
        let mut conf = json!({"cniVersion": "1.1.0", "name": "net-a", "type": "hardwire",
                              "deviceID": self.igb.vf_address(VF)});
        for (key, value) in extra.as_object().expect("an object") {
            conf[key] = value.clone();
        }
        conf
    }

    fn call(&self, command: &str, extra: &Value) -> Watched {
        let call = self.plugin.request(command, &self.pod, &self.conf(extra));
        let traced = trace(&call, Disturbance::None, false);
        Watched {
            outcome: traced.outcome,
            points: traced.points,
        }
    }

    #[track_caller]
    fn add(&self, extra: &Value) -> Watched {
        let watched = self.call("ADD", extra);
        watched.outcome.success();
        watched
    }

    /// DEL, which asks the PF nothing, as nobody can have changed the VF since, and leaves all as it was.
    #[track_caller]
    fn del(&self, extra: &Value) -> Watched {
        self.del_asking(0, extra)
    }

    /// DEL, where it has to see what others may have changed since: it asks the PF once.
    #[track_caller]
    fn del_in_doubt(&self, extra: &Value) -> Watched {
        self.del_asking(1, extra)
    }

    #[track_caller]
    fn del_asking(&self, questions: usize, extra: &Value) -> Watched {
        let watched = self.call("DEL", extra);
        watched.outcome.silence();
        watched.asks(questions);
        assert!(self.plugin.state_files().is_empty());
        watched
    }

    /// Sets attributes of the free VF on its PF by hand.
    fn leave(&mut self, words: &[&str]) {
        let vf = VF.to_string();
        run(&[&["ip", "link", "set", &self.igb.name, "vf", &vf], words].concat());
        self.before = seen(&self.igb);
    }

    #[track_caller]
    fn unchanged(&self) {
        assert_eq!(seen(&self.igb), self.before);
    }

    fn vlan(&self) -> u64 {
        self.igb.vf(VF)["vlan_list"][0]["vlan"].as_u64().unwrap_or(0)
    }
}

impl Watched {
    /// Asserts that it asked for the VFs of a PF so many times, never for their statistics.
    #[track_caller]
    fn asks(&self, count: usize) {
        let questions = self.with("RTM_GETLINK (VFs");
        assert_eq!(questions.len(), count, "{:#?}", self.points);
        assert!(
            questions.iter().all(|what| what.ends_with("RTM_GETLINK (VFs)")),
            "{questions:?}"
        );
    }

    /// Asserts that it told a PF about a VF so many times.
    #[track_caller]
    fn tells(&self, count: usize) {
        assert_eq!(self.with("RTM_SETLINK (a VF)").len(), count, "{:#?}", self.points);
    }

    fn with(&self, part: &str) -> Vec<&str> {
        let names = self.points.iter().map(|point| point.what.as_str());
        names.filter(|what| what.contains(part)).collect()
    }
}

fn seen(igb: &Igb) -> Seen {
    Seen {
        vf: igb.vf(VF),
        links: host_links(),
    }
}

/// What a daemon writes of the VF as it is now.
fn record(igb: &Igb) -> Baseline {
    let mut socket = Socket::open().expect("a socket");
    let mut link = |name: &str| socket.link_by_name(name).expect("an answer").expect("a link");
    let (pf, vf) = (
        link(&igb.name),
        link(&igb.vf_netdev(VF).expect("the VF is on the host")),
    );
    Baseline {
        version: Baseline::VERSION,
        device: igb.vf_address(VF).parse().expect("a PCI address"),
        instance: None,
        boot: boot_id().expect("a boot id"),
        driver: Some("igbvf".to_owned()),
        link: Some(OriginalLink {
            name: vf.name.parse().expect("a name"),
            index: vf.index,
            altnames: vf.altnames.clone(),
            mac: vf.mac(),
            mtu: vf.mtu,
            alias: vf.alias.clone(),
            flags: vf.flags.0,
            settings: InterfaceSettings::from(&vf),
            hardware: hardwire_cni::journal::Hardware::default(),
        }),
        vf: Some(BaselineVf {
            pf: igb.address.parse().expect("a PCI address"),
            pf_index: pf.index,
            generation: GENERATION,
            index: VF,
            state: socket.vf(pf.index, VF).expect("an answer").expect("the VF"),
            admin_mac: AdminMac::Unknown,
            admin_mac_at: None,
        }),
    }
}
