//! After a reboot there is no record: DEL releases the address by its configuration, and touches no device.

use std::fs;

use hardwire_tests::node::run;

use super::{NETWORK, Stage, VF, seen};

#[test]
fn a_del_after_a_reboot_releases_the_address_and_touches_no_device() {
    for named in [true, false] {
        let mut stage = Stage::new("boot");
        let del = stage.add();
        stage.end_namespace();
        // A reboot leaves IPAM's store, on disk, and nothing of the journal; the VFs are made anew.
        fs::remove_dir_all(stage.plugin.state()).expect("the state directory");
        stage.igb.renew();
        stage.igb.wait_for_vf(VF);
        // What the node set since then is the node's.
        let vf = VF.to_string();
        run(&[
            "ip",
            "link",
            "set",
            &stage.igb.name,
            "vf",
            &vf,
            "vlan",
            "77",
            "spoofchk",
            "off",
        ]);
        let name = stage.igb.vf_netdev(VF).expect("the VF is on the host");
        run(&["ip", "link", "set", &name, "mtu", "1450", "up"]);
        let before = seen(&stage.igb);
        assert_eq!(stage.plugin.reservations(NETWORK).len(), 1);
        let del = if named { del } else { del.unset("CNI_NETNS") };
        for _ in 0..2 {
            del.run().silence();
            stage.released();
            assert_eq!(seen(&stage.igb), before);
        }
        stage.serves_the_next();
    }
}

/// The same where the journal alone was lost: the device is as the attachment left it, and stays so.
#[test]
fn a_del_without_a_record_touches_not_even_its_own_device() {
    let mut stage = Stage::new("lost");
    let del = stage.add();
    stage.end_namespace();
    fs::remove_dir_all(stage.plugin.state()).expect("the state directory");
    let before = seen(&stage.igb);
    assert_eq!(stage.igb.vf(VF)["vlan_list"][0]["vlan"], 60);
    del.run().silence();
    stage.released();
    assert_eq!(seen(&stage.igb), before);
    stage.serves_the_next();
}
