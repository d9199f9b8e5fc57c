//! An admin MAC that nobody had set is none after a pod that asked for one: an igb VF takes no other address while one is
//! set, and the PF shows the same either way.

use hardwire_cni::pf::AdminMac;
use hardwire_tests::node::{Pod, host_link, run, succeeds};
use serde_json::{Value, json};

use super::{Known, VF};

fn wanted() -> Value {
    json!({"mac": "02:00:00:00:0c:01"})
}

impl Known {
    /// What the daemon knows of the admin MAC.
    fn knows(&self, admin_mac: AdminMac) {
        self.records(|record| record.vf.as_mut().expect("a VF").admin_mac = admin_mac);
    }

    fn name(&self) -> String {
        self.igb.vf_netdev(VF).expect("the VF is on the host")
    }

    /// Whether the VF takes an address of its own, as a host does that uses it itself. It has its old one after.
    fn takes(&self, address: &str) -> bool {
        let name = self.name();
        let before = host_link(&name)["address"].as_str().expect("a MAC").to_owned();
        let set = |address: &str| succeeds(&["ip", "link", "set", &name, "address", address]);
        let taken = set(address);
        assert!(!taken || set(&before));
        taken
    }

    /// A VF without an admin MAC, whose driver has told the PF its address: as it is when it was just made.
    fn fresh(name: &str) -> Self {
        let mut known = Self::new(name);
        known.leave(&["mac", "00:00:00:00:00:00"]);
        // The kernel passes on what is another address than before.
        assert!(known.takes("02:00:00:00:0c:0c"));
        known.before = super::seen(&known.igb);
        known.record = super::record(&known.igb);
        known.knows(AdminMac::Unknown);
        assert_eq!(known.before.vf["address"], host_link(&known.name())["address"]);
        known
    }
}

#[test]
fn rule_3_an_admin_mac_that_was_none_is_none_after_a_pod_with_one() {
    let known = Known::fresh("none");
    assert!(known.takes("02:00:00:00:0c:0a"), "before");
    known.knows(AdminMac::Unset);
    for _ in 0..2 {
        known.add(&wanted()).asks(0);
        assert_eq!(known.igb.vf(VF)["address"], "02:00:00:00:0c:01");
        known.del(&wanted());
        known.unchanged();
        assert!(known.takes("02:00:00:00:0c:0b"), "after");
        known.unchanged();
    }
}

#[test]
fn an_admin_mac_that_was_none_is_none_after_an_add_that_failed() {
    let known = Known::fresh("failed");
    known.knows(AdminMac::Unset);
    for more in [json!({"link_state": "enable"}), json!({"ipam": {"type": "nosuch"}})] {
        let mut wanted = wanted();
        for (key, value) in more.as_object().expect("an object") {
            wanted[key] = value.clone();
        }
        known.call("ADD", &wanted).outcome.error();
        known.unchanged();
        assert!(known.takes("02:00:00:00:0c:0b"), "{wanted}");
    }
}

#[test]
fn an_admin_mac_that_was_none_is_none_after_the_namespace_ended() {
    let mut known = Known::fresh("ended");
    known.knows(AdminMac::Unset);
    known.add(&wanted());
    let del = known.plugin.request("DEL", &known.pod, &known.conf(&wanted()));
    known.pod = Pod::new("after");
    known.igb.wait_for_vf(VF);
    del.run().silence();
    known.unchanged();
    assert!(known.takes("02:00:00:00:0c:0b"));
}

#[test]
fn an_admin_mac_that_an_operator_set_is_set_again_and_so_is_one_in_doubt() {
    for (known_as, in_force) in [
        (AdminMac::Set, true),
        (AdminMac::Unknown, true),
        (AdminMac::Unset, false),
    ] {
        println!("{known_as:?}");
        let mut known = Known::fresh("operator");
        let own = host_link(&known.name())["address"].as_str().expect("a MAC").to_owned();
        // The same address as the VF has: the PF shows nothing of it.
        known.leave(&["mac", &own]);
        assert!(!known.takes("02:00:00:00:0c:0a"), "before");
        known.knows(known_as);
        if !in_force {
            known.withdraw();
        }
        known.add(&wanted());
        assert_eq!(known.igb.vf(VF)["address"], "02:00:00:00:0c:01");
        known.del_asking(usize::from(!in_force), &wanted());
        known.unchanged();
        assert!(!known.takes("02:00:00:00:0c:0b"), "{known_as:?}");
        run(&[
            "ip",
            "link",
            "set",
            &known.igb.name,
            "vf",
            &VF.to_string(),
            "mac",
            "00:00:00:00:00:00",
        ]);
    }
}
