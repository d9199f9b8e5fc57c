//! netdevsim: switchdev and back, and many VFs.

use hardwire_pci::netlink::Socket;
use hardwire_tests::daemon::Site;
use hardwire_tests::node::{Netdevsim, run};
use serde_json::{Value, json};

use super::node::said;

fn config(device: &Netdevsim, settings: &Value) -> Value {
    let mut entry = json!({"selectors": {"rootDevices": [format!("netdevsim{}", device.number)]}});
    entry
        .as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    json!({"pfs": [entry]})
}

fn mode(device: &Netdevsim) -> String {
    let shown = run(&[
        "devlink",
        "-j",
        "dev",
        "eswitch",
        "show",
        &format!("netdevsim/netdevsim{}", device.number),
    ]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let device = shown["dev"].as_object().unwrap().values().next().unwrap();
    device["mode"].as_str().unwrap().to_owned()
}

#[test]
fn a_switch_goes_to_switchdev_and_back_with_its_vfs() {
    let (device, site) = (Netdevsim::legacy(0), Site::new());
    let apply = |settings: &Value| said(&site, &["apply"], &config(&device, settings));
    let (status, text) =
        apply(&json!({"numVfs": 2, "eswitchMode": "switchdev", "vfs": [{"indices": "0-1", "trust": true, "vlan": 5}]}));
    assert_eq!((status, mode(&device)), (0, "switchdev".to_owned()), "{text}");
    assert!(device.netdev("pf0vf1").is_some());
    assert_eq!(device.vf(1)["trust"], true);
    // Another count keeps the mode, which the driver lets go with the last VF.
    let (status, text) = apply(&json!({"numVfs": 3}));
    assert_eq!((status, mode(&device)), (0, "switchdev".to_owned()), "{text}");
    let (status, text) = apply(&json!({"numVfs": 3, "eswitchMode": "legacy"}));
    assert_eq!((status, mode(&device)), (0, "legacy".to_owned()), "{text}");
    assert!(
        apply(&json!({"numVfs": 3, "eswitchMode": "legacy"}))
            .1
            .contains("nothing to do")
    );
}

#[test]
fn sixty_four_and_a_thousand_vfs_are_made_and_set() {
    for count in [64_u32, 1024] {
        let (device, site) = (Netdevsim::legacy(count), Site::new());
        std::fs::write(
            format!("/sys/bus/netdevsim/devices/netdevsim{}/sriov_numvfs", device.number),
            "0",
        )
        .unwrap();
        let settings = json!({"numVfs": count, "vfs": [{"indices": format!("0-{}", count - 1), "spoofchk": true}]});
        let (status, text) = said(&site, &["apply"], &config(&device, &settings));
        assert_eq!(status, 0, "{count}: {text}");
        // iproute2 shows no more VFs than the 16 bits of the list's length count.
        let mut socket = Socket::open().unwrap();
        let pf = socket.link_by_name(&device.pf()).unwrap().unwrap();
        let last = socket.vf(pf.index, count - 1).unwrap().unwrap();
        assert_eq!(last.spoofchk, Some(true));
        let (status, again) = said(&site, &["apply"], &config(&device, &settings));
        assert!(status == 0 && again.contains("nothing to do"), "{again}");
    }
}
