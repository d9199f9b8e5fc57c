//! From a bare NIC to VFs as configured.

use std::process::Stdio;

use hardwire_tests::daemon::Site;
use hardwire_tests::node::host_link;
use serde_json::{Value, json};

use super::node::{Card, command, said};

#[test]
fn a_bare_card_becomes_what_is_configured_in_one_apply_and_the_second_writes_nothing() {
    let (card, site) = (Card::bare(), Site::new());
    let config = card.config("verify", 7);
    let (status, plan) = said(&site, &["plan"], &config);
    assert_eq!((status, card.count()), (1, 0), "a plan changes nothing: {plan}");
    for line in [
        "0 of 7 VFs",
        "make 7 VFs",
        "VFs 0-3: trust on",
        "VFs 4-6: bind to vfio-pci",
        "VFs 0-3: MTU 1600",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    let (status, done) = said(&site, &["apply"], &config);
    assert_eq!(status, 0, "{done}");
    assert_eq!(card.count(), 7);
    for vf in 0..7 {
        let driver = if vf < 4 { "igbvf" } else { "vfio-pci" };
        assert_eq!(card.driver(vf), driver, "VF {vf}");
        assert_eq!(card.igb.vf(vf)["trust"], vf < 4, "VF {vf}");
        if vf < 4 {
            assert_eq!(host_link(&card.igb.vf_netdev(vf).unwrap())["mtu"], 1600);
        }
    }
    assert_eq!(host_link(&card.igb.interface().unwrap())["mtu"], 2000);
    let before = card.state();
    let (status, again) = said(&site, &["apply"], &config);
    assert_eq!((status, again.contains("nothing to do")), (0, true), "{again}");
    assert_eq!(card.state(), before);
    let (status, plan) = said(&site, &["plan", "--json"], &config);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!((status, &plan["outlook"]), (0, &json!("nothing")), "{plan:#}");
}

#[test]
fn an_entry_that_is_gone_has_its_vfs_removed_and_nothing_of_others() {
    let (card, site) = (Card::bare(), Site::new());
    assert_eq!(said(&site, &["apply"], &card.config("verify", 2)).0, 2, "VFs 0-3 of 2");
    let two = json!({"pfs": [{"selectors": {"rootDevices": [card.igb.address]}, "numVfs": 2, "mtu": 2000}]});
    let (status, done) = said(&site, &["apply"], &two);
    assert_eq!((status, card.count()), (0, 2), "{done}");
    let nothing = json!({"pfs": []});
    let (status, plan) = said(&site, &["plan"], &nothing);
    assert!(status == 1 && plan.contains("remove its 2 VFs"), "{plan}");
    assert_eq!(said(&site, &["apply"], &nothing).0, 0);
    assert_eq!(
        (card.count(), host_link(&card.igb.interface().unwrap())["mtu"].clone()),
        (0, json!(1500))
    );
    // What it never made it does not remove.
    card.igb.renew();
    let (status, plan) = said(&site, &["apply"], &nothing);
    assert_eq!((status, card.count()), (0, 7), "{plan}");
}

#[test]
fn an_apply_that_is_killed_again_and_again_comes_to_the_same_end() {
    let (card, site) = (Card::bare(), Site::new());
    let config = site.config(&card.config("verify", 7));
    // By force, for it is this test that removes the VFs each time.
    let words = ["apply", "--force", &card.igb.address];
    // Each time a little later, so that it is killed at each of its steps at some time.
    for later in 0..12_u32 {
        card.igb.without_vfs();
        let mut apply = command(&site, &words, Some(&config))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(u64::from(later) * 150));
        apply.kill().unwrap();
        apply.wait().unwrap();
    }
    // Interfaces of VFs that were being made appear when their driver is done with them.
    let mut last = String::new();
    for _ in 0..50 {
        let output = command(&site, &words, Some(&config)).output().unwrap();
        last = super::node::text(&output);
        if output.status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let made = card.made();
    assert_eq!(made.len(), 7, "{last}");
    for (vf, line) in made.iter().enumerate() {
        let expected = if vf < 4 {
            "igbvf Some(\"1600\\n\") true (null)"
        } else {
            "vfio-pci None false (null)"
        };
        assert_eq!(line, expected, "VF {vf}: {last}");
    }
}
