//! The daemon: it tells, or it makes VFs before their pools are offered.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hardwire_proto::deviceplugin::Device;
use hardwire_tests::daemon::Site;
use hardwire_tests::kubelet::Kubelet;

use super::node::{Card, told};

const SOON: Duration = Duration::from_secs(90);

fn sys() -> &'static Path {
    Path::new("/sys")
}

#[test]
fn with_apply_the_vfs_are_made_and_both_pools_offer_them() {
    let (card, site) = (Card::bare(), Site::new());
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&card.config("apply", 7), sys());
    for (resource, count) in [("intel.com/net", 4), ("intel.com/dpdk", 3)] {
        let right =
            |devices: &[Device]| devices.len() == count && devices.iter().all(|device| device.health == "Healthy");
        kubelet.wait_for_devices(resource, right, SOON).unwrap();
    }
    assert_eq!(card.count(), 7);
    let (status, text) = told(&site, &["apply"]);
    assert_eq!((status, text.contains("nothing to do")), (0, true), "{text}");
}

#[test]
fn verify_tells_and_makes_nothing_until_it_is_asked() {
    let (card, site) = (Card::bare(), Site::new());
    let _kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let mut daemon = site.start(&card.config("verify", 7), sys());
    daemon.wait_for_log("numVfs is 0, and 7 wanted", SOON);
    assert_eq!(card.count(), 0);
    let shown = site.output(&["devices"], sys());
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("numVfs is 0, and 7 wanted"), "{shown}");
    let (status, text) = told(&site, &["apply"]);
    assert_eq!((status, card.count()), (0, 7), "{text}");
}

#[test]
fn a_pf_whose_driver_was_bound_anew_gets_its_vfs_again() {
    let (card, site) = (Card::bare(), Site::new());
    let kubelet = Kubelet::start(&site.kubelet_dir()).unwrap();
    let _daemon = site.start(&card.config("apply", 7), sys());
    let all = |devices: &[Device]| devices.len() == 4 && devices.iter().all(|device| device.health == "Healthy");
    kubelet.wait_for_devices("intel.com/net", all, SOON).unwrap();
    let driver = "/sys/bus/pci/drivers/igb";
    fs::write(format!("{driver}/unbind"), &card.igb.address).unwrap();
    kubelet
        .wait_for_devices(
            "intel.com/net",
            |devices| devices.iter().all(|device| device.health != "Healthy"),
            SOON,
        )
        .unwrap();
    fs::write(format!("{driver}/bind"), &card.igb.address).unwrap();
    kubelet.wait_for_devices("intel.com/net", all, SOON).unwrap();
    assert_eq!(card.count(), 7);
}
